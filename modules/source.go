package modules

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// A site is where texts of one module are evaluated for one system.
type site struct {
	sys *evaluator
	// scope is the module's own.
	scope  *eval.Scope
	module string
	// plain is the scope of texts outside of any instance.
	plain *eval.Scope
	// used is the module block, for a module that another one uses.
	used *diag.Related
}

// say adds which use of the module is meant to errors about values, which may be
// others in other uses.
func (s *site) say(diags diag.List, file string) diag.List {
	if s.used == nil {
		return diags
	}
	out := slices.Clone(diags)
	for i, d := range out {
		if len(d.Values) > 0 && d.Subject != nil && d.Subject.Filename == file {
			said := *d
			said.Related = append(slices.Clone(d.Related), *s.used)
			out[i] = &said
		}
	}
	return out
}

func newSite(sys *evaluator, scope *eval.Scope, module string) *site {
	s := &site{sys: sys, scope: scope, module: module}
	s.plain = eval.NewScope(scope, &names{sys: sys})
	return s
}

// at returns the scope of a text that contributes to node n.
func (s *site) at(n *option.Node) *eval.Scope {
	inst := n.Instance()
	if inst == nil {
		return s.plain
	}
	return eval.NewScope(s.scope, &names{sys: s.sys, instance: inst})
}

// An exprSource is the right side of `name = expression`.
type exprSource struct {
	expr *syntax.Expr
	site *site
}

func (s exprSource) Range() diag.Range { return s.expr.Range() }
func (s exprSource) Text() string      { return s.expr.Text() }
func (s exprSource) Form() option.Form { return option.FormExpr }

func (s exprSource) Items() ([]option.Item, bool) {
	if bodies, ok := s.expr.Bodies(); ok && s.expr.IsBody() {
		return (&bodySource{body: bodies[0], rng: s.expr.Range(), site: s.site}).Items()
	}
	parts, ok := s.expr.Items()
	if !ok {
		return nil, false
	}
	items := make([]option.Item, len(parts))
	for i, p := range parts {
		items[i] = option.Item{Key: p.Key, KeyRange: p.KeyRange, Def: s.site.written(p.Value, p.KeyRange)}
	}
	return items, true
}

// Constant implements [option.Constant].
func (s exprSource) Constant() bool {
	return len(s.expr.References()) == 0 && len(s.expr.Calls()) == 0
}

func (s exprSource) Elements(n int) []diag.Range { return s.expr.ElementRanges(n) }

func (s exprSource) Value(n *option.Node) (cty.Value, diag.List) {
	v, diags := eval.Evaluate(s.expr, s.site.at(n))
	return v, s.site.say(diags, s.Range().Filename)
}

// written takes the wrappers off an expression at definition position.
func (s *site) written(e *syntax.Expr, rng diag.Range) option.Written {
	w := option.Written{Range: rng}
	for {
		name, args, ok := e.Call()
		want, wrapper := option.IsWrapper(name)
		if !ok || !wrapper {
			break
		}
		if len(args) != want {
			w.Problems = append(w.Problems, diag.Errorf(e.Range(), "Wrong number of arguments",
				"A definition is wrapped as in %s, and here %s.", map[int]string{1: name + "(value)", 2: name + "(number, value)"}[want], argumentsHere(len(args)))...)
			break
		}
		wrap := option.Wrap{Name: name, Range: e.CallRange()}
		if want == 2 {
			wrap.Number = exprSource{args[0], s}
		}
		w.Wraps = append(w.Wraps, wrap)
		e = args[want-1]
	}
	w.Value = exprSource{e, s}
	bodies, ok := e.Bodies()
	switch {
	case ok && e.IsBody():
		// In JSON, a block looks like an object.
		if when := bodies[0].Attr("when"); when != nil {
			w.When = []option.Source{exprSource{when.Expr, s}}
		}
	case ok:
		w.Value = blocksSource{exprSource{e, s}, bodies}
	}
	return w
}

// A blocksSource is an array of objects in JSON, which may be a list, or several
// blocks.
type blocksSource struct {
	exprSource
	bodies []*syntax.Body
}

