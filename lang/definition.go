package lang

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/internal/readlog"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A Definition is a module as written: its blocks by kind. Nothing in it is
// evaluated, and it is not changed after [Load].
type Definition struct {
	// Module is the text.
	Module *syntax.Module
	// Settings are the sysc blocks, and Caches what they say about caches.
	Settings []*syntax.Block
	Caches   CacheSettings
	// Inputs, Variables and Derivations have one label, no two the same.
	Inputs, Variables, Derivations []*syntax.Block
	// Outputs and Functions have one label, no two the same. Functions are right but
	// for what only a call shows.
	Outputs, Functions []*syntax.Block
	// Environments have one label, no two the same.
	Environments []*syntax.Block
	// Uses are the module blocks, no two of the same name.
	Uses []*Use
	// Locals are the attributes of all locals blocks, no two of the same name.
	Locals []*syntax.Attr
	// Options, Configs, Systems and Homes are for package modules. The labels of
	// options, systems and homes have been checked, nothing else.
	Options, Configs, Systems, Homes []*syntax.Block
	// Tests are the test blocks; [Tests] reads them. Their labels have been checked.
	Tests []*syntax.Block
	// Asserts are the assertions at the top of files; [CheckAssert] found them right.
	Asserts []*syntax.Block
}

// Load reads the module in a directory and checks which blocks it has. texts, by
// file name, take the place of files, which need not exist; nil for none. version
// is that of this program, "" when it is not to be compared with what the module
// requires.
//
// The definition is nil when there is nothing that could be worked with. A module
// that requires another version of sysc is one error, whatever else is wrong with
// it. What is read is noted in reads, which may be nil.
func Load(reads *readlog.Log, dir string, texts map[string][]byte, version string) (*Definition, diag.List) {
	m, diags := syntax.LoadAs(reads, dir, "", texts)
	return defineLoaded(dir, m, diags, version)
}

// LoadAs is [Load] with a path in front of the file names in ranges, and of texts.
func LoadAs(reads *readlog.Log, dir, prefix string, texts map[string][]byte, version string) (*Definition, diag.List) {
	m, diags := syntax.LoadAs(reads, dir, prefix, texts)
	return defineLoaded(cmp.Or(prefix, dir), m, diags, version)
}

func defineLoaded(dir string, m *syntax.Module, diags diag.List, version string) (*Definition, diag.List) {
	if len(m.Files) == 0 && !diags.HasErrors() {
		return nil, diag.Errorf(diag.Range{}, "No definition here",
			"The directory %q has no file whose name ends in %s or %s.", dir, syntax.Extension, syntax.JSONExtension)
	}
	return define(m, diags, version)
}

// Parse is [Load] for texts by file name. Files that expressions read are looked
// for in dir, "" for none.
func Parse(dir string, files map[string][]byte, version string) (*Definition, diag.List) {
	m, diags := syntax.Parse(dir, files)
	return define(m, diags, version)
}

// Define is [Load] for a module that has been read.
func Define(m *syntax.Module, version string) (*Definition, diag.List) {
	return define(m, nil, version)
}

func define(m *syntax.Module, diags diag.List, version string) (*Definition, diag.List) {
	if tooOld := checkRequired(m, version); tooOld.HasErrors() {
		return nil, tooOld
	}
	// What is left of a text that cannot be parsed says little; others are checked.
	broken := map[string]bool{}
	for _, wrong := range diags.Errors() {
		if wrong.Subject != nil {
			broken[wrong.Subject.Filename] = true
		}
	}
	d := &Definition{Module: m}
	for _, b := range m.Blocks {
		if !broken[b.Range.Filename] {
			diags = append(diags, d.add(b)...)
		}
	}
	for _, a := range m.Attrs {
		if broken[a.NameRange.Filename] {
			continue
		}
		if label, isBlock := labelsOf()[a.Name]; isBlock {
			diags = append(diags, diag.Errorf(a.NameRange, "Argument where a block belongs",
				"%q is a block, not an argument: write\n\n  %[1]s%s {", a.Name, label)...)
			continue
		}
		diags = append(diags, diag.Errorf(a.NameRange, "Unexpected argument",
			"An argument named %q is not expected at the top of a file. Values that have a name belong into a locals block:\n\n  locals {\n    %s = …\n  }", a.Name, a.Name)...)
	}
	diags = append(diags, duplicates(d.Inputs, d.Variables, d.Derivations, d.Systems, d.Homes, d.Outputs, d.Functions, d.Environments, useBlocks(d.Uses))...)
	diags = append(diags, duplicateLocals(d.Locals)...)
	diags = append(diags, d.checkFunctions()...)
	diags = append(diags, d.caches()...)
	if diags.HasErrors() {
		return nil, diags
	}
	return d, diags
}

