package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sysc/internal/readlog"
	"sysc/lang"
	"sysc/lang/diag"
)

// A source tree is what one module came with: the files that sources "./x" and
// "../x" in it may lead to.
type sourceTree struct {
	// key tells trees apart: "" is that of the root module.
	key string
	// dir is where it is, links resolved.
	dir string
	// reads notes what is read in it; it may be nil.
	reads *readlog.Log
	// shown stands before the names of its files in messages.
	shown string
}

// A place is a directory in a source tree.
type place struct {
	tree *sourceTree
	// path is relative to the tree, with slashes, "." for all of it.
	path string
}

// dir is the place's directory on this machine.
func (p place) dir() string { return filepath.Join(p.tree.dir, filepath.FromSlash(p.path)) }

// shown is what messages call the directory: relative to the root module.
func (p place) shown() string {
	if p.tree.key == "" {
		if rel, err := filepath.Rel(filepath.FromSlash(p.tree.shown), filepath.FromSlash(p.path)); err == nil {
			return filepath.ToSlash(rel)
		}
	}
	return path.Join(p.tree.shown, p.path)
}

// rootPlace is where the root module is: in its git work tree, so that several
// definitions in one repository can share modules, or else a tree of its own.
// shown of that tree is the root module's path in it.
func rootPlace(reads *readlog.Log, dir string) (place, error) {
	real, err := realDir(reads, dir)
	if err != nil {
		return place{}, err
	}
	top := real
	for at := real; ; at = filepath.Dir(at) {
		if _, err := reads.Lstat(filepath.Join(at, ".git")); err == nil {
			top = at
			break
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	rel, err := filepath.Rel(top, real)
	if err != nil {
		return place{}, err
	}
	rel = filepath.ToSlash(rel)
	return place{tree: &sourceTree{dir: top, reads: reads, shown: rel}, path: rel}, nil
}

func realDir(reads *readlog.Log, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return reads.RealPath(abs)
}

// isLocal reports whether a source is a path from the module where it stands.
func isLocal(source string) bool {
	return source == "." || source == ".." || strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../")
}

// local returns the place that a local source in a module at p names.
func (p place) local(u *lang.Use) (place, diag.List) {
	if u.Version != "" {
		return place{}, diag.Errorf(u.VersionRange, "Version of a local module",
			"The module %q is part of the tree that names it, and so has no version of its own. Take version out.", u.Source)
	}
	to := place{tree: p.tree, path: path.Join(p.path, u.Source)}
	if strings.ContainsAny(u.Source, "\\\x00") || !filepath.IsLocal(filepath.FromSlash(to.path)) {
		return to, outsideTree(p, u)
	}
	real, err := p.tree.reads.RealPath(to.dir())
	if err == nil {
		var info fs.FileInfo
		if info, err = p.tree.reads.Stat(real); err == nil && !info.IsDir() {
			err = fmt.Errorf("it is not a directory")
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return to, diag.Errorf(u.SourceRange, "No such module", "There is no directory %q here.%s", u.Source, diag.DidYouMean(path.Base(u.Source), p.tree.siblings(to.path)))
	case err != nil:
		return to, diag.Errorf(u.SourceRange, "Cannot read the module", "The directory %q cannot be read: %v.", u.Source, cause(err))
	}
	// By its real path a module is the same one, whatever links lead to it.
	rel, err := filepath.Rel(p.tree.dir, real)
	if err != nil || !filepath.IsLocal(rel) {
		return to, outsideTree(p, u)
	}
	to.path = filepath.ToSlash(rel)
	return to, nil
}

func outsideTree(p place, u *lang.Use) diag.List {
	why := "That is all of what was fetched with this module."
	if p.tree.key == "" {
		why = "That is the git repository that the root module is in, or without one the root module's own directory. Put both into one repository (git init), or fetch the module from a repository of its own."
	}
	return diag.Errorf(u.SourceRange, "Module outside of the tree", "%q leads out of the tree that the module came from. %s", u.Source, why)
}

// siblings are names of directories beside one that is not there.
func (t *sourceTree) siblings(name string) []string {
	const most = 1000
	root, err := t.reads.OpenRoot(t.dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	entries, err := root.ReadDir(path.Dir(name))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries[:min(len(entries), most)] {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
