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
		return cty.DynamicVal, missing("output", name, from, m.outputs, "It is declared by a block\n\n  output %q {", name)
	}
	return valueOf(c, from)
}

func (m *Module) output(b *syntax.Block) (cty.Value, diag.List) {
	diags := b.Body.Check("an output", outputSchema)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	sensitive := false
	if a := b.Body.Attr("sensitive"); a != nil {
		word, ok := a.Expr.Keyword()
		if !ok || word != "true" && word != "false" {
			return cty.DynamicVal, diag.Errorf(a.Expr.Range(), "Invalid value", "sensitive is either true or false.")
		}
		sensitive = word == "true"
	}
	v, diags := eval.Evaluate(b.Body.Attr("value").Expr, m.scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if sensitive {
		v = v.Mark(eval.Sensitive)
	}
	return v, diags
}
