package localstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sysc/internal/par"
	"sysc/store"
	"sysc/store/tree"
)

// Checkout writes a tree into the directory dst, which is made, or must be
// empty. dst itself gets mode 0755; every time is 1 second after the epoch.
// What cannot be done without privileges is left out unless opts asks for it:
// owners, extended attributes, and set-id bits of files that belong to somebody
// else. After an error dst holds a part of the tree; a tree of more entries than
// tree.MaxExpanded is refused before anything is written.
func (s *Store) Checkout(ctx context.Context, root store.Digest, dst string, opts store.CheckoutOptions) error {
	l := layout{link: opts.Link, chown: opts.Chown, ownerXattr: opts.OwnerXattr, recorded: opts.RecordedXattr, topMode: 0o755}
	err := s.checkListings(ctx, root, false)
	if err == nil {
		err = s.checkout(ctx, root, dst, l)
	}
	if err != nil {
		return fmt.Errorf("check out %s to %s: %w", root, dst, err)
	}
	return nil
}

// CheckoutDir returns a directory that holds a tree for reading only: files are
// hard links to the store, 0444 or 0555 if anybody may execute them,
// directories are 0555, and owners and extended attributes are left out. It is
// made once and kept until garbage is collected, after this store is closed.
// Nothing in it may be changed: it is the store.
func (s *Store) CheckoutDir(ctx context.Context, root store.Digest) (dir string, err error) {
	dir = s.path("checkouts/" + root.Hex())
	if err := s.makeCheckout(ctx, root, dir); err != nil {
		return "", fmt.Errorf("check out %s: %w", root, err)
	}
	return dir, nil
}

func (s *Store) makeCheckout(ctx context.Context, root store.Digest, dir string) error {
	if there, err := s.relyOnCheckout(root, dir); there || err != nil {
		return err
	}
	unlock, err := s.Lock(ctx, "checkouts/"+root.Hex(), s.waiter("the checkout "+dir))
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := s.relyOnCheckout(root, dir); there || err != nil {
		return err
	}
	if err := s.checkListings(ctx, root, false); err != nil {
		return err
	}
	if err := s.markDirty(); err != nil {
		return err
	}
	return s.place(ctx, dir, func(tmp string) error { return s.checkout(ctx, root, tmp, shared) })
}

// relyOnCheckout keeps a checkout from being collected, and reports whether it
// is there.
func (s *Store) relyOnCheckout(root store.Digest, dir string) (there bool, err error) {
	err = s.session.rely(s.checkoutDir, func() error {
		info, err := os.Lstat(dir)
		there = err == nil
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is not a directory; see sysc store verify", dir)
		}
		return err
	}, note{digest: root})
	return there, err
}

// place makes something under a temporary name beside path, where nothing is, and
// moves it there when it is complete, its mode included: an ordinary user may
// rename a directory without write permission, but not into another one.
func (s *Store) place(ctx context.Context, path string, fill func(tmp string) error) error {
	parent, name := filepath.Dir(path), s.tempName()
	err := fill(filepath.Join(parent, name))
	if err == nil {
		err = moveDir(filepath.Join(parent, name), path)
	}
	if err != nil {
		// Whatever ctx says: leave nothing.
		return errors.Join(err, removeTree(context.WithoutCancel(ctx), parent, name, s.jobs))
	}
	return nil
}

// A layout says how entries are written.
type layout struct {
	link       bool
	shared     bool // approximate the mode, so that every file can be a link
	chown      bool
	ownerXattr string
	recorded   func(name string) (recorded string, ok bool)
	topMode    uint32
}

// shared is how objects and cached checkouts stand on disk.
var shared = layout{link: true, shared: true, topMode: tree.ModeDir}

// A checkout is one tree being written.
type checkout struct {
	s *Store
	layout
	euid, egid uint32
	open       fdSet
	work       *work
}

