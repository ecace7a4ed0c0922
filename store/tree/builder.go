package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/store"
)

// ErrNotDir is what a [Builder] returns, wrapped, when a path leads through
// something that is no directory.
var ErrNotDir = errors.New("not a directory")

// A Builder changes a tree. Directories are read when a path leads into them,
// and only those that changed are written again, so that changing a few paths
// of a large root costs a few listings.
//
// Paths are relative and slash-separated; symbolic links are never followed.
// A Builder is not safe for concurrent use.
type Builder struct {
	src Source
	top *node
}

// A node is one entry of the tree that is built.
type node struct {
	entry Entry // Name is the key in the parent's children
	// children of a directory, nil until somebody looks into it.
	children map[string]*node
	// changed is true when entry.Digest and Size of a directory are out of date.
	changed bool
}

// NewBuilder returns a builder that begins with the tree base of src; a zero
// base is an empty tree. Trees that are put in by digest are looked up in src
// too.
func NewBuilder(src Source, base store.Digest) *Builder {
	top := &node{entry: rootEntry(base, 0)}
	if base.IsZero() {
		top.children = map[string]*node{}
		top.changed = true
	}
	return &Builder{src: src, top: top}
}

// Put sets the entry at path, with everything below it, in place of what was
// there. e's name is ignored: the path has it. A directory with a digest brings
// that tree in; without one it is empty. Parents that are missing are made,
// 0755 and root's; one that is no directory is [ErrNotDir], wrapped.
func (b *Builder) Put(ctx context.Context, path string, e Entry) error {
	parent, name, err := b.parent(ctx, path, true)
	if err != nil {
		return fmt.Errorf("put %q: %w", path, err)
	}
	n := &node{entry: e}
	n.entry.Name = name
	n.entry.Xattrs = slices.Clone(e.Xattrs)
	if e.Type == Dir && e.Digest.IsZero() {
		n.children = map[string]*node{}
		n.changed = true
	}
	if e.Type == Dir && !e.Digest.IsZero() {
		// Sizes are part of the listing, so one that a caller left out or got
		// wrong would give equal trees different digests.
		t, err := b.src.Tree(ctx, e.Digest)
		if err != nil {
			return fmt.Errorf("put %q: %w", path, err)
		}
		n.entry.Size = t.Size()
	}
	if err := n.check(); err != nil {
		return fmt.Errorf("put %q: %w", path, err)
	}
	b.touch(path)
	parent.children[name] = n
	return nil
}

// Mkdir makes a directory at path, or gives the one that is there the mode,
// owner and extended attributes of e and leaves what is in it. The type, size
// and digest of e are ignored. For missing parents see Put; something else in
// the place is [ErrNotDir], wrapped.
func (b *Builder) Mkdir(ctx context.Context, path string, e Entry) error {
	parent, name, err := b.parent(ctx, path, true)
	if err != nil {
		return fmt.Errorf("make directory %q: %w", path, err)
	}
	n := parent.children[name]
	if n == nil {
		n = &node{children: map[string]*node{}, changed: true}
	} else if n.entry.Type != Dir {
		return fmt.Errorf("make directory %q: it is a %s: %w", path, n.entry.Type, ErrNotDir)
	}
	entry := Entry{
		Name: name, Type: Dir, Mode: e.Mode, UID: e.UID, GID: e.GID, Xattrs: slices.Clone(e.Xattrs),
		Size: n.entry.Size, Digest: n.entry.Digest,
	}
	if err := (&node{entry: entry, changed: true}).check(); err != nil {
		return fmt.Errorf("make directory %q: %w", path, err)
	}
	n.entry = entry
	b.touch(path)
	parent.children[name] = n
	return nil
}

// Get returns the entry at path, and whether there is one. A directory that was
// changed has a zero digest and size until [Builder.Write]. The empty path is
// the top, a directory.
func (b *Builder) Get(ctx context.Context, path string) (Entry, bool, error) {
	n, err := b.find(ctx, path)
	if err != nil || n == nil {
		return Entry{}, false, err
	}
	return n.visible(), true, nil
}

// Remove takes the entry at path away, with everything below it. It is no error
// when there is none.
func (b *Builder) Remove(ctx context.Context, path string) error {
	parent, name, err := b.parent(ctx, path, false)
	if err != nil {
		return fmt.Errorf("remove %q: %w", path, err)
	}
	if parent == nil || parent.children[name] == nil {
		return nil
	}
	b.touch(path)
	delete(parent.children, name)
	return nil
}

