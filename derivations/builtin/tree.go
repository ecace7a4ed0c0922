package builtin

import (
	"context"
	"fmt"

	"sysc/store"
	"sysc/store/tree"
)

type treeAttrs struct {
	// Source is the logical path of a root, or of a directory in it.
	Source string `json:"source"`
}

// canonicalTree makes a canonical tree of a root, so that it can be read below
// /sysc/store: without owners, extended attributes and all of modes but
// "executable". Its attributes are treeAttrs. No file is read.
func canonicalTree(ctx context.Context, s *Step) error {
	var attrs treeAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	o, e, err := s.Layer(ctx, attrs.Source)
	if err != nil {
		return err
	}
	if e.Type != tree.Dir {
		return fmt.Errorf("%s is no directory", attrs.Source)
	}
	c := canonicaliser{store: s.Store, done: make(map[store.Digest]store.Digest)}
	digest, err := c.tree(ctx, e.Digest)
	if err != nil {
		return err
	}
	s.SetTree(s.Derivation.OutputNames()[0], store.KindTree, digest, objectReferences(o))
	return nil
}

// A canonicaliser changes metadata of trees, each once however often it occurs.
type canonicaliser struct {
	store Store
	done  map[store.Digest]store.Digest
}

// tree returns the canonical form of a directory's listing. Its recursion is
// bounded by tree.MaxDepth, as the store has checked.
func (c *canonicaliser) tree(ctx context.Context, d store.Digest) (store.Digest, error) {
	if known, ok := c.done[d]; ok {
		return known, nil
	}
	t, err := c.store.Tree(ctx, d)
	if err != nil {
		return d, err
	}
	out := &tree.Tree{Entries: make([]tree.Entry, 0, len(t.Entries))}
	for _, e := range t.Entries {
		e.Mode, e.UID, e.GID, e.Xattrs = tree.CanonicalMode(e.Type, e.Mode), 0, 0, nil
		if e.Type == tree.Dir {
			if e.Digest, err = c.tree(ctx, e.Digest); err != nil {
				return d, err
			}
		}
		out.Entries = append(out.Entries, e)
	}
	c.done[d], err = c.store.AddTree(ctx, out)
	return c.done[d], err
}
