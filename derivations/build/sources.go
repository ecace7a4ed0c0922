package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// A sourceAdder copies the graph's sources into the store, each once. It is safe
// for concurrent use once it is set up.
type sourceAdder struct {
	store   Store
	graph   *derivations.Graph
	commits *committer
	adding  sync.Map // store.Path to func() error
}

// ensure sees to it that all the objects that a resolved derivation uses are
// valid.
func (a *sourceAdder) ensure(ctx context.Context, paths []store.Path) error {
	for _, p := range paths {
		_, err := a.store.Object(ctx, p)
		if err == nil {
			continue
		}
		if !errors.Is(err, store.ErrNotExist) {
			return err
		}
		s, ok := a.graph.Source(p)
		if !ok {
			return fmt.Errorf("input %s: %w", p.Logical(), err)
		}
		once, _ := a.adding.LoadOrStore(p, sync.OnceValue(func() error { return a.add(ctx, p, s) }))
		if err := once.(func() error)(); err != nil {
			return fmt.Errorf("copy source %q: %w", s.Name, err)
		}
	}
	return nil
}

func (a *sourceAdder) add(ctx context.Context, want store.Path, s derivations.Source) error {
	var o store.Object
	var err error
	if s.Dir != "" && s.Files != nil {
		o, err = a.addFiles(ctx, s)
	} else if s.Dir != "" {
		o, err = a.store.AddDir(ctx, s.Dir, &localstore.AddOptions{Name: s.Name, Kind: store.KindTree, OutsideLinks: true})
	} else {
		o, err = a.addFile(ctx, s)
	}
	if err != nil {
		return err
	}
	if o.Path != want {
		return fmt.Errorf("it changed since it was evaluated")
	}
	return a.commits.wait([]store.Object{o})
}

// addFiles adds some of the files of a directory.
func (a *sourceAdder) addFiles(ctx context.Context, s derivations.Source) (store.Object, error) {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return store.Object{}, err
	}
	defer root.Close()
	b := tree.NewBuilder(a.store, store.Digest{})
	for _, name := range s.Files {
		e, err := a.sourceEntry(ctx, root, name)
		if err != nil {
			return store.Object{}, err
		}
		if err := b.Put(ctx, name, e); err != nil {
			return store.Object{}, err
		}
	}
	digest, _, err := b.Write(ctx, a.store)
	if err != nil {
		return store.Object{}, err
	}
	return a.store.MakeObject(ctx, s.Name, store.KindTree, digest, nil)
}

// sourceEntry adds a file, and returns the entry of a file or link. What it is by now,
// the digest of the whole tells.
func (a *sourceAdder) sourceEntry(ctx context.Context, root *os.Root, name string) (tree.Entry, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return tree.Entry{}, err
	}
	if info.Mode().Type() == os.ModeSymlink {
		target, err := root.Readlink(name)
		return tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: target}, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return tree.Entry{}, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return tree.Entry{}, err
	}
	if !info.Mode().IsRegular() {
		return tree.Entry{}, fmt.Errorf("%s is a %v: only files, directories and links can be sources", name, info.Mode().Type())
	}
	blob, size, err := a.store.AddBlob(ctx, f)
	return tree.Entry{Type: tree.File, Mode: tree.CanonicalMode(tree.File, uint32(info.Mode().Perm())), Digest: blob, Size: size}, err
}

func (a *sourceAdder) addFile(ctx context.Context, s derivations.Source) (store.Object, error) {
	var content io.Reader = bytes.NewReader(s.Content)
	if s.File != "" {
		f, err := os.OpenFile(s.File, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return store.Object{}, err
		}
		defer f.Close()
		content = f
	}
	blob, size, err := a.store.AddFile(ctx, content, s.Executable)
	if err != nil {
		return store.Object{}, err
	}
	listing, err := a.store.AddTree(ctx, derivations.FileTree(blob, size, s.Executable))
	if err != nil {
		return store.Object{}, err
	}
	return a.store.MakeObject(ctx, s.Name, store.KindFile, listing, nil)
}
