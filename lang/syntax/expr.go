package syntax

import (
	"math/big"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// An Expr is an expression of a definition. It is immutable, and safe for
// concurrent use as long as nobody evaluates it.
type Expr struct {
	node  hclsyntax.Expression // nil for a plain expression
	file  *source
	plain span
}

// Node returns the syntax tree for the evaluator. It is for packages below lang
// only, and not to be changed. It may be another one each time.
func (e *Expr) Node() hclsyntax.Expression {
	if e.node == nil {
		return e.file.plainTree(e.plain)
	}
	return e.node
}

// Child returns a part of e's tree as an expression of its own.
func (e *Expr) Child(node hclsyntax.Expression) *Expr { return &Expr{node: node, file: e.file} }

// Range returns where e stands.
func (e *Expr) Range() diag.Range { return FromRange(e.rng()) }

func (e *Expr) rng() hcl.Range {
	if e.node == nil {
		return e.plain.rng(e.file.name)
	}
	return e.node.Range()
}

// Text returns e's source text, parentheses around it left out.
func (e *Expr) Text() string {
	r := e.rng()
	if e.file == nil || r.Start.Byte < 0 || r.End.Byte > len(e.file.src) || r.Start.Byte > r.End.Byte {
		return ""
	}
	text := string(e.file.src[r.Start.Byte:r.End.Byte])
	if e.file.json {
		return jsonText(text)
	}
	return text
}

// inner removes what does not change the meaning: parentheses, and a template
// that is one interpolation and nothing else.
func inner(n hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch t := n.(type) {
		case *hclsyntax.ParenthesesExpr:
			n = t.Expression
		case *hclsyntax.TemplateWrapExpr:
			n = t.Wrapped
		default:
			return n
		}
	}
}

// Call takes `name(args…)` apart. ok is false for any other expression, and for
// a call whose last argument is expanded by "...".
func (e *Expr) Call() (name string, args []*Expr, ok bool) {
	c, ok := inner(e.Node()).(*hclsyntax.FunctionCallExpr)
	if !ok || c.ExpandFinal {
		return "", nil, false
	}
	for _, a := range c.Args {
		args = append(args, e.Child(a))
	}
	return c.Name, args, true
}

// CallRange returns the range of the function's name in a call, and e's range
// for any other expression.
func (e *Expr) CallRange() diag.Range {
	if c, ok := inner(e.Node()).(*hclsyntax.FunctionCallExpr); ok {
		return FromRange(c.NameRange)
	}
	return e.Range()
}

// An Item is one `key = value` of an object constructor.
type Item struct {
	Key      string
	KeyRange diag.Range
	Value    *Expr
}

// Items takes `{ key = value, … }` apart, in the order of the text. ok is false
// when e is something else or when a key can only be known by evaluation.
func (e *Expr) Items() (items []Item, ok bool) {
	o, ok := inner(e.Node()).(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil, false
	}
	for _, it := range o.Items {
		key, ok := staticKey(it.KeyExpr)
		if !ok {
			return nil, false
		}
		items = append(items, Item{Key: key, KeyRange: FromRange(it.KeyExpr.Range()), Value: e.Child(it.ValueExpr)})
	}
	return items, true
}

// staticKey returns the key that an expression in key position stands for
// whatever the values of variables.
func staticKey(n hclsyntax.Expression) (string, bool) {
	if k, ok := n.(*hclsyntax.ObjectConsKeyExpr); ok {
		if !k.ForceNonLiteral {
			if word := hcl.ExprAsKeyword(k.Wrapped); word != "" {
				return word, true
			}
		}
		n = k.Wrapped
	}
	lit, ok := literal(n)
	if !ok || lit.IsNull() || !lit.IsKnown() {
		return "", false
	}
	return scalarText(lit)
}

// literal returns the value of a literal, also in quotes.
func literal(n hclsyntax.Expression) (cty.Value, bool) {
	switch t := n.(type) {
	case *hclsyntax.LiteralValueExpr:
		return t.Val, true
	case *hclsyntax.TemplateExpr:
		if len(t.Parts) == 1 {
			if lit, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr); ok {
				return lit.Val, true
			}
		}
	case *hclsyntax.ParenthesesExpr:
		return literal(t.Expression)
	}
	return cty.NilVal, false
}

// maxKeyExponent bounds the numbers that are written out.
const maxKeyExponent = 1 << 10

// scalarText is a string, number or bool as text, as cty converts it.
func scalarText(v cty.Value) (string, bool) {
	switch v.Type() {
	case cty.String:
		return v.AsString(), true
	case cty.Bool:
		return strconv.FormatBool(v.True()), true
	case cty.Number:
		f := v.AsBigFloat()
		if exp := f.MantExp(nil); exp > maxKeyExponent || exp < -maxKeyExponent {
			return "", false
		}
		if f.IsInt() {
			i, _ := f.Int(new(big.Int))
			return i.String(), true
		}
		return f.Text('f', -1), true
	}
	return "", false
}

// StringLiteral returns the text of a quoted string or heredoc without
// interpolation.
func (e *Expr) StringLiteral() (string, bool) {
	v, ok := literal(inner(e.Node()))
	if !ok || v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
		return "", false
	}
	return v.AsString(), true
}

// Elements takes `[a, b, …]` apart.
func (e *Expr) Elements() ([]*Expr, bool) {
	t, ok := inner(e.Node()).(*hclsyntax.TupleConsExpr)
	if !ok {
		return nil, false
	}
	out := make([]*Expr, len(t.Exprs))
	for i, x := range t.Exprs {
		out[i] = e.Child(x)
	}
	return out, true
}

// Keyword returns the word when e is a bare one, as `string` in a type.
// true, false and null count as words.
func (e *Expr) Keyword() (string, bool) {
	word := hcl.ExprAsKeyword(e.Node())
	return word, word != ""
}

// IsNull reports whether e is the literal null.
func (e *Expr) IsNull() bool {
	v, ok := inner(e.Node()).(*hclsyntax.LiteralValueExpr)
	return ok && v.Val.IsNull()
}
