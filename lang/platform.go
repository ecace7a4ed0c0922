package lang

import (
	"maps"
	"slices"

	"sysc/internal/lazyregexp"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// platformPattern is how platforms are written: an operating system and an
// architecture as Go calls them, "linux/amd64".
var platformPattern = lazyregexp.New(`^[a-z0-9]+/[a-z0-9]+$`)

// platform is what the build runs on: that of the evaluation, unless it says another.
func (r *fields) platform() string {
	before := len(r.diags)
	text := r.text("platform")
	switch a := r.body.Attr("platform"); {
	case text == "" && (a == nil || a.Expr.IsNull() || len(r.diags) > before):
		return r.m.opts.Platform
	case !platformPattern().MatchString(text):
		r.fail("platform", "Wrong platform", "A platform is written like \"linux/amd64\".")
		return r.m.opts.Platform
	}
	return text
}

// Platforms returns the platforms that derivations state whose base is an input, by its
// label; sorted, each once. Those that cannot be told are left out: evaluating the
// derivation says what is wrong.
func (m *Module) Platforms(input string) []string {
	found := map[string]bool{}
	for _, b := range m.Definition.Derivations {
		a := b.Body.Attr("platform")
		if a == nil || m.baseLabel(b) != input {
			continue
		}
		for _, scope := range m.instanceScopes(b) {
			r := &fields{m: m, scope: scope, body: b.Body}
			if text := r.text("platform"); platformPattern().MatchString(text) {
				found[text] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// baseLabel is the label of the input that a derivation takes packages from, "" for
// none that is named plainly.
func (m *Module) baseLabel(b *syntax.Block) string {
	a := b.Body.Attr("base")
	if a == nil && len(m.Definition.Inputs) == 1 {
		return m.Definition.Inputs[0].Labels[0]
	}
	if a != nil {
		if refs := a.Expr.References(); len(refs) == 1 && refs[0].Root == "input" && len(refs[0].Path) == 1 {
			return refs[0].Path[0].Name
		}
	}
	return ""
}

// instanceScopes are what names mean in each of the things that a block makes.
func (m *Module) instanceScopes(b *syntax.Block) []*eval.Scope {
	a := b.Body.Attr("for_each")
	if a == nil {
		return []*eval.Scope{m.scope}
	}
	elements, _ := m.StaticForEach(a.Expr, "The for_each of a "+b.Type)
	var out []*eval.Scope
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		out = append(out, eval.NewScope(m.scope, Each(key, elements[key])))
	}
	return out
}
