package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sysc/derivations"
	"sysc/derivations/sandbox"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// changeRoot runs a program that may change its root, in a copy, and returns
// the root as it left it. Files that it did not touch are not read again.
func (x *execution) changeRoot(ctx context.Context) (map[string]store.Object, error) {
	root := x.rootDir()
	if err := x.store.Checkout(ctx, x.root.Tree, root, store.CheckoutOptions{OwnerXattr: sandbox.OwnerXattr, RecordedXattr: sandbox.RecordedXattr}); err != nil {
		return nil, err
	}
	known, err := takeSnapshot(ctx, x.store, x.root.Tree, root)
	if err != nil {
		return nil, err
	}
	if err := x.makeDirs(); err != nil {
		return nil, err
	}
	request, err := x.writableRequest()
	if err != nil {
		return nil, err
	}
	if err := x.run(ctx, request); err != nil {
		return nil, err
	}
	name := x.job.d.ObjectName(derivations.DefaultOutput)
	o, err := x.store.AddDir(ctx, root, &localstore.AddOptions{
		Name: name, Kind: store.KindRoot, Candidates: x.closure, Meta: sandbox.Meta, Known: known.entry,
	})
	if err != nil {
		return nil, badOutput(ctx, derivations.DefaultOutput, err)
	}
	// What was not read was not scanned: it names what the root named.
	refs := slices.Concat(o.References, x.root.References)
	if o, err = x.store.MakeObject(ctx, name, store.KindRoot, o.Tree, refs); err != nil {
		return nil, err
	}
	return map[string]store.Object{derivations.DefaultOutput: o}, nil
}

// rootDir is where the copy is, on the host.
func (x *execution) rootDir() string { return filepath.Join(x.dir, "root") }

// writableRequest asks for a program that may change its root.
func (x *execution) writableRequest() (ExecRequest, error) {
	request, err := x.request()
	request.Root, request.WritableRoot = x.rootDir(), true
	return request, err
}

// A snapshot tells files that did not change since it was taken from others, as
// git's index does.
type snapshot map[string]snapshotFile

type snapshotFile struct {
	dev, ino uint64
	size     int64
	ctime    unix.Timespec
	entry    tree.Entry
}

// racy is how old a change must be when the snapshot is taken, so that a later
// change cannot bear the same time: some ticks of the slowest kernel clock.
const racy = 30 * time.Millisecond

// takeSnapshot notes the files of a tree as they stand in dir, where nobody else
// can reach them yet.
func takeSnapshot(ctx context.Context, src tree.Source, root store.Digest, dir string) (snapshot, error) {
	top, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	fd, err := top.Open(".")
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	s := make(snapshot)
	err = tree.Walk(ctx, src, root, func(path string, e tree.Entry) error {
		if e.Type != tree.File {
			return nil
		}
		var st unix.Stat_t
		if err := unix.Fstatat(int(fd.Fd()), path, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("stat %s: %v", path, err)
		}
		s[path] = snapshotFile{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, ctime: st.Ctim, entry: e}
		return nil
	})
	if err != nil {
		return nil, err
	}
	newest := time.Now().Add(-racy)
	for path, f := range s {
		if time.Unix(f.ctime.Unix()).After(newest) {
			delete(s, path)
		}
	}
	return s, nil
}

// entry returns the entry of a file that is as it was.
func (s snapshot) entry(path string, st *unix.Stat_t) (tree.Entry, bool) {
	f, ok := s[path]
	same := ok && f.dev == uint64(st.Dev) && f.ino == st.Ino && f.size == st.Size && f.ctime == st.Ctim
	return f.entry, same
}
