package builtin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// A listing is a directory tree being read from an archive, in memory: names and
// metadata only, contents are blobs already. Nothing in it can be written
// through: a link is an entry like any other.
type listing struct {
	entry    tree.Entry
	children map[string]*listing // of a directory
	implied  bool                // a directory that only its contents told of
	layer    int                 // of an image, which put it there
}

func newListing() *listing {
	l := &listing{implied: true, children: make(map[string]*listing)}
	l.entry = tree.Entry{Type: tree.Dir, Mode: 0o755}
	return l
}

// splitPath checks an archive's path and returns its parts. "." and "./" are the
// top, with no parts.
func splitPath(name string) ([]string, error) {
	switch {
	case strings.HasPrefix(name, "/"):
		return nil, fmt.Errorf("%q: absolute path", name)
	case strings.IndexByte(name, 0) >= 0:
		return nil, fmt.Errorf("%q: NUL in a path", name)
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			return nil, fmt.Errorf("%q: path leads upwards", name)
		case len(part) > tree.MaxName:
			return nil, fmt.Errorf("%q: name of %d bytes", name, len(part))
		}
		parts = append(parts, part)
	}
	if len(parts) > tree.MaxDepth {
		return nil, fmt.Errorf("%q: more than %d directories deep", name, tree.MaxDepth)
	}
	return parts, nil
}

// dir returns the directory that parts name, made when missing. A part that is
// no directory is an error: links are not followed.
func (l *listing) dir(parts []string) (*listing, error) {
	for i, part := range parts {
		child, ok := l.children[part]
		if !ok {
			child = newListing()
			child.entry.Name = part
			l.children[part] = child
		}
		if child.entry.Type != tree.Dir {
			return nil, fmt.Errorf("%q is not a directory in this archive, but something is put below it", strings.Join(parts[:i+1], "/"))
		}
		l = child
	}
	return l, nil
}

// put adds an entry. A directory may come again, the later one's metadata count.
// Anything else that comes again replaces what was there when replace is set,
// and is an error otherwise.
func (l *listing) put(parts []string, e tree.Entry, replace bool) error {
	if e.Type == tree.Dir {
		d, err := l.dir(parts)
		if err != nil {
			return err
		}
		e.Name = d.entry.Name
		d.entry, d.implied = e, false
		return nil
	}
	if len(parts) == 0 {
		return fmt.Errorf("%q is the top and no directory", e.Name)
	}
	last := len(parts) - 1
	parent, err := l.dir(parts[:last])
	if err != nil {
		return err
	}
	e.Name = parts[last]
	old, exists := parent.children[e.Name]
	switch {
	case exists && old.entry.Type == tree.Dir:
		return fmt.Errorf("%q is a directory and something else in one archive", strings.Join(parts, "/"))
	case exists && !replace:
		return fmt.Errorf("%q occurs twice in the archive", strings.Join(parts, "/"))
	}
	parent.children[e.Name] = &listing{entry: e}
	return nil
}

// find returns what parts name; links are not followed.
func (l *listing) find(parts []string) (*listing, bool) {
	for _, part := range parts {
		child, ok := l.children[part]
		if !ok {
			return nil, false
		}
		l = child
	}
	return l, true
}

// canonical changes the metadata to what a canonical tree has.
func (l *listing) canonical() {
	e := &l.entry
	e.Mode, e.UID, e.GID, e.Xattrs = tree.CanonicalMode(e.Type, e.Mode), 0, 0, nil
	for _, child := range l.children {
		child.canonical()
	}
}

// write keeps the tree of a directory and returns the directory's entry. Its
// recursion is bounded by tree.MaxDepth.
func (l *listing) write(ctx context.Context, sink tree.Sink) (tree.Entry, error) {
	e := l.entry
	if e.Type != tree.Dir {
		return e, nil
	}
	t := tree.Tree{Entries: make([]tree.Entry, 0, len(l.children))}
	e.Size, e.Digest = 0, store.Digest{}
	for _, name := range slices.Sorted(maps.Keys(l.children)) {
		child, err := l.children[name].write(ctx, sink)
		if err != nil {
			return e, err
		}
		e.Size += child.Size
		t.Entries = append(t.Entries, child)
	}
	var err error
	e.Digest, err = sink.AddTree(ctx, &t)
	return e, err
}
