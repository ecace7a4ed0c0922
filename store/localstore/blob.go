package localstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// smallBlob is how much of a file is held in memory. One that fits is hashed
// before anything is written, so what the store has already costs no write, and
// it is written in the directory where it stays, so that no rename crosses
// directories, for which the kernel takes one lock per file system.
const smallBlob = 256 << 10

// mtime of everything in a store, in seconds: 1, not 0, which some programs
// take for "missing".
const mtime = 1

var storeTimes = []unix.Timespec{{Sec: mtime}, {Sec: mtime}}

// buffers are of smallBlob bytes and one more, which tells a file that fits
// from one that does not.
var buffers = sync.Pool{New: func() any { b := make([]byte, smallBlob+1); return &b }}

// AddBlob puts what r yields into the store and returns its digest and length
// in bytes. It is hashed while it is copied. It is durable, and safe from
// garbage collection after this process has closed the store, only when an object
// that has it is registered.
func (s *Store) AddBlob(ctx context.Context, r io.Reader) (store.Digest, int64, error) {
	return s.addBlobAs(ctx, r, plain)
}

// AddFile is AddBlob for what will be a file, executable or not. The blob is the
// same; that file can be a link to it, without a second copy.
func (s *Store) AddFile(ctx context.Context, r io.Reader, isExecutable bool) (store.Digest, int64, error) {
	if isExecutable {
		return s.addBlobAs(ctx, r, executable)
	}
	return s.addBlobAs(ctx, r, plain)
}

func (s *Store) addBlobAs(ctx context.Context, r io.Reader, as form) (store.Digest, int64, error) {
	d, n, err := s.addBlob(ctx, r, as)
	if err != nil {
		return store.Digest{}, 0, fmt.Errorf("add blob: %w", err)
	}
	return d, n, nil
}

// A filter sees the bytes of a file on their way into the store and may change
// them in place. It is called with a window and the offset of its first byte,
// and returns how many bytes it is done with; the rest comes again, at the
// beginning of the next window. With last it must take everything.
type filter interface {
	filter(window []byte, offset int64, last bool) int
}

func (s *Store) addBlob(ctx context.Context, r io.Reader, as form) (store.Digest, int64, error) {
	if err := s.markDirty(); err != nil {
		return store.Digest{}, 0, err
	}
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	buf := *bufp
	n, ended, err := fill(r, buf)
	if err != nil {
		return store.Digest{}, 0, err
	}
	if !ended {
		return s.addLarge(ctx, r, buf, as)
	}
	d, err := s.addBytes(buf[:n], as)
	return d, int64(n), err
}

// addBytes keeps a small blob.
func (s *Store) addBytes(data []byte, as form) (store.Digest, error) {
	d := store.DigestOf(data)
	dir, err := s.blobDirs.fd(d, true)
	if err != nil {
		return d, err
	}
	there, err := s.relyOnBlob(dir, d, int64(len(data)), as)
	if there || err != nil {
		return d, err
	}
	if err := s.keepBytes(dir, as.shardedName(d), data, as.mode()); err != nil {
		return d, fmt.Errorf("write blob: %w", err)
	}
	return d, nil
}

// keepBytes makes a blob or tree of which relyOn has said that it is not there.
func (s *Store) keepBytes(dir int, name string, data []byte, mode uint32) error {
	err := s.writeFile(dir, name, data, mode, renameNew)
	if err != unix.EEXIST || present(dir, name, int64(len(data))) {
		return ignore(err, unix.EEXIST)
	}
	return s.writeFile(dir, name, data, mode, unix.Renameat) // it is damaged
}

// ignore is nil in place of one error.
func ignore(err, which error) error {
	if err == which {
		return nil
	}
	return err
}

