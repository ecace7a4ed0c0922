// Package treetest keeps trees in memory, for tests of what works on listings
// alone.
package treetest

import (
	"context"
	"fmt"
	"sync"

	"sysc/store"
	"sysc/store/tree"
)

// Memory holds trees in their encoded form, so what is read was decoded. It
// implements tree.Source and tree.Sink and is safe for concurrent use. The zero
// value is empty.
type Memory struct {
	mu    sync.Mutex
	trees map[store.Digest][]byte
	reads map[store.Digest]int
}

// Tree implements tree.Source.
func (m *Memory) Tree(ctx context.Context, d store.Digest) (*tree.Tree, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.trees[d]
	if !ok {
		return nil, fmt.Errorf("tree %s: %w", d, store.ErrNotExist)
	}
	if m.reads == nil {
		m.reads = map[store.Digest]int{}
	}
	m.reads[d]++
	return tree.Decode(data)
}

// AddTree implements tree.Sink.
func (m *Memory) AddTree(ctx context.Context, t *tree.Tree) (store.Digest, error) {
	data, err := t.Encode()
	if err != nil {
		return store.Digest{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trees == nil {
		m.trees = map[store.Digest][]byte{}
	}
	d := store.DigestOf(data)
	m.trees[d] = data
	return d, nil
}

// Reads returns how often a tree was looked up.
func (m *Memory) Reads(d store.Digest) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads[d]
}

// Len returns the number of trees.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.trees)
}
