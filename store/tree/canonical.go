package tree

import (
	"context"
	"fmt"

	"sysc/store"
)

// Modes of canonical trees. There is no write bit: nothing in a store changes.
const (
	ModeFile       = 0o444
	ModeExecutable = 0o555
	ModeDir        = 0o555
	ModeLink       = 0o777
)

// CanonicalMode returns the mode that a canonical tree has for an entry of type
// t that had mode: a file stays executable when its owner could execute it.
func CanonicalMode(t Type, mode uint32) uint32 {
	switch {
	case t == Dir:
		return ModeDir
	case t == Link:
		return ModeLink
	case mode&0o100 != 0:
		return ModeExecutable
	}
	return ModeFile
}

// IsCanonical reports whether e could stand in a canonical tree: owner root, a
// canonical mode, no extended attributes.
func (e Entry) IsCanonical() bool {
	return e.UID == 0 && e.GID == 0 && len(e.Xattrs) == 0 && e.Mode == CanonicalMode(e.Type, e.Mode)
}

// A SourceSink is both.
type SourceSink interface {
	Source
	Sink
}

// Canonical returns the canonical form of a tree: owners, modes and extended
// attributes as every builder's output has them, names and contents as they
// are. Listings that are canonical already cost a look.
func Canonical(ctx context.Context, s SourceSink, root store.Digest) (store.Digest, error) {
	c := canonicaliser{ctx, s, map[store.Digest]store.Digest{}}
	return c.tree(root, 0)
}

type canonicaliser struct {
	ctx  context.Context
	s    SourceSink
	done map[store.Digest]store.Digest
}

func (c *canonicaliser) tree(d store.Digest, depth int) (store.Digest, error) {
	if out, ok := c.done[d]; ok {
		return out, nil
	}
	if depth > MaxDepth {
		return store.Digest{}, fmt.Errorf("canonical tree: deeper than %d directories", MaxDepth)
	}
	t, err := c.s.Tree(c.ctx, d)
	if err != nil {
		return store.Digest{}, err
	}
	out := &Tree{Entries: make([]Entry, len(t.Entries))}
	same := true
	for i, e := range t.Entries {
		was := e
		if e.Type == Dir {
			if e.Digest, err = c.tree(e.Digest, depth+1); err != nil {
				return store.Digest{}, err
			}
		}
		e.Mode, e.UID, e.GID, e.Xattrs = CanonicalMode(e.Type, e.Mode), 0, 0, nil
		out.Entries[i] = e
		same = same && e.Equal(was)
	}
	digest := d
	if !same {
		if digest, err = c.s.AddTree(c.ctx, out); err != nil {
			return store.Digest{}, err
		}
	}
	c.done[d] = digest
	return digest, nil
}
