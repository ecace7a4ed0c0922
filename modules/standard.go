package modules

import (
	"slices"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/modules/std"
)

// standard returns a standard module, read at its first use.
func (w *work) standard(name string) (*lang.Module, diag.List) {
	if m, ok := w.standards[name]; ok {
		return m, nil
	}
	file, text := std.File(name)
	w.p.files[file] = text
	def, diags := lang.Parse("", map[string][]byte{file: text}, "")
	if def == nil {
		return nil, diags
	}
	h := &host{w: w}
	m := lang.Prepare(def, lang.Options{Graph: w.graph, Host: h, Platform: w.p.opts.Platform, Session: w.session})
	h.m = m
	w.standards[name] = m
	return m, diags
}

// withStandard puts the standard modules whose options the texts touch in front
// of them, those that these touch included. more are further options that are
// touched.
func (w *work) withStandard(texts []moduleTexts, system *systemBlock, more [][]string) ([]moduleTexts, diag.List) {
	t := toucher{found: map[string]bool{}}
	for _, path := range more {
		t.path(path)
	}
	for _, text := range texts {
		t.texts(text)
	}
	if system != nil {
		t.definitions(nil, option.Written{Value: &bodySource{body: system.block.Body, skip: systemArguments, site: &site{}}})
		t.expressions(system.block.Body)
	}
	var diags diag.List
	loaded := map[string]moduleTexts{}
	for {
		names := sortedKeys(t.found)
		names = slices.DeleteFunc(names, func(name string) bool { _, ok := loaded[name]; return ok })
		if len(names) == 0 {
			break
		}
		for _, name := range names {
			text := moduleTexts{name: std.Prefix + name}
			if m, more := w.standard(name); m != nil {
				d := m.Definition
				text = moduleTexts{text.name, m, d.Options, d.Configs, d.Asserts, m.Scope(), nil}
			} else {
				diags = append(diags, more...)
			}
			loaded[name] = text
			t.texts(text)
		}
	}
	var front []moduleTexts
	for _, name := range sortedKeys(loaded) {
		if loaded[name].scope != nil {
			front = append(front, loaded[name])
		}
	}
	return append(front, texts...), diags
}

// A toucher finds the standard modules whose options texts name: by defining
// them, by reading them or a group that they are in, or by declaring something in
// them. Nothing is evaluated, so that a name which only evaluation can tell
// touches everything that it could be.
type toucher struct {
	found map[string]bool
}

// path notes that an option or a group is named.
func (t *toucher) path(path []string) {
	for i := range path {
		if name, ok := std.Declarer(strings.Join(path[:i+1], ".")); ok {
			t.found[name] = true
			return
		}
	}
	prefix := strings.Join(append(slices.Clone(path), ""), ".")
	for _, p := range std.Paths() {
		if name, _ := std.Declarer(p); strings.HasPrefix(p, prefix) {
			t.found[name] = true
		}
	}
}

// leads reports whether standard options are further along a path.
func (t *toucher) leads(path []string) bool {
	prefix := strings.Join(append(slices.Clone(path), ""), ".")
	return slices.ContainsFunc(std.Paths(), func(p string) bool { return strings.HasPrefix(p, prefix) })
}

func (t *toucher) texts(text moduleTexts) {
	for _, b := range text.options {
		if len(b.Labels) == 1 {
			t.declaration(strings.Split(b.Labels[0], "."), b)
		}
		t.expressions(b.Body)
	}
	for _, b := range text.configs {
		t.definitions(nil, (&site{}).block(b, len(b.Labels)))
		t.expressions(b.Body)
	}
	for _, b := range text.asserts {
		t.expressions(b.Body)
	}
}

// declaration notes what an option block declares.
func (t *toucher) declaration(path []string, b *syntax.Block) {
	if !t.leads(path) {
		t.path(path)
	}
	if a := b.Body.Attr("renamed_to"); a != nil {
		if text, ok := a.Expr.StringLiteral(); ok {
			steps, _ := optionSteps(text)
			t.path(stepNames(steps))
		}
	}
	for _, sub := range b.Body.Blocks {
		if sub.Type == "option" && len(sub.Labels) == 1 {
			t.declaration(slices.Concat(path, strings.Split(sub.Labels[0], ".")), sub)
		}
	}
}

func stepNames(steps []syntax.Step) []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names
}

// definitions notes what a definition at a path defines.
func (t *toucher) definitions(path []string, w option.Written) {
	if !t.leads(path) {
		t.path(path)
		return
	}
	items, ok := w.Value.Items()
	if !ok {
		t.path(path)
		return
	}
	for _, it := range items {
		t.definitions(append(slices.Clone(path), it.Key), it.Def)
	}
}

// expressions notes what expressions in a body read.
func (t *toucher) expressions(b *syntax.Body) {
	for _, a := range b.Attrs {
		t.references(a.Expr)
	}
	for _, sub := range b.Blocks {
		t.expressions(sub.Body)
	}
}

func (t *toucher) references(e *syntax.Expr) {
	for _, ref := range e.References() {
		if ref.Root == "config" || ref.Root == "option" {
			t.path(stepNames(ref.Path))
		}
	}
}

// reach makes sure that the standard modules are there whose options are named
// from outside of the definition.
func (s *System) reach(paths ...[]string) {
	t := toucher{found: map[string]bool{}}
	for _, path := range paths {
		t.path(path)
	}
	for name := range t.found {
		if !s.e.standard[name] {
			s.reached = append(s.reached, paths...)
			s.e = s.w.evaluator(s.Name, s.e.platform, s.made, s.reached...)
			return
		}
	}
}
