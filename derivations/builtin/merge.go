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

// maxLinks bounds the symbolic links in one path, as the kernel does
// (path_resolution(7)).
const maxLinks = 40

// A Merger puts directory trees on top of one another, listings only: no file is
// read. A sub-tree that only one layer has is taken over unseen, so merging costs
// what the layers share.
//
// A later layer's file or link replaces an earlier one's. Directories merge, and
// the later one's metadata count. A directory that meets a link to a directory
// merges with that directory, as unpacking over it would. Everything else is a
// [*ConflictError], unless Conflict decides otherwise.
//
// It must not be used by several goroutines at once.
type Merger struct {
	// Conflict, if not nil, is asked about every path that two layers have,
	// except for two equal entries. It returns the entry to have (one of the two,
	// or the old directory with other metadata), or an error. Directory over
	// directory always merges the contents; the result then gives the metadata. A
	// result of another type than Dir drops a directory's contents.
	Conflict func(Meeting) (tree.Entry, error)

	src tree.Source
	top *mergeNode
}

// A Meeting is one path that two layers have.
type Meeting struct {
	Path               string // without a leading slash
	Old, New           tree.Entry
	OldLayer, NewLayer string
}

// A ConflictError says that two layers cannot both have what they have at a path.
type ConflictError struct{ Meeting }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("merge %s: a %v in %s, but a %v in %s", e.Path, e.Old.Type, e.OldLayer, e.New.Type, e.NewLayer)
}

// A mergeNode is one entry. The children of a directory are nil until somebody
// looks: then it is what entry.Digest says.
type mergeNode struct {
	entry    tree.Entry
	layer    string
	children map[string]*mergeNode
}

// NewMerger returns a Merger whose result is empty so far.
func NewMerger(src tree.Source) *Merger {
	top := &mergeNode{children: make(map[string]*mergeNode)}
	top.entry = tree.Entry{Type: tree.Dir, Mode: 0o755}
	return &Merger{src: src, top: top}
}

// DefaultConflict is what a Merger without Conflict does.
func DefaultConflict(m Meeting) (tree.Entry, error) {
	if (m.Old.Type == tree.Dir) != (m.New.Type == tree.Dir) {
		return tree.Entry{}, &ConflictError{m}
	}
	return m.New, nil
}

// Add puts e at a path of the result, made with parents 0755 root:root where
// they are missing. e is a file, a link, or a directory with its tree; its name
// does not matter. At the path "" it must be a directory; its metadata do not
// matter there, as an object says nothing about its own directory. layer names
// it in messages.
func (m *Merger) Add(ctx context.Context, path string, e tree.Entry, layer string) error {
	parts, err := splitPath(strings.TrimPrefix(path, "/"))
	if err != nil {
		return fmt.Errorf("merge %s: %v", layer, err)
	}
	if len(parts) == 0 {
		if e.Type != tree.Dir {
			return fmt.Errorf("merge %s: a %v at the top", layer, e.Type)
		}
		return m.mergeChildren(ctx, m.top, "", e.Digest, layer)
	}
	last := len(parts) - 1
	dir, at, err := m.walk(ctx, parts[:last], layer)
	if err != nil {
		return err
	}
	e.Name = parts[last]
	return m.put(ctx, dir, at, e, layer)
}

// Write keeps the result and returns its tree and the sum of its files' sizes.
func (m *Merger) Write(ctx context.Context, sink tree.Sink) (store.Digest, int64, error) {
	if err := m.top.write(ctx, sink); err != nil {
		return store.Digest{}, 0, fmt.Errorf("write merged tree: %w", err)
	}
	return m.top.entry.Digest, m.top.entry.Size, nil
}

// mergeChildren puts everything in a tree into a directory.
func (m *Merger) mergeChildren(ctx context.Context, dir *mergeNode, at string, digest store.Digest, layer string) error {
	t, err := m.src.Tree(ctx, digest)
	if err != nil {
		return fmt.Errorf("merge %s: %w", layer, err)
	}
	if err := m.expand(ctx, dir); err != nil {
		return err
	}
	for _, e := range t.Entries {
		if err := m.put(ctx, dir, at, e, layer); err != nil {
			return err
		}
	}
	return nil
}

