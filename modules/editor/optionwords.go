package editor

import (
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// declarationWords is words for an option block. prefix is the path of the option
// around it, with a dot behind it.
func (s *Session) declarationWords(b *syntax.OutlineBlock, prefix string, yield func(target) bool) bool {
	if len(b.Labels) != 1 {
		return true
	}
	path := prefix + b.Labels[0]
	for _, t := range labelWords(prefix, b.Labels[0], b.LabelRanges[0]) {
		if !yield(t) {
			return false
		}
	}
	for _, a := range b.Body.Attrs {
		if !yield(target{kind: isArgument, name: a.Name, in: b.Type, at: a.NameRange}) {
			return false
		}
		if a.Name != "renamed_to" || len(a.Texts) != 1 || !a.Texts[0].Whole {
			continue
		}
		for _, t := range s.renamedWords(path, a.Texts[0]) {
			if !yield(t) {
				return false
			}
		}
	}
	for _, sub := range b.Body.Blocks {
		if sub.Type == "option" && !s.declarationWords(sub, path+".", yield) {
			return false
		}
	}
	return true
}

// labelWords are the groups that an option's label names, and the option itself last.
func labelWords(prefix, label string, at diag.Range) []target {
	quote := (at.End.Byte - at.Start.Byte - len(label)) / 2 // none in the form without
	if quote > 1 {                                          // there are escapes in it, and it is no name
		return []target{{kind: isOption, name: prefix + label, at: at}}
	}
	var out []target
	for from := 0; from <= len(label); {
		to := len(label)
		if dot := strings.IndexByte(label[from:], '.'); dot >= 0 {
			to = from + dot
		}
		t := target{kind: isOption, name: prefix + label[:to], at: part(at, 0, quote+to), word: part(at, quote+from, quote+to)}
		if to == len(label) {
			t.at = at
		}
		out = append(out, t)
		from = to + 1
	}
	return out
}

// renamedWords are the options on the way to the one that has taken the place of that
// at path, of which a text in renamed_to has the name. The labels of an option that
// both are in are not written.
func (s *Session) renamedWords(path string, text syntax.OutlineText) []target {
	const root = "config."
	e, diags := syntax.ParseExpression([]byte(root+text.Text), "option")
	if diags.HasErrors() {
		return nil
	}
	refs := e.References()
	if len(refs) != 1 {
		return nil
	}
	var out []target
	for _, at := range []*option.Option{s.learn().options, s.learn().homes} {
		labels := 0
		for _, step := range refs[0].Path {
			if labels > 0 {
				labels--
				continue
			}
			next := along(at, []string{step.Name})
			if next == nil {
				break
			}
			end := step.Range.End.Byte - len(root)
			out = append(out, target{
				kind: isOption, name: next.Path, given: true,
				at: text.Part(0, end), word: text.Part(end-len(step.Name), end),
			})
			if at = next; !strings.HasPrefix(path, at.Path+".") {
				labels = len(at.Labels)
			}
		}
	}
	return out
}

// around is what a byte of a text stands in.
func around(o *syntax.Outline, offset int) syntax.Place {
	has := func(r diag.Range) bool { return r.Start.Byte <= offset && offset < r.End.Byte }
	var p syntax.Place
	for body := &o.Body; ; {
		if i := slices.IndexFunc(body.Blocks, func(b *syntax.OutlineBlock) bool { return has(b.Whole) }); i >= 0 {
			p.Blocks = append(p.Blocks, body.Blocks[i])
			body = &body.Blocks[i].Body
			continue
		}
		for _, a := range body.Attrs {
			if !has(a.Range) {
				continue
			}
			p.Attr = a
			for i := range a.Objects {
				if has(a.Objects[i].Range) {
					p.Object = &a.Objects[i]
				}
			}
		}
		return p
	}
}

// instanceAt returns the labelled option whose instance self or parent is where a name
// stands, nil when there is none.
func (s *Session) instanceAt(n syntax.OutlineName) *option.Option {
	p := around(s.outline(n.Range.Filename), n.Range.Start.Byte)
	if len(p.Blocks) == 0 {
		return nil
	}
	var path []*option.Option
	switch top := p.Blocks[0].Type; {
	case top == "option":
		var names []string
		for _, b := range p.Blocks {
			if b.Type == "option" && len(b.Labels) == 1 {
				names = append(names, strings.Split(b.Labels[0], ".")...)
			}
		}
		path = s.byNames(names)
	case definesOptions(top):
		for _, root := range []*option.Option{s.learn().options, s.learn().homes} {
			if root != nil && len(path) == 0 {
				path, _ = root.Along(s.definitionPath(p))
			}
		}
	}
	path = slices.DeleteFunc(path, func(o *option.Option) bool { return len(o.Labels) == 0 })
	last := len(path) - 1
	if n.Root == "parent" {
		last--
	}
	if last < 0 {
		return nil
	}
	return path[last]
}

// byNames returns the options that names without labels lead to, one behind the other.
func (s *Session) byNames(names []string) []*option.Option {
	var out []*option.Option
	for i := range names {
		if o := s.optionByPath(strings.Join(names[:i+1], ".")); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// iterated is what the first word of a name means in a dynamic block that is named like
// the option which it makes definitions of.
func (s *Session) iterated(n syntax.OutlineName) (target, bool) {
	p := around(s.outline(n.Range.Filename), n.Range.Start.Byte)
	for i := len(p.Blocks) - 1; i > 0; i-- {
		b := p.Blocks[i]
		if b.Type != "dynamic" || len(b.Labels) != 1 || b.Labels[0] != n.Root || !definesOptions(p.Blocks[0].Type) {
			continue
		}
		renamed := slices.ContainsFunc(b.Body.Attrs, func(a *syntax.OutlineAttr) bool { return a.Name == "iterator" })
		outside := i == len(p.Blocks)-1 && p.Attr != nil && p.Attr.Name == "for_each"
		if renamed || outside {
			continue
		}
		o := s.option(s.definitionPath(syntax.Place{Blocks: p.Blocks[:i+1]}))
		if o == nil {
			return target{}, false
		}
		at := part(n.Range, 0, len(n.Root))
		return target{kind: isOption, name: o.Path, at: at, word: at}, true
	}
	return target{}, false
}