// add sorts one top-level block in.
func (d *Definition) add(b *syntax.Block) diag.List {
	name := func(list *[]*syntax.Block) diag.List {
		diags := b.CheckLabels("name")
		if !diags.HasErrors() {
			diags = append(diags, checkIdentifier(b)...)
		}
		if !diags.HasErrors() {
			*list = append(*list, b)
		}
		return diags
	}
	switch b.Type {
	case "sysc":
		d.Settings = append(d.Settings, b)
		return append(b.CheckLabels(), b.Body.Check("a sysc block", settingsSchema)...)
	case "input":
		return name(&d.Inputs)
	case "variable":
		return name(&d.Variables)
	case "output":
		return name(&d.Outputs)
	case "module":
		var blocks []*syntax.Block
		diags := name(&blocks)
		if !diags.HasErrors() {
			u, more := newUse(b)
			diags = append(diags, more...)
			d.Uses = append(d.Uses, u)
		}
		return diags
	case "function":
		diags := name(&d.Functions)
		if !diags.HasErrors() {
			diags = append(diags, checkFunction(b)...)
		}
		return diags
	case "derivation":
		return name(&d.Derivations)
	case "environment":
		return name(&d.Environments)
	case "system":
		return name(&d.Systems)
	case "home":
		return name(&d.Homes)
	case "locals":
		diags := append(b.CheckLabels(), checkLocals(b.Body)...)
		d.Locals = append(d.Locals, b.Body.Attrs...)
		return diags
	case "option":
		d.Options = append(d.Options, b)
		return b.CheckLabels("path")
	case "config":
		d.Configs = append(d.Configs, b)
		return b.CheckLabels()
	case "test":
		diags := b.CheckLabels("name")
		if !diags.HasErrors() {
			d.Tests = append(d.Tests, b)
		}
		return diags
	case "assert":
		d.Asserts = append(d.Asserts, b)
		return CheckAssert(b)
	}
	return unknownBlock(b)
}

// elsewhere is how sysc says what other languages of this family do.
var elsewhere = map[string]string{
	"check":         "Use an assert block with condition and error_message.",
	"precondition":  "Use an assert block with condition and error_message.",
	"postcondition": "Use an assert block with condition and error_message.",
	"lifecycle":     "Checks are assert blocks; what depends on what is seen from references.",
	"terraform":     "Settings of the definition, such as required_version, stand in a sysc block.",
	"secret":        "A secret belongs to a system: the block stands in a system or config block.",
	"data":          "What is pinned from outside is an input block, or a function such as fetchurl.",
	"provider":      "What is pinned from outside is an input block.",
	"resource":      "A build is a derivation block; what a machine has is set in a system or config block.",
	"variables":     "Each variable has a block of its own: variable \"NAME\" {",
	"outputs":       "Each output has a block of its own: output \"NAME\" {",
}

// labelsOf are the types of blocks that stand at the top of a file, with their
// labels.
func labelsOf() map[string]string {
	return map[string]string{
		"sysc": "", "locals": "", "config": "", "assert": "", "option": ` "PATH"`,
		"input": ` "NAME"`, "module": ` "NAME"`, "variable": ` "NAME"`, "output": ` "NAME"`, "function": ` "NAME"`,
		"derivation": ` "NAME"`, "environment": ` "NAME"`, "system": ` "NAME"`, "home": ` "NAME"`, "test": ` "NAME"`,
	}
}

func unknownBlock(b *syntax.Block) diag.List {
	known := slices.Collect(maps.Keys(labelsOf()))
	detail := fmt.Sprintf("Blocks of type %q are not expected at the top of a file.", b.Type)
	if hint, ok := elsewhere[b.Type]; ok {
		detail += " " + hint
	} else if near := diag.DidYouMean(b.Type, known); near != "" {
		detail += near
	} else {
		detail += " Options of a system are set in a system or config block."
	}
	return diag.List{diag.New(diag.Error, b.TypeRange, "Unsupported block type", "%s", detail)}
}

// checkIdentifier demands a label that can stand in expressions.
func checkIdentifier(b *syntax.Block) diag.List {
	label := b.Labels[0]
	if hclsyntax.ValidIdentifier(label) {
		return nil
	}
	if b.Type == "derivation" || b.Type == "system" || b.Type == "home" {
		// derivation.m["g++"] works as well.
		if diags := checkObjectName(label, b.LabelRanges[0]); !diags.HasErrors() {
			return nil
		}
	}
	return diag.Errorf(b.LabelRanges[0], "Invalid name",
		"%q cannot be the name of %s: a name begins with a letter and has letters, digits, _ and - only.", label, diag.WithArticle(b.Type))
}

// duplicates reports blocks of one type and label.
func duplicates(lists ...[]*syntax.Block) diag.List {
	var diags diag.List
	for _, list := range lists {
		first := map[string]*syntax.Block{}
		for _, b := range list {
			before, dup := first[b.Labels[0]]
			if !dup {
				first[b.Labels[0]] = b
				continue
			}
			diags = append(diags, diag.Errorf(b.Range, "Duplicate "+b.Type,
				"There is %s already, at %s. Each must have a name of its own.", diag.WithArticle(b.Header()), before.Range)...)
		}
	}
	return diags
}

func duplicateLocals(locals []*syntax.Attr) diag.List {
	var diags diag.List
	first := map[string]*syntax.Attr{}
	for _, a := range locals {
		if before, dup := first[a.Name]; dup {
			diags = append(diags, diag.Errorf(a.NameRange, "Duplicate local value",
				"There is a local value named %q already, at %s. Each must have a name of its own.", a.Name, before.NameRange)...)
			continue
		}
		first[a.Name] = a
	}
	return diags
}

func checkLocals(b *syntax.Body) diag.List {
	var diags diag.List
	for _, blk := range b.Blocks {
		diags = append(diags, diag.Errorf(blk.TypeRange, "Unsupported block type",
			"A locals block has arguments only: write\n\n  %s = {", blk.Type)...)
	}
	return diags
}
