package localstore

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// FindReference shows one place where an object refers to another, the first in
// the order of its tree. The object need not be valid: it may be one that was made
// and not registered. An edge without a file means that there is no such place.
func (s *Store) FindReference(ctx context.Context, o store.Object, to store.Path) (Edge, error) {
	edge := Edge{From: o.Path, To: to}
	ids := newScanner([]store.Path{to}, "")
	err := tree.Walk(ctx, s, o.Tree, func(path string, e tree.Entry) error {
		edge.Name = strings.Contains(e.Name, to.ID())
		edge.Link = !edge.Name && strings.Contains(e.Target, to.ID())
		hit := edge.Name || edge.Link
		if !hit && e.Type == tree.File {
			var err error
			if hit, err = s.blobRefers(ctx, ids, e.Digest); err != nil {
				return err
			}
		}
		if hit {
			edge.File = path
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return edge, fmt.Errorf("find reference of %s to %s: %w", o.Path, to, err)
	}
	return edge, nil
}

// evidence is FindReference for a valid object.
func (s *Store) evidence(ctx context.Context, from, to store.Path) (Edge, error) {
	o, err := s.Object(ctx, from)
	if err != nil {
		return Edge{From: from, To: to}, err
	}
	return s.FindReference(ctx, o, to)
}
