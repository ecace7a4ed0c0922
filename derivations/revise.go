package derivations

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// A Revision is what takes the place of a derivation.
type Revision struct {
	Hash       Hash
	Derivation *Derivation
}

// Revise replaces derivations of a graph that was read from a snapshot, by their
// positions, and tells each origin where it is now. It returns false, and leaves the
// graph as it is, when moved does, and when the graph would not be one that evaluating
// could give: with a derivation twice, or with inputs that come later. Derivations that
// need one that is replaced have to be replaced as well.
//
// Nothing else is read or written anew: [Graph.SnapshotAll] is made of pieces of the
// snapshot that was read.
func (g *Graph) Revise(by map[int]Revision, moved func(Origin) (Origin, bool)) bool {
	if g.read == "" || g.unindexed != len(g.order) || len(g.outputs) > 0 || !g.fits(by) {
		return false
	}
	origins := make([]Origin, len(g.order))
	for i, h := range g.order {
		o, ok := moved(g.nodes[h].origin)
		if !ok {
			return false
		}
		origins[i] = o
	}
	for i := range by {
		delete(g.nodes, g.order[i])
	}
	for i, r := range by {
		g.order[i], g.nodes[r.Hash] = r.Hash, &node{derivation: r.Derivation, position: i}
	}
	g.written.data, g.written.count = g.revised(by, origins), len(g.order)
	for i, o := range origins {
		g.nodes[g.order[i]].origin = o
	}
	g.read = ""
	return true
}

// fits reports whether revisions can take their places.
func (g *Graph) fits(by map[int]Revision) bool {
	at := make(map[Hash]int, len(by))
	for i, r := range by {
		if _, twice := at[r.Hash]; twice || i < 0 || i >= len(g.order) {
			return false
		}
		if n, ok := g.nodes[r.Hash]; ok && n.position != i {
			return false
		}
		at[r.Hash] = i
	}
	for i, r := range by {
		for _, in := range r.Derivation.Inputs {
			before, ok := at[in.Derivation]
			if n, known := g.nodes[in.Derivation]; !ok && known {
				_, replaced := by[n.position]
				before, ok = n.position, !replaced
			}
			if !ok || before >= i {
				return false
			}
		}
	}
	return true
}

// revised is the snapshot after a revision: the rows of other derivations are those that
// were read.
func (g *Graph) revised(by map[int]Revision, origins []Origin) []byte {
	d := &snapshotDecoder{rest: strings.TrimPrefix(g.read, snapshotVersion)}
	old := d.layout()
	sources := d.rest
	e := make(snapshotEncoder, 0, len(g.read)+len(g.read)/8)
	e = append(e, snapshotVersion...)
	e.uint(uint64(old.count))
	for _, h := range g.order {
		e = append(e, h[:]...)
	}
	where := rowsEncoder{begins: make([]int, 0, old.count), bytes: make(snapshotEncoder, 0, len(old.origins.bytes)+len(old.origins.bytes)/8)}
	for _, o := range origins {
		where.begin()
		where.bytes.origin(o)
	}
	e = where.append(e)
	position := func(h Hash) int { return g.nodes[h].position }
	longer := 0
	rows := make(map[int]snapshotEncoder, len(by))
	for i := range old.count {
		if r, ok := by[i]; ok {
			var row snapshotEncoder
			row.derivation(r.Derivation, position)
			rows[i] = row
			longer += len(row) - len(old.derivations.at(i))
		}
		e = binary.LittleEndian.AppendUint64(e, uint64(old.derivations.end(i)+longer))
	}
	same := 0 // of the old rows, what has been written
	for _, i := range slices.Sorted(maps.Keys(rows)) {
		end := old.derivations.end(i)
		e = append(e, old.derivations.bytes[same:end-len(old.derivations.at(i))]...)
		e = append(e, rows[i]...)
		same = end
	}
	e = append(e, old.derivations.bytes[same:]...)
	return append(e, sources...)
}