// List returns the entries of the directory at path, sorted by name; see
// [Builder.Get] for changed directories in it. A missing directory is
// store.ErrNotExist, something else [ErrNotDir], both wrapped.
func (b *Builder) List(ctx context.Context, path string) ([]Entry, error) {
	n, err := b.find(ctx, path)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, fmt.Errorf("list %q: %w", path, store.ErrNotExist)
	}
	if n.entry.Type != Dir {
		return nil, fmt.Errorf("list %q: it is a %s: %w", path, n.entry.Type, ErrNotDir)
	}
	if err := b.expand(ctx, n); err != nil {
		return nil, fmt.Errorf("list %q: %w", path, err)
	}
	entries := make([]Entry, 0, len(n.children))
	for _, child := range n.children {
		entries = append(entries, child.visible())
	}
	slices.SortFunc(entries, func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
	return entries, nil
}

// Write puts every listing that changed into dst and returns the digest of the
// top one, with the sum of the sizes of all files in bytes. The builder may be
// used further.
func (b *Builder) Write(ctx context.Context, dst Sink) (store.Digest, int64, error) {
	if !b.top.changed && b.top.entry.Size == 0 {
		t, err := b.src.Tree(ctx, b.top.entry.Digest)
		if err != nil {
			return store.Digest{}, 0, fmt.Errorf("write tree: %w", err)
		}
		return b.top.entry.Digest, t.Size(), nil
	}
	if err := write(ctx, dst, b.top, 0); err != nil {
		return store.Digest{}, 0, fmt.Errorf("write tree: %w", err)
	}
	return b.top.entry.Digest, b.top.entry.Size, nil
}

func write(ctx context.Context, dst Sink, n *node, depth int) error {
	if !n.changed {
		return nil
	}
	if depth > MaxDepth {
		return fmt.Errorf("deeper than %d directories", MaxDepth)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &Tree{Entries: make([]Entry, 0, len(n.children))}
	for _, child := range n.children {
		if err := write(ctx, dst, child, depth+1); err != nil {
			return err
		}
		t.Entries = append(t.Entries, child.entry)
	}
	slices.SortFunc(t.Entries, func(x, y Entry) int { return strings.Compare(x.Name, y.Name) })
	d, err := dst.AddTree(ctx, t)
	if err != nil {
		return err
	}
	n.entry.Digest, n.entry.Size, n.changed = d, t.Size(), false
	return nil
}

// parent returns the directory that path's last name is in, expanded. With
// create it makes what is missing; without, it returns nil for that.
func (b *Builder) parent(ctx context.Context, path string, create bool) (*node, string, error) {
	parts, err := split(path)
	if err != nil {
		return nil, "", err
	}
	if len(parts) == 0 {
		return nil, "", fmt.Errorf("it is the top of the tree")
	}
	last := len(parts) - 1
	n := b.top
	for i, part := range parts {
		if n.entry.Type != Dir {
			return nil, "", fmt.Errorf("%q is a %s: %w", strings.Join(parts[:i], "/"), n.entry.Type, ErrNotDir)
		}
		if err := b.expand(ctx, n); err != nil {
			return nil, "", err
		}
		if i == last {
			break
		}
		next := n.children[part]
		if next == nil {
			if !create {
				return nil, "", nil
			}
			next = &node{
				entry:    Entry{Name: part, Type: Dir, Mode: 0o755},
				children: map[string]*node{}, changed: true,
			}
			n.children[part] = next
			n.changed = true
		}
		n = next
	}
	return n, parts[last], nil
}

// find returns the node at path, or nil.
func (b *Builder) find(ctx context.Context, path string) (*node, error) {
	parts, err := split(path)
	if err != nil {
		return nil, err
	}
	n := b.top
	for _, part := range parts {
		if n.entry.Type != Dir {
			return nil, nil
		}
		if err := b.expand(ctx, n); err != nil {
			return nil, err
		}
		if n = n.children[part]; n == nil {
			return nil, nil
		}
	}
	return n, nil
}

// touch marks the directories on the way to path as changed. parent has
// expanded them.
func (b *Builder) touch(path string) {
	parts, _ := split(path) // parent checked it
	n := b.top
	n.changed = true
	for _, part := range parts[:len(parts)-1] {
		n = n.children[part]
		n.changed = true
	}
}

// expand reads the listing of a directory.
func (b *Builder) expand(ctx context.Context, n *node) error {
	if n.children != nil {
		return nil
	}
	t, err := b.src.Tree(ctx, n.entry.Digest)
	if err != nil {
		return err
	}
	nodes := make([]node, len(t.Entries))
	n.children = make(map[string]*node, len(t.Entries))
	for i, e := range t.Entries {
		nodes[i].entry = e
		n.children[e.Name] = &nodes[i]
	}
	return nil
}

// visible is the entry as callers see it.
func (n *node) visible() Entry {
	e := n.entry
	if n.changed {
		e.Digest, e.Size = store.Digest{}, 0
	}
	return e
}

// check refuses early, where the path is known, what could not be encoded.
func (n *node) check() error {
	e := n.entry
	if n.changed {
		e.Digest = store.DigestOf(nil)
		e.Size = 0
	}
	return checkContent(&e)
}
