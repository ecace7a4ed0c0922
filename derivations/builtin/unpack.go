package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"sysc/store"
)

type unpackAttrs struct {
	// Source is the logical path of the archive, or, with Package, of a directory that
	// has it.
	Source string `json:"source"`
	// Package is the name of the Debian package that Source has to be, or "" for any.
	Package string `json:"package"`
	// Format is "deb" or "archive": tar or zip, which the first bytes tell.
	Format string `json:"format"`
	// Strip is how many leading parts of each path in an archive to drop.
	Strip int `json:"strip"`
	// Kind is "root" (the default: owners and modes as in the archive) or "tree"
	// (canonical, so that it can be read below /sysc/store).
	Kind string `json:"kind"`
}

// unpack reads an archive into a tree. Its attributes are unpackAttrs. A
// compression is recognised by its first bytes.
//
// A Debian package becomes a root with the directories "control" and "data".
func unpack(ctx context.Context, s *Step) error {
	var attrs unpackAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	kind := store.KindRoot
	switch attrs.Kind {
	case "", "root":
	case "tree":
		kind = store.KindTree
	default:
		return fmt.Errorf("unpack %q: kind %q is neither root nor tree", s.Derivation.Name, attrs.Kind)
	}
	source, err := packageFile(ctx, s, attrs)
	if err != nil {
		return err
	}
	e, err := s.File(ctx, source)
	if err != nil {
		return err
	}
	f, err := s.Store.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := unpackFile(ctx, s, attrs, &progressFile{File: f, progress: s.Progress, size: e.Size}, e.Size)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", source, Malformed(ctx, err))
	}
	if kind == store.KindTree {
		l.canonical()
	}
	top, err := l.write(ctx, s.Store)
	if err != nil {
		return err
	}
	s.SetTree(s.Derivation.OutputNames()[0], kind, top.Digest, nil)
	return nil
}

// A MalformedError says that bytes from outside, which are those that were asked for, are
// not what they should be: damaged when they were made, or hostile.
type MalformedError struct{ Cause error }

func (e *MalformedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error { return e.Cause }

// Malformed makes a [*MalformedError] of what reading such bytes ended in, unless the
// system failed, or somebody cancelled it.
func Malformed(ctx context.Context, err error) error {
	var system syscall.Errno
	if ctx.Err() != nil || errors.As(err, &system) {
		return err
	}
	return &MalformedError{err}
}

func unpackFile(ctx context.Context, s *Step, attrs unpackAttrs, f io.ReaderAt, size int64) (*listing, error) {
	workers := 1
	if s.Parallel != nil {
		var release func()
		workers, release = s.Parallel()
		defer release()
	}
	switch {
	case attrs.Format == "deb" && attrs.Strip == 0:
		return readDeb(ctx, s.Store, f, size, workers)
	case attrs.Format == "deb":
		return nil, fmt.Errorf("nothing can be stripped from a Debian package")
	case attrs.Format == "archive" && attrs.Strip >= 0:
		return readArchive(ctx, s.Store, f, size, attrs.Strip, workers)
	}
	return nil, fmt.Errorf("format %q, strip %d: want deb or archive, and no negative number", attrs.Format, attrs.Strip)
}

// readArchive reads a zip archive, or a tar archive in any of the compressions.
func readArchive(ctx context.Context, s Store, f io.ReaderAt, size int64, strip, workers int) (*listing, error) {
	var magic [len(zipMagic)]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if string(magic[:n]) == zipMagic {
		u := newUnzip(s)
		u.strip = strip
		return u.top, u.read(ctx, f, size)
	}
	u := newUntar(s)
	u.strip, u.replace = strip, true
	return u.top, u.readCompressed(ctx, io.NewSectionReader(f, 0, size), workers)
}

// ArchiveTree puts what is in an archive of so many bytes into a store, and
// returns the digest of the canonical tree that it is.
func ArchiveTree(ctx context.Context, st Store, archive io.ReaderAt, size int64) (store.Digest, error) {
	l, err := readArchive(ctx, st, archive, size, 0, 1)
	if err != nil {
		return store.Digest{}, err
	}
	l.canonical()
	top, err := l.write(ctx, st)
	return top.Digest, err
}

// A progressFile tells how much of the file has been read, in whatever order: several
// blocks are read at once, and indexes stand at the end.
type progressFile struct {
	*os.File
	progress func(done, total int64)
	size     int64
	read     atomic.Int64
}

func (p *progressFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := p.File.ReadAt(b, at)
	p.progress(min(p.read.Add(int64(n)), p.size), p.size) // an index is read twice
	return n, err
}
