package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"sysc/store"
)

// Walk calls fn for every entry below root with its path: directories before
// what is in them, names of one directory in the order of their bytes. When fn
// returns fs.SkipDir for a directory, Walk does not go into it; fs.SkipAll ends
// the walk without an error; any other error ends it and is returned.
func Walk(ctx context.Context, src Source, root store.Digest, fn func(path string, e Entry) error) error {
	err := walk(ctx, src, root, "", 0, fn)
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

func walk(ctx context.Context, src Source, dir store.Digest, at string, depth int, fn func(string, Entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > MaxDepth {
		return fmt.Errorf("walk tree: deeper than %d directories", MaxDepth)
	}
	t, err := src.Tree(ctx, dir)
	if err != nil {
		return fmt.Errorf("walk tree at %q: %w", at, err)
	}
	for _, e := range t.Entries {
		name := join(at, e.Name)
		err := fn(name, e)
		if e.Type == Dir {
			if errors.Is(err, fs.SkipDir) {
				continue
			}
			if err == nil {
				err = walk(ctx, src, e.Digest, name, depth+1, fn)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// A Change is one path that differs between two trees. Old is nil when it is
// new, New when it is gone.
type Change struct {
	Path     string
	Old, New *Entry
}

// Diff calls fn for every path that differs between the trees a and b, in the
// order of [Walk]. A zero digest stands for an empty tree. Directories that are
// equal are not looked into, so it costs what differs. A directory in both is
// itself a change only when its own metadata differ, whatever changed inside; a
// directory in only one of them is reported with everything below it. An error
// of fn ends the comparison and is returned; fs.SkipAll ends it without one.
func Diff(ctx context.Context, src Source, a, b store.Digest, fn func(Change) error) error {
	d := differ{ctx, src, fn}
	err := d.dirs(a, b, "", 0)
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

type differ struct {
	ctx context.Context
	src Source
	fn  func(Change) error
}

func (d *differ) dirs(a, b store.Digest, at string, depth int) error {
	if a == b {
		return nil
	}
	if depth > MaxDepth {
		return fmt.Errorf("compare trees: deeper than %d directories", MaxDepth)
	}
	old, err := d.entries(a, at)
	if err != nil {
		return err
	}
	new, err := d.entries(b, at)
	if err != nil {
		return err
	}
	for len(old) > 0 || len(new) > 0 {
		var o, n *Entry
		if len(new) == 0 || len(old) > 0 && old[0].Name <= new[0].Name {
			o = &old[0]
		}
		if len(old) == 0 || len(new) > 0 && new[0].Name <= old[0].Name {
			n = &new[0]
		}
		if o != nil {
			old = old[1:]
		}
		if n != nil {
			new = new[1:]
		}
		if err := d.entry(o, n, at, depth); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) entry(o, n *Entry, at string, depth int) error {
	var name string
	var below [2]store.Digest
	if o != nil {
		name = join(at, o.Name)
		if o.Type == Dir {
			below[0] = o.Digest
		}
	}
	if n != nil {
		name = join(at, n.Name)
		if n.Type == Dir {
			below[1] = n.Digest
		}
	}
	if o == nil || n == nil || !sameItself(o, n) {
		if err := d.fn(Change{name, o, n}); err != nil {
			return err
		}
	}
	return d.dirs(below[0], below[1], name, depth+1)
}

func (d *differ) entries(digest store.Digest, at string) ([]Entry, error) {
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	if digest.IsZero() {
		return nil, nil
	}
	t, err := d.src.Tree(d.ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("compare trees at %q: %w", at, err)
	}
	return t.Entries, nil
}

// sameItself compares two entries of one name, contents of directories aside.
func sameItself(a, b *Entry) bool {
	if a.Type == Dir && b.Type == Dir {
		x, y := *a, *b
		x.Digest, y.Digest, x.Size, y.Size = store.Digest{}, store.Digest{}, 0, 0
		return x.Equal(y)
	}
	return a.Equal(*b)
}
