package derivations

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"sysc/internal/readlog"
	"sysc/store"
	"sysc/store/tree"
)

// A Source is something outside of the store that derivations use: a file or
// directory beside the definition, or a text. Exactly one of File, Dir and
// Content counts: File or Dir when it is set, otherwise Content.
type Source struct {
	// Name is the name of its object.
	Name string
	// File is a regular file of the host, read when it is added and copied when it
	// is realised.
	File string
	// Dir is a directory of the host.
	Dir string
	// Files are what is taken of Dir: files and links by their paths there, with
	// slashes, and the directories that they are in. nil means everything.
	Files []string
	// Content is the text of a file that stands nowhere.
	Content []byte
	// Executable is the executable bit of the file or text.
	Executable bool
}

// AddSource hashes s and returns the path that it will have in the store, which
// may then stand in the texts of derivations. Adding the same content again
// returns the same path. What is read is noted in reads, which may be nil.
func (g *Graph) AddSource(reads *readlog.Log, s Source) (store.Path, error) {
	p, err := s.hash(reads)
	if err != nil {
		return "", fmt.Errorf("add source %q: %w", s.Name, err)
	}
	g.putSource(p, s)
	return p, nil
}

// Source returns a source of the graph.
func (g *Graph) Source(p store.Path) (Source, bool) {
	s, ok := g.source[p]
	return s, ok
}

func (s Source) hash(reads *readlog.Log) (store.Path, error) {
	if err := store.CheckName(s.Name); err != nil {
		return "", err
	}
	if s.Dir == "" {
		return s.hashFile(reads)
	}
	digest, err := s.hashTree(reads, nil)
	if err != nil {
		return "", err
	}
	return store.MakePath(store.MakeID(store.KindTree, s.Name, digest, nil, nil), s.Name)
}

// Trees returns the listings of a directory as it is now, by digest, and that of the
// directory itself. It has to read everything in there. Other sources have none.
func (s Source) Trees() (root store.Digest, trees map[store.Digest]*tree.Tree, err error) {
	trees = make(map[store.Digest]*tree.Tree)
	if s.Dir == "" {
		return store.Digest{}, trees, nil
	}
	root, err = s.hashTree(nil, func(d store.Digest, t *tree.Tree) { trees[d] = t })
	if err != nil {
		return store.Digest{}, nil, fmt.Errorf("read source %q: %w", s.Name, err)
	}
	return root, trees, nil
}

// hashTree returns the digest of a directory. keep, which may be nil, gets every listing.
func (s Source) hashTree(reads *readlog.Log, keep func(store.Digest, *tree.Tree)) (store.Digest, error) {
	if s.File != "" || s.Content != nil || s.Executable {
		return store.Digest{}, fmt.Errorf("both a directory and a file")
	}
	root, err := reads.OpenRoot(s.Dir)
	if err != nil {
		return store.Digest{}, err
	}
	defer root.Close()
	h := dirHasher{root: root, only: s.paths(), keep: keep}
	entry, err := h.dir(".", 0)
	return entry.Digest, err
}

// paths returns what is taken of a directory, directories as well; nil for everything.
func (s *Source) paths() map[string]bool {
	if s.Files == nil {
		return nil
	}
	only := make(map[string]bool, len(s.Files))
	for _, name := range s.Files {
		for ; name != "." && !only[name]; name = path.Dir(name) {
			only[name] = true
		}
	}
	return only
}

// A dirHasher hashes a directory as a canonical tree has it: owner root, modes 0444 and
// 0555.
type dirHasher struct {
	root *readlog.Root
	only map[string]bool // what is taken, nil for everything
	keep func(store.Digest, *tree.Tree)
}

func (s Source) hashFile(reads *readlog.Log) (store.Path, error) {
	blob, size := store.DigestOf(s.Content), int64(len(s.Content))
	if s.File != "" {
		if s.Content != nil {
			return "", fmt.Errorf("both a file and a text")
		}
		f, err := reads.Hash(s.File)
		if errors.Is(err, readlog.ErrNotRegular) {
			return "", fmt.Errorf("%s is not a regular file", s.File)
		}
		if err != nil {
			return "", err
		}
		blob, size = store.Digest(f.SHA256), f.Size
	}
	digest, err := FileTree(blob, size, s.Executable).Digest()
	if err != nil {
		return "", err
	}
	return store.MakePath(store.MakeID(store.KindFile, s.Name, digest, nil, nil), s.Name)
}

// dir returns the entry of a directory.
func (h *dirHasher) dir(dir string, depth int) (tree.Entry, error) {
	entry := tree.Entry{Name: path.Base(dir), Type: tree.Dir, Mode: tree.ModeDir}
	if depth > tree.MaxDepth {
		return entry, fmt.Errorf("%s: more than %d directories deep", dir, tree.MaxDepth)
	}
	list, err := h.root.ReadDir(dir)
	if err != nil {
		return entry, err
	}
	var t tree.Tree
	for _, item := range list {
		name := path.Join(dir, item.Name())
		if h.only != nil && !h.only[name] {
			continue
		}
		e, err := h.entry(name, item, depth)
		if err != nil {
			return entry, err
		}
		entry.Size += e.Size
		t.Entries = append(t.Entries, e)
	}
	if entry.Digest, err = t.Digest(); err == nil && h.keep != nil {
		h.keep(entry.Digest, &t)
	}
	return entry, err
}

func (h *dirHasher) entry(name string, item fs.DirEntry, depth int) (tree.Entry, error) {
	switch {
	case item.IsDir():
		return h.dir(name, depth+1)
	case item.Type() == fs.ModeSymlink:
		target, err := h.root.Readlink(name)
		return tree.Entry{Name: item.Name(), Type: tree.Link, Mode: tree.ModeLink, Target: target}, err
	case !item.Type().IsRegular():
		return tree.Entry{}, fmt.Errorf("%s is a %v: only files, directories and links can be sources", name, item.Type())
	}
	f, err := h.root.Hash(name)
	if err != nil {
		return tree.Entry{}, err
	}
	return tree.Entry{
		Name: item.Name(), Type: tree.File, Mode: tree.CanonicalMode(tree.File, uint32(f.Mode.Perm())),
		Digest: store.Digest(f.SHA256), Size: f.Size,
	}, nil
}
