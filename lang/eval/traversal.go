package eval

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A chain is a name with steps, or any other expression with steps. Indices are
// evaluated.
type chain struct {
	ref    syntax.Reference // valid when base is nil: what the scope is asked for
	base   hclsyntax.Expression
	steps  []hcl.Traverser // all steps after root or base
	static int             // the first of steps are in ref.Path
}

// traversal evaluates a.b[c].d: indices first, so that the scope is asked for
// exactly what is wanted, then the name, then the steps that the scope left.
func (e *evaluator) traversal(n hclsyntax.Expression, l *local) (cty.Value, diag.List) {
	c, diags := e.chain(n, l)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, used, moreDiags := e.root(c, n, l)
	diags = append(diags, moreDiags...)
	if moreDiags.HasErrors() {
		return cty.DynamicVal, diags
	}
	start := v
	for _, step := range c.steps[min(used, len(c.steps)):] {
		if index, ok := step.(hcl.TraverseIndex); ok {
			if p, ok := pathIn(index.Key); ok {
				return cty.DynamicVal, append(diags, unknownPath(p, "it cannot be an index", syntax.FromRange(index.SrcRange))...)
			}
		}
		next, hclDiags := step.TraversalStep(v)
		if hclDiags.HasErrors() {
			e.noteStart(c, used, start)
			stepDiags := e.fromHCL(hclDiags, n, l)
			for _, d := range stepDiags {
				e.explainStep(d, step, v)
			}
			return cty.DynamicVal, append(diags, stepDiags...)
		}
		v = next
	}
	diags = append(diags, e.spendValue(v, n)...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	e.note(c, v)
	return v, diags
}

// chain takes a traversal apart, from the outside in.
func (e *evaluator) chain(n hclsyntax.Expression, l *local) (chain, diag.List) {
	var diags diag.List
	var groups [][]hcl.Traverser // outermost first
	c := chain{}
	for c.base == nil {
		switch t := n.(type) {
		case *hclsyntax.ParenthesesExpr:
			n = t.Expression
			continue
		case *hclsyntax.RelativeTraversalExpr:
			groups = append(groups, t.Traversal)
			n = t.Source
			continue
		case *hclsyntax.IndexExpr:
			key, keyDiags := e.eval(t.Key, l)
			diags = append(diags, keyDiags...)
			groups = append(groups, []hcl.Traverser{hcl.TraverseIndex{Key: key, SrcRange: t.BracketRange}})
			n = t.Collection
			continue
		case *hclsyntax.ScopeTraversalExpr:
			groups = append(groups, t.Traversal[1:])
			c.ref.Root = t.Traversal.RootName()
			c.ref.Range = syntax.FromRange(t.SrcRange)
		default:
			c.base = n
		}
		break
	}
	if len(groups) == 1 {
		c.steps = groups[0]
	} else {
		for _, g := range slices.Backward(groups) {
			c.steps = append(c.steps, g...)
		}
	}
	if c.base == nil {
		c.staticPath()
	}
	return c, diags
}

// staticPath fills ref.Path with the steps up to the first that names nothing.
func (c *chain) staticPath() {
	if len(c.steps) > 0 {
		c.ref.Path = make([]syntax.Step, 0, len(c.steps))
	}
	for _, step := range c.steps {
		var s syntax.Step
		ok := true
		switch t := step.(type) {
		case hcl.TraverseAttr:
			s = syntax.Step{Name: t.Name, Range: syntax.FromRange(t.SrcRange)}
		case hcl.TraverseIndex:
			s, ok = syntax.IndexStep(t.Key, syntax.FromRange(t.SrcRange))
		default:
			ok = false
		}
		if !ok {
			return
		}
		c.ref.Path = append(c.ref.Path, s)
		c.static++
		if s.Range.Filename == c.ref.Range.Filename && s.Range.End.Byte > c.ref.Range.End.Byte {
			c.ref.Range.End = s.Range.End
		}
	}
}

// root returns the value that a chain begins with and how many of its steps are
// in it.
func (e *evaluator) root(c chain, n hclsyntax.Expression, l *local) (cty.Value, int, diag.List) {
	if c.base != nil {
		v, diags := e.eval(c.base, l)
		return v, 0, diags
	}
	if v, ok := l.find(c.ref.Root); ok {
		return v, 0, nil
	}
	scope := e.scope.find(c.ref.Root)
	if scope == nil {
		known := e.scope.names()
		for ; l != nil; l = l.outer {
			if l.name != "" {
				known = append(known, l.name)
			}
		}
		return cty.DynamicVal, 0, unknownName(c, known)
	}
	return scope.resolver.Resolve(c.ref)
}

// unknownName says that nothing is called like the root of a chain; known is what
// there is.
func unknownName(c chain, known []string) diag.List {
	name, rng := c.ref.Root, c.ref.Range
	rng.End = rng.Start
	rng.End.Byte += len(name)
	rng.End.Column += len([]rune(name))
	detail := "There is nothing called " + name + " here." + diag.DidYouMean(name, known)
	switch hint, other := elsewhere()[name]; {
	case other:
		detail = "There is nothing called " + name + " here. " + hint
	case len(c.steps) > 0:
	default:
		if _, near := diag.Suggest(name, known); !near {
			detail += " A text is written in quotes: \"" + name + "\"."
		}
	}
	return diag.List{diag.New(diag.Error, rng, "Unknown name", "%s", detail)}
}

// elsewhere is how sysc says what names of other languages of this family do.
func elsewhere() map[string]string {
	return map[string]string{
		"count":     "Use for_each, and each.key for what is different.",
		"terraform": "A definition does not know who uses it; declare a variable.",
		"resource":  "What a machine has is read as config.NAME, what a build makes as derivation.NAME.out.",
		"data":      "What is pinned from outside is input.NAME; files are read by file(…) or source(…), and fetched by fetchurl(…).",
	}
}
