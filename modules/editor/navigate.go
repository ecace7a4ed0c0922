package editor

import (
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/modules/std"
)

// A Target is what a word in a text means. The zero Target is nothing.
type Target struct{ target }

// Target returns what the word at a byte of a file means, whichever module it is in.
func (s *Session) Target(file string, offset int) (Target, bool) {
	s.learn()
	t, ok := s.targetAt(file, offset)
	return Target{t}, ok && t.kind != isArgument && t.kind != isBlock
}

// Declarations returns where a target is declared. It is nothing for what no text
// declares, as the options of the core.
func (s *Session) Declarations(t Target) []diag.Range {
	var out []diag.Range
	for _, p := range s.places(t.target) {
		if p.declares {
			out = append(out, p.at)
		}
	}
	if len(out) > 0 || t.kind != isOption {
		return out
	}
	if o := s.optionByPath(t.name); o != nil {
		for _, d := range o.Declarations() {
			if strings.HasPrefix(d.Range.Filename, std.Prefix) {
				out = append(out, d.Range)
			}
		}
	}
	return out
}

// References returns all places where a target is named, in all modules of the
// definition, sorted. Those that declare it are among them when declarations is set.
func (s *Session) References(t Target, declarations bool) []diag.Range {
	var out []diag.Range
	for _, p := range s.places(t.target) {
		if declarations || !p.declares {
			out = append(out, p.at)
		}
	}
	return out
}

// A namedPlace is where something is named.
type namedPlace struct {
	// at is all of the name, word its last part.
	at, word diag.Range
	declares bool
}

// places returns where a target is named, sorted.
func (s *Session) places(t target) []namedPlace {
	var out []namedPlace
	for _, m := range s.world() {
		for _, file := range s.filesOf(m) {
			o := s.outline(file)
			for w := range s.words(o, m.Dir) {
				if w.same(t) && !w.label {
					out = append(out, namedPlace{w.at, w.word, s.declares(file, w)})
				}
			}
			for _, n := range o.Names {
				for step := -1; step < len(n.Path); step++ {
					if u, ok := s.named(n, step, m.Dir); ok && u.same(t) {
						out = append(out, namedPlace{u.at, u.word, false})
						break
					}
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b namedPlace) int { return a.at.Compare(b.at) })
	return slices.CompactFunc(out, func(a, b namedPlace) bool { return a.at == b.at })
}

// declares reports whether a word outside of expressions declares what it means,
// rather than defining or naming it.
func (s *Session) declares(file string, w target) bool {
	switch {
	case w.given, w.kind == isArgument, w.kind == isBlock:
		return false
	case w.kind == isOption:
		for _, b := range s.outline(file).Body.Blocks {
			if b.Type == "option" && b.Whole.Start.Byte <= w.at.Start.Byte && w.at.End.Byte <= b.Whole.End.Byte {
				return true
			}
		}
		return false
	}
	return true
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
