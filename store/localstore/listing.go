package localstore

import (
	"context"
	"errors"
	"fmt"

	"sysc/store"
	"sysc/store/tree"
)

// A listingCheck looks whether the listings below a tree are there, for garbage
// collection could not tell what they keep otherwise, and whether it can be written
// out: no deeper and with no more entries than a tree may have. As listings name one
// another by digest, forty small ones can stand for 2⁴⁰ directories. It looks at each
// once.
type listingCheck struct {
	s         *Store
	canonical bool // refuse what is not
	known     map[store.Digest]extent
}

// An extent is what a tree comes to when it is written out.
type extent struct {
	height  int   // directories below one another
	entries int64 // at all depths
}

// checkListings is a listingCheck of one tree.
func (s *Store) checkListings(ctx context.Context, d store.Digest, canonical bool) error {
	c := listingCheck{s: s, canonical: canonical, known: map[store.Digest]extent{}}
	_, err := c.extent(ctx, d, 0)
	return err
}

// extent returns that of d, which is itself below depth directories.
func (c *listingCheck) extent(ctx context.Context, d store.Digest, depth int) (extent, error) {
	have, ok := c.known[d]
	if depth+have.height > tree.MaxDepth {
		return extent{}, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	if ok {
		return have, nil
	}
	t, err := c.s.Tree(ctx, d)
	if err != nil {
		return extent{}, err
	}
	// The sum cannot overflow: MaxEntries times MaxExpanded is 2⁵⁰.
	sum := extent{entries: int64(len(t.Entries))}
	for i := range t.Entries {
		e := &t.Entries[i]
		if c.canonical && !e.IsCanonical() {
			return extent{}, errors.New("its tree is not canonical")
		}
		if e.Type != tree.Dir {
			continue
		}
		below, err := c.extent(ctx, e.Digest, depth+1)
		if err != nil {
			return extent{}, err
		}
		sum.height = max(sum.height, below.height+1)
		sum.entries += below.entries
	}
	if sum.entries > tree.MaxExpanded {
		return extent{}, fmt.Errorf("tree %s stands for %d entries, with all that is below it; at most %d are allowed", d, sum.entries, tree.MaxExpanded)
	}
	c.known[d] = sum
	return sum, nil
}
