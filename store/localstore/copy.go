package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"sysc/store/tree"
)

// linkBlob links e's blob to name, in the form that goes with e's mode. It returns
// false when it has to be copied: the file system sets a limit to links (65,000
// on ext4), or knows none. Empty files are always copied, for they alone would
// reach it.
func (s *Store) linkBlob(ctx context.Context, dir int, name string, e *tree.Entry) (bool, error) {
	if e.Size == 0 {
		return false, nil
	}
	shard, err := s.blobDirs.fd(e.Digest, false)
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", e.Digest, err)
	}
	blob := formOf(e).shardedName(e.Digest)
	err = unix.Linkat(shard, blob, dir, name, 0)
	if err == unix.ENOENT {
		if err := s.makeForm(ctx, shard, e); err != nil {
			return false, err
		}
		err = unix.Linkat(shard, blob, dir, name, 0)
	}
	switch err {
	case nil:
		return true, nil
	case unix.EMLINK, unix.EPERM, unix.EXDEV, unix.EOPNOTSUPP:
		return false, nil
	}
	return false, err
}

// makeForm makes the form of e's blob that goes with e's mode from the other one.
func (s *Store) makeForm(ctx context.Context, shard int, e *tree.Entry) error {
	f := formOf(e)
	aside := *e
	aside.Name = s.tempName()
	err := s.copyBlob(ctx, shard, &aside, f.mode(), nil)
	if err == nil {
		err = renameNew(shard, aside.Name, shard, f.shardedName(e.Digest))
	}
	if err != nil {
		unix.Unlinkat(shard, aside.Name, 0)
	}
	return ignore(err, unix.EEXIST)
}

// renameNew renames, but not in place of a file that somebody else has just made:
// who is about to link that one would be told that it is gone, see link(2).
func renameNew(fromDir int, from string, toDir int, to string) error {
	return unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
}

// copyBlob makes e.Name in dir an independent copy of e's blob with that mode.
// meta, if not nil, is called before the mode is set.
func (s *Store) copyBlob(ctx context.Context, dir int, e *tree.Entry, mode uint32, meta func(fd int) error) error {
	// Set-id bits only when everything else is done, and write permission for
	// as long as meta may need it.
	create := mode & 0o777
	if meta != nil {
		create = 0o600
	}
	dst, err := openAt(dir, e.Name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, create)
	if err != nil {
		return err
	}
	if e.Size > 0 {
		err = s.copyContent(ctx, dst, e)
	}
	if err == nil && meta != nil {
		if err = meta(dst); err == nil {
			err = unix.Fchmod(dst, mode)
		}
	}
	if err == nil {
		err = s.seal(dst, mode)
	}
	return errors.Join(err, unix.Close(dst))
}

func (s *Store) copyContent(ctx context.Context, dst int, e *tree.Entry) error {
	src, _, err := s.openBlob(e.Digest)
	if err != nil {
		return fmt.Errorf("blob %s: %w", e.Digest, err)
	}
	defer unix.Close(src)
	if !s.noReflink.Load() {
		switch unix.IoctlFileClone(dst, src) {
		case nil:
			return checkSize(dst, e)
		case unix.EINVAL, unix.ENOTTY, unix.EOPNOTSUPP:
			// What file systems say that have never heard of it; trying again for
			// every file would cost a tenth of the time. Another place than the
			// store's file system (EXDEV) says nothing about the next one.
			s.noReflink.Store(true)
		}
	}
	if e.Size <= smallBlob {
		return copySmall(dst, src, e)
	}
	return copyExtents(ctx, dst, src, e)
}

func copySmall(dst, src int, e *tree.Entry) error {
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	buf := *bufp
	have := 0
	for have < len(buf) {
		n, err := unix.Read(src, buf[have:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		have += n
		if int64(have) == e.Size {
			break
		}
	}
	if int64(have) != e.Size {
		return sizeError(int64(have), e)
	}
	return writeAll(dst, buf[:have])
}

// copyExtents copies a big file, but not its holes.
func copyExtents(ctx context.Context, dst, src int, e *tree.Entry) error {
	if err := checkSize(src, e); err != nil {
		return err
	}
	if err := unix.Ftruncate(dst, e.Size); err != nil {
		return err
	}
	for at := int64(0); at < e.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		begin, err := unix.Seek(src, at, unix.SEEK_DATA)
		if err == unix.ENXIO { // only a hole is left
			return nil
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(src, begin, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := copyRange(ctx, dst, src, begin, end); err != nil {
			return err
		}
		at = end
	}
	return nil
}

func copyRange(ctx context.Context, dst, src int, from, to int64) error {
	const most = 64 << 20 // between two looks at ctx
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		in, out := from, from
		n, err := unix.CopyFileRange(src, &in, dst, &out, int(min(to-from, most)), 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EXDEV, err == unix.EINVAL, err == unix.EOPNOTSUPP, err == unix.ENOSYS:
			// Another file system, of a kind that cannot do it.
			return copyBytes(ctx, dst, src, from, to)
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		from += int64(n)
	}
	return nil
}

func copyBytes(ctx context.Context, dst, src int, from, to int64) error {
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := (*bufp)[:min(int64(len(*bufp)), to-from)]
		n, err := unix.Pread(src, buf, from)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		for out := buf[:n]; len(out) > 0; {
			m, err := unix.Pwrite(dst, out, from)
			if err != nil && err != unix.EINTR {
				return err
			}
			m = max(m, 0)
			out = out[m:]
			from += int64(m)
		}
	}
	return nil
}

func checkSize(fd int, e *tree.Entry) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Size != e.Size {
		return sizeError(st.Size, e)
	}
	return nil
}

func sizeError(have int64, e *tree.Entry) error {
	return fmt.Errorf("blob %s has %d bytes, the listing says %d; see sysc store verify", e.Digest, have, e.Size)
}
