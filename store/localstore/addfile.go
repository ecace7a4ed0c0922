package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sysc/internal/procfd"
	"sysc/store"
	"sysc/store/tree"
)

// file takes one regular file in.
func (h *harvest) file(ctx context.Context, d *inDir, sl *slot, path string, st *unix.Stat_t) error {
	sl.entry.Type = tree.File
	fd, err := openReadable(d.fd, sl.disk, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var opened unix.Stat_t
	if err := unix.Fstat(fd, &opened); err != nil {
		return err
	}
	if opened.Mode&unix.S_IFMT != unix.S_IFREG || opened.Ino != st.Ino || opened.Dev != st.Dev {
		return errors.New("it changed while it was read")
	}
	h.countLink(path, st)
	var xattrs []tree.Xattr
	if h.wantXattrs() {
		if xattrs, err = fileXattrs(fd); err != nil {
			return err
		}
	}
	// st is from before openReadable, which may have changed the mode.
	if h.meta(sl, path, st, xattrs); !sl.keep {
		return nil
	}
	if err := h.content(ctx, sl, fd); err != nil {
		return err
	}
	if h.memory != nil {
		h.memory.remember(path, st, sl.entry.Digest)
	}
	return nil
}

func (h *harvest) countLink(path string, st *unix.Stat_t) {
	if st.Nlink <= 1 {
		return
	}
	key := inode{st.Dev, st.Ino}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[key]
	if l == nil {
		l = &linkCount{path: path, want: uint64(st.Nlink)}
		h.links[key] = l
	}
	l.seen++
	l.path = min(l.path, path) // the same in every message
}

// content hashes, scans and stores the bytes of an open file.
func (h *harvest) content(ctx context.Context, sl *slot, fd int) error {
	f := &fileScan{scanner: h.scanner, refs: map[int]bool{}}
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	buf := *bufp
	src := h.work.reader(rawFile(fd))
	n, ended, err := fill(src, buf)
	switch {
	case err != nil:
	case ended:
		err = h.small(sl, buf[:n], f)
	default:
		err = h.large(ctx, sl, src, buf, f)
	}
	h.refer(f.refs)
	sl.self = f.self
	return err
}

func (h *harvest) small(sl *slot, data []byte, f *fileScan) (err error) {
	f.filter(data, 0, true)
	sl.entry.Size = int64(len(data))
	if len(f.self) == 0 {
		sl.entry.Digest, err = h.s.addBytes(data, formOf(&sl.entry))
		return err
	}
	file, err := h.privateFile(sl)
	if err != nil {
		return err
	}
	defer file.Close()
	sl.entry.Digest = store.DigestOf(data)
	_, err = file.Write(data)
	return err
}

func (h *harvest) large(ctx context.Context, sl *slot, src io.Reader, buf []byte, f *fileScan) error {
	file, err := h.privateFile(sl)
	if err != nil {
		return err
	}
	defer file.Close()
	e := &sl.entry
	if e.Digest, e.Size, err = copyHashed(ctx, file, src, buf, f); err != nil {
		return err
	}
	if len(f.self) > 0 {
		return nil
	}
	return h.s.keepFile(int(file.Fd()), file.Name(), e.Digest, e.Size, formOf(e))
}

// privateFile makes a file that only this process has, out of the builder's
// reach. It is deleted at the end, unless it was moved.
func (h *harvest) privateFile(sl *slot) (*os.File, error) {
	file, err := os.OpenFile(h.s.path("tmp/"+h.s.tempName()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	sl.private = file.Name()
	h.mu.Lock()
	h.private = append(h.private, file.Name())
	h.mu.Unlock()
	return file, nil
}

func (h *harvest) dropPrivate() {
	for _, path := range h.private {
		os.Remove(path) // not there if it was moved
	}
}

// object names what was read. Its id is known only now, so the files and links
// that have it are stored here, and the listings above them.
func (h *harvest) object(ctx context.Context, top *inDir) (store.Object, error) {
	o := store.Object{
		Kind: h.opts.Kind, Tree: top.slot.entry.Digest, Size: top.slot.entry.Size,
		References: found(h.opts.Candidates, h.seen),
	}
	o.SelfReferences = selfReferences(nil, top)
	id := store.MakeID(o.Kind, h.opts.Name, o.Tree, o.SelfReferences, o.References)
	var err error
	if o.Path, err = store.MakePath(id, h.opts.Name); err != nil {
		return o, err
	}
	if top.tainted {
		if o.Tree, err = h.fillIn(ctx, top, id); err != nil {
			return o, err
		}
	}
	return o, nil
}

// selfReferences lists the places of the own id in the order of the tree.
func selfReferences(list []store.SelfReference, d *inDir) []store.SelfReference {
	for i := range d.slots {
		sl := &d.slots[i]
		if !sl.keep {
			continue
		}
		for _, at := range sl.self {
			list = append(list, store.SelfReference{
				File: join(d.path, sl.entry.Name), Link: sl.entry.Type == tree.Link, Offset: at,
			})
		}
		if sl.dir != nil {
			list = selfReferences(list, sl.dir)
		}
	}
	return list
}

// fillIn writes id where it was blanked, below d, and stores the result.
func (h *harvest) fillIn(ctx context.Context, d *inDir, id string) (store.Digest, error) {
	t := &tree.Tree{Entries: make([]tree.Entry, 0, len(d.slots))}
	for i := range d.slots {
		sl := &d.slots[i]
		if !sl.keep {
			continue
		}
		e := sl.entry
		var err error
		switch {
		case sl.dir != nil:
			e.Digest, err = h.fillIn(ctx, sl.dir, id)
		case len(sl.self) > 0 && e.Type == tree.Link:
			target := []byte(e.Target)
			for _, at := range sl.self {
				copy(target[at:], id)
			}
			e.Target = string(target)
		case len(sl.self) > 0:
			e.Digest, err = h.fillFile(ctx, sl, id)
		}
		if err != nil {
			return store.Digest{}, fmt.Errorf("%q: %w", join(d.path, e.Name), err)
		}
		t.Entries = append(t.Entries, e)
	}
	return h.s.AddTree(ctx, t)
}

func (h *harvest) fillFile(ctx context.Context, sl *slot, id string) (store.Digest, error) {
	file, err := os.OpenFile(sl.private, os.O_RDWR, 0)
	if err != nil {
		return store.Digest{}, err
	}
	defer file.Close()
	for _, at := range sl.self {
		if _, err := file.WriteAt([]byte(id), at); err != nil {
			return store.Digest{}, err
		}
	}
	d, n, err := hashFile(ctx, file)
	if err != nil {
		return d, err
	}
	return d, h.s.keepFile(int(file.Fd()), file.Name(), d, n, formOf(&sl.entry))
}

// openReadable opens a file or directory of somebody else, and never anything
// but that: no link, and no pipe that would block. One that is ours, but closed
// even to us, is opened up.
func openReadable(dir int, name string, flags int) (int, error) {
	flags |= unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	fd, err := openAt(dir, name, flags, 0)
	if err == unix.EACCES {
		fd, err = procfd.OpenOwn(dir, name, flags)
	}
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// A rawFile reads from a descriptor that somebody else closes.
type rawFile int

func (f rawFile) Read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(int(f), buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(buf) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
