package lang

import (
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A Test is a test block as written.
type Test struct {
	// Name is its label, any text.
	Name string
	// Block is all of it.
	Block *syntax.Block
	// Variables are the values that it gives to variables.
	Variables []*syntax.Attr
	// System is the name of the system that its names are about, "" for the only one
	// there is; SystemRange is where it stands.
	System      string
	SystemRange diag.Range
	// Failures are the things that are expected to be wrong, as var.port.
	Failures []syntax.Reference
	// Builds are what is built for it, by the name that its conditions have for it.
	Builds []TestBuild
	// Asserts are its assert blocks.
	Asserts []*syntax.Block
	// Machines are what is started for it, and Steps what is done with them, in order.
	Machines []TestMachine
	Steps    []TestStep
}

// A TestBuild is a build block of a test.
type TestBuild struct {
	Name   string
	Range  diag.Range
	Target *syntax.Expr
}

var testSchema = syntax.Schema{
	Attrs: []syntax.AttrSchema{{Name: "system"}, {Name: "expect_failures"}},
	Blocks: []syntax.BlockSchema{
		{Type: "variables", Once: true}, {Type: "assert"}, {Type: "build", Labels: []string{"name"}, Once: true},
		{Type: "machine", Labels: []string{"name"}, Once: true}, {Type: "step", Labels: []string{"name"}},
	},
}

// Tests returns the tests of a module and those of the files for tests beside it,
// in the order of the text, the module's first; and the texts of these files. texts
// take the place of files, as for [Load].
func Tests(def *Definition, texts map[string][]byte) ([]Test, map[string][]byte, diag.List) {
	m, diags := syntax.LoadTests(def.Module.Dir, texts)
	blocks := append([]*syntax.Block(nil), def.Tests...)
	for _, a := range m.Attrs {
		diags = append(diags, diag.Errorf(a.NameRange, "Unexpected argument", "A file for tests has test blocks only.")...)
	}
	for _, b := range m.Blocks {
		if b.Type != "test" {
			diags = append(diags, diag.Errorf(b.TypeRange, "Unsupported block type",
				"A file for tests has test blocks only. A %s block belongs into a file whose name ends in %s.", b.Type, syntax.Extension)...)
			continue
		}
		if more := b.CheckLabels("name"); more.HasErrors() {
			diags = append(diags, more...)
			continue
		}
		blocks = append(blocks, b)
	}
	diags = append(diags, duplicates(blocks)...)
	var tests []Test
	for _, b := range blocks {
		t, more := readTest(b)
		diags = append(diags, more...)
		tests = append(tests, t)
	}
	return tests, m.Files, diags
}

func readTest(b *syntax.Block) (Test, diag.List) {
	t := Test{Name: b.Labels[0], Block: b}
	var diags diag.List
	if strings.TrimSpace(t.Name) == "" || strings.ContainsAny(t.Name, "\n\r") {
		diags = append(diags, diag.Errorf(b.LabelRanges[0], "Invalid name", "The name of a test is a line of text that says what it shows.")...)
	}
	for _, sub := range b.Body.Blocks {
		diags = append(diags, t.part(sub)...)
	}
	// Steps name machines, wherever these stand.
	for _, sub := range b.Body.Blocks {
		if sub.Type == "step" && len(sub.Labels) == 1 {
			s, more := readStep(sub, t.Machines)
			diags = append(diags, more...)
			t.Steps = append(t.Steps, s)
		}
	}
	diags = append(diags, b.Body.Check("a test", testSchema)...)
	diags = append(diags, t.arguments(b.Body)...)
	if !diags.HasErrors() {
		diags = append(diags, t.checkParts()...)
	}
	return t, diags
}

// part reads a block of the test that is no step.
func (t *Test) part(b *syntax.Block) diag.List {
	var diags diag.List
	switch b.Type {
	case "variables":
		t.Variables = b.Body.Attrs
		for _, inner := range b.Body.Blocks {
			diags = append(diags, diag.Errorf(inner.TypeRange, "Unsupported block type", "Variables are arguments: %s = …", inner.Type)...)
		}
	case "assert":
		diags = CheckAssert(b)
		t.Asserts = append(t.Asserts, b)
	case "build":
		diags = b.Body.Check("a build block", syntax.Schema{Attrs: []syntax.AttrSchema{{Name: "target", Required: true}}})
		if a := b.Body.Attr("target"); a != nil && len(b.Labels) == 1 {
			t.Builds = append(t.Builds, TestBuild{Name: b.Labels[0], Range: b.Range, Target: a.Expr})
		}
	case "machine":
		if len(b.Labels) == 1 {
			var m TestMachine
			m, diags = readMachine(b)
			t.Machines = append(t.Machines, m)
		}
	}
	return diags
}

// checkParts reports what does not go together.
func (t *Test) checkParts() diag.List {
	switch {
	case len(t.Asserts) == 0 && len(t.Failures) == 0 && len(t.Steps) == 0:
		return diag.Errorf(t.Block.Body.End, "Test without a check",
			"%s checks nothing: it needs an assert block, steps with a machine, or expect_failures.", t.Block.Header())
	case len(t.Steps) > 0 && len(t.Machines) == 0:
		return diag.Errorf(t.Steps[0].Block.Range, "Step without a machine",
			"Steps are done with a machine that runs a system. Add one to the test, as in\n\n  machine \"box\" {\n    system = \"box\"\n  }")
	case len(t.Machines) > 0 && len(t.Failures) > 0:
		return diag.Errorf(t.Machines[0].Block.Range, "Machine for a system that is wrong",
			"What a test expects to be refused cannot be started. Make two tests of it.")
	}
	return nil
}

func (t *Test) arguments(body *syntax.Body) diag.List {
	var diags diag.List
	if a := body.Attr("system"); a != nil {
		t.System, diags = literal(a, "The system")
		t.SystemRange = a.Expr.Range()
	}
	a := body.Attr("expect_failures")
	if a == nil {
		return diags
	}
	elems, ok := a.Expr.Elements()
	if !ok {
		return append(diags, diag.Errorf(a.Expr.Range(), "Wrong list of failures", "expect_failures is a list of names: [var.port].")...)
	}
	for _, e := range elems {
		refs := e.References()
		if len(refs) != 1 || refs[0].String() != e.Text() || len(refs[0].Path) == 0 {
			diags = append(diags, diag.Errorf(e.Range(), "Wrong list of failures",
				"What is expected to be wrong is named as in expressions: var.port, config.site.port, derivation.hello, system.box.")...)
			continue
		}
		t.Failures = append(t.Failures, refs[0])
	}
	return diags
}
