package lint

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// expressions calls visit for every expression in blocks, with the block at the
// top that it stands in.
func expressions(blocks []*syntax.Block, visit func(e *syntax.Expr, top *syntax.Block)) {
	for _, b := range blocks {
		bodyExpressions(b.Body, func(e *syntax.Expr) { visit(e, b) })
	}
}

func bodyExpressions(body *syntax.Body, visit func(*syntax.Expr)) {
	for _, a := range body.Attrs {
		visit(a.Expr)
	}
	for _, b := range body.Blocks {
		bodyExpressions(b.Body, visit)
	}
}

// readNames returns the names that expressions read behind a root, as x of
// local.x. A reference that does not show its name reads all, which ok false
// says. but, if not nil, tells which references do not count.
func (r *run) readNames(root string, but func(name string, top *syntax.Block) bool) (names map[string]bool, ok bool) {
	names, ok = map[string]bool{}, true
	expressions(r.blocks(), func(e *syntax.Expr, top *syntax.Block) {
		for _, ref := range e.References() {
			switch {
			case ref.Root != root:
			case len(ref.Path) == 0:
				ok = false
			case but == nil || !but(ref.Path[0].Name, top):
				names[ref.Path[0].Name] = true
			}
		}
	})
	return names, ok
}

func (r *run) unusedLocals() {
	read, known := r.readNames("local", nil)
	for _, a := range r.Definition.Locals {
		if known && !read[a.Name] {
			r.found(unusedLocal, a.NameRange, "Unused local value", "Nothing reads local.%s. Take it out.", a.Name)
		}
	}
}

func (r *run) unusedVariables() {
	read, known := r.readNames("var", func(name string, top *syntax.Block) bool {
		return top.Type == "variable" && len(top.Labels) == 1 && top.Labels[0] == name // its own validation
	})
	for _, b := range r.Definition.Variables {
		if name := b.Labels[0]; known && !read[name] {
			r.found(unusedVariable, b.Range, "Unused variable", "Nothing reads var.%s, so that its value makes no difference. Take it out.", name)
		}
	}
}

func (r *run) unusedFunctions() {
	called := map[string]bool{}
	expressions(r.blocks(), func(e *syntax.Expr, _ *syntax.Block) {
		for _, c := range e.Calls() {
			called[c.Name] = true
		}
	})
	for _, b := range r.Definition.Functions {
		if name := b.Labels[0]; !called[name] {
			r.found(unusedFunction, b.Range, "Unused function", "Nothing calls %s. Functions of a module are its own, so that nobody else can, either. Take it out.", name)
		}
	}
}

// Unread returns the module blocks of which outputs alone count, and nothing reads
// any.
func (t *Text) Unread() []*lang.Use {
	r := &run{Text: t}
	read, known := r.readNames("module", nil)
	var out []*lang.Use
	for _, u := range t.Definition.Uses {
		if known && u.OutputsOnly && !read[u.Name] {
			out = append(out, u)
		}
	}
	return out
}

// unusedInputs finds inputs that are named nowhere. A lone one that can be a base is
// used without that, by everything that has one.
func (r *run) unusedInputs() {
	d := r.Definition
	lone := ""
	if len(d.Systems)+len(d.Derivations)+len(d.Environments) > 0 {
		lone = loneBase(d.Inputs)
	}
	read, known := r.readNames("input", nil)
	packages, knownPackages := r.readNames("pkg", nil)
	prefixes, knownPrefixes := r.packagePrefixes()
	if !known || !knownPackages || !knownPrefixes {
		return
	}
	for _, b := range d.Inputs {
		if name := b.Labels[0]; name != lone && !read[name] && !packages[name] && !prefixes[name] {
			r.found(unusedInput, b.Range, "Unused input", "Nothing is from input.%[1]s: no base, no package, no attribute. Take it out, or write base = input.%[1]s or input.%[1]s.path where it is meant.", name)
		}
	}
}

// loneBase returns the name of the only input that can be a base, "" for none or
// several. A type that is computed may be one.
func loneBase(inputs []*syntax.Block) string {
	lone := ""
	for _, b := range inputs {
		if a := b.Body.Attr("type"); a != nil && lang.IsSourceType(strings.Trim(a.Expr.Text(), `"`)) {
			continue
		}
		if lone != "" {
			return ""
		}
		lone = b.Labels[0]
	}
	return lone
}

// packagePrefixes returns what stands in front of a colon in texts, as in
// "trixie:git". ok is false when there is a text that does not show it.
func (r *run) packagePrefixes() (prefixes map[string]bool, ok bool) {
	prefixes, ok = map[string]bool{}, true
	expressions(r.blocks(), func(e *syntax.Expr, _ *syntax.Block) {
		visit(e.Node(), func(n hclsyntax.Node) {
			t, isTemplate := n.(*hclsyntax.TemplateExpr)
			if !isTemplate {
				return
			}
			for i, part := range t.Parts {
				text, isText := literalText(part)
				before, _, colon := strings.Cut(text, ":")
				switch {
				case isText && colon && i == 0:
					prefixes[before] = true
				case isText && colon:
					ok = false
				}
			}
		})
	})
	return prefixes, ok
}

func literalText(n hclsyntax.Expression) (string, bool) {
	lit, ok := n.(*hclsyntax.LiteralValueExpr)
	if !ok || lit.Val.IsNull() || lit.Val.Type() != cty.String {
		return "", false
	}
	return lit.Val.AsString(), true
}

// visit calls f for a node and all nodes in it.
func visit(n hclsyntax.Node, f func(hclsyntax.Node)) {
	// The visitor has no errors of its own.
	_ = hclsyntax.VisitAll(n, func(n hclsyntax.Node) hcl.Diagnostics {
		f(n)
		return nil
	})
}

// rangeOf is a node's place.
func rangeOf(n hclsyntax.Node) diag.Range { return syntax.FromRange(n.Range()) }
