package derivations

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sysc/internal/varint"
	"sysc/store"
)

// snapshotVersion begins a snapshot. Another encoding, and another meaning of what is
// encoded, has another version.
const snapshotVersion = "sysc-graph-3\n"

// A snapshot is the version, the number of derivations, their hashes, the rows of their
// origins, the rows of what they are, and their sources. Numbers are varints, texts and
// lists stand behind their lengths, inputs are positions of derivations earlier in the
// snapshot.

// Snapshot returns the derivations behind refs, with their origins and the sources
// that they use, for [ReadSnapshot]. It may be called while others read the graph. What
// is returned must not be changed.
func (g *Graph) Snapshot(refs []Ref) []byte {
	hashes := g.Behind(refs)
	if len(hashes) == len(g.order) {
		return g.SnapshotAll()
	}
	index := make(map[Hash]int, len(hashes))
	for i, h := range hashes {
		index[h] = i
	}
	return g.snapshot(hashes, func(h Hash) int { return index[h] })
}

// SnapshotAll is [Graph.Snapshot] of all derivations: each has its [Graph.Position] there.
func (g *Graph) SnapshotAll() []byte {
	g.written.Lock()
	defer g.written.Unlock()
	if g.written.data == nil || g.written.count != len(g.order) {
		g.written.data = g.snapshot(g.order, func(h Hash) int { return g.nodes[h].position })
		g.written.count = len(g.order)
	}
	return g.written.data
}

func (g *Graph) snapshot(hashes []Hash, position func(Hash) int) []byte {
	used := make(map[store.Path]bool)
	var origins, derivations rowsEncoder
	for _, h := range hashes {
		n := g.nodes[h]
		origins.begin()
		origins.bytes.origin(n.origin)
		derivations.begin()
		derivations.bytes.derivation(n.derivation, position)
		for _, p := range n.derivation.Sources {
			if _, ok := g.source[p]; ok {
				used[p] = true
			}
		}
	}
	e := make(snapshotEncoder, 0, len(snapshotVersion)+binary.MaxVarintLen64+len(hashes)*len(Hash{})+origins.size()+derivations.size())
	e = append(e, snapshotVersion...)
	e.uint(uint64(len(hashes)))
	for _, h := range hashes {
		e = append(e, h[:]...)
	}
	e = origins.append(e)
	e = derivations.append(e)
	e.uint(uint64(len(used)))
	for _, p := range slices.Sorted(maps.Keys(used)) {
		e.text(string(p))
		e.source(g.source[p])
	}
	return e
}

// A rowsEncoder writes something for each derivation: where each ends, in 8 bytes, and
// then all of them. So one can be replaced without reading the others.
type rowsEncoder struct {
	begins []int
	bytes  snapshotEncoder
}

const rowEnd = 8 // bytes

func (r *rowsEncoder) begin() { r.begins = append(r.begins, len(r.bytes)) }

func (r *rowsEncoder) size() int { return len(r.begins)*rowEnd + len(r.bytes) }

func (r *rowsEncoder) append(e snapshotEncoder) snapshotEncoder {
	for i := range r.begins {
		end := len(r.bytes)
		if i+1 < len(r.begins) {
			end = r.begins[i+1]
		}
		e = binary.LittleEndian.AppendUint64(e, uint64(end))
	}
	return append(e, r.bytes...)
}

// rows are what a rowsEncoder wrote.
type rows struct{ ends, bytes string }

func (r rows) end(i int) int {
	return int(binary.LittleEndian.Uint64([]byte(r.ends[i*rowEnd:])))
}

// at is a row. Of rows that are not in order it is empty.
func (r rows) at(i int) string {
	begin, end := 0, r.end(i)
	if i > 0 {
		begin = r.end(i - 1)
	}
	if begin < 0 || begin > end || end > len(r.bytes) {
		return ""
	}
	return r.bytes[begin:end]
}

// A snapshotEncoder appends to a snapshot.
type snapshotEncoder []byte

func (e *snapshotEncoder) uint(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *snapshotEncoder) text(s string) { *e = varint.AppendText(*e, s) }

// count appends the length of a list, which may be nil: that is another list than an
// empty one.
func (e *snapshotEncoder) count(n int, isNil bool) {
	if !isNil {
		n++
	}
	e.uint(uint64(n))
}

func (e *snapshotEncoder) texts(list []string) {
	e.count(len(list), list == nil)
	for _, s := range list {
		e.text(s)
	}
}

func (e *snapshotEncoder) pairs(m map[string]string) {
	e.count(len(m), m == nil)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		e.text(key)
		e.text(m[key])
	}
}

// bools appends some booleans.
func (e *snapshotEncoder) bools(values ...bool) {
	var bits uint64
	for i, v := range values {
		if v {
			bits |= 1 << i
		}
	}
	e.uint(bits)
}

func (e *snapshotEncoder) origin(o Origin) {
	e.text(o.Label)
	e.text(o.Position)
	e.pairs(o.Places)
}

