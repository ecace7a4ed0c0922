package lang

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// An Input is an input block with its arguments evaluated. They are static:
// variables, local values and functions, but nothing that is built or locked.
type Input struct {
	Name string
	// Type is "debian" and the like.
	Type string
	// Settings are the arguments but type, as plain values. One that is null is left
	// out.
	Settings map[string]cty.Value
	// Ranges are where the arguments' values stand, type included.
	Ranges map[string]diag.Range
	// Block is the text.
	Block *syntax.Block
}

// input evaluates one block.
func (m *Module) input(b *syntax.Block) (*Input, diag.List) {
	in := &Input{Name: b.Labels[0], Block: b, Settings: map[string]cty.Value{}, Ranges: map[string]diag.Range{}}
	var diags diag.List
	for _, blk := range b.Body.Blocks {
		diags = append(diags, noBlocks(blk)...)
	}
	if b.Body.Attr("type") == nil {
		diags = append(diags, diag.Errorf(b.Body.End, "Missing required argument",
			"The argument \"type\" is required in an input, as in\n\n  type = \"debian\"")...)
	}
	for _, a := range b.Body.Attrs {
		v, more := m.static(a.Expr, "The arguments of an input")
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		in.Ranges[a.Name] = a.Expr.Range()
		switch {
		case a.Name == "type" && (v.IsNull() || v.Type() != cty.String):
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Incorrect type", "The type of an input is a text, as \"debian\".")...)
		case a.Name == "type":
			in.Type = v.AsString()
		case !v.IsNull():
			in.Settings[a.Name] = v
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return in, diags
}

// sourceTypes are the types that [IsSourceType] knows.
var sourceTypes = []string{"git", "archive", "file"}

// IsSourceType reports whether inputs of a type are files, and nothing that a root can
// be made of.
func IsSourceType(kind string) bool { return slices.Contains(sourceTypes, kind) }

// Bases returns the names of the inputs that a root can be made of, in the order of
// the text. What is wrong with an input is told where it is used.
func (m *Module) Bases() []string {
	var out []string
	for _, b := range m.Definition.Inputs {
		in, _ := m.Input(b.Labels[0], diag.Range{})
		if in == nil || !IsSourceType(in.Type) {
			out = append(out, b.Labels[0])
		}
	}
	return out
}

// CheckBase reports what is wrong with an input that is named as a base.
func (m *Module) CheckBase(ref syntax.Reference) diag.List {
	in, diags := m.Input(ref.Path[0].Name, ref.Range)
	if in != nil && IsSourceType(in.Type) {
		diags = append(diags, diag.Errorf(ref.Range, "Wrong base",
			"Input %q is of type %q: files, and not a root. A base is an input of type \"debian\" or \"oci\".", in.Name, in.Type)...)
	}
	return diags
}

// noBlocks says what is written in an input in place of a block.
func noBlocks(b *syntax.Block) diag.List {
	name, detail := b.Type, "An input has arguments only."
	if b.Type == "dynamic" {
		name, detail = "suites", "A dynamic block makes blocks, and an input has arguments only, in which a for expression does the same."
		if len(b.Labels) > 0 {
			name = b.Labels[0]
		}
		return diag.Errorf(b.TypeRange, "Unsupported block type", "%s Write\n\n  %s = [for x in … : x]", detail, name)
	}
	return diag.Errorf(b.TypeRange, "Unsupported block type", "%s Write\n\n  %s = …", detail, name)
}

// static evaluates an expression that must be known before anything is locked or
// built, and returns a plain value. what names the
// place at the begin of a message, as in "The arguments of an input".
func (m *Module) static(x *syntax.Expr, what string) (cty.Value, diag.List) {
	for _, ref := range x.References() {
		switch ref.Root {
		case "derivation", "environment", "input", "pkg":
			return cty.DynamicVal, diag.Errorf(ref.Range, "Static value required",
				"%s must be known before anything is locked or built, from variables and local values, but not from %s.", what, ref)
		}
	}
	v, diags := eval.Evaluate(x, m.scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	plain, marks := eval.Plain(v)
	switch {
	case len(marks.Paths) > 0:
		return cty.DynamicVal, append(diags, diag.Errorf(x.Range(), "Static value required",
			"%s must be known before anything is locked or built, and this has the path of %s in it.", what, marks.Paths[0].Of)...)
	case marks.Sensitive:
		return cty.DynamicVal, append(diags, diag.Errorf(x.Range(), "Sensitive value",
			"%s can be read by everybody, in the lock file for one, which is no place for a value marked sensitive.", what)...)
	}
	return plain, diags
}

// input answers input.NAME.attribute.
func (n *names) input(ref syntax.Reference) (cty.Value, int, diag.List) {
	name := ref.Path[0].Name
	if _, ok := n.m.inputs[name]; !ok {
		_, diags := n.m.Input(name, ref.Range)
		return cty.DynamicVal, 1, diags
	}
	if n.m.opts.Host == nil {
		return cty.DynamicVal, 1, diag.Errorf(ref.Range, "Input not available", "What input.%s was resolved to is not known here.", name)
	}
	v, diags := n.m.opts.Host.Input(name, ref.Range)
	return v, 1, diags
}

// pkg answers pkg.INPUT.NAME with the text "INPUT:NAME", as which a package may
// be written as well.
func (n *names) pkg(ref syntax.Reference) (cty.Value, int, diag.List) {
	in := ref.Path[0].Name
	if _, ok := n.m.inputs[in]; !ok {
		return cty.DynamicVal, len(ref.Path), missing(n.m.opts.Session, "input", in, ref.Range, n.m.inputs, "A package is written pkg.INPUT.NAME.")
	}
	if len(ref.Path) < 2 {
		return cty.DynamicVal, len(ref.Path), diag.Errorf(ref.Range, "Incomplete reference",
			"A package is written pkg.%s.NAME, or pkg.%s[\"NAME\"] when the name has a character like +.", in, in)
	}
	return cty.StringVal(fmt.Sprintf("%s:%s", in, ref.Path[1].Name)), 2, nil
}
