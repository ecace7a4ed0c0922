package modules

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/modules/lock"
	"sysc/store"
)

// An ownFile is a package file of the definition's own whose bytes are known before
// anything is built, so that what it needs can be resolved.
type ownFile struct {
	// name is the file's.
	name   string
	digest store.Digest
	// path is where it is on this machine, "" for one that is fetched.
	path  string
	fetch builtin.FileSource
}

// ownFile returns the file of a package of a name that a path in the store stands for,
// nil when only building tells what it is: a file of the module, or one in a directory
// of it that is called NAME_*.deb, or a file that is fetched.
func (w *work) ownFile(from, name string) (*ownFile, error) {
	for _, ref := range w.graph.Refs(from) {
		text, err := w.graph.Placeholder(ref)
		d, ok := w.graph.Derivation(ref.Derivation)
		if err != nil || !ok || text != from {
			return nil, err
		}
		fetch, ok := builtin.FetchedFile(d)
		if !ok {
			return nil, nil
		}
		return &ownFile{name: fetch.Name, digest: fetch.SHA256, fetch: fetch}, nil
	}
	top, inside, _ := strings.Cut(strings.TrimPrefix(from, storePrefix), "/")
	source, ok := w.graph.Source(store.Path(top))
	switch {
	case !ok:
		return nil, nil
	case source.Dir != "":
		return w.ownFileIn(source, inside, name)
	case source.File == "" || inside != "":
		return nil, nil // a text, or nothing
	}
	hashed, err := w.p.opts.Reads.Hash(source.File)
	return &ownFile{name: source.Name, digest: hashed.SHA256, path: source.File}, err
}

// ownFileIn finds a package's file in a directory of the module: the one that is meant, or
// the only one NAME_*.deb.
func (w *work) ownFileIn(source derivations.Source, inside, name string) (*ownFile, error) {
	root, err := w.p.opts.Reads.OpenRoot(source.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file := path.Clean(inside)
	info, err := root.Lstat(file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		list, err := root.ReadDir(file)
		if err != nil {
			return nil, err
		}
		var found []string
		for _, e := range list {
			one := path.Join(file, e.Name())
			taken := source.Files == nil || slices.Contains(source.Files, one)
			if taken && e.Type().IsRegular() && strings.HasPrefix(e.Name(), name+"_") && strings.HasSuffix(e.Name(), ".deb") {
				found = append(found, one)
			}
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("want one file %s_*.deb in it, there are %d: %s", name, len(found), strings.Join(found, ", "))
		}
		file = found[0]
	}
	hashed, err := root.Hash(file)
	return &ownFile{name: builtin.ObjectName(path.Base(file)), digest: hashed.SHA256, path: filepath.Join(source.Dir, filepath.FromSlash(file))}, err
}

// ownFiles are the package files of a request that take part in resolving it, as the lock
// file names them: sorted by package.
func (r *rootRequest) ownFiles() []lock.OwnFile {
	var files []lock.OwnFile
	for _, name := range sortedKeys(r.replaced) {
		if f := r.replaced[name].file; f != nil {
			files = append(files, lock.OwnFile{Package: name, SHA256: f.digest})
		}
	}
	return files
}
