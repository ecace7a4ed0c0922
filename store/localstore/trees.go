package localstore

import (
	"container/list"
	"context"
	"fmt"
	"os"
	"sync"

	"sysc/store"
	"sysc/store/tree"
)

// treeCacheSize bounds the encodings whose decoded form is held, in bytes. A
// decoded tree is some three times its encoding; a Debian root is 2 MB.
const treeCacheSize = 32 << 20

// AddTree keeps a tree and returns its digest. It implements tree.Sink; what
// [Store.AddBlob] says about durability goes for it too. The store holds on to
// t: it must not be changed afterwards.
func (s *Store) AddTree(ctx context.Context, t *tree.Tree) (store.Digest, error) {
	if err := ctx.Err(); err != nil {
		return store.Digest{}, err
	}
	data, err := t.Encode()
	if err != nil {
		return store.Digest{}, fmt.Errorf("add tree: %w", err)
	}
	if err := s.markDirty(); err != nil {
		return store.Digest{}, fmt.Errorf("add tree: %w", err)
	}
	d := store.DigestOf(data)
	if err := s.keepTree(d, data); err != nil {
		return store.Digest{}, fmt.Errorf("add tree: %w", err)
	}
	s.trees.put(d, t, len(data))
	return d, nil
}

func (s *Store) keepTree(d store.Digest, data []byte) error {
	dir, err := s.treeDirs.fd(d, true)
	if err != nil {
		return err
	}
	name := shardedName(d)
	there, err := s.relyOn(s.treeDirs, d, func() bool { return present(dir, name, int64(len(data))) })
	if there || err != nil {
		return err
	}
	return s.keepBytes(dir, name, data, tree.ModeFile)
}

// Tree returns a tree, which must not be changed. It implements tree.Source:
// one that is missing is store.ErrNotExist, wrapped. A tree whose bytes do not
// have its digest is an error.
func (s *Store) Tree(ctx context.Context, d store.Digest) (*tree.Tree, error) {
	if t := s.trees.get(d); t != nil {
		return t, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, size, err := s.readTree(d)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", d, err)
	}
	s.trees.put(d, t, size)
	return t, nil
}

func (s *Store) readTree(d store.Digest) (*tree.Tree, int, error) {
	fd, err := openSharded(s.treeDirs, d, plain)
	if err != nil {
		return nil, 0, err
	}
	f := os.NewFile(uintptr(fd), "tree")
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > tree.MaxEncoding {
		return nil, 0, fmt.Errorf("damaged: a %v of %d bytes", info.Mode().Type(), info.Size())
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, 0, err
	}
	if got := store.DigestOf(data); got != d {
		return nil, 0, fmt.Errorf("damaged: its bytes have digest %s; see sysc store verify", got)
	}
	t, err := tree.Decode(data)
	return t, len(data), err
}

// treeCache holds the trees that were used last.
type treeCache struct {
	size  int // of all encodings together, at most
	mu    sync.Mutex
	room  int       // that is left
	byUse list.List // of *cachedTree, last used first
	items map[store.Digest]*list.Element
}

type cachedTree struct {
	digest store.Digest
	tree   *tree.Tree
	size   int
}

func newTreeCache(size int) *treeCache {
	return &treeCache{size: size, room: size, items: map[store.Digest]*list.Element{}}
}

func (c *treeCache) get(d store.Digest) *tree.Tree {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[d]
	if !ok {
		return nil
	}
	c.byUse.MoveToFront(item)
	return item.Value.(*cachedTree).tree
}

func (c *treeCache) put(d store.Digest, t *tree.Tree, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[d]; ok || size > c.size {
		return
	}
	c.items[d] = c.byUse.PushFront(&cachedTree{d, t, size})
	c.room -= size
	for c.room < 0 {
		oldest := c.byUse.Remove(c.byUse.Back()).(*cachedTree)
		delete(c.items, oldest.digest)
		c.room += oldest.size
	}
}

// clear forgets everything, because the files are gone.
func (c *treeCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, item := range c.items {
		c.room += item.Value.(*cachedTree).size
	}
	c.byUse.Init()
	clear(c.items)
}
