package eval

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A UserFunction is a function that a definition declares.
type UserFunction struct {
	// Params are the names of the parameters. Rest, if not "", is the one that the
	// remaining arguments are in, as a tuple.
	Params []string
	Rest   string
	// Result is evaluated for each call. The names in it are those of Scope and,
	// hiding them, the parameters.
	Result *syntax.Expr
	Scope  *Scope
	// running is set during a call.
	running bool
}

// user calls a function of the definition's own. What goes wrong in it is
// reported at the call: the same result may be right for other arguments.
func (e *evaluator) user(n *hclsyntax.FunctionCallExpr, f *UserFunction, args []Arg) (cty.Value, diag.List) {
	if len(args) < len(f.Params) || f.Rest == "" && len(args) > len(f.Params) {
		return cty.DynamicVal, wrongCount(n, len(f.Params), f.Params, f.Rest, len(args))
	}
	if f.running {
		// Only a template can call it, as the texts of results are checked before.
		return cty.DynamicVal, fatal(syntax.FromRange(n.NameRange), "Recursive function",
			"The result of %s calls %s again, by way of a template. Functions cannot call themselves.", n.Name, n.Name)
	}
	if diags := e.spend(userCallCost, n); diags != nil {
		return cty.DynamicVal, diags
	}
	values := make(Values, len(args))
	for i, name := range f.Params {
		values[name] = args[i].Value
	}
	if f.Rest != "" {
		rest := make([]cty.Value, 0, len(args)-len(f.Params))
		for _, a := range args[len(f.Params):] {
			rest = append(rest, a.Value)
		}
		values[f.Rest] = cty.TupleVal(rest)
	}
	defer e.session.leave(cellDepth)
	if !e.session.enter(cellDepth) {
		return cty.DynamicVal, tooDeep(callRange(n))
	}
	f.running = true
	v, diags := Evaluate(f.Result, NewScope(f.Scope, values))
	f.running = false
	return v, atCall(n, f, diags)
}

// maxCalls bounds the calls that a problem tells of.
const maxCalls = 8

// atCall turns problems of a function's result into problems of a call, and names
// the place in the function. Those of the evaluation as a whole stay where they
// are.
func atCall(n *hclsyntax.FunctionCallExpr, f *UserFunction, diags diag.List) diag.List {
	var out diag.List
	for _, d := range diags.Limit() {
		if d.Fatal {
			out = append(out, d)
			continue
		}
		at := *d
		at.Subject, at.Context = callRange(n).Ptr(), nil
		place := f.Result.Range()
		if d.Subject != nil {
			place = *d.Subject
		}
		at.Related = append([]diag.Related{{Message: "In the result of function " + n.Name, Range: place}}, d.Related[:min(len(d.Related), maxCalls)]...)
		out = append(out, &at)
	}
	return out
}
