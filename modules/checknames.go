package modules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// checkNames returns which names and functions do not exist in the texts that a
// system, or a module by itself, consists of, those included that no evaluation
// looks at. checked are the sets of modules whose texts have been checked: one of
// many systems that consist of the same ones is enough.
func (e *evaluator) checkNames(checked map[string]bool) diag.List {
	var diags diag.List
	root := &optionPlace{option: e.options.Root().Option()}
	var names []string
	for _, t := range e.texts {
		names = append(names, t.name)
	}
	set := e.kind.String() + "\n" + strings.Join(names, "\n")
	for _, t := range e.texts {
		if checked[set] {
			break
		}
		s := &nameCheck{site: t.site}
		for _, b := range t.options {
			s.declaration(root, b)
		}
		for _, b := range t.configs {
			s.written(root, t.site.block(b, len(b.Labels)))
		}
		for _, b := range t.asserts {
			if lang.NeedsSystem(b) {
				s.diags = append(s.diags, lang.CheckBody(b.Body, s.scope(root))...)
			}
		}
		diags = append(diags, s.diags...)
	}
	checked[set] = true
	if e.system != nil {
		s := &nameCheck{site: e.system.site}
		for _, name := range []string{"base", "platform"} {
			if a := e.system.body.Attr(name); a != nil {
				s.diags = append(s.diags, eval.CheckNames(a.Expr, s.site.scope)...)
			}
		}
		s.items(root, e.system)
		diags = append(diags, s.diags...)
	}
	return diags
}

// An optionPlace is where a text stands among options: in a group or instance of which
// no more may be known than that it can be there, or in a labelled option.
type optionPlace struct {
	// option is nil where there is no declaration.
	option *option.Option
	// labels are those of a labelled option that are given.
	labels []string
	// around is the place of the option around it.
	around *optionPlace
}

// instance returns the innermost instance of a labelled option that p is in, or nil.
func (p *optionPlace) instance() *optionPlace {
	for p != nil && !(p.option != nil && len(p.labels) > 0 && len(p.labels) == len(p.option.Labels)) {
		p = p.around
	}
	return p
}

// into returns the place of the option or label that a key names.
func (p *optionPlace) into(key string) *optionPlace {
	if p.option == nil {
		return &optionPlace{around: p}
	}
	if len(p.labels) < len(p.option.Labels) {
		return &optionPlace{option: p.option, labels: append(slices.Clone(p.labels), key), around: p.around}
	}
	child, _ := p.option.Child(key)
	return &optionPlace{option: child, around: p}
}

// path is what the option is called in messages.
func (p *optionPlace) path() string {
	var b strings.Builder
	if p.around != nil && p.around.option != nil {
		b.WriteString(p.around.path())
	}
	if name := p.option.Name(); name != "" {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(name)
	}
	for _, l := range p.labels {
		b.WriteString("[" + strconv.Quote(l) + "]")
	}
	return b.String()
}

// A nameCheck goes through the texts of one site.
type nameCheck struct {
	site  *site
	diags diag.List
}

// scope is what names mean at a place, as far as they exist.
func (c *nameCheck) scope(at *optionPlace) *eval.Scope {
	return eval.NewScope(c.site.scope, &knownNames{names{sys: c.site.sys}, at})
}

func (c *nameCheck) expr(at *optionPlace, x *syntax.Expr) {
	c.diags = append(c.diags, eval.CheckNames(x, c.scope(at))...)
}

// declaration checks an option block.
func (c *nameCheck) declaration(around *optionPlace, b *syntax.Block) {
	at := around
	for _, name := range strings.Split(strings.Join(b.Labels, "."), ".") {
		at = at.into(name)
	}
	if at.option != nil && len(at.option.Labels) > 0 {
		at = &optionPlace{option: at.option, labels: at.option.Labels, around: at.around}
	}
	for _, name := range []string{"default", "example"} {
		if a := b.Body.Attr(name); a != nil {
			c.written(at, c.site.written(a.Expr, a.Range()))
		}
	}
	for _, sub := range b.Body.Blocks {
		switch sub.Type {
		case "option":
			c.declaration(at, sub)
		case "assert":
			c.diags = append(c.diags, lang.CheckBody(sub.Body, c.scope(at))...)
		case "dynamic":
			whole := &syntax.Body{Blocks: []*syntax.Block{sub}}
			c.diags = append(c.diags, lang.CheckBody(whole, c.scope(at))...)
		}
	}
}

