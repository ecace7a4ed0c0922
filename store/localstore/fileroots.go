package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// Bounds of what keeps an object by the text of a file.
const (
	maxRootText = 256       // bytes of the text
	maxRootFile = 256 << 20 // bytes that are searched
)

// AddFileRoots makes a root of each object for as long as a file has its text in
// it: as a lock file has the digests of what it pins, which are gone from it with
// the need. A text has no line end, and up to 256 bytes. New roots are durable when
// AddFileRoots returns; those that are there already cost a look each and no sync,
// as whoever needs them asks for them again.
func (s *Store) AddFileRoots(ctx context.Context, file string, texts map[store.Path]string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("add roots of %s: %w", file, err)
	}
	dir := s.path("roots/" + indirectRoots)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("add roots of %s: %w", file, err)
	}
	for p, text := range texts {
		if _, err := store.ParsePath(string(p)); err != nil {
			return fmt.Errorf("add roots of %s: %w", file, err)
		}
		if text == "" || len(text) > maxRootText || strings.Contains(text, "\n") {
			return fmt.Errorf("add roots of %s: %q is not a text of 1 to %d bytes in one line", file, text, maxRootText)
		}
		record := []byte(string(p) + " " + text + "\n" + file)
		name := indirectRoots + "/" + store.EncodeID(store.DigestOf(record))
		if _, err := s.addRecord(ctx, name, record); err != nil {
			return fmt.Errorf("add roots of %s: %w", file, err)
		}
	}
	return nil
}

// fileRoot looks whether the file of a record still has the text. It returns false
// when it has not, or when the file is gone for good.
func fileRoot(root Root) (Root, bool, error) {
	has, err := contains(root.Link, root.Text)
	switch {
	case err == nil:
		return root, has, nil
	case errors.Is(err, fs.ErrNotExist):
		var st unix.Stat_t
		if unix.Lstat(filepath.Dir(root.Link), &st) == nil {
			return Root{}, false, nil
		}
	}
	root.Unreachable = true
	return root, true, nil
}

// contains reports whether a regular file has a text in its first part. It does not
// wait for who writes to a pipe.
func contains(file, text string) (bool, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	in := io.LimitReader(f, maxRootFile)
	buf := make([]byte, 64<<10)
	kept := 0 // bytes of the last piece, which the text may begin in
	for {
		n, err := io.ReadFull(in, buf[kept:])
		piece := buf[:kept+n]
		if bytes.Contains(piece, []byte(text)) {
			return true, nil
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return false, nil
		case err != nil:
			return false, err
		}
		kept = copy(buf, piece[len(piece)-len(text)+1:])
	}
}
