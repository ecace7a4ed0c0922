package eval

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/internal/lazyregexp"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// operators are the operators on numbers, as they are written.
func operators() map[*hclsyntax.Operation]string {
	return map[*hclsyntax.Operation]string{
		hclsyntax.OpAdd: "+", hclsyntax.OpSubtract: "-", hclsyntax.OpMultiply: "*", hclsyntax.OpDivide: "/", hclsyntax.OpModulo: "%",
		hclsyntax.OpLessThan: "<", hclsyntax.OpLessThanOrEqual: "<=", hclsyntax.OpGreaterThan: ">", hclsyntax.OpGreaterThanOrEqual: ">=",
	}
}

// checkOperands reports operands that an operator on numbers does not take, with
// what does take them. The values are known.
func (e *evaluator) checkOperands(n *hclsyntax.BinaryOpExpr, lhs, rhs cty.Value, l *local) diag.List {
	symbol, ok := operators()[n.Op]
	if !ok {
		return nil
	}
	for _, side := range []struct {
		value cty.Value
		expr  hclsyntax.Expression
	}{{lhs, n.LHS}, {rhs, n.RHS}} {
		v, _ := side.value.Unmark()
		if v.IsNull() {
			return e.errorAt(side.expr, n, l, "Invalid operand", "This is null, and %s takes numbers. What may be null is given a value by coalesce(…), or by a condition.", symbol)
		}
		num, err := convert.Convert(v, cty.Number)
		if err != nil {
			return e.errorAt(side.expr, n, l, "Invalid operand", "%s takes numbers, and this is %s.%s", symbol, diag.WithArticle(typeName(v.Type())), instead(n.Op, v.Type()))
		}
		divides := n.Op == hclsyntax.OpDivide || n.Op == hclsyntax.OpModulo
		if divides && side.expr == n.RHS && num.IsKnown() && num.RawEquals(cty.Zero) {
			return e.errorAt(side.expr, n, l, "Division by zero", "This is 0, by which nothing can be divided.")
		}
	}
	return nil
}

// errorAt returns an error about part, with what the names in all of node stand for.
func (e *evaluator) errorAt(part, node hclsyntax.Expression, l *local, summary, detail string, args ...any) diag.List {
	diags := e.errorf(node, l, summary, detail, args...)
	diags[0].Subject = syntax.FromRange(part.Range()).Ptr()
	return diags
}

// checkOperand reports what an operator with one operand does not take.
func (e *evaluator) checkOperand(n *hclsyntax.UnaryOpExpr, v cty.Value, l *local) diag.List {
	symbol, takes := "-", "a number"
	if n.Op == hclsyntax.OpLogicalNot {
		symbol, takes = "!", "true or false"
	}
	v, _ = v.Unmark()
	if v.IsNull() {
		return e.errorf(n.Val, l, "Invalid operand", "This is null, and %s takes %s.", symbol, takes)
	}
	if _, err := convert.Convert(v, n.Op.Type); err != nil {
		return e.errorf(n.Val, l, "Invalid operand", "%s takes %s, and this is %s.", symbol, takes, diag.WithArticle(typeName(v.Type())))
	}
	return nil
}

// checkPart reports what cannot stand in a template.
func (e *evaluator) checkPart(n hclsyntax.Expression, v cty.Value, l *local) diag.List {
	v, _ = v.Unmark()
	const summary = "Invalid template interpolation value"
	switch {
	case !v.IsKnown():
		return nil
	case v.IsNull():
		return e.errorf(n, l, summary, "This is null, which is no text. What may be null is given a value by coalesce(…), or by a condition.")
	case v.Type().IsTupleType(), v.Type().IsListType(), v.Type().IsSetType():
		return e.errorf(n, l, summary, "This is %s, which is no text. join(\", \", …) makes one of its elements, jsonencode(…) writes it as it is.", diag.WithArticle(typeName(v.Type())))
	case v.Type().IsObjectType(), v.Type().IsMapType():
		return e.errorf(n, l, summary, "This is %s, which is no text. Its parts are read as in x.name; jsonencode(…) writes it as it is.", diag.WithArticle(typeName(v.Type())))
	}
	return nil
}

// instead says what does to values of a type what an operator does to numbers.
func instead(op *hclsyntax.Operation, ty cty.Type) string {
	switch {
	case op != hclsyntax.OpAdd:
	case ty == cty.String:
		return ` Texts are joined in a template, as in "${a}${b}".`
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return " Lists are joined by concat(a, b), sets by setunion(a, b)."
	case ty.IsObjectType() || ty.IsMapType():
		return " Objects and maps are joined by merge(a, b)."
	}
	return ""
}