// put puts one entry into an expanded directory.
func (m *Merger) put(ctx context.Context, dir *mergeNode, at string, e tree.Entry, layer string) error {
	old, ok := dir.children[e.Name]
	if !ok {
		dir.children[e.Name] = &mergeNode{entry: e, layer: layer}
		return nil
	}
	if old.children == nil && old.entry.Equal(e) {
		return nil
	}
	path := joinPath(at, e.Name)
	if strings.Count(path, "/") > tree.MaxDepth {
		return fmt.Errorf("merge %s: more than %d directories deep", layer, tree.MaxDepth)
	}
	if old.entry.Type == tree.Link && e.Type == tree.Dir {
		target, where, err := m.resolve(ctx, path)
		if err != nil {
			return err
		}
		if target != nil && target.entry.Type == tree.Dir {
			return m.mergeChildren(ctx, target, where, e.Digest, layer)
		}
	}
	decide := m.Conflict
	if decide == nil {
		decide = DefaultConflict
	}
	chosen, err := decide(Meeting{Path: path, Old: old.entry, New: e, OldLayer: old.layer, NewLayer: layer})
	if err != nil {
		return err
	}
	chosen.Name = e.Name
	if old.entry.Type == tree.Dir && e.Type == tree.Dir && chosen.Type == tree.Dir {
		if err := m.mergeChildren(ctx, old, path, e.Digest, layer); err != nil {
			return err
		}
		old.entry.Mode, old.entry.UID, old.entry.GID, old.entry.Xattrs = chosen.Mode, chosen.UID, chosen.GID, chosen.Xattrs
		return nil
	}
	if old.entry.Type == tree.Dir && chosen.Type == tree.Dir {
		return nil // the old directory stays
	}
	dir.children[e.Name] = &mergeNode{entry: chosen, layer: layer}
	return nil
}

// walk returns the directory that parts name, made where it is missing. Links on
// the way are followed.
func (m *Merger) walk(ctx context.Context, parts []string, layer string) (*mergeNode, string, error) {
	dir, at := m.top, ""
	for _, part := range parts {
		if err := m.expand(ctx, dir); err != nil {
			return nil, "", err
		}
		child, ok := dir.children[part]
		if !ok {
			child = &mergeNode{layer: layer, children: make(map[string]*mergeNode)}
			child.entry = tree.Entry{Name: part, Type: tree.Dir, Mode: 0o755}
			dir.children[part] = child
		}
		path := joinPath(at, part)
		target, where, err := child, path, error(nil)
		if child.entry.Type == tree.Link {
			if target, where, err = m.resolve(ctx, path); err != nil {
				return nil, "", err
			}
		}
		if target == nil || target.entry.Type != tree.Dir {
			return nil, "", &ConflictError{Meeting{Path: path, Old: child.entry, New: tree.Entry{Type: tree.Dir}, OldLayer: child.layer, NewLayer: layer}}
		}
		dir, at = target, where
	}
	return dir, at, m.expand(ctx, dir)
}

// resolve follows the links in a path inside of the result, as a process whose
// root it is would. It returns nil when nothing is there.
func (m *Merger) resolve(ctx context.Context, path string) (*mergeNode, string, error) {
	todo := strings.Split(path, "/")
	nodes, names := []*mergeNode{m.top}, []string{}
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(names) > 0 {
				nodes, names = nodes[:len(nodes)-1], names[:len(names)-1]
			}
			continue
		}
		dir := nodes[len(nodes)-1]
		if dir.entry.Type != tree.Dir {
			return nil, "", nil
		}
		if err := m.expand(ctx, dir); err != nil {
			return nil, "", err
		}
		child, ok := dir.children[part]
		if !ok {
			return nil, "", nil
		}
		if child.entry.Type != tree.Link {
			nodes, names = append(nodes, child), append(names, part)
			continue
		}
		if links++; links > maxLinks {
			return nil, "", nil
		}
		if strings.HasPrefix(child.entry.Target, "/") {
			nodes, names = nodes[:1], names[:0]
		}
		todo = slices.Concat(strings.Split(child.entry.Target, "/"), todo)
	}
	return nodes[len(nodes)-1], strings.Join(names, "/"), nil
}

// expand reads a directory's listing.
func (m *Merger) expand(ctx context.Context, n *mergeNode) error {
	if n.children != nil {
		return nil
	}
	t, err := m.src.Tree(ctx, n.entry.Digest)
	if err != nil {
		return fmt.Errorf("merge %s: %w", n.layer, err)
	}
	n.children = make(map[string]*mergeNode, len(t.Entries))
	for _, e := range t.Entries {
		n.children[e.Name] = &mergeNode{entry: e, layer: n.layer}
	}
	return nil
}

func (n *mergeNode) write(ctx context.Context, sink tree.Sink) error {
	if n.children == nil {
		return nil
	}
	t := tree.Tree{Entries: make([]tree.Entry, 0, len(n.children))}
	n.entry.Size = 0
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		if err := child.write(ctx, sink); err != nil {
			return err
		}
		n.entry.Size += child.entry.Size
		t.Entries = append(t.Entries, child.entry)
	}
	var err error
	n.entry.Digest, err = sink.AddTree(ctx, &t)
	return err
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
