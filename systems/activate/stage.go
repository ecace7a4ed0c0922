package activate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// A stage holds what a switch makes before it is renamed into place: first
// everything is written aside, then all of it is synced at once, then renamed.
// So a file that stands in its place is whole, whenever the power goes.
type stage struct {
	s       *switcher
	dir     *rootdir.Dir // the staging directory
	device  uint64
	moves   []move
	devices map[uint64]*rootdir.Dir // other file systems that were written to
}

// A move is a rename to come.
type move struct {
	from, to string // below the machine's root
	mode     fs.FileMode
	// late is set when the mode keeps its owner from moving the directory, so that
	// it is set afterwards.
	late bool
}

// newStage empties the staging directory, and removes what else a killed switch
// left.
func (s *switcher) newStage() (*stage, error) {
	if err := s.root.RemoveAll(generation.StagingDir); err != nil {
		return nil, err
	}
	// 0700: what is in it may have set-id bits and stands under wrong names.
	if err := s.root.Mkdir(generation.StagingDir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{".", generation.Dir} {
		if err := s.root.Clean(name); err != nil {
			return nil, err
		}
	}
	err := s.partition(false, func(p *boot.Partition) error { return p.Clean() })
	if err != nil {
		return nil, err
	}
	dir, err := s.root.Sub(generation.StagingDir)
	if err != nil {
		return nil, err
	}
	device, err := dir.Device()
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &stage{s: s, dir: dir, device: device, devices: map[uint64]*rootdir.Dir{}}, nil
}

func (g *stage) close() {
	g.dir.Close()
	for _, d := range g.devices {
		d.Close()
	}
}

// aside returns the name, below the machine's root, under which to is written:
// in the staging directory, or beside it when that is another file system.
func (g *stage) aside(to string) (string, error) {
	parent, err := g.s.root.Sub(path.Dir(to))
	if err != nil {
		return "", err
	}
	device, err := parent.Device()
	if err != nil || device == g.device {
		return path.Join(generation.StagingDir, strconv.Itoa(len(g.moves))), errors.Join(err, parent.Close())
	}
	if _, ok := g.devices[device]; !ok {
		g.devices[device] = parent
	} else {
		parent.Close()
	}
	return rootdir.Aside(to), g.s.root.RemoveAll(rootdir.Aside(to))
}

// entry stages what a root's entry says, with everything below it, to be moved
// to a name below the machine's root whose directory exists.
func (g *stage) entry(ctx context.Context, e tree.Entry, to string, opts store.CheckoutOptions) error {
	from, err := g.aside(to)
	if err != nil {
		return fmt.Errorf("place /%s: %w", to, err)
	}
	m := move{from: from, to: to}
	switch e.Type {
	case tree.Link:
		err = g.s.link(e, from)
	case tree.File:
		err = g.s.copyFile(ctx, e, from)
	case tree.Dir:
		m.mode = fileMode(e.Mode)
		m.late = !g.s.privileged && e.Mode&0o200 == 0
		if err = g.tree(ctx, e.Digest, from, opts); err == nil {
			err = g.s.dress(e, from, m.late)
		}
	}
	if err != nil {
		return fmt.Errorf("place /%s: %w", to, err)
	}
	g.moves = append(g.moves, m)
	return nil
}

// tree checks a tree out to the new directory name below the machine's root. The
// store gets a path through a descriptor: nobody can lead it elsewhere.
func (g *stage) tree(ctx context.Context, digest store.Digest, name string, opts store.CheckoutOptions) error {
	parent, err := g.s.root.Sub(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	return g.s.Store.Checkout(ctx, digest, parent.Path(path.Base(name)), opts)
}

// sync makes everything durable that was written.
func (g *stage) sync() error {
	g.s.Events(Event{StepSync, g.s.Root})
	if err := g.dir.SyncFS(); err != nil {
		return err
	}
	for _, d := range g.devices {
		if err := d.SyncFS(); err != nil {
			return err
		}
	}
	return nil
}

// publish moves everything into place, durably. A name that came into being
// meanwhile stays.
func (g *stage) publish() error {
	if len(g.moves) == 0 {
		return nil
	}
	if err := g.sync(); err != nil {
		return err
	}
	root := g.s.root.Root()
	for _, m := range g.moves {
		if _, err := root.Lstat(m.to); err == nil {
			continue
		}
		if err := root.Rename(m.from, m.to); err != nil {
			return fmt.Errorf("place /%s: %w", m.to, err)
		}
		if m.late {
			if err := root.Chmod(m.to, m.mode); err != nil {
				return fmt.Errorf("place /%s: %w", m.to, err)
			}
		}
	}
	return g.sync()
}

// dress gives a directory that was checked out the owner, attributes and mode of
// its entry, which its tree does not have.
func (s *switcher) dress(e tree.Entry, name string, late bool) error {
	root := s.root.Root()
	if s.privileged {
		if err := root.Lchown(name, int(e.UID), int(e.GID)); err != nil {
			return err
		}
		if err := s.setXattrs(e, name); err != nil {
			return err
		}
	}
	if late {
		return nil
	}
	return root.Chmod(name, s.diskMode(e))
}

func (s *switcher) setXattrs(e tree.Entry, name string) error {
	if len(e.Xattrs) == 0 {
		return nil
	}
	f, err := s.root.Root().OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, x := range e.Xattrs {
		if err := unix.Fsetxattr(int(f.Fd()), x.Name, []byte(x.Value), 0); err != nil {
			return fmt.Errorf("set extended attribute %q of %s: %w", x.Name, name, err)
		}
	}
	return nil
}

// link makes a symbolic link with its owner.
func (s *switcher) link(e tree.Entry, name string) error {
	if err := s.root.Root().Symlink(e.Target, name); err != nil {
		return err
	}
	if !s.privileged {
		return nil
	}
	return s.root.Root().Lchown(name, int(e.UID), int(e.GID))
}

// copyFile writes a new file with the contents, owner and mode of an entry.
func (s *switcher) copyFile(ctx context.Context, e tree.Entry, name string) error {
	f, err := s.root.Root().OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(s.fill(ctx, e, f), f.Close())
}

// fill writes an entry's contents to a new file and gives it owner and mode, in
// this order: a change of the owner takes set-id bits away.
func (s *switcher) fill(ctx context.Context, e tree.Entry, f *os.File) error {
	blob, err := s.Store.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	if _, err := io.Copy(f, blob); err != nil {
		return err
	}
	if s.privileged {
		if err := f.Chown(int(e.UID), int(e.GID)); err != nil {
			return err
		}
		for _, x := range e.Xattrs {
			if err := unix.Fsetxattr(int(f.Fd()), x.Name, []byte(x.Value), 0); err != nil {
				return fmt.Errorf("set extended attribute %q: %w", x.Name, err)
			}
		}
	}
	return f.Chmod(s.diskMode(e))
}

// diskMode is an entry's mode, without set-id bits where the owner is not what
// the entry says.
func (s *switcher) diskMode(e tree.Entry) fs.FileMode {
	mode := fileMode(e.Mode)
	if !s.privileged {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	return mode
}

// fileMode turns the mode bits of chmod(2) into Go's.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, b := range []struct {
		bit uint32
		set fs.FileMode
	}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}} {
		if mode&b.bit != 0 {
			m |= b.set
		}
	}
	return m
}