// typeName is what people call a type.
func typeName(ty cty.Type) string {
	switch {
	case ty.IsTupleType(), ty.IsListType():
		return "list"
	case ty.IsSetType():
		return "set"
	case ty.IsMapType():
		return "map"
	case ty.IsObjectType():
		return "object"
	case ty == cty.Bool:
		return "truth value"
	case ty == cty.String:
		return "text"
	}
	return ty.FriendlyName()
}

// explainStep says why a step does not lead from v to anything, and what does.
func (e *evaluator) explainStep(d *diag.Diagnostic, step hcl.Traverser, v cty.Value) {
	secret := v.IsMarked()
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return
	}
	name, number := stepKey(step)
	switch ty := v.Type(); {
	case ty.IsPrimitiveType():
		d.Detail = fmt.Sprintf("This is %s, which has no parts.", diag.WithArticle(typeName(ty)))
	case ty.IsTupleType(), ty.IsListType():
		switch {
		case number != nil:
			d.Detail = fmt.Sprintf("There is no element %s. ", number.Text('f', -1)) + numbered(v.LengthInt(), secret)
		case name != "":
			d.Detail = fmt.Sprintf("A list has no %q. Its elements are numbered: list[0] is the first, list[*].%[1]s asks each of them.", name)
		}
	case ty.IsSetType():
		d.Detail = "The elements of a set have neither names nor numbers. tolist(…) makes a list of it."
	case ty.IsObjectType(), ty.IsMapType():
		if name == "" {
			return
		}
		d.Detail = fmt.Sprintf("There is no %q in this %s.", name, typeName(ty))
		if !secret {
			d.Detail += e.session.guess(v.LengthInt(), func() string { return among(name, keysOf(v)) })
		}
	}
}

// stepKey is what a step asks for, if that is known and no secret.
func stepKey(step hcl.Traverser) (name string, number interface{ Text(byte, int) string }) {
	switch t := step.(type) {
	case hcl.TraverseAttr:
		return t.Name, nil
	case hcl.TraverseIndex:
		switch {
		case !t.Key.IsKnown() || t.Key.IsMarked() || t.Key.IsNull():
		case t.Key.Type() == cty.String:
			return t.Key.AsString(), nil
		case t.Key.Type() == cty.Number:
			return "", t.Key.AsBigFloat()
		}
	}
	return "", nil
}

// numbered says what numbers the elements of a list have.
func numbered(n int, secret bool) string {
	switch {
	case secret:
		return "The first element of a list is number 0."
	case n == 0:
		return "The list is empty."
	case n == 1:
		return "The list has one element, which is number 0."
	}
	return fmt.Sprintf("The list has %d elements, numbered from 0 to %d.", n, n-1)
}

// keysOf are the names in a map or object, sorted.
func keysOf(v cty.Value) []string {
	var names []string
	if v.Type().IsObjectType() {
		for attr := range v.Type().AttributeTypes() {
			names = append(names, attr)
		}
	} else {
		for it := v.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			names = append(names, k.AsString())
		}
	}
	slices.Sort(names)
	return names
}

// among says which of the names that there are was probably meant, or else what
// they are.
func among(name string, names []string) string {
	const most = 8
	if near := diag.DidYouMean(name, names); near != "" {
		return near
	}
	switch {
	case len(names) == 0:
		return " It is empty."
	case len(names) > most:
		return fmt.Sprintf(" It has %s and %d more.", strings.Join(names[:most], ", "), len(names)-most)
	}
	return " It has " + strings.Join(names, ", ") + "."
}

var (
	goCall = lazyregexp.New(`\b(?:netip|net|strconv|time|url|base64|hex)\.[A-Z]\w*(?:\("(?:[^"\\]|\\.)*"\))?: `)
	goEOF  = lazyregexp.New(`\b(?:unexpected EOF|EOF|unexpected end of JSON input)\b`)
)

// inWords takes what only the author of a function knows out of its errors.
func inWords(d *diag.Diagnostic) {
	if d.Summary != "Error in function call" && d.Summary != "Invalid function argument" {
		return
	}
	d.Detail = goCall().ReplaceAllString(d.Detail, "")
	d.Detail = goEOF().ReplaceAllString(d.Detail, "the text ends too early")
}

// wrongCount reports a call with too few or too many arguments.
func wrongCount(n *hclsyntax.FunctionCallExpr, least int, params []string, rest string, have int) diag.List {
	want := count(least, "argument")
	list := slices.Clone(params)
	switch {
	case rest != "":
		want = "at least " + want
		list = append(list, rest+"...")
	case least < len(params):
		want = fmt.Sprintf("%d to %s", least, count(len(params), "argument"))
	}
	return diag.Errorf(syntax.FromRange(n.Range()), "Wrong number of function arguments",
		"Function %q takes %s, %s(%s), and here are %d.", n.Name, want, n.Name, strings.Join(list, ", "), have)
}
