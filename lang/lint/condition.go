package lint

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/syntax"
)

// constantConditions finds conditions that depend on nothing.
func (r *run) constantConditions() {
	r.conditionArguments()
	expressions(r.blocks(), func(e *syntax.Expr, _ *syntax.Block) {
		visit(e.Node(), func(n hclsyntax.Node) {
			switch n := n.(type) {
			case *hclsyntax.ConditionalExpr:
				r.constant(e, n.Condition, "Only one side of the choice is ever taken: write that one alone.")
			case *hclsyntax.ForExpr:
				if n.CondExpr != nil {
					r.constant(e, n.CondExpr, "It keeps all elements, or none: take the if out.")
				}
			case *hclsyntax.BinaryOpExpr:
				r.operands(e, n)
			}
		})
	})
}

// conditionArguments looks at arguments that are conditions as a whole: when,
// wherever options are defined, and condition in what checks something.
func (r *run) conditionArguments() {
	for _, top := range r.blocks() {
		bodies(top, func(b *syntax.Body, typ string, _ []*syntax.Body) {
			for _, a := range b.Attrs {
				switch {
				case a.Name == "when" && definesOptions(top):
					r.constant(a.Expr, a.Expr.Node(), "What it is about is always there, or never: take out the condition, or what it is about.")
				case a.Name == "condition" && (typ == "assert" || typ == "validation") && !definesOptions(top):
					r.constant(a.Expr, a.Expr.Node(), "It can tell nothing: write what has to be true, or take the block out.")
				}
			}
		})
	}
}

// definesOptions reports whether options are defined in a block at the top.
func definesOptions(top *syntax.Block) bool {
	return top.Type == "config" || top.Type == "system" || top.Type == "home"
}

// bodies calls visit for the body of a block and all bodies in it, with the type of
// the block that it is of and the bodies around it. In JSON, an object in which
// options are defined is a body, and has no type.
func bodies(top *syntax.Block, visit func(b *syntax.Body, typ string, around []*syntax.Body)) {
	var walk func(b *syntax.Body, typ string, around []*syntax.Body)
	walk = func(b *syntax.Body, typ string, around []*syntax.Body) {
		visit(b, typ, around)
		around = append(around[:len(around):len(around)], b)
		for _, sub := range b.Blocks {
			walk(sub.Body, sub.Type, around)
		}
		if !definesOptions(top) {
			return
		}
		for _, a := range b.Attrs {
			inside, _ := a.Expr.Bodies()
			for _, sub := range inside {
				walk(sub, "", around)
			}
		}
	}
	walk(top.Body, top.Type, nil)
}

// operands looks at the sides of an operator.
func (r *run) operands(e *syntax.Expr, n *hclsyntax.BinaryOpExpr) {
	const drop = "It decides nothing, or everything: leave out what does not matter."
	switch n.Op {
	case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
		if isConstant(n.LHS) != isConstant(n.RHS) { // both make the whole a constant
			r.constant(e, n.LHS, drop)
			r.constant(e, n.RHS, drop)
		}
		if r.same(e, n.LHS, n.RHS) && !isConstant(n.LHS) {
			r.found(constantCondition, rangeOf(n), "Both sides are the same", "%s adds nothing. One of the sides was probably meant to be something else.", e.Child(n.RHS).Text())
		}
	case hclsyntax.OpEqual, hclsyntax.OpNotEqual, hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual, hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual:
		if r.same(e, n.LHS, n.RHS) && !isConstant(n.LHS) {
			r.found(constantCondition, rangeOf(n), "Constant condition", "%s is compared with itself. One of the sides was probably meant to be something else.", e.Child(n.LHS).Text())
		}
	}
}

// constant notes a condition that is one.
func (r *run) constant(e *syntax.Expr, n hclsyntax.Expression, wayOut string) {
	if isConstant(n) {
		r.found(constantCondition, rangeOf(n), "Constant condition", "%s", e.Child(n).Text()+" is the same whatever is defined. "+wayOut)
	}
}

