// Package tarball writes a tree of a store as a tar archive, with owners, modes, times
// and extended attributes as they are on a disk: what container engines import, and
// what tar(1) run by root makes a root directory of.
//
// The form is POSIX's (pax), with attributes in records as star, GNU tar and
// containers have them (SCHILY.xattr). Everything has the time 1 second after the epoch,
// as in a store. The same tree gives the same bytes.
package tarball

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sysc/store"
	"sysc/store/tree"
)

// A Compression is how an archive is compressed.
type Compression string

// The compressions that there are.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// CompressionOf returns what the end of a file's name says: ".gz" and ".tgz", ".zst" and
// ".tzst"; any other is None.
func CompressionOf(name string) Compression {
	switch {
	case strings.HasSuffix(name, ".gz"), strings.HasSuffix(name, ".tgz"):
		return Gzip
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".tzst"):
		return Zstd
	}
	return None
}

// Check reports a compression that there is not.
func (c Compression) Check() error {
	switch c {
	case None, Gzip, Zstd:
		return nil
	}
	return fmt.Errorf("unknown compression %q: %s, %s or %s", string(c), Gzip, Zstd, None)
}

// A Source is where trees and contents come from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// linked is the directory in which equal files are one, with many names. Packages own
// it, and nobody writes to a file there: elsewhere a change to one would be a change
// to all.
const linked = "usr/"

// prefix of records for extended attributes.
const xattrRecord = "SCHILY.xattr."

// fileTime is that of everything.
var fileTime = time.Unix(1, 0)

// Write writes the tree root of src. A blob that is not what its digest says is an
// error. root's own directory gets mode 0755 and belongs to root. Files below /usr that
// are equal in everything but their names are hard links to the first of them.
func Write(ctx context.Context, w io.Writer, src Source, root store.Digest, c Compression) error {
	if err := write(ctx, w, src, root, c); err != nil {
		return fmt.Errorf("write archive of %s: %w", root, err)
	}
	return nil
}

func write(ctx context.Context, w io.Writer, src Source, root store.Digest, c Compression) error {
	packed, err := Compress(w, c)
	if err != nil {
		return err
	}
	a := &archive{src: src, to: tar.NewWriter(packed), first: map[string]string{}}
	if err := a.entry(ctx, "./", tree.Entry{Type: tree.Dir, Mode: 0o755}); err != nil {
		return err
	}
	if err := tree.Walk(ctx, src, root, func(path string, e tree.Entry) error { return a.entry(ctx, path, e) }); err != nil {
		return err
	}
	if err := a.to.Close(); err != nil {
		return err
	}
	return packed.Close()
}

// Compress returns a writer to w, the same bytes for the same bytes. Its Close leaves w open.
func Compress(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case Gzip:
		return gzip.NewWriter(w), nil
	case Zstd:
		// One goroutine: how the work is shared out would show in the bytes.
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	}
	return nopCloser{w}, c.Check()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// An archive is one being written.
type archive struct {
	src Source
	to  *tar.Writer
	// first has the first path of each file that others are linked to, by what equal
	// files have in common.
	first map[string]string
}

func (a *archive) entry(ctx context.Context, path string, e tree.Entry) error {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: path, Mode: int64(e.Mode), Uid: int(e.UID), Gid: int(e.GID), ModTime: fileTime,
	}
	for _, x := range e.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+x.Name] = x.Value
	}
	switch e.Type {
	case tree.Dir:
		h.Typeflag = tar.TypeDir
		h.Name = strings.TrimSuffix(path, "/") + "/"
	case tree.Link:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Target
	default:
		return a.file(ctx, h, &e)
	}
	return a.header(h)
}

func (a *archive) header(h *tar.Header) error {
	if err := a.to.WriteHeader(h); err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	return nil
}

// file writes a file, or a link to an equal one.
func (a *archive) file(ctx context.Context, h *tar.Header, e *tree.Entry) error {
	if strings.HasPrefix(h.Name, linked) && e.Size > 0 {
		key := fmt.Sprintf("%s %o %d %d %q", e.Digest, e.Mode, e.UID, e.GID, e.Xattrs)
		if target, ok := a.first[key]; ok {
			h.Typeflag, h.Linkname, h.PAXRecords = tar.TypeLink, target, nil
			return a.header(h)
		}
		a.first[key] = h.Name
	}
	h.Typeflag, h.Size = tar.TypeReg, e.Size
	if err := a.header(h); err != nil {
		return err
	}
	f, err := a.src.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(a.to, io.TeeReader(io.LimitReader(f, e.Size), sum))
	if err != nil {
		return fmt.Errorf("copy blob %s: %w", e.Digest, err)
	}
	if got := store.Digest(sum.Sum(nil)); got != e.Digest || n != e.Size {
		return fmt.Errorf("copy blob %s: the store's copy is damaged: %d bytes of %d, digest %s", e.Digest, n, e.Size, got)
	}
	return nil
}
