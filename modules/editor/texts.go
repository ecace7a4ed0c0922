package editor

import (
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules"
)

// Some names stand in texts: that of an input in front of a package's, as in
// "debian:git", and that of the system which a test is about.

// textWords is words for the texts in a block at the top of type top, and in those in
// it.
func (s *Session) textWords(b *syntax.OutlineBlock, top, home string, yield func(target) bool) bool {
	for _, a := range b.Body.Attrs {
		for _, text := range a.Texts {
			if t, ok := s.textWord(top, a.Name, text, home); ok && !yield(t) {
				return false
			}
		}
	}
	for _, sub := range b.Body.Blocks {
		if !s.textWords(sub, top, home, yield) {
			return false
		}
	}
	return true
}

// textWord is what a text in an argument names.
func (s *Session) textWord(top, arg string, text syntax.OutlineText, home string) (target, bool) {
	if top == "test" && arg == "system" && text.Whole {
		return target{kind: isSystem, name: text.Text, home: home, at: text.Part(0, len(text.Text)), given: true}, true
	}
	input, pkg, ok := strings.Cut(text.Text, ":")
	if !ok || arg != "packages" && arg != "package" && !s.isLocked(input, pkg, home) {
		return target{}, false
	}
	return target{kind: isInput, name: input, home: home, at: text.Part(0, len(input)), given: true}, true
}

// isLocked reports whether the lock file has a package of an input, which shows that a
// text wherever it stands means that.
func (s *Session) isLocked(input, pkg, home string) bool {
	if end := strings.IndexAny(pkg, ":="); end >= 0 { // of an architecture, in a version
		pkg = pkg[:end]
	}
	return home == s.own().Dir && slices.ContainsFunc(s.known.packages[input], func(p modules.LockedPackage) bool { return p.Name == pkg })
}

// failureWords is words for what a test expects to be wrong, as far as it is not named
// as in other expressions.
func failureWords(b *syntax.OutlineBlock, o *syntax.Outline, home string, yield func(target) bool) bool {
	if b.Type != "test" {
		return true
	}
	for _, a := range b.Body.Attrs {
		if a.Name != "expect_failures" {
			continue
		}
		for _, n := range o.Names {
			kind, ok := map[string]targetKind{"system": isSystem, "output": isOutput}[n.Root]
			if !ok || len(n.Path) == 0 || !within(n.Range, a.Range) {
				continue
			}
			at := n.Range
			at.End = n.Path[0].Range.End
			if !yield(target{kind: kind, name: n.Path[0].Name, home: home, at: at, word: n.Path[0].Range, given: true}) {
				return false
			}
		}
	}
	return true
}

// within reports whether a range lies in another one of the same file.
func within(r, around diag.Range) bool {
	return around.Start.Byte <= r.Start.Byte && r.End.Byte <= around.End.Byte
}

// part is the range of bytes in one on a single line, counted from its start.
func part(r diag.Range, from, to int) diag.Range {
	out := r
	out.Start.Byte, out.Start.Column = r.Start.Byte+from, r.Start.Column+from
	out.End = r.Start
	out.End.Byte, out.End.Column = r.Start.Byte+to, r.Start.Column+to
	return out
}
