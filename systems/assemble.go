package systems

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
)

// assemble is "builtin:system": it completes the manifest from the root and
// makes the system object of it.
func assemble(ctx context.Context, s *builtin.Step) error {
	var attrs assembleAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	root, rest, err := s.Object(ctx, attrs.Root)
	if err != nil {
		return err
	}
	if root.Kind != store.KindRoot || rest != "" {
		return fmt.Errorf("assemble system from %s: a %s is not a root", attrs.Root, root.Kind)
	}
	m := &attrs.Manifest
	m.Root = Root{Path: root.Path, Tree: root.Tree}
	if err := m.complete(ctx, s.Store); err != nil {
		return err
	}
	t, err := writeManifest(ctx, s.Store, m)
	if err != nil {
		return err
	}
	s.SetTree("out", store.KindTree, t, m.References())
	return nil
}

// writeManifest adds the tree of a system object to a store.
func writeManifest(ctx context.Context, st builtin.Store, m *Manifest) (store.Digest, error) {
	data, err := m.Encode()
	if err != nil {
		return store.Digest{}, err
	}
	if len(data) > MaxManifest {
		return store.Digest{}, fmt.Errorf("manifest of %d bytes, at most %d", len(data), MaxManifest)
	}
	blob, size, err := st.AddBlob(ctx, bytes.NewReader(data))
	if err != nil {
		return store.Digest{}, err
	}
	return st.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: ManifestName, Type: tree.File, Mode: 0o444, Size: size, Digest: blob},
	}})
}

// References returns the objects that the system object refers to. What the
// root refers to is in the closure.
func (m *Manifest) References() []store.Path { return []store.Path{m.Root.Path} }

// complete fills in what only the root tells.
func (m *Manifest) complete(ctx context.Context, src tree.Source) error {
	root := rootGetter{src: src, tree: m.Root.Tree}
	for i := range m.Files {
		f := &m.Files[i]
		e, err := root.declared(ctx, &f.DeclaredEntry, tree.File)
		if err != nil {
			return err
		}
		f.Digest, f.Size = e.Digest, e.Size
	}
	for i := range m.Directories {
		if _, err := root.declared(ctx, &m.Directories[i], tree.Dir); err != nil {
			return err
		}
	}
	for i := range m.Units {
		u := &m.Units[i]
		place, err := resolveIn(ctx, root, m.Kind.unitDir()+"/"+u.Name, false)
		if err != nil {
			return err
		}
		e, ok, err := root.Get(ctx, place)
		if err != nil {
			return err
		}
		if ok && e.Type == tree.File {
			u.Digest = e.Digest
		}
	}
	if m.Kind == Home {
		return nil
	}
	return m.findKernel(ctx, src)
}

// A rootGetter looks places up in a tree that is not being changed.
type rootGetter struct {
	src  tree.Source
	tree store.Digest
}

// Get returns the entry at a path, without following links.
func (r rootGetter) Get(ctx context.Context, path string) (tree.Entry, bool, error) {
	e, err := tree.Find(ctx, r.src, r.tree, path)
	if isNotExist(err) {
		return tree.Entry{}, false, nil
	}
	return e, err == nil, err
}

// declared fills in what the root has for a declaration.
func (r rootGetter) declared(ctx context.Context, d *DeclaredEntry, want tree.Type) (tree.Entry, error) {
	place, err := resolveIn(ctx, r, d.Path, want == tree.Dir)
	if err != nil {
		return tree.Entry{}, fmt.Errorf("find %s: %v", d.Path, err)
	}
	e, ok, err := r.Get(ctx, place)
	if err != nil {
		return e, err
	}
	if !ok || e.Type != want {
		return e, fmt.Errorf("find %s: not in the root as declared", d.Path)
	}
	if place != strings.TrimPrefix(d.Path, "/") {
		d.Resolved = "/" + place
	}
	d.Mode, d.UID, d.GID = e.Mode, e.UID, e.GID
	return e, nil
}
