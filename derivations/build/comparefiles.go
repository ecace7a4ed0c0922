package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"sysc/store"
	"sysc/store/tree"
)

// maxDifferences is how many files of an output are told of.
const maxDifferences = 10

// A FileDifference is a file that is not the same in two objects.
type FileDifference struct {
	// Path leads to it in the object; "" is an object that is a file.
	Path string
	// What differs: "contents", "target" (of a link), "permissions", "owner",
	// "attributes" (extended ones), "kind", or "missing", in one of them.
	What string
	// Usual and Other show it, for people. For contents they are some bytes around
	// At, where the first difference is.
	Usual, Other string
	At           int64
}

// String is one line.
func (d FileDifference) String() string {
	path := d.Path
	if quoted := strconv.Quote(path); quoted[1:len(quoted)-1] != path {
		path = quoted // a name must not drive a terminal
	}
	if path != "" {
		path += ": "
	}
	switch d.What {
	case "contents":
		return fmt.Sprintf("%sat byte %d: %s, other %s", path, d.At, d.Usual, d.Other)
	case "missing":
		if d.Usual == "" {
			return path + "only in the other"
		}
		return path + "not in the other"
	}
	return fmt.Sprintf("%s%s %s, other %s", path, d.What, d.Usual, d.Other)
}

// compareFiles adds to d the files that differ between two trees, when ids of the
// second are replaced.
func (r *realiser) compareFiles(ctx context.Context, d *OutputDifference, usual, other store.Digest, ids map[string]string) error {
	return tree.Diff(ctx, r.store, usual, other, func(c tree.Change) error {
		f, err := r.compareEntries(ctx, c.Old, c.New, ids)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", c.Path, err)
		case f == nil:
		case len(d.Files) == maxDifferences:
			d.More++
		default:
			f.Path = c.Path
			d.Files = append(d.Files, *f)
		}
		return nil
	})
}

// compareEntries returns the first thing that differs, or nil.
func (r *realiser) compareEntries(ctx context.Context, usual, other *tree.Entry, ids map[string]string) (*FileDifference, error) {
	switch {
	case other == nil:
		return &FileDifference{What: "missing", Usual: usual.Type.String()}, nil
	case usual == nil:
		return &FileDifference{What: "missing", Other: other.Type.String()}, nil
	case usual.Type != other.Type:
		return &FileDifference{What: "kind", Usual: usual.Type.String(), Other: other.Type.String()}, nil
	case usual.Type == tree.Link && usual.Target != rewriteText(other.Target, ids):
		return &FileDifference{What: "target", Usual: strconv.Quote(usual.Target), Other: strconv.Quote(other.Target)}, nil
	case usual.Type == tree.File && usual.Digest != other.Digest:
		if d, err := r.compareContents(ctx, usual.Digest, other.Digest, ids); d != nil || err != nil {
			return d, err
		}
	}
	mode := func(e *tree.Entry) string { return fmt.Sprintf("%04o", e.Mode) }
	owner := func(e *tree.Entry) string { return fmt.Sprintf("%d:%d", e.UID, e.GID) }
	switch {
	case usual.Mode != other.Mode:
		return &FileDifference{What: "permissions", Usual: mode(usual), Other: mode(other)}, nil
	case owner(usual) != owner(other):
		return &FileDifference{What: "owner", Usual: owner(usual), Other: owner(other)}, nil
	case !slices.Equal(usual.Xattrs, other.Xattrs):
		return &FileDifference{What: "attributes", Usual: fmt.Sprintf("%q", usual.Xattrs), Other: fmt.Sprintf("%q", other.Xattrs)}, nil
	}
	return nil, nil
}

func (r *realiser) compareContents(ctx context.Context, usual, other store.Digest, ids map[string]string) (*FileDifference, error) {
	a, err := r.store.OpenBlob(ctx, usual)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, err := r.store.OpenBlob(ctx, other)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return firstDifference(a, b, ids)
}

// firstDifference returns where two files differ, when ids of the second one are
// replaced by others of the same length; nil means nowhere.
func firstDifference(usual, other io.Reader, ids map[string]string) (*FileDifference, error) {
	files := [2]window{newWindow(usual), newWindow(other)}
	for offset := int64(0); ; {
		for i := range files {
			if err := files[i].fill(); err != nil {
				return nil, err
			}
		}
		// In place, for the next window may begin in the middle of an id.
		copy(files[1].data, rewriteText(string(files[1].data), ids))
		a, b := files[0].data, files[1].data
		ended := files[0].ended || files[1].ended
		sure := min(len(a), len(b)) // how much is known to have no id that is cut off
		if !ended {
			sure -= store.IDLen - 1
		}
		if at := mismatch(a[:sure], b[:sure]); at < sure || ended && len(a) != len(b) {
			return &FileDifference{What: "contents", At: offset + int64(at), Usual: excerpt(a, at), Other: excerpt(b, at)}, nil
		}
		if ended {
			return nil, nil
		}
		for i := range files {
			files[i].drop(sure)
		}
		offset += int64(sure)
	}
}

// mismatch returns the position of the first difference of two texts of the same
// length, or that length.
func mismatch(a, b []byte) int {
	if bytes.Equal(a, b) {
		return len(a)
	}
	at := 0
	for a[at] == b[at] {
		at++
	}
	return at
}

const (
	// excerptLen is how much of a file is shown from a difference on, in bytes.
	excerptLen = 32
	// excerptBefore is how much of the line before it is shown at most.
	excerptBefore = 16
)

// excerpt shows a text around a position.
func excerpt(text []byte, at int) string {
	if at == len(text) {
		return "the end"
	}
	begin := max(0, at-excerptBefore)
	begin += bytes.LastIndexByte(text[begin:at], '\n') + 1
	return strconv.Quote(string(text[begin:min(len(text), at+excerptLen)]))
}

// A window is a part of a file that is being read.
type window struct {
	from  io.Reader
	data  []byte
	ended bool
}

func newWindow(r io.Reader) window { return window{from: r, data: make([]byte, 0, chunk)} }

// fill reads as much as there is room for.
func (w *window) fill() error {
	n, err := io.ReadFull(w.from, w.data[len(w.data):cap(w.data)])
	w.data = w.data[:len(w.data)+n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		w.ended, err = true, nil
	}
	return err
}

// drop forgets the first n bytes.
func (w *window) drop(n int) { w.data = w.data[:copy(w.data, w.data[n:])] }