func (e *snapshotEncoder) derivation(d *Derivation, position func(Hash) int) {
	l, run := &d.Limits, &d.RunLimits
	e.bools(d.WritableRoot, d.Fixed != nil, l.References != nil, l.Requisites != nil)
	e.text(d.Name)
	e.text(d.Platform)
	e.text(d.Builder)
	e.text(d.Root)
	e.texts(d.Args)
	e.pairs(d.Env)
	e.text(string(d.Attrs))
	e.count(len(d.Inputs), d.Inputs == nil)
	for _, in := range d.Inputs {
		e.uint(uint64(position(in.Derivation)))
		e.text(in.Output)
	}
	e.count(len(d.Sources), d.Sources == nil)
	for _, p := range d.Sources {
		e.text(string(p))
	}
	e.texts(d.Outputs)
	for _, list := range []*[]string{l.References, l.Requisites} {
		if list != nil {
			e.texts(*list)
		}
	}
	e.texts(l.DisallowedReferences)
	e.texts(l.DisallowedRequisites)
	for _, n := range []int64{l.MaxSize, l.MaxClosureSize, int64(run.Timeout), int64(run.Silence), run.Log, run.Memory} {
		e.uint(uint64(n))
	}
	if f := d.Fixed; f != nil {
		e.bools(f.Executable)
		e.uint(uint64(f.Kind))
		e.uint(uint64(f.Size))
		*e = append(*e, f.Digest[:]...)
	}
}

func (e *snapshotEncoder) source(s Source) {
	e.bools(s.Executable)
	e.text(s.Name)
	e.text(s.File)
	e.text(s.Dir)
	e.text(string(s.Content))
	e.bools(s.Files != nil)
	e.uint(uint64(len(s.Files)))
	for _, name := range s.Files {
		e.text(name)
	}
}

// ReadSnapshot returns the graph that a snapshot holds. The texts of derivations are
// parts of data. Whoever keeps snapshots has to know that they are as they were
// written: what is checked here is that each derivation is one, not that it has the
// hash by which it goes.
func ReadSnapshot(data string) (*Graph, error) {
	rest, ok := strings.CutPrefix(data, snapshotVersion)
	if !ok {
		return nil, errors.New("read snapshot: not one of this version")
	}
	d := &snapshotDecoder{rest: rest, graph: NewGraph()}
	d.derivations()
	d.sources()
	d.graph.read = data
	if !d.failed && d.rest != "" {
		d.fail(errors.New("something follows"))
	}
	if d.failed {
		return nil, fmt.Errorf("read snapshot: %w", d.err)
	}
	return d.graph, nil
}

// A snapshotDecoder takes values off the front of a text. After the first that is not
// there it has failed, and everything is empty.
type snapshotDecoder struct {
	rest   string
	failed bool
	err    error
	graph  *Graph
	// Lists are pieces of these.
	texts []string
	refs  []Ref
}

func (d *snapshotDecoder) fail(err error) {
	if !d.failed {
		d.rest, d.failed, d.err = "", true, err
	}
}

var errCut = errors.New("cut short")

func (d *snapshotDecoder) uint() uint64 {
	n, rest, ok := varint.Cut(d.rest)
	if !ok {
		d.fail(errCut)
		return 0
	}
	d.rest = rest
	return n
}

// length reads the length of a text, or of a list whose elements have a byte at
// least.
func (d *snapshotDecoder) length() int {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail(errCut)
		return 0
	}
	return int(n)
}

// count reads what [snapshotEncoder.count] wrote.
func (d *snapshotDecoder) count() (n int, isNil bool) {
	size := d.uint()
	if size > uint64(len(d.rest))+1 {
		d.fail(errCut)
		return 0, true
	}
	return max(int(size)-1, 0), size == 0
}

