package editor

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/lock"
	"sysc/modules/option"
	"sysc/modules/std"
)

// Renamable returns the name at a byte of a file, without quotes, and an error that
// says why it cannot be given another one. ok is false where no name is.
func (s *Session) Renamable(file string, offset int) (word diag.Range, ok bool, err error) {
	s.learn()
	t, ok := s.targetAt(file, offset)
	if !ok {
		return diag.Range{}, false, nil
	}
	return s.unquoted(t.word), true, s.refusal(t)
}

// refusal says why something cannot get another name. It can when all places where it
// is named are known: it is declared here, and not by the language or a module that was
// fetched.
func (s *Session) refusal(t target) error {
	switch t.kind {
	case isArgument, isBlock:
		return fmt.Errorf("%q cannot be changed: it is a word of the language", t.name)
	case isPackage:
		return fmt.Errorf("%q cannot be changed: a package has its name from the input", t.name)
	case isOption:
		return s.optionRefusal(t)
	}
	if s.isFetched(t.home) {
		return fmt.Errorf("%q cannot be changed: it is declared by a module that was fetched", t.name)
	}
	if len(s.Declarations(Target{t})) == 0 {
		return fmt.Errorf("%q cannot be changed: nothing in the definition declares it", t.name)
	}
	return nil
}

// isFetched reports whether the module in a directory is somebody else's.
func (s *Session) isFetched(dir string) bool {
	return slices.ContainsFunc(s.world(), func(m modules.UsedModule) bool { return m.Dir == dir && m.Fetched })
}

// optionRefusal is refusal for an option, and for a group with all that is in it.
func (s *Session) optionRefusal(t target) error {
	if t.label {
		return fmt.Errorf("this cannot be changed: it is a label of %s", t.name)
	}
	known := false
	for _, at := range []*option.Option{s.learn().options, s.learn().homes} {
		if o := byPath(at, t.name); o != nil {
			known = true
			if err := s.foreign(o); err != nil {
				return fmt.Errorf("%q cannot be changed: %w", t.name, err)
			}
		}
	}
	if !known {
		return fmt.Errorf("%q cannot be changed: the definition has to be valid before all places are known", t.name)
	}
	return nil
}

// foreign says which option at o or in it is declared by somebody else.
func (s *Session) foreign(o *option.Option) error {
	for _, d := range o.Declarations() {
		file := d.Range.Filename
		switch module, standard := strings.CutPrefix(file, std.Prefix); {
		case d.Range.IsZero() || d.Module == option.CoreModule:
			return fmt.Errorf("%s is one of sysc's own options", o.Path)
		case standard:
			return fmt.Errorf("%s is an option of the standard module %s", o.Path, strings.TrimSuffix(module, syntax.Extension))
		case s.isFetched(s.home(file)):
			return fmt.Errorf("%s is an option of %s, which was fetched", o.Path, path.Dir(file))
		}
	}
	for _, c := range o.Children() {
		if err := s.foreign(c); err != nil {
			return err
		}
	}
	return nil
}

// lastName is the last part of an option's path.
func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// Rename returns the places in the modules of the definition that have to say
// something else when a target gets another name.
func (s *Session) Rename(t Target, name string) ([]diag.Range, error) {
	if t.kind == "" {
		return nil, fmt.Errorf("no name is here")
	}
	if err := s.refusal(t.target); err != nil {
		return nil, err
	}
	if err := s.newName(t.target, name); err != nil {
		return nil, err
	}
	var out []diag.Range
	for _, p := range s.places(t.target) {
		out = append(out, s.unquoted(p.word))
	}
	return out, nil
}

// newName says why something cannot be called name.
func (s *Session) newName(t target, name string) error {
	if t.kind == isOption {
		return s.newOptionName(t.name, name)
	}
	switch {
	case !syntax.IsName(name):
		return fmt.Errorf("%q is no name: it begins with a letter and has letters, digits, _ and - only", name)
	case len(s.Declarations(Target{target{kind: t.kind, name: name, home: t.home}})) > 0:
		return fmt.Errorf("there is %s %q already", diag.WithArticle(string(t.kind)), name)
	}
	return nil
}

// newOptionName is newName for the option at a path.
func (s *Session) newOptionName(old, name string) error {
	if !modules.IsOptionName(name) {
		return fmt.Errorf("%q cannot name an option: it has lower-case letters, digits and underscores only", name)
	}
	around := strings.TrimSuffix(strings.TrimSuffix(old, lastName(old)), ".")
	path := strings.TrimPrefix(around+"."+name, ".")
	_, ofSystem := vocabulary["system"].args[name]
	if slices.Contains(option.Reserved, name) || around == "" && ofSystem {
		return fmt.Errorf("%q is a word of the language where options are defined", name)
	}
	for _, root := range []*option.Option{s.learn().options, s.learn().homes} {
		if byPath(root, path) != nil {
			return fmt.Errorf("there is an option %q already", path)
		}
		if o := byPath(root, around); around != "" && o != nil && slices.Contains(o.Labels, name) {
			return fmt.Errorf("%q is a label of %s", name, around)
		}
	}
	return nil
}

// Homes are the directories of the modules whose users may name a target: of those that
// declare it, and as modules bring options along, of the session's own.
func (s *Session) Homes(t Target) []string {
	if t.kind != isOption {
		return []string{t.home}
	}
	out := []string{s.own().Dir}
	for _, r := range s.Declarations(t) {
		if home := s.home(r.Filename); !strings.HasPrefix(r.Filename, std.Prefix) && !slices.Contains(out, home) {
			out = append(out, home)
		}
	}
	return out
}

// Locked reports whether there is a lock file which may have a target by its name.
func (s *Session) Locked(t Target) bool {
	_, err := os.Lstat(filepath.Join(s.dir, lock.FileName))
	return t.kind == isInput && err == nil
}

// unquoted leaves quotes out of a range.
func (s *Session) unquoted(r diag.Range) diag.Range {
	text, _ := s.Text(r.Filename)
	if size := r.End.Byte - r.Start.Byte; size >= len(`""`) && r.End.Byte <= len(text) && text[r.Start.Byte] == '"' {
		return part(r, 1, size-1)
	}
	return r
}
