package lang

import (
	"slices"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// CheckNames returns which names and functions do not exist in the module's own
// blocks, those included that no evaluation looks at: the result of a function that
// nobody calls, the other side of a condition, the message about a condition that
// holds; and which arguments are none of what a for_each makes, however many there are.
// Texts about systems are for package modules.
func (m *Module) CheckNames() diag.List {
	var diags diag.List
	check := func(blocks []*syntax.Block) {
		for _, b := range blocks {
			diags = append(diags, CheckBody(b.Body, m.scope)...)
		}
	}
	for _, a := range m.Definition.Locals {
		diags = append(diags, eval.CheckNames(a.Expr, m.scope)...)
	}
	check(m.Definition.Inputs)
	check(m.Definition.Outputs)
	for _, b := range m.Definition.Variables {
		check(b.Body.Blocks) // what else is in it is no expression, or evaluated
	}
	for _, b := range m.Definition.Asserts {
		if !NeedsSystem(b) {
			diags = append(diags, CheckBody(b.Body, m.scope)...)
		}
	}
	for _, b := range m.Definition.Functions {
		f := m.scope.Functions()[b.Labels[0]].User
		params := eval.Known{}
		for _, p := range append(f.Params[:len(f.Params):len(f.Params)], f.Rest) {
			params[p] = nil
		}
		diags = append(diags, eval.CheckNames(f.Result, eval.NewScope(f.Scope, params))...)
	}
	for _, b := range m.Definition.Derivations {
		if diags = append(diags, m.checkFamily(b)...); b.Body.Attr("for_each") != nil {
			diags = append(diags, checkDerivationBody(b.Body)...)
		}
	}
	for _, b := range m.Definition.Environments {
		if diags = append(diags, m.checkFamily(b)...); b.Body.Attr("for_each") != nil {
			diags = append(diags, b.Body.Check("an environment", environmentSchema)...)
		}
	}
	for _, u := range m.Definition.Uses {
		diags = append(diags, m.checkFamily(u.Block, useArguments...)...)
	}
	return diags
}

// checkFamily checks a block that may have a for_each. The arguments called fixed
// are no expressions.
func (m *Module) checkFamily(b *syntax.Block, fixed ...string) diag.List {
	var diags diag.List
	scope := m.scope
	if each := b.Body.Attr("for_each"); each != nil {
		diags = eval.CheckNames(each.Expr, scope)
		scope = eval.NewScope(scope, eval.Element("each"))
	}
	return append(diags, CheckBody(b.Body, scope, append(fixed, "for_each")...)...)
}

// CheckBody is [eval.CheckNames] for all expressions in a body, and in its blocks;
// the arguments of the body that are called fixed are left out.
func CheckBody(body *syntax.Body, scope *eval.Scope, fixed ...string) diag.List {
	var diags diag.List
	for _, a := range body.Attrs {
		if !slices.Contains(fixed, a.Name) {
			diags = append(diags, eval.CheckNames(a.Expr, scope)...)
		}
	}
	for _, b := range body.Blocks {
		if b.Type != "dynamic" {
			diags = append(diags, CheckBody(b.Body, scope)...)
			continue
		}
		if d, wrong := ParseDynamic(b); !wrong.HasErrors() { // whoever reads it reports these
			inner, more := d.CheckNames(scope)
			diags = append(append(diags, more...), CheckBody(d.Content, inner)...)
		}
	}
	return diags
}

// CheckNames is [eval.CheckNames] for what a dynamic block goes over and its labels;
// inner is what names mean in its content.
func (d *Dynamic) CheckNames(scope *eval.Scope) (inner *eval.Scope, diags diag.List) {
	diags = eval.CheckNames(d.forEach, scope)
	inner = eval.NewScope(scope, eval.Element(d.iterator))
	for _, l := range d.Labels {
		diags = append(diags, eval.CheckNames(l, inner)...)
	}
	return inner, diags
}

// Check implements [eval.Checker]: it looks for what a name begins with.
func (n *names) Check(ref syntax.Reference) diag.List {
	if _, elsewhere := notHere[ref.Root]; elsewhere || len(ref.Path) == 0 {
		_, _, diags := n.Resolve(ref)
		return diags
	}
	name := ref.Path[0].Name
	known := true
	switch ref.Root {
	case "var":
		_, known = n.m.variables[name]
	case "local":
		_, known = n.m.locals[name]
	case "derivation":
		_, known = n.m.derivations[name]
	case "environment":
		_, known = n.m.environments[name]
	case "input", "pkg":
		_, known = n.m.inputs[name]
	case "module":
		if _, known = n.m.uses[name]; known {
			return n.checkOutput(ref)
		}
	case "path":
		known = false // finding it is looking for it
	}
	if known {
		return nil
	}
	_, _, diags := n.Resolve(ref)
	return diags
}

// checkOutput looks for an output of a module that is used, as far as that can be
// found.
func (n *names) checkOutput(ref syntax.Reference) diag.List {
	all, _ := n.m.Uses(ref.Path[0].Name, ref.Range)
	if all == nil || len(all.Keys) == 0 {
		return nil
	}
	i := 1
	if all.Keyed {
		i++
	}
	if len(ref.Path) <= i {
		return nil
	}
	child, _ := all.Instance(all.Keys[0], ref.Range)
	if child == nil {
		return nil
	}
	return n.m.checkOutput(child, ref.Path[0].Name, ref.Path[i], ref)
}
