// Package evalcache keeps what evaluations gave, in files below a directory of the
// user's.
//
// Any number of processes may use a cache at once. What is read is what was written:
// a file that is not is taken for one that is not there, and is replaced at the next
// occasion. So nothing is synced to disk, and everything may be removed at any time.
package evalcache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// magic begins a file: another format has another one.
	magic = "sysc-evaluation-1\n"
	// suffix ends the names of files that are complete.
	suffix = ".eval"
	// MaxSize is how much a cache keeps, in bytes. What was not used for the longest
	// time goes first.
	MaxSize = 256 << 20
	// maxEntry is how much of that one evaluation may take.
	maxEntry = MaxSize / 4
	// leftover is when a file that was not completed is nobody's any more.
	leftover = time.Hour
	// fresh is how long a file counts as used just now.
	fresh = time.Hour
)

// A Key says which evaluation it is.
type Key [sha256.Size]byte

// A Cache is a directory with evaluations.
type Cache struct {
	dir string
	max int64
}

// New returns the cache in a directory, which is made when something is kept.
func New(dir string) *Cache { return &Cache{dir: dir, max: MaxSize} }

func (c *Cache) path(k Key) string { return filepath.Join(c.dir, hex.EncodeToString(k[:])+suffix) }

// Get returns what was kept under a key, "" when there is nothing. The error is that
// of a file that cannot be read; what is damaged counts as nothing.
func (c *Cache) Get(k Key) (string, error) {
	name := c.path(k)
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("recall an evaluation: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("recall an evaluation: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxEntry {
		return "", nil
	}
	value, err := read(f, info.Size())
	if err != nil {
		return "", fmt.Errorf("recall an evaluation: %w", err)
	}
	if now := time.Now(); value != "" && now.Sub(info.ModTime()) > fresh {
		// That it was used just now is not written down when another process has removed
		// it, or nobody may.
		_ = os.Chtimes(name, now, now)
	}
	return value, nil
}

// read reads a value of a file, "" when its hash is another one. The value is in memory
// once.
func read(f io.Reader, size int64) (string, error) {
	head := make([]byte, len(magic)+sha256.Size)
	if _, err := io.ReadFull(f, head); err != nil {
		return "", ignoreEnd(err)
	}
	var value strings.Builder
	value.Grow(int(max(size-int64(len(head)), 0)))
	h := sha256.New()
	const chunk = 256 << 10 // stays in the processor's cache while it is hashed
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(h, &value)}, struct{ io.Reader }{io.LimitReader(f, maxEntry)}, make([]byte, chunk)); err != nil {
		return "", err
	}
	if string(head) != magic+string(h.Sum(nil)) {
		return "", nil
	}
	return value.String(), nil
}

// ignoreEnd makes nothing of the error that a file is too short.
func ignoreEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// Put keeps the parts of a value, one behind another, under a key. What is too large
// is not kept, and what was there is removed.
func (c *Cache) Put(k Key, parts ...[]byte) error {
	h, size := sha256.New(), 0
	for _, p := range parts {
		h.Write(p)
		size += len(p)
	}
	if size > maxEntry-len(magic)-sha256.Size {
		return c.remove(c.path(k))
	}
	parts = slices.Concat([][]byte{[]byte(magic), h.Sum(nil)}, parts)
	if err := c.write(c.path(k), parts); err != nil {
		return fmt.Errorf("remember an evaluation: %w", err)
	}
	if err := c.trim(); err != nil {
		return fmt.Errorf("remove old evaluations: %w", err)
	}
	return nil
}

// write writes a file beside and renames it. It is the user's alone: what a
// definition says is nobody else's business.
func (c *Cache) write(name string, parts [][]byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err = f.Write(p); err != nil {
			break
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, c.remove(f.Name()))
	}
	return nil
}

// remove removes a file, which another process may have done.
func (c *Cache) remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// trim removes what was not used for the longest time, until the rest is small enough,
// and what processes that were killed have left.
func (c *Cache) trim() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	total := int64(0)
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case strings.HasSuffix(e.Name(), suffix):
			kept = append(kept, info)
			total += info.Size()
		case strings.HasPrefix(e.Name(), "new-") && time.Since(info.ModTime()) > leftover:
			errs = append(errs, c.remove(filepath.Join(c.dir, e.Name())))
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range kept {
		if total <= c.max {
			break
		}
		errs = append(errs, c.remove(filepath.Join(c.dir, info.Name())))
		total -= info.Size()
	}
	return errors.Join(errs...)
}