// Expand returns the keyed parts of all blocks.
func (s blocksSource) Expand(*option.Node) (items []option.Item, diags diag.List) {
	for _, b := range s.bodies {
		block := s.site.block(&syntax.Block{Body: b, Range: b.Range()}, 0)
		parts, _ := block.Value.Items()
		for _, it := range parts {
			it.Def.When = append(block.When[:len(block.When):len(block.When)], it.Def.When...)
			items = append(items, it)
		}
	}
	return items, nil
}

// A bodySource is `name { … }`.
type bodySource struct {
	body  *syntax.Body
	rng   diag.Range
	site  *site
	skip  []string // arguments that are no options, beside when
	items []option.Item
}

func (s *bodySource) Range() diag.Range         { return s.rng }
func (s *bodySource) Text() string              { return "{ … }" }
func (s *bodySource) Form() option.Form         { return option.FormBlock }
func (s *bodySource) Elements(int) []diag.Range { return nil }

// Value is not how bodies are read: whoever needs a block's value asks for its
// items. It answers for the case that nobody thought of.
func (s *bodySource) Value(*option.Node) (cty.Value, diag.List) {
	return cty.DynamicVal, diag.Errorf(s.rng, "Block where an argument belongs", "An expression is needed here, not a block.")
}

func (s *bodySource) Items() ([]option.Item, bool) {
	if s.items != nil {
		return s.items, true
	}
	items := make([]option.Item, 0, len(s.body.Attrs)+len(s.body.Blocks))
	for _, a := range s.body.Attrs {
		if a.Name == "when" || slices.Contains(s.skip, a.Name) {
			continue
		}
		items = append(items, option.Item{Key: a.Name, KeyRange: a.NameRange, Def: s.site.written(a.Expr, a.Range())})
	}
	for _, b := range s.body.Blocks {
		if len(s.skip) > 0 && slices.Contains(s.skip, b.Type) {
			continue
		}
		if b.Type == "dynamic" {
			if d, diags := lang.ParseDynamic(b); !diags.HasErrors() { // checkBody has reported others
				items = append(items, s.site.dynamic(d))
			}
			continue
		}
		items = append(items, option.Item{Key: b.Type, KeyRange: b.TypeRange, Def: s.site.block(b, 0)})
	}
	slices.SortStableFunc(items, func(a, b option.Item) int { return a.KeyRange.Compare(b.KeyRange) })
	s.items = items
	return items, true
}

// block is the definition that a block with labels from the given one on makes.
func (s *site) block(b *syntax.Block, label int) option.Written {
	if label < len(b.Labels) {
		return option.Written{Value: &labelSource{b, label, s}, Range: b.Range}
	}
	w := option.Written{Value: &bodySource{body: b.Body, rng: b.Range, site: s}, Range: b.Range}
	if when := b.Body.Attr("when"); when != nil {
		w.When = []option.Source{exprSource{when.Expr, s}}
	}
	return w
}

// A labelSource is `"label" … { … }`.
type labelSource struct {
	block *syntax.Block
	label int
	site  *site
}

func (s *labelSource) Range() diag.Range         { return s.block.Range }
func (s *labelSource) Text() string              { return s.block.Header() + " { … }" }
func (s *labelSource) Form() option.Form         { return option.FormLabelled }
func (s *labelSource) Elements(int) []diag.Range { return nil }

func (s *labelSource) Items() ([]option.Item, bool) {
	return []option.Item{{
		Key:      s.block.Labels[s.label],
		KeyRange: s.block.LabelRanges[s.label],
		Def:      s.site.block(s.block, s.label+1),
	}}, true
}

func (s *labelSource) Value(*option.Node) (cty.Value, diag.List) {
	return cty.DynamicVal, diag.Errorf(s.block.Range, "Label on a block that takes none", "An expression is needed here, not a block.")
}

// argumentsHere says how many arguments there are.
func argumentsHere(n int) string {
	switch n {
	case 0:
		return "is no argument"
	case 1:
		return "is one argument"
	}
	return fmt.Sprintf("are %d arguments", n)
}
