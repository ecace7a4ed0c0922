package syntax

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A Reference names something: a root, as "config", and steps into it.
type Reference struct {
	Root string
	Path []Step
	// Range is of the whole reference as written.
	Range diag.Range
}

// A Step is ".name", `["name"]` or "[3]".
type Step struct {
	// Name is the attribute or key; a number in decimal.
	Name string
	// Index is set for the forms in brackets.
	Index bool
	// Range is of this step alone.
	Range diag.Range
}

// String returns the reference as people write it: `config.a.b["c d"]`.
func (r Reference) String() string {
	var b strings.Builder
	b.WriteString(r.Root)
	for _, s := range r.Path {
		b.WriteString(s.String())
	}
	return b.String()
}

// Same reports whether r and o name the same, wherever they stand.
func (r Reference) Same(o Reference) bool {
	return r.Root == o.Root && slices.EqualFunc(r.Path, o.Path, func(a, b Step) bool {
		return a.Name == b.Name && (a.Index == b.Index || a.String() == b.String())
	})
}

// String returns the step as people write it, with its dot or brackets.
func (s Step) String() string {
	switch {
	case hclsyntax.ValidIdentifier(s.Name) && !s.Index:
		return "." + s.Name
	case isDecimal(s.Name) && s.Index:
		return "[" + s.Name + "]"
	}
	return `["` + s.Name + `"]`
}

// IsName reports whether a text can be a name in expressions.
func IsName(s string) bool { return hclsyntax.ValidIdentifier(s) }

func isDecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// MakeReference converts a traversal up to the first step whose key is not
// known; used is the number of the traversal's elements in the result, the root
// counted.
func MakeReference(t hcl.Traversal) (ref Reference, used int) {
	if len(t) == 0 {
		return Reference{}, 0
	}
	root, ok := t[0].(hcl.TraverseRoot)
	if !ok {
		return Reference{}, 0
	}
	ref = Reference{Root: root.Name, Range: FromRange(t.SourceRange())}
	used = 1
	for _, step := range t[1:] {
		s, ok := makeStep(step)
		if !ok {
			break
		}
		ref.Path = append(ref.Path, s)
		used++
	}
	return ref, used
}

func makeStep(t hcl.Traverser) (Step, bool) {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		return Step{Name: t.Name, Range: FromRange(t.SrcRange)}, true
	case hcl.TraverseIndex:
		return IndexStep(t.Key, FromRange(t.SrcRange))
	}
	return Step{}, false
}

// IndexStep returns the step for a known key; ok is false when key is no string
// or number, or is unknown, null or marked.
func IndexStep(key cty.Value, rng diag.Range) (s Step, ok bool) {
	if key.IsMarked() || !key.IsKnown() || key.IsNull() || key.Type() == cty.Bool {
		return Step{}, false
	}
	name, ok := scalarText(key)
	return Step{Name: name, Index: true, Range: rng}, ok
}

// References returns what e refers to, in the order of the text, names that e
// itself introduces (for) left out. A reference ends before the first step that
// only evaluation knows. What stands on a side of a condition that will not be
// looked at is there too.
func (e *Expr) References() []Reference {
	node := e.Node()
	if t, ok := node.(*hclsyntax.ScopeTraversalExpr); ok {
		ref, _ := MakeReference(t.Traversal)
		return []Reference{ref}
	}
	var refs []Reference
	for _, t := range hclsyntax.Variables(node) {
		ref, _ := MakeReference(t)
		refs = append(refs, ref)
	}
	return refs
}

// Calls returns the names of the functions that e calls, in the order of the
// text, each with the place of the name.
func (e *Expr) Calls() []Step {
	var calls []Step
	// The visitor has no errors of its own.
	_ = hclsyntax.VisitAll(e.Node(), func(n hclsyntax.Node) hcl.Diagnostics {
		if c, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			calls = append(calls, Step{Name: c.Name, Range: FromRange(c.NameRange)})
		}
		return nil
	})
	slices.SortStableFunc(calls, func(a, b Step) int { return a.Range.Compare(b.Range) })
	return calls
}
