package eval

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// Condition evaluates an expression that is true or false. What the names in it
// stand for is in values, for a message about a condition that does not hold.
// With errors it counts as true, so that nobody reports their consequences.
func Condition(x *syntax.Expr, scope *Scope) (holds bool, values []diag.Value, diags diag.List) {
	e := &evaluator{expr: x, scope: scope, session: scope.session, budget: exprBudget}
	v, diags := e.eval(x.Node(), nil)
	if diags.HasErrors() {
		return true, nil, diags
	}
	values = e.values(x.Node(), nil)
	plain, _ := v.Unmark()
	b, err := convert.Convert(plain, cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		d := diag.New(diag.Error, x.Range(), "Invalid condition", "A condition must be true or false: this %s.", Describe(v))
		d.Values = values
		return true, nil, append(diags, d)
	}
	return b.True(), values, diags
}

// Message evaluates the text that tells what is wrong. A text with a sensitive
// value in it is not shown; the result says so.
func Message(x *syntax.Expr, scope *Scope) (string, diag.List) {
	v, diags := Evaluate(x, scope)
	if diags.HasErrors() {
		return "", diags
	}
	plain, marks := Plain(v)
	text, err := convert.Convert(plain, cty.String)
	switch {
	case err != nil || text.IsNull() || !text.IsKnown():
		return "", append(diags, diag.Errorf(x.Range(), "Invalid error message", "An error message must be a text: this %s.", Describe(v))...)
	case marks.Sensitive:
		return "The message about this has a sensitive value in it, and so is not shown.", diags
	}
	return text.AsString(), diags
}
