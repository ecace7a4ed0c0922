package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

func (e *evaluator) call(n *hclsyntax.FunctionCallExpr, l *local) (cty.Value, diag.List) {
	if recovers(n.Name) {
		return e.recovering(n, l)
	}
	f, diags := e.scope.function(n)
	if f == nil {
		return cty.DynamicVal, diags
	}
	args, diags := e.args(n, l)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	for _, a := range args {
		if moreDiags := e.spend(callCost*size(a.Value, e.budget/callCost), n); moreDiags != nil {
			return cty.DynamicVal, append(diags, moreDiags...)
		}
	}
	var v cty.Value
	var moreDiags diag.List
	switch {
	case f.User != nil:
		v, moreDiags = e.user(n, f.User, args)
	case f.Native != nil:
		v, moreDiags = e.native(n, f, args)
	default:
		v, moreDiags = e.pure(n, l, f, args)
	}
	diags = append(diags, moreDiags...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	// What a function made is measured before anybody looks at all of it: parts of it
	// may be there many times, as aliases of YAML are.
	if moreDiags := e.makeResult(v, n); moreDiags != nil {
		return cty.DynamicVal, append(diags, moreDiags...)
	}
	if f.User == nil && hugeNumber(v) { // what expressions have made has been looked at
		return cty.DynamicVal, append(diags, outOfRange(callRange(n))...)
	}
	return v, diags
}

// function returns the function that a call names, nil with an error.
func (s *Scope) function(n *hclsyntax.FunctionCallExpr) (*Function, diag.List) {
	f, ok := s.functions[n.Name]
	if !ok {
		names := append(slices.Collect(maps.Keys(s.functions)), "try", "can")
		return nil, diag.Errorf(syntax.FromRange(n.NameRange), "Call to unknown function",
			"There is no function named %q.%s", n.Name, diag.DidYouMean(n.Name, names))
	}
	if f.Refused != "" {
		return nil, diag.Errorf(syntax.FromRange(n.NameRange), "Function not available here", "%s", f.Refused)
	}
	return f, nil
}

// makeResult charges for what a function made.
func (e *evaluator) makeResult(v cty.Value, n *hclsyntax.FunctionCallExpr) diag.List {
	if !v.IsMarked() && v.Type() == cty.String {
		return e.spendText(textLen(v), n)
	}
	return e.make(size(v, e.budget), n)
}

func callRange(n *hclsyntax.FunctionCallExpr) diag.Range { return syntax.FromRange(n.Range()) }

// args evaluates the arguments of a call, the last one expanded when "..." says
// so.
func (e *evaluator) args(n *hclsyntax.FunctionCallExpr, l *local) ([]Arg, diag.List) {
	var diags diag.List
	var args []Arg
	for i, x := range n.Args {
		v, moreDiags := e.eval(x, l)
		diags = append(diags, moreDiags...)
		rng := syntax.FromRange(x.Range())
		if !n.ExpandFinal || i < len(n.Args)-1 || moreDiags.HasErrors() {
			args = append(args, Arg{Value: v, Range: rng})
			continue
		}
		plain, marks := v.Unmark()
		ty := plain.Type()
		if plain.IsNull() || !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
			diags = append(diags, e.errorf(x, l, "Invalid expanding argument value",
				"The expanding argument (indicated by ...) must be a tuple, list, or set.")...)
			continue
		}
		for it := plain.ElementIterator(); it.Next(); {
			_, elem := it.Element()
			args = append(args, Arg{Value: elem.WithMarks(marks), Range: rng})
		}
	}
	return args, diags
}

// pure calls a function of values.
func (e *evaluator) pure(n *hclsyntax.FunctionCallExpr, l *local, f *Function, args []Arg) (cty.Value, diag.List) {
	exprs := make([]hclsyntax.Expression, len(args))
	params, rest := f.Impl.Params(), f.Impl.VarParam()
	if len(args) < len(params) || len(args) > len(params) && rest == nil {
		return cty.DynamicVal, wrongCount(n, len(params), names(params), name(rest), len(args))
	}
	for i, a := range args {
		if p, ok := pathIn(a.Value); ok && (!f.KeepsPaths || n.Name == "length" && a.Value.Type() == cty.String) {
			return cty.DynamicVal, unknownPath(p, n.Name+" cannot be applied to it", a.Range)
		}
		ty := cty.DynamicPseudoType
		switch {
		case i < len(params):
			ty = params[i].Type
		case rest != nil:
			ty = rest.Type
		}
		if ty == cty.Number && numberBomb(a.Value) {
			return cty.DynamicVal, outOfRange(a.Range)
		}
		if list, ok := listOf(a.Value, ty); ok {
			a.Value = list
		}
		if ty != cty.DynamicPseudoType && ty.HasDynamicTypes() || convertsElements[n.Name] {
			a.Value = uniform(a.Value)
			if plain, _ := a.Value.Unmark(); plain.Type().IsTupleType() {
				if diags := e.mixed(plain.LengthInt(), n, l); diags != nil {
					return cty.DynamicVal, diags
				}
			}
		}
		exprs[i] = &hclsyntax.LiteralValueExpr{Val: a.Value, SrcRange: syntax.ToRange(a.Range)}
	}
	ctx := &hcl.EvalContext{Functions: map[string]function.Function{n.Name: f.Impl}}
	v, hclDiags := (&hclsyntax.FunctionCallExpr{
		Name: n.Name, Args: exprs,
		NameRange: n.NameRange, OpenParenRange: n.OpenParenRange, CloseParenRange: n.CloseParenRange,
	}).Value(ctx)
	return v, e.fromHCL(hclDiags, n, l)
}

