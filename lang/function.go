package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/funcs"
	"sysc/lang/syntax"
)

var functionSchema = syntax.Schema{Attrs: []syntax.AttrSchema{
	{Name: "params", Required: true}, {Name: "variadic_param"}, {Name: "result", Required: true}, {Name: "description"},
}}

// functions adds the functions that a module declares to those of the language.
// Only functions and parameters mean something in their results, so that a
// function is the same whoever calls it.
func (m *Module) functions(table map[string]*eval.Function) {
	scope := eval.NewRoot(m.opts.Session, table)
	for _, b := range m.Definition.Functions {
		f := &eval.UserFunction{Result: b.Body.Attr("result").Expr, Scope: scope}
		params, _ := b.Body.Attr("params").Expr.Elements()
		for _, p := range params {
			name, _ := p.Keyword()
			f.Params = append(f.Params, name)
		}
		if a := b.Body.Attr("variadic_param"); a != nil {
			f.Rest, _ = a.Expr.Keyword()
		}
		table[b.Labels[0]] = &eval.Function{User: f}
	}
}

// checkFunction reports what is wrong with a block, its calls apart.
func checkFunction(b *syntax.Block) diag.List {
	diags := b.Body.Check("a function", functionSchema)
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, checkDescription(b.Body)...)
	a := b.Body.Attr("params")
	params, ok := a.Expr.Elements()
	if !ok {
		return append(diags, diag.Errorf(a.Expr.Range(), "Invalid parameters", "params is a list of bare names, as in [a, b]; [] for none.")...)
	}
	if rest := b.Body.Attr("variadic_param"); rest != nil {
		params = append(params, rest.Expr)
	}
	seen := map[string]bool{}
	for _, p := range params {
		name, ok := p.Keyword()
		switch {
		case !ok:
			diags = append(diags, diag.Errorf(p.Range(), "Invalid parameter", "A parameter is a bare name, without quotes: write it as in [a, b].")...)
		case name == "true" || name == "false" || name == "null":
			diags = append(diags, diag.Errorf(p.Range(), "Invalid parameter", "%q cannot be the name of a parameter.", name)...)
		case seen[name]:
			diags = append(diags, diag.Errorf(p.Range(), "Duplicate parameter", "There is a parameter %q already.", name)...)
		}
		seen[name] = true
	}
	if diags.HasErrors() {
		return diags
	}
	return append(diags, checkResult(b.Body.Attr("result").Expr, b.Labels[0], seen)...)
}

// checkResult reports names in a result that are no parameters.
func checkResult(result *syntax.Expr, function string, params map[string]bool) diag.List {
	var diags diag.List
	known := slices.Collect(maps.Keys(params))
	for _, ref := range result.References() {
		if params[ref.Root] {
			continue
		}
		how := diag.DidYouMean(ref.Root, known)
		if how == "" {
			how = " Add one for it, and give the value with each call."
		}
		if ref.Root == "path" {
			how = " Files are named from the directory of the module on, as in file(\"./x\")."
		}
		diags = append(diags, diag.Errorf(ref.Range, "Unknown name in a function",
			"The result of a function depends on its arguments alone, and %s has no parameter %q.%s", function, ref.Root, how)...)
	}
	return diags
}

// checkFunctions reports functions that are called like those of the language,
// and those that call themselves, directly or by way of others.
func (d *Definition) checkFunctions() diag.List {
	if len(d.Functions) == 0 {
		return nil
	}
	builtin := funcs.Table(funcs.Module{})
	var diags diag.List
	byName := map[string]*syntax.Block{}
	var whole []*syntax.Block
	for _, b := range d.Functions {
		if b.Body.Attr("result") != nil { // or else an error is reported
			byName[b.Labels[0]] = b
			whole = append(whole, b)
		}
		if _, taken := builtin[b.Labels[0]]; taken || b.Labels[0] == "try" || b.Labels[0] == "can" {
			diags = append(diags, diag.Errorf(b.LabelRanges[0], "Function exists already",
				"%s is a function of the language. Give this one another name.", b.Labels[0])...)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return append(diags, recursion(whole, byName)...)
}

// recursion finds cycles among calls. Each function is looked at once; a cycle is
// reported at the call that closes it.
func recursion(blocks []*syntax.Block, byName map[string]*syntax.Block) diag.List {
	const (
		fresh = iota
		open
		done
	)
	var diags diag.List
	state := map[string]int{}
	type frame struct {
		name  string
		calls []syntax.Step
	}
	enter := func(name string) frame {
		state[name] = open
		result := byName[name].Body.Attr("result")
		if result == nil {
			return frame{name: name} // reported where the block is checked
		}
		return frame{name, result.Expr.Calls()}
	}
	for _, b := range blocks {
		if state[b.Labels[0]] != fresh {
			continue
		}
		stack := []frame{enter(b.Labels[0])}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.calls) == 0 {
				state[top.name] = done
				stack = stack[:len(stack)-1]
				continue
			}
			call := top.calls[0]
			top.calls = top.calls[1:]
			if byName[call.Name] == nil || state[call.Name] == done {
				continue
			}
			if state[call.Name] == fresh {
				stack = append(stack, enter(call.Name))
				continue
			}
			i := slices.IndexFunc(stack, func(f frame) bool { return f.name == call.Name })
			var ring []string
			for _, f := range stack[i:] {
				ring = append(ring, f.name)
			}
			diags = append(diags, recursive(call, ring))
		}
	}
	return diags
}

func recursive(call syntax.Step, ring []string) *diag.Diagnostic {
	const most = 12
	if len(ring) == 1 {
		return diag.New(diag.Error, call.Range, "Recursive function",
			"The result of %s calls %s again. A function cannot call itself: use a for expression to go over a collection.", call.Name, call.Name)
	}
	names := ring
	if len(names) > most {
		names = append(slices.Clone(ring[:most]), fmt.Sprintf("… and %d more", len(ring)-most))
	}
	return diag.New(diag.Error, call.Range, "Recursive function",
		"These functions call one another, so that a call would have no end: %s → %s. A function cannot call itself: use a for expression to go over a collection.",
		strings.Join(names, " → "), call.Name)
}

// checkDescription demands that a description is a plain text.
func checkDescription(b *syntax.Body) diag.List {
	if a := b.Attr("description"); a != nil {
		if _, ok := a.Expr.StringLiteral(); !ok {
			return diag.Errorf(a.Expr.Range(), "Invalid value", "A description is a text in quotes without interpolation.")
		}
	}
	return nil
}

// boolArgument reads an argument that is true or false, false when it is not set.
func boolArgument(b *syntax.Body, name string) (bool, diag.List) {
	a := b.Attr(name)
	if a == nil {
		return false, nil
	}
	word, ok := a.Expr.Keyword()
	if !ok || word != "true" && word != "false" {
		return false, diag.Errorf(a.Expr.Range(), "Invalid value", "%s is either true or false.", name)
	}
	return word == "true", nil
}