// written checks a definition.
func (c *nameCheck) written(at *optionPlace, w option.Written) {
	for _, when := range w.When {
		c.source(at, when)
	}
	for _, wrap := range w.Wraps {
		if wrap.Number != nil {
			c.source(at, wrap.Number)
		}
	}
	c.source(at, w.Value)
}

// source checks the right side of a definition.
func (c *nameCheck) source(at *optionPlace, s option.Source) {
	switch s := s.(type) {
	case blocksSource:
		items, _ := s.Expand(nil)
		c.parts(at, items)
	case exprSource:
		if !c.items(at, s) {
			c.expr(at, s.expr)
		}
	case *dynamicSource:
		inner, diags := s.block.CheckNames(c.scope(at))
		c.diags = append(c.diags, diags...)
		made := &syntax.Block{Type: s.block.Type, Body: s.block.Content}
		for range s.block.Labels {
			at = at.into("…")
		}
		in := &nameCheck{site: newSite(s.site.sys, inner, s.site.module)}
		in.written(at, in.site.block(made, 0))
		c.diags = append(c.diags, in.diags...)
	default:
		c.items(at, s)
	}
}

// items checks the keyed parts of a source; ok is false when it has none.
func (c *nameCheck) items(at *optionPlace, s option.Source) (ok bool) {
	items, ok := s.Items()
	c.parts(at, items)
	return ok
}

func (c *nameCheck) parts(at *optionPlace, items []option.Item) {
	for _, it := range items {
		c.written(at.into(it.Key), it.Def)
	}
}

// knownNames knows of the names of a system which ones exist.
type knownNames struct {
	names
	at *optionPlace
}

// Resolve returns something unknown: nobody asks for it.
func (k *knownNames) Resolve(syntax.Reference) (cty.Value, int, diag.List) {
	return cty.DynamicVal, 0, nil
}

// Check implements [eval.Checker].
func (k *knownNames) Check(ref syntax.Reference) diag.List {
	var from *optionPlace
	switch ref.Root {
	case "config", "option":
		from = &optionPlace{option: k.sys.options.Root().Option()}
	case "system", "home":
		if ref.Root != k.sys.kind.String() {
			_, _, diags := k.names.Resolve(ref)
			return diags
		}
		return eval.Known{ref.Root: {"name", "platform"}}.Check(ref)
	default:
		if k.undeclared() {
			return nil
		}
		from = k.at.instance()
		if from != nil && ref.Root == "parent" {
			from = from.around.instance()
		}
		if from == nil {
			_, _, diags := k.names.Resolve(ref)
			return diags
		}
	}
	return k.walk(from, ref)
}

// undeclared reports whether the text stands in something of which there is no
// declaration, so that nobody knows what self is.
func (k *knownNames) undeclared() bool {
	for p := k.at; p != nil; p = p.around {
		if p.option == nil {
			return true
		}
	}
	return false
}

// walk follows a reference as far as options are declared.
func (k *knownNames) walk(at *optionPlace, ref syntax.Reference) diag.List {
	for _, step := range ref.Path {
		o := at.option
		switch {
		case len(at.labels) < len(o.Labels):
			at = at.into(step.Name)
			continue
		case o.Type != nil, o.Renamed(), slices.Contains(o.Labels, step.Name):
			return nil
		}
		next, ok := o.Child(step.Name)
		switch {
		case !ok && (o.Freeform != nil || ref.Root == "option" && slices.Contains(metaNames(), step.Name)):
			return nil
		case !ok:
			var own []string
			for _, c := range o.Children() {
				own = append(own, c.Name())
			}
			elsewhere := k.sys.options.Elsewhere(at.path())
			if len(at.labels) > 0 {
				own, elsewhere = append(own, o.Labels...), nil
			}
			slices.Sort(own)
			return k.unknownOption(step, ref, at.path(), own, elsewhere)
		}
		at = &optionPlace{option: next, around: at}
	}
	return nil
}