// names are those of the parameters of a function.
func names(params []function.Parameter) []string {
	var out []string
	for i := range params {
		out = append(out, params[i].Name)
	}
	return out
}

func name(p *function.Parameter) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// mixed charges for looking for a common type of n elements.
func (e *evaluator) mixed(n int, call *hclsyntax.FunctionCallExpr, l *local) diag.List {
	if n > maxMixed {
		return e.errorf(call, l, "Too many elements of different types",
			"This list has %d elements of more than one type. Finding one that fits all of them is possible for up to %d.", n, maxMixed)
	}
	return e.spend(n*n/mixedUnit, call)
}

func (e *evaluator) native(n *hclsyntax.FunctionCallExpr, f *Function, args []Arg) (cty.Value, diag.List) {
	if least := len(f.Params) - f.Optional; len(args) < least || len(args) > len(f.Params) {
		return cty.DynamicVal, wrongCount(n, least, f.Params, "", len(args))
	}
	return f.Native(Call{Name: n.Name, Range: callRange(n), Args: args, Scope: e.scope})
}

// recovers reports whether a function goes on when its arguments fail.
func recovers(name string) bool { return name == "try" || name == "can" }

// recovering is try and can.
func (e *evaluator) recovering(n *hclsyntax.FunctionCallExpr, l *local) (cty.Value, diag.List) {
	if len(n.Args) == 0 || n.ExpandFinal || n.Name == "can" && len(n.Args) != 1 {
		return cty.DynamicVal, diag.Errorf(callRange(n), "Wrong number of function arguments",
			"try takes one or more expressions and returns the first that has no error; can takes one and tells whether it has none.")
	}
	var failed diag.List
	for _, x := range n.Args {
		v, diags := e.eval(x, l)
		switch {
		case diags.HasFatal():
			return cty.DynamicVal, diags
		case diags.HasErrors():
			failed = append(failed, diags.Errors()...)
		case n.Name == "can":
			return cty.True, diags
		default:
			return v, diags
		}
	}
	if n.Name == "can" {
		return cty.False, nil
	}
	var reasons strings.Builder
	for _, d := range failed.Limit() {
		fmt.Fprintf(&reasons, "  %s\n", strings.ReplaceAll(d.Error(), "\n", " "))
	}
	return cty.DynamicVal, diag.Errorf(callRange(n), "No expression of try succeeded", "%s", "None of the expressions has a value:\n\n"+reasons.String())
}

// Text evaluates an argument of a native function as a string. Its marks are in
// the result's.
func (a Arg) Text(param string) (cty.Value, diag.List) {
	v, marks := a.Value.Unmark()
	if v.IsNull() {
		return cty.UnknownVal(cty.String), diag.Errorf(a.Range, "Invalid function argument", "Invalid value for %q parameter: argument must not be null.", param)
	}
	text, err := convert.Convert(v, cty.String)
	if err == nil && !text.IsKnown() {
		err = fmt.Errorf("it is not known")
	}
	if err != nil {
		return cty.UnknownVal(cty.String), diag.Errorf(a.Range, "Invalid function argument", "Invalid value for %q parameter: %v.", param, err)
	}
	return text.WithMarks(marks), nil
}

// PlainText is [Arg.Text] for a string that must be known here and now: neither
// a path of something not yet built nor sensitive.
func (a Arg) PlainText(param string) (string, diag.List) {
	text, diags := a.Text(param)
	if diags.HasErrors() {
		return "", diags
	}
	plain, marks := Plain(text)
	switch {
	case len(marks.Paths) > 0:
		return "", unknownPath(marks.Paths[0], fmt.Sprintf("it cannot be the %s", param), a.Range)
	case marks.Sensitive:
		return "", diag.Errorf(a.Range, "Sensitive value", "The %s is not kept secret, and this value is marked sensitive.", param)
	}
	return plain.AsString(), nil
}