// isConstant reports whether an expression has no names and no calls.
func isConstant(n hclsyntax.Expression) bool {
	if len(n.Variables()) > 0 {
		return false
	}
	calls := false
	visit(n, func(n hclsyntax.Node) {
		_, call := n.(*hclsyntax.FunctionCallExpr)
		calls = calls || call
	})
	return !calls
}

// same reports whether two expressions are written alike. Expressions have no
// effects, so they have the same value then.
func (r *run) same(e *syntax.Expr, a, b hclsyntax.Expression) bool {
	text := r.canonical(e, a)
	return text != "" && text == r.canonical(e, b)
}

// canonical is the text of an expression without white space between its words. It
// is kept, as a long chain of choices asks for each many times.
func (r *run) canonical(e *syntax.Expr, n hclsyntax.Expression) string {
	if text, ok := r.texts[n]; ok {
		return text
	}
	if r.texts == nil {
		r.texts = map[hclsyntax.Expression]string{}
	}
	text := canonical(e, n)
	r.texts[n] = text
	return text
}

func canonical(e *syntax.Expr, n hclsyntax.Expression) string {
	for {
		p, ok := n.(*hclsyntax.ParenthesesExpr)
		if !ok {
			break
		}
		n = p.Expression
	}
	tokens, _ := hclsyntax.LexExpression([]byte(e.Child(n).Text()), "", hcl.Pos{Line: 1, Column: 1}) // it has been parsed
	var b strings.Builder
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
			b.Write(t.Bytes)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// repeatedConditions finds choices on a side of a choice by the same condition, and
// when in a block with the same when.
func (r *run) repeatedConditions() {
	expressions(r.blocks(), func(e *syntax.Expr, _ *syntax.Block) {
		visit(e.Node(), func(n hclsyntax.Node) {
			if c, ok := n.(*hclsyntax.ConditionalExpr); ok && !isConstant(c.Condition) {
				r.decided(e, c.Condition, c.TrueResult, true)
				r.decided(e, c.Condition, c.FalseResult, false)
			}
		})
	})
	for _, top := range r.Definition.Module.Blocks {
		if definesOptions(top) {
			bodies(top, r.nestedWhen)
		}
	}
}

// decided looks down the chain of choices on one side of a condition.
func (r *run) decided(e *syntax.Expr, condition, side hclsyntax.Expression, value bool) {
	for {
		switch n := side.(type) {
		case *hclsyntax.ParenthesesExpr:
			side = n.Expression
			continue
		case *hclsyntax.ConditionalExpr:
			if !r.same(e, condition, n.Condition) {
				// What follows is reached only when all conditions before were decided.
				side = n.FalseResult
				continue
			}
			r.found(repeatedCondition, rangeOf(n.Condition), "Condition decided already",
				"The choice around this one has found that %s is %t, so that one side of this one is never taken. Leave that out.", e.Child(condition).Text(), value)
		}
		return
	}
}

// nestedWhen looks for the condition of a body in the bodies around it.
func (r *run) nestedWhen(b *syntax.Body, _ string, around []*syntax.Body) {
	a := b.Attr("when")
	if a == nil || isConstant(a.Expr.Node()) || instanceBound(a.Expr) {
		return
	}
	for _, outer := range around {
		if o := outer.Attr("when"); o != nil && o.Expr.Text() == a.Expr.Text() {
			r.found(repeatedCondition, a.Expr.Range(), "Condition decided already", "What is around this has the same condition, at %s. Take this one out.", o.Expr.Range())
		}
	}
}

// instanceBound reports whether an expression may mean something else in a block
// within another.
func instanceBound(e *syntax.Expr) bool {
	for _, ref := range e.References() {
		switch ref.Root {
		case "var", "local", "config", "option", "system", "home", "module", "input", "derivation", "environment", "pkg", "path":
		default:
			return true
		}
	}
	return false
}