// An outDir is a directory being filled. When left is 0 it gets its mode, owner
// and time, which filling it would have spoilt.
type outDir struct {
	parent *outDir
	entry  tree.Entry
	fd     int
	depth  int
	left   atomic.Int64 // tasks that are not done yet
}

// batch is how many entries of a directory one task writes.
const batch = 256

func (s *Store) checkout(ctx context.Context, root store.Digest, dst string, l layout) error {
	t, err := s.Tree(ctx, root)
	if err != nil {
		return err
	}
	w := s.opts.Progress.begin(&work{name: "Placing files", total: t.Size()})
	if err := os.Mkdir(dst, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fd, err := openDir(unix.AT_FDCWD, dst)
	if err != nil {
		return fmt.Errorf("open %s: %w", dst, err)
	}
	c := &checkout{s: s, layout: l, euid: uint32(os.Geteuid()), egid: uint32(os.Getegid()), work: w}
	defer c.open.closeAll()
	c.open.add(fd)
	if names, err := listDir(fd); err != nil || len(names) > 0 {
		return errors.Join(err, errors.New("the directory is not empty"))
	}
	top := &outDir{fd: fd, entry: tree.Entry{Type: tree.Dir, Mode: l.topMode, Digest: root}}
	top.left.Store(1)
	return par.Run(ctx, s.jobs, func(ctx context.Context, q *par.Queue) error {
		if err := c.fill(ctx, q, top); err != nil {
			return err
		}
		return c.release(top)
	})
}

// dir makes a directory in parent and fills it.
func (c *checkout) dir(parent *outDir, e tree.Entry) par.Task {
	return func(ctx context.Context, q *par.Queue) error {
		if err := unix.Mkdirat(parent.fd, e.Name, 0o700); err != nil {
			return &os.PathError{Op: "make directory", Path: e.Name, Err: err}
		}
		fd, err := openDir(parent.fd, e.Name)
		if err != nil {
			return &os.PathError{Op: "open directory", Path: e.Name, Err: err}
		}
		c.open.add(fd)
		d := &outDir{parent: parent, entry: e, fd: fd, depth: parent.depth + 1}
		if d.depth > tree.MaxDepth {
			return fmt.Errorf("deeper than %d directories", tree.MaxDepth)
		}
		d.left.Store(1)
		if err := c.fill(ctx, q, d); err != nil {
			return err
		}
		return c.release(d)
	}
}

// fill queues the directories in d and writes the rest, in batches.
func (c *checkout) fill(ctx context.Context, q *par.Queue, d *outDir) error {
	t, err := c.s.Tree(ctx, d.entry.Digest)
	if err != nil {
		return err
	}
	var tasks []par.Task
	for _, e := range t.Entries {
		if e.Type == tree.Dir {
			tasks = append(tasks, c.dir(d, e))
		}
	}
	entries := t.Entries
	for len(entries) > batch {
		part := entries[:batch]
		entries = entries[batch:]
		tasks = append(tasks, func(ctx context.Context, _ *par.Queue) error {
			if err := c.entries(ctx, d, part); err != nil {
				return err
			}
			return c.release(d)
		})
	}
	if len(tasks) > 0 {
		d.left.Add(int64(len(tasks)))
		q.Add(tasks...)
	}
	return c.entries(ctx, d, entries)
}

// entries writes files and links.
func (c *checkout) entries(ctx context.Context, d *outDir, entries []tree.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		var err error
		switch e.Type {
		case tree.File:
			err = c.file(ctx, d.fd, e)
			c.work.files.Add(1)
			c.work.done.Add(e.Size)
		case tree.Link:
			err = c.symlink(d.fd, e)
		}
		if err != nil {
			return fmt.Errorf("write %q: %w", e.Name, err)
		}
	}
	return nil
}

// release counts one task for d as done and finishes what is complete.
func (c *checkout) release(d *outDir) error {
	for d != nil && d.left.Add(-1) == 0 {
		if err := c.finishDir(d); err != nil {
			return fmt.Errorf("finish directory %q: %w", d.entry.Name, err)
		}
		c.open.close(d.fd)
		d = d.parent
	}
	return nil
}

