package eval

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// conditional evaluates the condition and the side that it chooses.
func (e *evaluator) conditional(n *hclsyntax.ConditionalExpr, l *local) (cty.Value, diag.List) {
	cond, marks, diags := e.condition(n.Condition, l, "condition")
	if diags.HasErrors() || !cond.IsKnown() {
		return cty.DynamicVal, diags
	}
	side := n.FalseResult
	if cond.True() {
		side = n.TrueResult
	}
	v, moreDiags := e.eval(side, l)
	return v.WithMarks(marks), append(diags, moreDiags...)
}

// condition evaluates something that must be true or false; what names it in
// messages.
func (e *evaluator) condition(n hclsyntax.Expression, l *local, what string) (cty.Value, cty.ValueMarks, diag.List) {
	v, diags := e.eval(n, l)
	if diags.HasErrors() {
		return cty.UnknownVal(cty.Bool), nil, diags
	}
	if p, ok := pathIn(v); ok {
		return cty.UnknownVal(cty.Bool), nil, append(diags, unknownPath(p, "it cannot be a "+what, syntax.FromRange(n.Range()))...)
	}
	v, marks := v.Unmark()
	if v.IsNull() {
		return cty.UnknownVal(cty.Bool), marks, append(diags, e.errorf(n, l, "Null condition", "The "+what+" is null. It must be either true or false.")...)
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil {
		return cty.UnknownVal(cty.Bool), marks, append(diags, e.errorf(n, l, "Incorrect condition type", "The %s must be true or false: %v.", what, err)...)
	}
	return b, marks, diags
}

func (e *evaluator) binary(n *hclsyntax.BinaryOpExpr, l *local) (cty.Value, diag.List) {
	switch n.Op {
	case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
		return e.logical(n, l)
	}
	lhs, diags := e.eval(n.LHS, l)
	rhs, moreDiags := e.eval(n.RHS, l)
	diags = append(diags, moreDiags...)
	if diags.HasErrors() {
		return cty.UnknownVal(n.Op.Type), diags
	}
	rng := syntax.FromRange(n.SrcRange)
	for _, v := range []cty.Value{lhs, rhs} {
		p, ok := pathIn(v)
		if ok && !isNull(lhs) && !isNull(rhs) {
			return cty.UnknownVal(n.Op.Type), append(diags, unknownPath(p, "it cannot be compared or calculated with", rng)...)
		}
	}
	if n.Op.Type == cty.Number || n.Op.Impl.Params()[0].Type == cty.Number {
		// Before it is converted: a text of many digits takes long.
		for _, v := range []cty.Value{lhs, rhs} {
			if numberBomb(v) {
				return cty.UnknownVal(n.Op.Type), append(diags, outOfRange(rng)...)
			}
		}
	}
	if isNumber(lhs) && isNumber(rhs) {
		if v, ok := calculated(n.Op, lhs, rhs); ok && !hugeNumber(v) {
			return v, diags
		}
	}
	if moreDiags := e.checkOperands(n, lhs, rhs, l); moreDiags != nil {
		return cty.UnknownVal(n.Op.Type), append(diags, moreDiags...)
	}
	v, hclDiags := (&hclsyntax.BinaryOpExpr{LHS: lit(lhs, n.LHS), Op: n.Op, RHS: lit(rhs, n.RHS), SrcRange: n.SrcRange}).Value(nil)
	diags = append(diags, e.fromHCL(hclDiags, n, l)...)
	if hugeNumber(v) {
		return cty.UnknownVal(cty.Number), append(diags, outOfRange(rng)...)
	}
	return v, diags
}

// calculated is what the operation's function returns for two numbers, without what
// that looks at for other values. ok is false for what is no number, as 1 / 0.
func calculated(op *hclsyntax.Operation, a, b cty.Value) (v cty.Value, ok bool) {
	switch op {
	case hclsyntax.OpAdd:
		return a.Add(b), true
	case hclsyntax.OpSubtract:
		return a.Subtract(b), true
	case hclsyntax.OpMultiply:
		return a.Multiply(b), true
	case hclsyntax.OpDivide, hclsyntax.OpModulo:
		if b.AsBigFloat().Sign() == 0 {
			return cty.NilVal, false
		}
		if op == hclsyntax.OpDivide {
			return a.Divide(b), true
		}
		return a.Modulo(b), true
	case hclsyntax.OpEqual:
		return a.Equals(b), true
	case hclsyntax.OpNotEqual:
		return a.NotEqual(b), true
	case hclsyntax.OpGreaterThan:
		return a.GreaterThan(b), true
	case hclsyntax.OpGreaterThanOrEqual:
		return a.GreaterThanOrEqualTo(b), true
	case hclsyntax.OpLessThan:
		return a.LessThan(b), true
	case hclsyntax.OpLessThanOrEqual:
		return a.LessThanOrEqualTo(b), true
	}
	return cty.NilVal, false
}

// isNumber reports whether v is a number without marks.
func isNumber(v cty.Value) bool {
	return v.Type() == cty.Number && !v.IsMarked() && v.IsKnown() && !v.IsNull()
}

func isNull(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsNull()
}

// numberBomb reports whether v, which is about to become a number, would be one
// out of range.
func numberBomb(v cty.Value) bool {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return false
	}
	const plausible = 4096 // characters; parsing is quadratic
	if len(v.AsString()) > plausible {
		return true
	}
	num, err := convert.Convert(v, cty.Number)
	return err == nil && hugeNumber(num)
}

