package lang

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

var outputSchema = syntax.Schema{Attrs: []syntax.AttrSchema{
	{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"},
}}

// Output returns the value of an output block: what others may read of the
// module. from is the text that asks, or no place.
func (m *Module) Output(name string, from diag.Range) (cty.Value, diag.List) {
	c, ok := m.outputs[name]
	if !ok {
		return cty.DynamicVal, missing(m.opts.Session, "output", name, from, m.outputs, "It is declared by a block\n\n  output %q {", name)
	}
	return valueOf(c, from)
}

// output computes the value of an output block.
func (m *Module) output(b *syntax.Block) (cty.Value, diag.List) {
	diags := b.Body.Check("an output", outputSchema)
	diags = append(diags, checkDescription(b.Body)...)
	sensitive, more := boolArgument(b.Body, "sensitive")
	diags = append(diags, more...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	value := b.Body.Attr("value").Expr
	v, more := eval.Evaluate(value, m.scope)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	_, marks := eval.Plain(v)
	switch {
	case sensitive:
		v = v.Mark(eval.Sensitive)
	case marks.Sensitive && m.opts.Address == "":
		return cty.DynamicVal, append(diags, diag.Errorf(value.Range(), "Output refers to sensitive values",
			"The value has something in it that is marked sensitive, so the output has to say so:\n\n  sensitive = true\n\nIf it is no secret any more, use nonsensitive().")...)
	}
	return v, diags
}

// Asking returns scope with output.NAME added: what names mean to somebody who asks
// for values from outside, for whom outputs are made.
func (m *Module) Asking(scope *eval.Scope) *eval.Scope { return eval.NewScope(scope, outputNames{m}) }

// outputNames resolves output.NAME.
type outputNames struct{ m *Module }

// Roots returns the one root.
func (outputNames) Roots() []string { return []string{"output"} }

// Resolve returns the value of an output.
func (n outputNames) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	if len(ref.Path) == 0 {
		return cty.DynamicVal, 0, diag.Errorf(ref.Range, "Incomplete reference", "An output is written output.NAME.")
	}
	v, diags := n.m.Output(ref.Path[0].Name, ref.Range)
	return v, 1, diags
}
