package editor

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/format"
	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/option"
	"sysc/store"
)

// A Session is the definition in one directory while it is edited. It is not safe
// for concurrent use.
type Session struct {
	dir  string
	opts modules.Options
	find Finder
	// texts are those that the editor has open.
	texts    map[string][]byte
	outlines map[string]*outline
	known    knowledge
}

// An outline is one file's, and of which text.
type outline struct {
	*syntax.Outline
	text []byte
	// last is that of the last text in which there was something to see, which one in
	// the JSON syntax that is being written has not.
	last *syntax.Outline
}

// A knowledge is what the last definition that could be read consists of.
type knowledge struct {
	options   *option.Option
	homes     *option.Option // those of homes
	functions map[string]*eval.Function
	packages  map[string][]modules.LockedPackage
	// modules are those that it consists of, its own first, and texts their files by the
	// names that ranges use.
	modules []modules.UsedModule
	texts   map[string][]byte
}

// A Finder returns the directories of the packages of modules that the lock file of
// a definition has, as far as they are at hand. It is asked before each evaluation,
// by several goroutines at the same time, and fetches nothing.
type Finder func(ctx context.Context, dir string) (map[store.Digest]string, error)

// New begins to edit the definition in a directory. opts are those with which it
// is evaluated, nil for none; what they say of texts is replaced, and of trees, if
// there is a finder.
func New(dir string, opts *modules.Options, find Finder) *Session {
	s := &Session{dir: dir, find: find, texts: map[string][]byte{}, outlines: map[string]*outline{}}
	if opts != nil {
		s.opts = *opts
	}
	return s
}

// Dir is the definition's directory.
func (s *Session) Dir() string { return s.dir }

// Open puts a text in the place of the file of that name, which need not exist.
func (s *Session) Open(name string, text []byte) { s.texts[name] = text }

// Close goes back to the file.
func (s *Session) Close(name string) { delete(s.texts, name) }

// IsOpen reports whether the editor has a text open.
func (s *Session) IsOpen(name string) bool { _, ok := s.texts[name]; return ok }

// Opened returns the names of the texts that the editor has open, sorted.
func (s *Session) Opened() []string { return slices.Sorted(maps.Keys(s.texts)) }

// Text returns what a file holds now, as far as there is one.
func (s *Session) Text(name string) ([]byte, bool) {
	if text, ok := s.texts[name]; ok {
		return text, true
	}
	if file, ok := s.File(name); ok && isDefinition(filepath.Base(name)) {
		text, err := os.ReadFile(file)
		return text, err == nil
	}
	text, ok := s.known.texts[name]
	return text, ok
}

// isDefinition reports whether a file of the directory belongs to the definition.
func isDefinition(name string) bool {
	return (strings.HasSuffix(name, syntax.Extension) || isJSON(name)) && filepath.Base(name) == name && !strings.HasPrefix(name, ".")
}

// isJSON reports whether a file is in the JSON syntax.
func isJSON(name string) bool { return strings.HasSuffix(name, syntax.JSONExtension) }

// outline returns the outline of a file's present text; that of no file is empty.
func (s *Session) outline(name string) *syntax.Outline {
	return s.outlineOf(name).Outline
}

func (s *Session) outlineOf(name string) *outline {
	text, _ := s.Text(name)
	before, ok := s.outlines[name]
	if ok && string(before.text) == string(text) {
		return before
	}
	o := &outline{Outline: syntax.ReadOutline(text, name), text: text}
	if o.last = o.Outline; ok && isJSON(name) && len(o.Body.Blocks) == 0 {
		o.last = before.last
	}
	s.outlines[name] = o
	return o
}

// Check evaluates the whole definition and returns what is wrong with it, as
// [modules.Check] does.
func (s *Session) Check(ctx context.Context) diag.List {
	p, diags := s.load(ctx)
	return p.Check(ctx, diags)
}

// hasSystem reports whether a system or home stands in a text of the directory.
func (s *Session) hasSystem() bool {
	return slices.ContainsFunc(s.ownFiles(), func(name string) bool {
		return slices.ContainsFunc(s.outline(name).Body.Blocks, func(b *syntax.OutlineBlock) bool {
			return b.Type == "system" || b.Type == "home"
		})
	})
}

// CheckSyntax parses one file and returns what is wrong with its form.
func (s *Session) CheckSyntax(name string) diag.List {
	text, ok := s.Text(name)
	if !ok {
		return nil
	}
	_, diags := syntax.Parse(s.dir, map[string][]byte{name: text})
	return diags.Sort()
}

// load reads the definition, and learns from it what can be learnt.
func (s *Session) load(ctx context.Context) (*modules.Project, diag.List) {
	opts := s.opts
	opts.Texts = maps.Clone(s.texts)
	var notFound diag.List
	if s.find != nil {
		trees, err := s.find(ctx, s.dir)
		if err != nil {
			notFound = diag.Errorf(diag.Range{}, "Cannot look for modules", "%v.", err)
		}
		opts.Trees = trees
	}
	p, diags := modules.Load(ctx, s.dir, &opts)
	diags = append(notFound, diags...)
	if !diags.HasErrors() {
		s.known = knowledge{
			options: p.Options(), homes: p.HomeOptions(), functions: p.Functions(), packages: p.LockedPackages(), modules: p.UsedModules(), texts: p.Files(),
		}
	}
	return p, diags
}

// learn makes sure that it is known which options there are, if it ever was.
func (s *Session) learn() *knowledge {
	if s.known.options == nil {
		s.load(context.Background())
	}
	return &s.known
}

// Clone returns a session with the same texts, to be used elsewhere at the same
// time. The texts themselves are shared, and not to be changed.
func (s *Session) Clone() *Session {
	c := New(s.dir, &s.opts, s.find)
	c.texts, c.known = maps.Clone(s.texts), s.known
	return c
}

// Learn takes over what a clone has learnt by a check, and reports whether the
// definition uses other modules than before.
func (s *Session) Learn(clone *Session) (others bool) {
	if clone.known.options == nil {
		return false
	}
	others = !slices.EqualFunc(s.known.modules, clone.known.modules, func(a, b modules.UsedModule) bool { return a.Dir == b.Dir })
	s.known = clone.known
	return others
}

// Same reports whether a file's text is what it was when a clone was made.
func (s *Session) Same(clone *Session, name string) bool {
	now, open := s.texts[name]
	then, wasOpen := clone.texts[name]
	return open == wasOpen && string(now) == string(then)
}

// Place returns the file that a problem is to be shown in: its own, or for one
// without a place, the first of the definition.
func (s *Session) Place(d *diag.Diagnostic) string {
	if d.Subject != nil && d.Subject.Filename != "" {
		return d.Subject.Filename
	}
	if files := s.ownFiles(); len(files) > 0 {
		return files[0]
	}
	return syntax.Extension
}

// Format returns a file's text as sysc fmt would write it; ok is false when it
// cannot be parsed.
func (s *Session) Format(name string) (text []byte, ok bool) {
	text, ok = s.Text(name)
	if !ok {
		return nil, false
	}
	formatted, diags := format.Source(text, name)
	return formatted, !diags.HasErrors()
}
