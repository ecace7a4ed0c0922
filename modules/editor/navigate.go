package editor

import (
	"slices"

	"sysc/lang/diag"
)

// Definition returns where the word at a byte of a file is declared. It is
// nothing for what no text of the definition declares.
func (s *Session) Definition(file string, offset int) []diag.Range {
	t, ok := s.targetAt(file, offset)
	if !ok {
		return nil
	}
	return s.declarations(t)
}

// declarations returns where a target is declared.
func (s *Session) declarations(t target) []diag.Range {
	var out []diag.Range
	for _, file := range s.files() {
		for w := range s.words(s.outline(file)) {
			if w.same(t) && s.declares(file, w) {
				out = append(out, w.at)
			}
		}
	}
	return out
}

// declares reports whether a word outside of expressions declares what it means,
// rather than defining or naming it.
func (s *Session) declares(file string, w target) bool {
	switch w.kind {
	case isArgument, isBlock:
		return false
	case isOption:
		for _, b := range s.outline(file).Body.Blocks {
			if b.Type == "option" && b.Whole.Start.Byte <= w.at.Start.Byte && w.at.End.Byte <= b.Whole.End.Byte {
				return true
			}
		}
		return false
	}
	return true
}

// References returns all places where what the word at a byte means is named,
// sorted. Those that declare it are among them when declarations is set.
func (s *Session) References(file string, offset int, declarations bool) []diag.Range {
	t, ok := s.targetAt(file, offset)
	if !ok || t.kind == isArgument || t.kind == isBlock {
		return nil
	}
	var out []diag.Range
	for _, name := range s.files() {
		o := s.outline(name)
		for w := range s.words(o) {
			if w.same(t) && (declarations || !s.declares(name, w)) {
				out = append(out, w.at)
			}
		}
		for _, n := range o.Names {
			for step := -1; step < len(n.Path); step++ {
				if u, ok := s.named(n, step); ok && u.same(t) {
					out = append(out, u.at)
					break
				}
			}
		}
	}
	slices.SortFunc(out, diag.Range.Compare)
	return slices.Compact(out)
}

// A Symbol is something that a file declares.
type Symbol struct {
	// Name is as in `derivation "hello"`.
	Name string
	Kind string
	// Range is of all of it, Word of its name.
	Range, Word diag.Range
}

// Symbols returns what a file consists of, in its order.
func (s *Session) Symbols(file string) []Symbol {
	var out []Symbol
	for _, b := range s.outline(file).Body.Blocks {
		if b.Type == "locals" {
			for _, a := range b.Body.Attrs {
				out = append(out, Symbol{Name: "local." + a.Name, Kind: "local", Range: a.Range, Word: a.NameRange})
			}
			continue
		}
		sym := Symbol{Name: b.Type, Kind: b.Type, Range: b.Whole, Word: b.TypeRange}
		for i, l := range b.Labels {
			sym.Name += ` "` + l + `"`
			sym.Word = b.LabelRanges[i]
		}
		out = append(out, sym)
	}
	return out
}
