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
			f, err := e.open(0)
			if err != nil {
				return err
			}
			defer f.Close()
			told := false
			return eachWindow(f, func(offset int64, window []byte) error {
				if at := p.find(window); at >= 0 && !told {
					told = true // one of a file is enough
					found(e.path, offset+int64(at))
				}
				return nil
			})
		},
		link: func(outputEntry, string) error { return nil },
		name: func(outputEntry) error { return nil },
	}
	return w.run(ctx, x.outputDir(), string(x.scratch[name]))
}

// pieces knows what part of a path looks like.
type pieces struct {
	id    []byte
	parts []piece
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

// edgeLen is how much of an id's end is enough together with the name behind it,
// or of its beginning with the directory before it.
const edgeLen = 2

func newPieces(p store.Path) *pieces {
	id := []byte(p.ID())
	f := &pieces{id: id}
	for at := 0; at < len(id); at += pieceLen {
		f.parts = append(f.parts, piece{id[at : at+pieceLen], at})
	}
	head := append([]byte(store.Dir+"/"), id[:edgeLen]...)
	f.parts = append(f.parts, piece{head, edgeLen - len(head)})
	const longName = 4 // a shorter one is no evidence
	if tail := p[len(id)-edgeLen:]; len(p)-len(id) > longName {
		f.parts = append(f.parts, piece{[]byte(tail), len(id) - edgeLen})
	}
	return f
}

// find returns where the first piece begins that is not part of a whole id, or -1.
// What the window cuts off is in the one before or after it.
func (f *pieces) find(window []byte) int {
	first := -1
	for _, part := range f.parts {
		for from := 0; ; {
			i := bytes.Index(window[from:], part.text)
			if i < 0 {
				break
			}
			at := from + i
			begin := at - part.at
			from = at + 1
			cut := begin < 0 || begin+len(f.id) > len(window)
			if !cut && !bytes.Equal(window[begin:begin+len(f.id)], f.id) && (first < 0 || at < first) {
				first = at
			}
		}
	}
	return first
}
