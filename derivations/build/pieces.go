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
	// seeds are parts of the id of which every piece has one.
	seeds []piece
	// head and end are too short to be told from chance by themselves: a head has the
	// store's directory in front, and an end counts in a file with the whole id only.
	head, end piece
}

// A piece is a text that is a part of the path, beginning so many bytes before or
// behind where the id begins.
type piece struct {
	text []byte
	at   int
}

const (
	// pieceLen is how much of an id makes a piece: so much appears by chance in one
	// file of a terabyte. Compilers move as much at once, or twice as much.
	pieceLen = 8
	// seedLen is such that a piece has a whole seed wherever it begins.
	seedLen = pieceLen / 2
	// headLen is how much of an id is enough behind the store's directory.
	headLen = 2
)

func newPieces(p store.Path) *pieces {
	id := []byte(p.ID())
	f := &pieces{id: id}
	for at := 0; at < len(id); at += seedLen {
		f.seeds = append(f.seeds, piece{id[at : at+seedLen], at})
	}
	f.head = piece{append([]byte(store.Dir+"/"), id[:headLen]...), -len(store.Dir + "/")}
	f.end = piece{[]byte(p[len(id)-1:]), len(id) - 1}
	return f
}

// search returns where a file has the first piece that is no part of a whole id, or
// -1. eachWindow goes through the file.
func (f *pieces) search(eachWindow func(func(offset int64, window []byte)) error) (int64, error) {
	first, end, whole := int64(-1), int64(-1), false
	err := eachWindow(func(offset int64, window []byte) {
		found := func(at int) {
			if at >= 0 && (first < 0 || offset+int64(at) < first) {
				first = offset + int64(at)
			}
		}
		for _, seed := range f.seeds {
			found(f.find(window, seed, f.isPiece))
		}
		found(f.find(window, f.head, f.isHead))
		if at := f.find(window, f.end, always); at >= 0 && end < 0 {
			end = offset + int64(at)
		}
		whole = whole || bytes.Contains(window, f.id)
	})
	if first < 0 && whole {
		first = end
	}
	return first, err
}

// find returns where a part stands that is in no whole id and satisfies is, or -1. What
// the window cuts off is in the one before or after it.
func (f *pieces) find(window []byte, part piece, is func(window []byte, begin, at int) (int, bool)) int {
	for from := 0; ; {
		i := bytes.Index(window[from:], part.text)
		if i < 0 {
			return -1
		}
		at := from + i
		begin := at - part.at
		from = at + 1
		if begin < 0 || begin+len(f.id) > len(window) || bytes.Equal(window[begin:begin+len(f.id)], f.id) {
			continue
		}
		if at, ok := is(window, begin, at); ok {
			return at
		}
	}
}

func always(_ []byte, _, at int) (int, bool) { return at, true }

// isPiece reports whether enough of the id, which would begin at begin, stands around
// the seed at at, and where that begins.
func (f *pieces) isPiece(window []byte, begin, at int) (int, bool) {
	first, last := at, at+seedLen
	for first > begin && window[first-1] == f.id[first-1-begin] {
		first--
	}
	for last < begin+len(f.id) && window[last] == f.id[last-begin] {
		last++
	}
	return first, last-first >= pieceLen
}

// isHead reports whether what begins like the path is not another one.
func (f *pieces) isHead(window []byte, begin, at int) (int, bool) {
	_, err := store.MakePath(string(window[begin:begin+len(f.id)]), "x")
	return at, err != nil
}
