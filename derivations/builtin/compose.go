package builtin

import (
	"context"
	"fmt"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

type composeAttrs struct {
	Layers []composeLayer `json:"layers"`
}

type composeLayer struct {
	// Object is the logical path of an object, or of something in it.
	Object string `json:"object"`
	// Path is where it goes, "" for the top.
	Path string `json:"path"`
}

// compose merges trees into a root, in order; see [Merger] for the rules. Its
// attributes are composeAttrs.
func compose(ctx context.Context, s *Step) error {
	var attrs composeAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	m := NewMerger(s.Store)
	var refs []store.Path
	for i, layer := range attrs.Layers {
		o, e, err := s.Layer(ctx, layer.Object)
		if err != nil {
			return err
		}
		if err := m.Add(ctx, layer.Path, e, layer.Object); err != nil {
			return err
		}
		refs = append(refs, objectReferences(o)...)
		s.Progress(int64(i+1), int64(len(attrs.Layers)))
	}
	digest, _, err := m.Write(ctx, s.Store)
	if err != nil {
		return err
	}
	s.SetTree(s.Derivation.OutputNames()[0], store.KindRoot, digest, refs)
	return nil
}

// Layer returns what a logical path names, for a [Merger]: an object's whole
// tree as a directory, the file of a file object, or what stands at a path in an
// object (no link is followed).
func (s *Step) Layer(ctx context.Context, logical string) (store.Object, tree.Entry, error) {
	o, rest, err := s.Object(ctx, logical)
	if err != nil {
		return o, tree.Entry{}, err
	}
	rest = strings.Trim(rest, "/")
	if o.Kind == store.KindFile {
		if rest != "" {
			return o, tree.Entry{}, fmt.Errorf("open %s: the input is a file, not a directory", logical)
		}
		rest = store.FileEntry
	}
	e, err := tree.Find(ctx, s.Store, o.Tree, rest)
	if err != nil {
		return o, e, fmt.Errorf("open %s: %w", logical, err)
	}
	return o, e, nil
}