func (c *checkout) finishDir(d *outDir) error {
	e := &d.entry
	mode := c.diskMode(e)
	if c.shared && d.parent != nil {
		mode = tree.ModeDir
	}
	if d.parent != nil {
		if err := c.owner(d.fd, e); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(d.fd, mode); err != nil {
		return err
	}
	return futimens(d.fd)
}

func (c *checkout) symlink(dir int, e *tree.Entry) error {
	if err := unix.Symlinkat(e.Target, dir, e.Name); err != nil {
		return err
	}
	if c.chown {
		if err := unix.Fchownat(dir, e.Name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return utimensat(dir, e.Name)
}

// file writes one file, as a link where that gives the same.
func (c *checkout) file(ctx context.Context, dir int, e *tree.Entry) error {
	if c.link && c.linkable(e) {
		done, err := c.s.linkBlob(ctx, dir, e.Name, e)
		if done || err != nil {
			return err
		}
		return c.s.copyBlob(ctx, dir, e, formOf(e).mode(), nil)
	}
	var owner func(fd int) error
	if c.owned(e) {
		owner = func(fd int) error { return c.owner(fd, e) }
	}
	return c.s.copyBlob(ctx, dir, e, c.diskMode(e), owner)
}

// linkable reports whether a file of the store has the metadata that e shall
// have.
func (c *checkout) linkable(e *tree.Entry) bool {
	if c.shared {
		return true
	}
	const writeBits = 0o222
	if mode := e.Mode &^ writeBits; mode != tree.ModeFile && mode != tree.ModeExecutable {
		return false
	}
	if c.chown {
		return e.UID == c.euid && e.GID == c.egid && len(e.Xattrs) == 0
	}
	return c.ownerXattr == "" || e.UID == 0 && e.GID == 0
}

// diskMode is e's mode without the set-id bits that would make something else
// of it: a file of another owner than the tree says must not run as that owner.
func (c *checkout) diskMode(e *tree.Entry) uint32 {
	const setID = unix.S_ISUID | unix.S_ISGID
	if c.chown || c.ownerXattr != "" || e.UID == c.euid && e.GID == c.egid {
		return e.Mode
	}
	return e.Mode &^ setID
}

// owned reports whether owner has something to do.
func (c *checkout) owned(e *tree.Entry) bool {
	return c.chown && (e.UID != c.euid || e.GID != c.egid || len(e.Xattrs) > 0) ||
		c.ownerXattr != "" && (e.UID != 0 || e.GID != 0 || c.recorded != nil && len(e.Xattrs) > 0)
}

// owner gives an open file or directory its owner and extended attributes. The
// mode comes after it: a change of the owner takes set-id bits away, and
// setting an attribute needs the permission to write.
func (c *checkout) owner(fd int, e *tree.Entry) error {
	if c.chown {
		if err := unix.Fchown(fd, int(e.UID), int(e.GID)); err != nil {
			return err
		}
		for _, x := range e.Xattrs {
			if err := unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0); err != nil {
				return fmt.Errorf("set extended attribute %q: %w", x.Name, err)
			}
		}
	}
	if c.ownerXattr != "" && (e.UID != 0 || e.GID != 0) {
		value := fmt.Appendf(nil, "%d:%d", e.UID, e.GID)
		if err := unix.Fsetxattr(fd, c.ownerXattr, value, 0); err != nil {
			return fmt.Errorf("set extended attribute %q: %w", c.ownerXattr, err)
		}
	}
	if c.ownerXattr == "" || c.recorded == nil {
		return nil
	}
	for _, x := range e.Xattrs {
		if name, ok := c.recorded(x.Name); ok {
			if err := unix.Fsetxattr(fd, name, []byte(x.Value), 0); err != nil {
				return fmt.Errorf("set extended attribute %q: %w", name, err)
			}
		}
	}
	return nil
}
