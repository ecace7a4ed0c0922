package funcs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"sysc/internal/readlog"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store/tree"
)

const (
	ignoreFile = ".gitignore"
	// maxIgnoreFile is in bytes.
	maxIgnoreFile = 1 << 20
	// maxSourceFiles bounds the files and directories that one source looks at.
	maxSourceFiles = 1 << 20
)

// A sourceFilter says which files of a directory are taken.
type sourceFilter struct {
	// include and exclude are patterns for paths from the directory on; what is below
	// something that matches, matches. No include means everything.
	include, exclude []*regexp.Regexp
}

// sourceOptions reads the second argument of source().
func sourceOptions(c eval.Call) (f sourceFilter, diags diag.List) {
	if len(c.Args) < 2 {
		return f, nil
	}
	a := c.Args[1]
	v, marks := eval.Plain(a.Value)
	switch {
	case marks.Sensitive:
		return f, diag.Errorf(a.Range, "Invalid function argument", "Which files a source has is for everybody to see, so this cannot be sensitive.")
	case v.IsNull() || !v.IsWhollyKnown() || !v.Type().IsObjectType():
		return f, diag.Errorf(a.Range, "Invalid function argument", "The options are an object, as in { exclude = [\"*.o\"] }: this %s.", eval.Describe(a.Value))
	}
	for it := v.ElementIterator(); it.Next(); {
		key, list := it.Element()
		name := key.AsString()
		var to *[]*regexp.Regexp
		switch name {
		case "include":
			to = &f.include
		case "exclude":
			to = &f.exclude
		default:
			return f, diag.Errorf(a.Range, "Invalid function argument", "There is no option %q.%s", name, diag.DidYouMean(name, []string{"include", "exclude"}))
		}
		patterns, err := sourcePatterns(list)
		if err != nil {
			return f, diag.Errorf(a.Range, "Invalid function argument", "%s: %v.", name, err)
		}
		*to = patterns
	}
	return f, nil
}

func sourcePatterns(list cty.Value) ([]*regexp.Regexp, error) {
	ty := list.Type()
	if list.IsNull() || !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		return nil, fmt.Errorf("want a list of patterns for paths, as in [\"src/**\", \"*.md\"]")
	}
	patterns := []*regexp.Regexp{}
	for it := list.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() || e.Type() != cty.String {
			return nil, fmt.Errorf("a pattern %s, and has to be a text", eval.Describe(e))
		}
		text := e.AsString()
		pattern, err := globPattern(path.Clean(text))
		if err != nil || strings.HasPrefix(text, "/") || text == "" {
			return nil, fmt.Errorf("%q is no pattern for paths below the directory", text)
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// takes reports whether a file is taken whose path from the directory on is name.
func (f *sourceFilter) takes(name string) bool {
	name = norm.NFC.String(name) // as patterns are
	return (f.include == nil || matchesAbove(f.include, name)) && !matchesAbove(f.exclude, name)
}

// matchesAbove reports whether a pattern matches a path or one of its directories.
func matchesAbove(patterns []*regexp.Regexp, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		for _, p := range patterns {
			if p.MatchString(name) {
				return true
			}
		}
	}
	return false
}

// A sourceLister finds the files of a directory that are taken.
type sourceLister struct {
	root   *readlog.Root
	top    string // the directory, from the module's on
	filter sourceFilter
	seen   int
	files  []string
	// filtered is set when something may have been left out.
	filtered bool
}

// sourceFiles returns the files and links of a directory of the module that are taken,
// by their paths in it, or nil for everything there is: unless there is a filter, a .gitignore file,
// or something of git's own, nothing is left out. Where there is, directories without
// files are, as by git, so that a clone and the tree it was made of give the same.
func sourceFiles(root *readlog.Root, dir string, filter sourceFilter) ([]string, error) {
	l := &sourceLister{root: root, top: dir, filter: filter, filtered: filter.include != nil || filter.exclude != nil}
	var rules ignoreRules
	// Those of the directories above, which are the module's.
	for above := dir; above != "."; {
		above = path.Dir(above)
		more, err := l.rules(above)
		if err != nil {
			return nil, err
		}
		rules = append(more, rules...)
	}
	if err := l.list(dir, rules, 0); err != nil {
		return nil, err
	}
	if !l.filtered {
		return nil, nil
	}
	if l.files == nil {
		return nil, errors.New("no file of it is taken: patterns, or what .gitignore says, leave all of them out")
	}
	return l.files, nil
}

// rules reads the .gitignore file of a directory, if there is one.
func (l *sourceLister) rules(dir string) (ignoreRules, error) {
	name := path.Join(dir, ignoreFile)
	info, err := l.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil // git takes no links for it
	}
	if err != nil {
		return nil, err
	}
	text, err := l.root.ReadFile(name, maxIgnoreFile+1)
	if err != nil {
		return nil, err
	}
	if len(text) > maxIgnoreFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxIgnoreFile)
	}
	l.filtered = true
	return parseIgnore(dir, string(text)), nil
}

func (l *sourceLister) list(dir string, above ignoreRules, depth int) error {
	if depth > tree.MaxDepth {
		return fmt.Errorf("%s: more than %d directories deep", dir, tree.MaxDepth)
	}
	more, err := l.rules(dir)
	if err != nil {
		return err
	}
	rules := append(above[:len(above):len(above)], more...)
	if len(rules) > maxIgnoreRules {
		return fmt.Errorf("%s: more than %d lines of .gitignore files", dir, maxIgnoreRules)
	}
	entries, err := l.root.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if l.seen++; l.seen > maxSourceFiles {
			return errors.New("there are too many files in it")
		}
		if e.Name() == ".git" {
			l.filtered = true
			continue
		}
		if rules.ignores(name, e.IsDir()) {
			continue
		}
		if e.IsDir() {
			if err := l.list(name, rules, depth+1); err != nil {
				return err
			}
			continue
		}
		rel := name
		if l.top != "." {
			rel = strings.TrimPrefix(name, l.top+"/")
		}
		if l.filter.takes(rel) {
			l.files = append(l.files, rel)
		}
	}
	return nil
}
