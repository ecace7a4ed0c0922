package builtin

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// zipMagic begins a zip archive that has entries.
const zipMagic = "PK\x03\x04"

// maxZipDirectory bounds the table of contents of a zip archive, which is read
// into memory as a whole, in bytes.
const maxZipDirectory = 64 << 20

// An unzip reads a zip archive into a listing. Its table of contents alone
// counts. Refused, with their names, is what [untar] refuses, and two entries of
// one name, encrypted ones, those compressed otherwise than by deflate, and "\"
// in names, which is a separator to some.
type unzip struct {
	store Store
	top   *listing
	strip int // leading parts of each path to drop
	left  int64
}

func newUnzip(s Store) *unzip { return &unzip{store: s, top: newListing(), left: maxArchive} }

// read adds a whole archive.
func (u *unzip) read(ctx context.Context, r io.ReaderAt, size int64) error {
	limited := &limitedReaderAt{r: r, left: maxZipDirectory}
	archive, err := zip.NewReader(limited, size)
	if err != nil {
		return fmt.Errorf("read zip archive: %w", err)
	}
	limited.left = math.MaxInt64 // what follows is bounded entry by entry
	if len(archive.File) > maxEntries {
		return fmt.Errorf("read zip archive: more than %d entries", maxEntries)
	}
	for _, f := range archive.File {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := u.entry(ctx, f); err != nil {
			return fmt.Errorf("read zip archive: %w", err)
		}
	}
	return nil
}

func (u *unzip) entry(ctx context.Context, f *zip.File) error {
	parts, err := splitPath(f.Name)
	if err != nil {
		return err
	}
	if u.strip > 0 && len(parts) <= u.strip {
		return nil
	}
	e, err := u.content(ctx, f)
	if err != nil {
		return fmt.Errorf("%q: %w", f.Name, err)
	}
	return u.top.put(parts[u.strip:], e, false)
}

// content returns a file's entry without its name.
func (u *unzip) content(ctx context.Context, f *zip.File) (e tree.Entry, err error) {
	const encrypted = 1 // the bit of File.Flags
	switch {
	case strings.Contains(f.Name, `\`):
		return e, errors.New("a backslash in a name")
	case f.Flags&encrypted != 0:
		return e, errors.New("it is encrypted")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return e, fmt.Errorf("compression method %d, want 0 or 8", f.Method)
	case f.UncompressedSize64 > uint64(u.left):
		return e, fmt.Errorf("the archive's files have more than %d bytes", int64(maxArchive))
	}
	u.left -= int64(f.UncompressedSize64)
	mode := f.Mode()
	e.Mode = uint32(mode.Perm())
	switch mode.Type() {
	case fs.ModeDir:
		e.Type = tree.Dir
	case fs.ModeSymlink:
		e.Type, e.Mode = tree.Link, 0o777
		e.Target, err = zipTarget(f)
	case 0:
		e.Type = tree.File
		e.Digest, e.Size, err = u.add(ctx, f, e.Executable())
	default:
		err = fmt.Errorf("neither a file nor a directory nor a link: %v", mode)
	}
	return e, err
}

// add keeps the content of a file. The reader fails when there is more or less of it
// than the table of contents says, and checks its sum.
func (u *unzip) add(ctx context.Context, f *zip.File, executable bool) (store.Digest, int64, error) {
	r, err := f.Open()
	if err != nil {
		return store.Digest{}, 0, err
	}
	defer r.Close()
	return u.store.AddFile(ctx, r, executable)
}

// zipTarget reads where a link leads, which is its content.
func zipTarget(f *zip.File) (string, error) {
	if f.UncompressedSize64 == 0 || f.UncompressedSize64 > tree.MaxTarget {
		return "", fmt.Errorf("link target of %d bytes", f.UncompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	target, err := io.ReadAll(r)
	if err == nil && bytes.IndexByte(target, 0) >= 0 {
		err = fmt.Errorf("NUL in the target of a link")
	}
	return string(target), err
}

// A limitedReaderAt fails when more is read than its limit.
type limitedReaderAt struct {
	r    io.ReaderAt
	left int64
}

func (l *limitedReaderAt) ReadAt(p []byte, at int64) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, fmt.Errorf("its table of contents has more than %d bytes", int64(maxZipDirectory))
	}
	return l.r.ReadAt(p, at)
}
