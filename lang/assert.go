package lang

import (
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

var assertSchema = syntax.Schema{Attrs: []syntax.AttrSchema{
	{Name: "condition", Required: true}, {Name: "error_message", Required: true}, {Name: "severity"},
}}

// CheckAssert reports what is wrong with the text of an assert block.
func CheckAssert(b *syntax.Block) diag.List {
	diags := append(b.CheckLabels(), b.Body.Check("an assert block", assertSchema)...)
	_, more := severity(b.Body)
	return append(diags, more...)
}

func severity(b *syntax.Body) (diag.Severity, diag.List) {
	a := b.Attr("severity")
	if a == nil {
		return diag.Error, nil
	}
	switch text, _ := a.Expr.StringLiteral(); text {
	case "error":
		return diag.Error, nil
	case "warning":
		return diag.Warning, nil
	}
	return diag.Error, diag.Errorf(a.Expr.Range(), "Invalid severity", "The severity of an assertion is \"error\", which is the default, or \"warning\".")
}

// AssertionFailed is the summary of the problem that [Assert] finds.
const AssertionFailed = "Assertion failed"

// Assert evaluates an assert block that [CheckAssert] has found right, where
// names mean what they do in scope. The problem, when the condition does not hold,
// is an error or warning at the condition, whose detail is the message.
func Assert(b *syntax.Block, scope *eval.Scope) diag.List {
	cond := b.Body.Attr("condition").Expr
	holds, values, diags := eval.Condition(cond, scope)
	if holds {
		return diags
	}
	message, more := eval.Message(b.Body.Attr("error_message").Expr, scope)
	diags = append(diags, more...)
	sev, _ := severity(b.Body)
	if message == "" {
		message = "The condition does not hold."
	}
	d := diag.New(sev, cond.Range(), AssertionFailed, "%s", message)
	d.Values = values
	return append(diags, d)
}

// NeedsSystem reports whether an assert block at the top of a file is about each
// system, rather than about the module alone.
func NeedsSystem(b *syntax.Block) bool {
	for _, a := range b.Body.Attrs {
		for _, ref := range a.Expr.References() {
			switch ref.Root {
			case "config", "option", "system", "home":
				return true
			}
		}
	}
	return false
}

// CheckAsserts evaluates the module's assertions that are about no system.
func (m *Module) CheckAsserts() diag.List {
	if m.asserted {
		return m.assertDiags
	}
	m.asserted = true
	for _, b := range m.Definition.Asserts {
		if !NeedsSystem(b) {
			m.assertDiags = append(m.assertDiags, Assert(b, m.scope)...)
		}
	}
	return m.assertDiags
}
