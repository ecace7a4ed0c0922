package eval

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A Checker is a [Resolver] that can tell what does not exist without finding any
// value.
type Checker interface {
	Resolver
	// Check returns what is wrong with a name, whatever the values are. It is called
	// with roots from Roots only.
	Check(ref syntax.Reference) diag.List
}

// CheckNames returns which names and functions in an expression do not exist, and
// which calls have too few or too many arguments, also where evaluation would not
// look, as on the other side of a condition. Nothing is evaluated. Names in the
// arguments of try and can may be missing.
func CheckNames(x *syntax.Expr, scope *Scope) diag.List {
	w := &nameWalker{scope: scope}
	// The walker has no errors of HCL's kind.
	_ = hclsyntax.Walk(x.Node(), w)
	return w.diags
}

// A nameWalker goes through one expression.
type nameWalker struct {
	scope *Scope
	// inner are the names that the expression itself introduces around the present
	// place, innermost last.
	inner []map[string]struct{}
	// trying counts the calls of try and can around it.
	trying int
	diags  diag.List
}

// Enter looks at one node.
func (w *nameWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.inner = append(w.inner, n.LocalNames)
	case *hclsyntax.ScopeTraversalExpr:
		w.name(n)
	case *hclsyntax.FunctionCallExpr:
		if recovers(n.Name) {
			w.trying++
		} else {
			w.diags = append(w.diags, w.scope.checkCall(n)...)
		}
	}
	return nil
}

// Exit leaves it.
func (w *nameWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.inner = w.inner[:len(w.inner)-1]
	case *hclsyntax.FunctionCallExpr:
		if recovers(n.Name) {
			w.trying--
		}
	}
	return nil
}

func (w *nameWalker) name(n *hclsyntax.ScopeTraversalExpr) {
	root := n.Traversal.RootName()
	if w.trying > 0 || slices.ContainsFunc(w.inner, func(names map[string]struct{}) bool { _, ok := names[root]; return ok }) {
		return
	}
	known := w.scope.find(root)
	if known == nil {
		c := chain{ref: syntax.Reference{Root: root, Range: syntax.FromRange(n.SrcRange)}, steps: n.Traversal[1:]}
		w.diags = append(w.diags, unknownName(c, w.names())...)
		return
	}
	if checker, ok := known.resolver.(Checker); ok {
		ref, _ := syntax.MakeReference(n.Traversal)
		w.diags = append(w.diags, checker.Check(ref)...)
	}
}

// names are all names that mean something at the present place.
func (w *nameWalker) names() []string {
	names := w.scope.names()
	for _, inner := range w.inner {
		names = append(names, slices.Sorted(maps.Keys(inner))...)
	}
	return names
}

// checkCall compares a call with the function that it names.
func (s *Scope) checkCall(n *hclsyntax.FunctionCallExpr) diag.List {
	f, diags := s.function(n)
	if f == nil {
		return diags
	}
	least, params, rest := f.arguments()
	have := len(n.Args)
	if n.ExpandFinal { // which may stand for none, or for any number
		if have-1 <= len(params) || rest != "" {
			return nil
		}
	}
	if have < least || have > len(params) && rest == "" {
		return wrongCount(n, least, params, rest, have)
	}
	return nil
}

// arguments tells what a function takes: names of parameters of which the first
// least must be given, and that of the ones behind, "" for none.
func (f *Function) arguments() (least int, params []string, rest string) {
	switch {
	case f.User != nil:
		return len(f.User.Params), f.User.Params, f.User.Rest
	case f.Native != nil:
		return len(f.Params) - f.Optional, f.Params, ""
	}
	params = names(f.Impl.Params())
	return len(params), params, name(f.Impl.VarParam())
}

// Known is a resolver for roots that have no value yet: what is in a block that is
// made for each element, while nobody knows which elements there are. The names are
// those behind the root, nil for any.
type Known map[string][]string

// Roots returns the names.
func (k Known) Roots() []string { return slices.Sorted(maps.Keys(k)) }

// Resolve returns something unknown.
func (k Known) Resolve(syntax.Reference) (cty.Value, int, diag.List) { return cty.DynamicVal, 0, nil }

// Check looks at the first step.
func (k Known) Check(ref syntax.Reference) diag.List {
	known := k[ref.Root]
	if known == nil || len(ref.Path) == 0 || slices.Contains(known, ref.Path[0].Name) {
		return nil
	}
	return diag.Errorf(ref.Path[0].Range, "Unsupported attribute", "%s has %s and %s; there is no %q.", ref.Root, known[0], known[1], ref.Path[0].Name)
}

// Element is what the names of one element of a collection are, while nobody
// knows which there are: root.key and root.value.
func Element(root string) Known { return Known{root: {"key", "value"}} }