// writeFile makes a small file of the store at once, by a rename that does or does
// not replace what has that name.
func (s *Store) writeFile(dir int, name string, data []byte, mode uint32, rename renamer) error {
	tmp := s.tempName()
	fd, err := openAt(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = writeAll(fd, data)
	err = errors.Join(err, s.seal(fd, mode), unix.Close(fd))
	if err == nil {
		err = rename(dir, tmp, dir, name)
	}
	if err != nil {
		unix.Unlinkat(dir, tmp, 0)
	}
	return err
}

// A renamer is rename(2) in one of its kinds.
type renamer func(fromDir int, from string, toDir int, to string) error

// addLarge copies a stream, whose beginning is in buf, to tmp.
func (s *Store) addLarge(ctx context.Context, r io.Reader, buf []byte, as form) (store.Digest, int64, error) {
	file, err := os.OpenFile(s.path("tmp/"+s.tempName()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return store.Digest{}, 0, err
	}
	defer os.Remove(file.Name()) // fails when all went well: it was renamed
	defer file.Close()
	d, n, err := copyHashed(ctx, file, r, buf, nil)
	if err != nil {
		return store.Digest{}, 0, err
	}
	return d, n, s.keepFile(int(file.Fd()), file.Name(), d, n, as)
}

// copyHashed copies buf and then r to dst, through f, and hashes what it
// writes.
func copyHashed(ctx context.Context, dst *os.File, r io.Reader, buf []byte, f filter) (d store.Digest, written int64, err error) {
	h := sha256.New()
	have := len(buf)
	for last := false; ; {
		done := have
		if f != nil {
			done = f.filter(buf[:have], written, last)
		}
		if err := writeHashed(dst, h, buf[:done]); err != nil {
			return d, 0, err
		}
		written += int64(done)
		have = copy(buf, buf[done:have])
		if last {
			break
		}
		if err := ctx.Err(); err != nil {
			return d, 0, err
		}
		var n int
		var err error
		if n, last, err = fill(r, buf[have:]); err != nil {
			return d, 0, err
		}
		have += n
	}
	h.Sum(d[:0])
	// The end of the file may be a hole.
	return d, written, dst.Truncate(written)
}

// fill reads until buf is full, or r has ended. io.ReadFull would not tell that from
// a reader whose input was cut off: that is io.ErrUnexpectedEOF, too.
func fill(r io.Reader, buf []byte) (n int, ended bool, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	if err == io.EOF {
		return n, true, nil
	}
	return n, false, err
}

// writeHashed leaves holes where there are only zeros: an image of many
// gigabytes often is mostly that.
func writeHashed(dst *os.File, h hash.Hash, data []byte) error {
	h.Write(data)
	if allZero(data) {
		_, err := dst.Seek(int64(len(data)), io.SeekCurrent)
		return err
	}
	_, err := dst.Write(data)
	return err
}

func allZero(data []byte) bool {
	const word = 8
	for len(data) >= word {
		if [word]byte(data) != [word]byte{} {
			return false
		}
		data = data[word:]
	}
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// keepFile moves a temporary file, open as fd, to where the blob d of n bytes
// stands.
func (s *Store) keepFile(fd int, path string, d store.Digest, n int64, as form) error {
	dir, err := s.blobDirs.fd(d, true)
	if err != nil {
		return err
	}
	there, err := s.relyOnBlob(dir, d, n, as)
	if err != nil {
		return err
	}
	if there {
		return os.Remove(path)
	}
	if err := errors.Join(unix.Fchmod(fd, as.mode()), futimens(fd)); err != nil {
		return err
	}
	name := as.shardedName(d)
	err = renameNew(unix.AT_FDCWD, path, dir, name)
	if err != unix.EEXIST {
		return err
	}
	if present(dir, name, n) {
		return os.Remove(path)
	}
	return unix.Renameat(unix.AT_FDCWD, path, dir, name) // it is damaged
}

// relyOnBlob keeps a blob from being collected, whether it is there or about to be,
// and reports whether it is there in any form.
func (s *Store) relyOnBlob(dir int, d store.Digest, size int64, likely form) (there bool, err error) {
	return s.relyOn(s.blobDirs, d, func() bool { return presentBlob(dir, d, size, likely) })
}

// relyOn keeps a blob or tree from being collected, whether it is there or about
// to be, and reports whether it is there.
func (s *Store) relyOn(dirs *shards, d store.Digest, look func() bool) (there bool, err error) {
	err = s.session.rely(dirs.gate, func() error {
		there = look()
		return nil
	}, note{digest: d})
	return there, err
}

// AddBlobFile moves the file at path into the store and returns its digest and
// length in bytes. The file is re-hashed; afterwards path is gone. It must be a
// regular file that nobody else can write to or has open: what they changed
// later would be changed in the store. A file on another file system, or one
// with several links, is copied.
func (s *Store) AddBlobFile(ctx context.Context, path string) (store.Digest, int64, error) {
	d, n, err := s.addBlobFile(ctx, path)
	if err != nil {
		return store.Digest{}, 0, fmt.Errorf("add file %s: %w", path, err)
	}
	return d, n, nil
}

func (s *Store) addBlobFile(ctx context.Context, path string) (d store.Digest, n int64, err error) {
	if err := s.markDirty(); err != nil {
		return d, 0, err
	}
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return d, 0, err
	}
	src := os.NewFile(uintptr(fd), path)
	defer src.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return d, 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return d, 0, errors.New("not a regular file")
	}
	tmp := s.path("tmp/" + s.tempName())
	if st.Nlink != 1 || int(st.Uid) != os.Geteuid() || unix.Rename(path, tmp) != nil {
		if d, n, err = s.addBlob(ctx, src, plain); err != nil {
			return d, 0, err
		}
		return d, n, os.Remove(path)
	}
	// Out of everybody's reach now; what src reads is that file.
	defer os.Remove(tmp) // fails when all went well: it was renamed
	if d, n, err = hashFile(ctx, src); err != nil {
		return d, 0, err
	}
	err = s.keepFile(fd, tmp, d, n, plain)
	return d, n, err
}

// hashFile reads a file to its end.
func hashFile(ctx context.Context, f io.Reader) (d store.Digest, n int64, err error) {
	h := sha256.New()
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	for {
		if err := ctx.Err(); err != nil {
			return d, 0, err
		}
		m, err := f.Read(*bufp)
		h.Write((*bufp)[:m])
		n += int64(m)
		if err == io.EOF {
			h.Sum(d[:0])
			return d, n, nil
		}
		if err != nil {
			return d, 0, err
		}
	}
}

// OpenBlob opens a blob for reading. One that is missing is store.ErrNotExist,
// wrapped.
func (s *Store) OpenBlob(ctx context.Context, d store.Digest) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, f, err := s.openBlob(d)
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	return os.NewFile(uintptr(fd), s.path("blobs/"+shardName(d[0])+"/"+f.shardedName(d))), nil
}

// seal gives a new file its mode, in case the umask took some of it, and the
// store's time.
func (s *Store) seal(fd int, mode uint32) error {
	if mode&s.umask != 0 || mode > 0o777 {
		if err := unix.Fchmod(fd, mode); err != nil {
			return err
		}
	}
	return futimens(fd)
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && err != unix.EINTR {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}