func (d *snapshotDecoder) take(n int) string {
	if n > len(d.rest) {
		d.fail(errCut)
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *snapshotDecoder) text() string { return d.take(d.length()) }

// list reads texts.
func (d *snapshotDecoder) list() []string {
	n, isNil := d.count()
	if isNil {
		return nil
	}
	const chunk = 4096
	if n > len(d.texts) || d.texts == nil {
		d.texts = make([]string, max(n, chunk))
	}
	list := d.texts[:n:n]
	d.texts = d.texts[n:]
	for i := range list {
		list[i] = d.text()
	}
	return list
}

func (d *snapshotDecoder) pairs() map[string]string {
	n, isNil := d.count()
	if isNil {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		key := d.text()
		m[key] = d.text()
	}
	return m
}

// layout is where the pieces of a snapshot are.
type layout struct {
	count                int
	hashes               string
	origins, derivations rows
}

// layout reads all but the sources.
func (d *snapshotDecoder) layout() (l layout) {
	if l.count = d.length(); l.count > len(d.rest)/len(Hash{}) {
		d.fail(errCut)
		return layout{}
	}
	l.hashes = d.take(l.count * len(Hash{}))
	l.origins, l.derivations = d.rows(l.count), d.rows(l.count)
	return l
}

func (d *snapshotDecoder) rows(n int) (r rows) {
	if n > len(d.rest)/rowEnd {
		d.fail(errCut)
		return rows{}
	}
	if r.ends = d.take(n * rowEnd); n > 0 && !d.failed {
		r.bytes = d.take(max(r.end(n-1), 0))
	}
	return r
}

func (d *snapshotDecoder) derivations() {
	type pair struct {
		node       node
		derivation Derivation
	}
	l := d.layout()
	if d.failed {
		return
	}
	pairs := make([]pair, l.count)
	g := d.graph
	g.nodes, g.order = make(map[Hash]*node, l.count), make([]Hash, 0, l.count)
	after := d.rest
	for i := range pairs {
		p := &pairs[i]
		d.rest = l.origins.at(i)
		p.node = node{&p.derivation, Origin{Label: d.text(), Position: d.text(), Places: d.pairs()}, i}
		d.rowEnds()
		d.rest = l.derivations.at(i)
		d.derivation(&p.derivation)
		d.rowEnds()
		if d.failed {
			return
		}
		err := p.derivation.check()
		if err == nil && !slices.IsSorted(p.derivation.Outputs) {
			err = errors.New("outputs out of order")
		}
		if err != nil {
			d.fail(err)
			return
		}
		h := Hash([]byte(l.hashes[i*len(Hash{}):][:len(Hash{})]))
		g.nodes[h] = &p.node
		g.order = append(g.order, h)
	}
	d.rest = after
	if len(g.nodes) != l.count {
		d.fail(errors.New("a derivation occurs twice"))
	}
	g.unindexed = l.count
}

// rowEnds fails when a row has more than what was read.
func (d *snapshotDecoder) rowEnds() {
	if d.rest != "" {
		d.fail(errors.New("something follows in a row"))
	}
}

func (d *snapshotDecoder) derivation(to *Derivation) {
	flags := d.uint()
	has := func(i int) bool { return flags>>i&1 == 1 }
	to.WritableRoot = has(0)
	to.Name, to.Platform, to.Builder, to.Root = d.text(), d.text(), d.text(), d.text()
	to.Args = d.list()
	to.Env = d.pairs()
	if attrs := d.text(); attrs != "" {
		to.Attrs = Attrs(attrs)
	}
	to.Inputs = d.inputs()
	if paths := d.list(); paths != nil {
		to.Sources = make([]store.Path, len(paths))
		for i, p := range paths {
			to.Sources[i] = store.Path(p)
		}
	}
	to.Outputs = d.list()
	l, run := &to.Limits, &to.RunLimits
	for i, list := range []**[]string{&l.References, &l.Requisites} {
		if has(2 + i) {
			texts := d.list()
			*list = &texts
		}
	}
	l.DisallowedReferences, l.DisallowedRequisites = d.list(), d.list()
	l.MaxSize, l.MaxClosureSize = int64(d.uint()), int64(d.uint())
	run.Timeout, run.Silence = time.Duration(d.uint()), time.Duration(d.uint())
	run.Log, run.Memory = int64(d.uint()), int64(d.uint())
	if has(1) {
		to.Fixed = d.fixed()
	}
}

// inputs reads outputs of derivations that have been read.
func (d *snapshotDecoder) inputs() []Ref {
	n, isNil := d.count()
	if isNil {
		return nil
	}
	const chunk = 4096
	if n > len(d.refs) || d.refs == nil {
		d.refs = make([]Ref, max(n, chunk))
	}
	refs := d.refs[:n:n]
	d.refs = d.refs[n:]
	for i := range refs {
		at := d.uint()
		if at >= uint64(len(d.graph.order)) {
			d.fail(errors.New("an input that is not there"))
			return nil
		}
		refs[i] = Ref{d.graph.order[at], d.text()}
		of := d.graph.nodes[refs[i].Derivation].derivation
		if _, ok := slices.BinarySearch(of.OutputNames(), refs[i].Output); !ok {
			d.fail(errors.New("an output that is not there"))
			return nil
		}
	}
	return refs
}

func (d *snapshotDecoder) fixed() *Fixed {
	f := &Fixed{Executable: d.uint() == 1, Kind: store.Kind(d.uint()), Size: int64(d.uint())}
	copy(f.Digest[:], d.take(len(f.Digest)))
	return f
}

func (d *snapshotDecoder) sources() {
	for range d.length() {
		p, err := store.ParsePath(d.text())
		if err != nil {
			d.fail(err)
			return
		}
		s := Source{Executable: d.uint() == 1, Name: d.text(), File: d.text(), Dir: d.text()}
		content := d.text()
		if s.File == "" && s.Dir == "" {
			s.Content = []byte(content)
		}
		if filtered := d.uint() == 1; filtered {
			s.Files = []string{}
		}
		for range d.length() {
			s.Files = append(s.Files, d.text())
		}
		d.graph.source[p] = s
		d.graph.sources[p.ID()] = p
	}
}