func outOfRange(rng diag.Range) diag.List {
	return diag.Errorf(rng, "Number out of range", "This number is too large or too small: numbers lie between about 1e-1200 and 1e1200.")
}

// logical is && and ||, whose right side is looked at only when the left one
// does not decide.
func (e *evaluator) logical(n *hclsyntax.BinaryOpExpr, l *local) (cty.Value, diag.List) {
	decisive := n.Op == hclsyntax.OpLogicalOr
	lhs, marks, diags := e.condition(n.LHS, l, "left side")
	if !diags.HasErrors() && lhs.IsKnown() && lhs.True() == decisive {
		return lhs.WithMarks(marks), diags
	}
	rhs, moreMarks, moreDiags := e.condition(n.RHS, l, "right side")
	diags = append(diags, moreDiags...)
	if diags.HasErrors() || !lhs.IsKnown() {
		return cty.UnknownVal(cty.Bool), diags
	}
	return rhs.WithMarks(marks, moreMarks), diags
}

func (e *evaluator) unary(n *hclsyntax.UnaryOpExpr, l *local) (cty.Value, diag.List) {
	v, diags := e.eval(n.Val, l)
	if diags.HasErrors() {
		return cty.UnknownVal(n.Op.Type), diags
	}
	rng := syntax.FromRange(n.SrcRange)
	if p, ok := pathIn(v); ok {
		return cty.UnknownVal(n.Op.Type), append(diags, unknownPath(p, "it cannot be calculated with", rng)...)
	}
	if n.Op.Type == cty.Number && numberBomb(v) {
		return cty.UnknownVal(cty.Number), append(diags, outOfRange(rng)...)
	}
	if moreDiags := e.checkOperand(n, v, l); moreDiags != nil {
		return cty.UnknownVal(n.Op.Type), append(diags, moreDiags...)
	}
	v, hclDiags := (&hclsyntax.UnaryOpExpr{Op: n.Op, Val: lit(v, n.Val), SrcRange: n.SrcRange, SymbolRange: n.SymbolRange}).Value(nil)
	return v, append(diags, e.fromHCL(hclDiags, n, l)...)
}

func (e *evaluator) template(n *hclsyntax.TemplateExpr, l *local) (cty.Value, diag.List) {
	if len(n.Parts) == 1 {
		if text, ok := n.Parts[0].(*hclsyntax.LiteralValueExpr); ok && text.Val.Type() == cty.String {
			return text.Val, nil
		}
	}
	var diags diag.List
	total := 0
	values := make([]cty.Value, len(n.Parts))
	for i, part := range n.Parts {
		v, partDiags := e.eval(part, l)
		diags = append(diags, partDiags...)
		if partDiags.HasErrors() {
			v = cty.UnknownVal(cty.String)
		}
		diags = append(diags, e.checkPart(part, v, l)...)
		total += textLen(v)
		values[i] = v
	}
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), diags
	}
	if moreDiags := e.spendText(total, n); moreDiags != nil {
		return cty.UnknownVal(cty.String), append(diags, moreDiags...)
	}
	if v, ok := joined(values, total); ok {
		return v, diags
	}
	parts := make([]hclsyntax.Expression, len(n.Parts))
	for i, v := range values {
		parts[i] = lit(v, n.Parts[i])
	}
	v, hclDiags := (&hclsyntax.TemplateExpr{Parts: parts, SrcRange: n.SrcRange}).Value(nil)
	return v, append(diags, e.fromHCL(hclDiags, n, l)...)
}

// joined returns a text made of strings, of length bytes together, and of whole
// numbers. Nearly all parts of templates are that; ok is false when one is not.
func joined(values []cty.Value, length int) (v cty.Value, ok bool) {
	var text strings.Builder
	text.Grow(length)
	var marks []cty.ValueMarks
	for _, v := range values {
		if v.IsMarked() {
			plain, own := v.Unmark()
			v, marks = plain, append(marks, own)
		}
		if n, ok := shortNumber(v); ok {
			text.WriteString(n)
			continue
		}
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
			return cty.NilVal, false
		}
		text.WriteString(v.AsString())
	}
	return cty.StringVal(text.String()).WithMarks(marks...), true
}

// textLen returns the length of a string, 0 for what is none.
func textLen(v cty.Value) int {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return 0
	}
	return len(v.AsString())
}

// spendText charges for a new string of n bytes.
func (e *evaluator) spendText(n int, node hclsyntax.Expression) diag.List {
	if n > maxText {
		return fatal(syntax.FromRange(node.Range()), "Text too long", "This text would have %d MiB. A text in a definition has %d MiB at most.", n>>20, maxText>>20)
	}
	e.session.text += n
	if e.session.text > maxMadeText {
		return e.overBudget(node)
	}
	return e.spend(n/textUnit, node)
}

// templateJoin is a %{for} in a template.
func (e *evaluator) templateJoin(n *hclsyntax.TemplateJoinExpr, l *local) (cty.Value, diag.List) {
	v, diags := e.eval(n.Tuple, l)
	if diags.HasErrors() || !v.Type().IsTupleType() {
		return cty.UnknownVal(cty.String), diags
	}
	total := 0
	plain, _ := v.Unmark()
	for it := plain.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		total += textLen(elem)
	}
	if moreDiags := e.spendText(total, n); moreDiags != nil {
		return cty.UnknownVal(cty.String), append(diags, moreDiags...)
	}
	v, hclDiags := (&hclsyntax.TemplateJoinExpr{Tuple: lit(v, n.Tuple)}).Value(nil)
	return v, append(diags, e.fromHCL(hclDiags, n, l)...)
}
