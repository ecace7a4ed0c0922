package localstore

import (
	"testing"

	"sysc/store"
	"sysc/store/tree"
)

// What was used last is held, as much as there is room for.
func TestTreeCache(t *testing.T) {
	c := newTreeCache(3)
	for i := range 3 {
		c.put(store.Digest{byte(i)}, &tree.Tree{}, 1)
	}
	c.get(store.Digest{0})
	c.put(store.Digest{3}, &tree.Tree{}, 1)
	c.put(store.Digest{4}, &tree.Tree{}, 4) // larger than all there is
	for i, want := range []bool{true, false, true, true, false} {
		if got := c.get(store.Digest{byte(i)}) != nil; got != want {
			t.Errorf("tree %d: held %v, want %v", i, got, want)
		}
	}
}
