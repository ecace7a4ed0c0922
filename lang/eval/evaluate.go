package eval

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// Evaluate returns the value of an expression and the problems met, those of
// the names that it needs included. With errors the value is usable but may be
// unknown in parts; without, it is known all through.
func Evaluate(x *syntax.Expr, scope *Scope) (cty.Value, diag.List) {
	e := &evaluator{expr: x, scope: scope, session: scope.session, budget: exprBudget}
	// The value is not larger than what was charged for its parts.
	return e.eval(x.Node(), nil)
}

// An evaluator is one call of [Evaluate].
type evaluator struct {
	expr    *syntax.Expr
	scope   *Scope
	session *Session
	budget  int
	over    diag.List // the error of a budget that is used up
	seen    []seen    // the names met, for messages
}

// A local is a name that an expression itself introduces. Exactly one of name
// and symbol is set.
type local struct {
	outer  *local
	name   string
	symbol *hclsyntax.AnonSymbolExpr // the element in a splat
	value  cty.Value
}

func (l *local) find(name string) (cty.Value, bool) {
	for ; l != nil; l = l.outer {
		if l.symbol == nil && l.name == name {
			return l.value, true
		}
	}
	return cty.NilVal, false
}

func (l *local) element(symbol *hclsyntax.AnonSymbolExpr) cty.Value {
	for ; l != nil; l = l.outer {
		if l.symbol == symbol {
			return l.value
		}
	}
	return cty.DynamicVal
}

// eval evaluates one node. l are the names around it.
func (e *evaluator) eval(n hclsyntax.Expression, l *local) (cty.Value, diag.List) {
	if diags := e.spend(nodeCost, n); diags != nil {
		return cty.DynamicVal, diags
	}
	defer e.session.leave(1)
	if !e.session.enter(1) {
		return cty.DynamicVal, tooDeep(syntax.FromRange(n.Range()))
	}
	switch n := n.(type) {
	case *hclsyntax.LiteralValueExpr:
		return n.Val, nil
	case *hclsyntax.ParenthesesExpr:
		return e.eval(n.Expression, l)
	case *hclsyntax.TemplateWrapExpr:
		return e.eval(n.Wrapped, l)
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.RelativeTraversalExpr, *hclsyntax.IndexExpr:
		return e.traversal(n, l)
	case *hclsyntax.AnonSymbolExpr:
		return l.element(n), nil
	case *hclsyntax.TemplateExpr:
		return e.template(n, l)
	case *hclsyntax.TemplateJoinExpr:
		return e.templateJoin(n, l)
	case *hclsyntax.ConditionalExpr:
		return e.conditional(n, l)
	case *hclsyntax.BinaryOpExpr:
		return e.binary(n, l)
	case *hclsyntax.UnaryOpExpr:
		return e.unary(n, l)
	case *hclsyntax.TupleConsExpr:
		return e.tuple(n, l)
	case *hclsyntax.ObjectConsExpr:
		return e.object(n, l)
	case *hclsyntax.ForExpr:
		return e.forExpr(n, l)
	case *hclsyntax.SplatExpr:
		return e.splat(n, l)
	case *hclsyntax.FunctionCallExpr:
		return e.call(n, l)
	}
	// Text that could not be parsed, which has been reported.
	v, diags := n.Value(nil)
	return v, e.fromHCL(diags, n, l)
}

// spend charges for work.
func (e *evaluator) spend(n int, node hclsyntax.Expression) diag.List {
	e.budget -= n
	e.session.spent += n
	if e.budget >= 0 && !e.session.exhausted() {
		return nil
	}
	return e.overBudget(node)
}

// spendValue charges for using a value.
func (e *evaluator) spendValue(v cty.Value, node hclsyntax.Expression) diag.List {
	return e.spend(size(v, e.budget), node)
}

// make charges for n new values.
func (e *evaluator) make(n int, node hclsyntax.Expression) diag.List {
	e.session.made += n
	if e.session.made > maxMade {
		return e.overBudget(node)
	}
	return e.spend(n, node)
}

func (e *evaluator) overBudget(node hclsyntax.Expression) diag.List {
	if e.session.over != nil {
		return e.session.over
	}
	if e.over == nil {
		e.over = fatal(syntax.FromRange(node.Range()), "Evaluation too large",
			"This expression needs more steps, or makes a larger value, than a definition may.")
	}
	if e.session.exhausted() {
		// One place is enough, however many expressions are on the way there.
		e.session.over = e.over
	}
	return e.over
}

// lit is an expression that is evaluated already, to be given to the HCL
// library in the place of n.
func lit(v cty.Value, n hclsyntax.Expression) hclsyntax.Expression {
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: n.Range()}
}

// fromHCL converts diagnostics about node, and adds what the names in it stand
// for.
func (e *evaluator) fromHCL(in hcl.Diagnostics, node hclsyntax.Expression, l *local) diag.List {
	if len(in) == 0 {
		return nil
	}
	out := syntax.FromHCL(in)
	values := e.values(node, l)
	for _, d := range out {
		d.Values = values
		inWords(d)
	}
	return out
}

// errorf returns an error about node with what the names in it stand for.
func (e *evaluator) errorf(node hclsyntax.Expression, l *local, summary, detail string, args ...any) diag.List {
	d := diag.New(diag.Error, syntax.FromRange(node.Range()), summary, detail, args...)
	d.Values = e.values(node, l)
	return diag.List{d}
}
