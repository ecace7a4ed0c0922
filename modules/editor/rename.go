package editor

import (
	"fmt"
	"slices"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// renamable are the kinds whose names stand in texts of the definition only. Those of
// inputs are parts of texts, too, as in "debian:git", and those of systems are known
// to machines.
var renamable = []targetKind{isVariable, isLocal, isDerivation, isEnvironment, isModule, isOutput, isFunction}

// Renamable returns the name at a byte of a file, without quotes, where it can be
// given another one.
func (s *Session) Renamable(file string, offset int) (word diag.Range, ok bool) {
	s.learn()
	t, ok := s.targetAt(file, offset)
	if !ok || !s.canRename(t) {
		return diag.Range{}, false
	}
	return s.unquoted(t.word), true
}

// canRename reports whether all places where something is named are known: it is
// declared here, and not by the language or a module that was fetched.
func (s *Session) canRename(t target) bool {
	if !slices.Contains(renamable, t.kind) {
		return false
	}
	for _, m := range s.world() {
		if m.Dir == t.home && m.Fetched {
			return false
		}
	}
	return len(s.Declarations(Target{t})) > 0
}

// Rename returns the places in the modules of the definition that have to say
// something else when a target gets another name.
func (s *Session) Rename(t Target, name string) ([]diag.Range, error) {
	switch {
	case !s.canRename(t.target):
		return nil, fmt.Errorf("this name cannot be changed here")
	case !syntax.IsName(name):
		return nil, fmt.Errorf("%q is no name: it begins with a letter and has letters, digits, _ and - only", name)
	case len(s.Declarations(Target{target{kind: t.kind, name: name, home: t.home}})) > 0:
		return nil, fmt.Errorf("there is %s %q already", diag.WithArticle(string(t.kind)), name)
	}
	var out []diag.Range
	for _, p := range s.places(t.target) {
		out = append(out, s.unquoted(p.word))
	}
	return out, nil
}

// unquoted leaves quotes out of a range.
func (s *Session) unquoted(r diag.Range) diag.Range {
	text, _ := s.Text(r.Filename)
	if r.End.Byte-r.Start.Byte >= len(`""`) && r.End.Byte <= len(text) && text[r.Start.Byte] == '"' {
		r.Start.Byte++
		r.Start.Column++
		r.End.Byte--
		r.End.Column--
	}
	return r
}
