package build

import (
	"bytes"
	"context"
	"fmt"

	"sysc/store"
)

// warnOfPieces tells of an output that has pieces of its own scratch path. Ids are
// replaced where they stand whole. A compiler that puts a constant text together
// from overlapping parts leaves one that is not, and then the program names
// something that does not exist.
func (x *execution) warnOfPieces(ctx context.Context, name string) error {
	p := newPieces(x.scratch[name])
	found := func(file string, at int64) {
		x.emit(x.job, Event{Kind: Warning, Line: fmt.Sprintf(
			"output %q: %q has a piece of its own path at byte %d, which stays as it was while this was built; see \"Pieces of paths\" in docs/builds.md", name, file, at)})
	}
	w := outputWalk{
		file: func(e outputEntry) error {
			at, err := p.search(e.eachWindow)
			if at >= 0 {
				found(e.path, at)
			}
			return err
		},
	}
	return w.run(ctx, x.outputDir(), string(x.scratch[name]))
}

// pieces knows what part of a path looks like.
type pieces struct {
	id []byte
	// parts are what nobody writes by chance. An end is short: it is a piece only in
	// a file that has the whole id as well.
	parts []piece
	end   piece
}

// A piece is a text that is a part of the path, beginning so many bytes before or
// behind where the id begins.
type piece struct {
	text []byte
	at   int
}

// pieceLen is how much of an id makes a piece: so much appears by chance in one
// file of a terabyte.
const pieceLen = 8

// headLen is how much of an id is enough behind the store's directory.
const headLen = 2

func newPieces(p store.Path) *pieces {
	id := []byte(p.ID())
	f := &pieces{id: id}
	for at := 0; at < len(id); at += pieceLen {
		f.parts = append(f.parts, piece{id[at : at+pieceLen], at})
	}
	head := append([]byte(store.Dir+"/"), id[:headLen]...)
	f.parts = append(f.parts, piece{head, headLen - len(head)})
	f.end = piece{[]byte(p[len(id)-1:]), len(id) - 1}
	return f
}

// search returns where a file has the first piece that is no part of a whole id, or
// -1. eachWindow goes through the file.
func (f *pieces) search(eachWindow func(func(offset int64, window []byte)) error) (int64, error) {
	first, end, whole := int64(-1), int64(-1), false
	err := eachWindow(func(offset int64, window []byte) {
		for _, part := range f.parts {
			if at := f.find(window, part); at >= 0 && (first < 0 || offset+int64(at) < first) {
				first = offset + int64(at)
			}
		}
		if at := f.find(window, f.end); at >= 0 && end < 0 {
			end = offset + int64(at)
		}
		whole = whole || bytes.Contains(window, f.id)
	})
	if first < 0 && whole {
		first = end
	}
	return first, err
}

// find returns where a part stands by itself, or -1. What the window cuts off is in
// the one before or after it.
func (f *pieces) find(window []byte, part piece) int {
	for from := 0; ; {
		i := bytes.Index(window[from:], part.text)
		if i < 0 {
			return -1
		}
		at := from + i
		begin := at - part.at
		from = at + 1
		cut := begin < 0 || begin+len(f.id) > len(window)
		if !cut && !bytes.Equal(window[begin:begin+len(f.id)], f.id) {
			return at
		}
	}
}
