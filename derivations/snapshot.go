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
const snapshotVersion = "sysc-graph-2\n"

// Snapshot returns the derivations behind refs, with their origins and the sources
// that they use, for [ReadSnapshot], and the positions of the derivations in it. It may
// be called while others read the graph.
//
// Numbers are varints, texts and lists stand behind their lengths, inputs are
// positions of derivations earlier in the snapshot. What is returned must not be changed.
func (g *Graph) Snapshot(refs []Ref) (data []byte, index map[Hash]int) {
	hashes := g.Behind(refs)
	whole := len(hashes) == len(g.order)
	if whole {
		g.written.Lock()
		defer g.written.Unlock()
		if g.written.index != nil && len(g.written.index) == len(hashes) {
			return g.written.data, g.written.index
		}
	}
	const typical = 400 // bytes of a derivation
	e := make(snapshotEncoder, 0, len(snapshotVersion)+typical*len(hashes))
	e = append(e, snapshotVersion...)
	index = make(map[Hash]int, len(hashes))
	used := make(map[store.Path]bool)
	e.uint(uint64(len(hashes)))
	for i, h := range hashes {
		n := g.nodes[h]
		index[h] = i
		e = append(e, h[:]...)
		e.text(n.origin.Label)
		e.text(n.origin.Position)
		e.pairs(n.origin.Places)
		e.derivation(n.derivation, index)
		for _, p := range n.derivation.Sources {
			if _, ok := g.source[p]; ok {
				used[p] = true
			}
		}
	}
	e.uint(uint64(len(used)))
	for _, p := range slices.Sorted(maps.Keys(used)) {
		e.text(string(p))
		e.source(g.source[p])
	}
	if whole {
		g.written.data, g.written.index = e, index
	}
	return e, index
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

func (e *snapshotEncoder) derivation(d *Derivation, index map[Hash]int) {
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
		e.uint(uint64(index[in.Derivation]))
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
	n = d.length()
	return max(n-1, 0), n == 0
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

func (d *snapshotDecoder) derivations() {
	n := d.length()
	type pair struct {
		node       node
		derivation Derivation
	}
	if n > len(d.rest)/len(Hash{}) {
		d.fail(errCut)
		return
	}
	pairs := make([]pair, n)
	g := d.graph
	g.nodes, g.order = make(map[Hash]*node, n), make([]Hash, 0, n)
	for i := range pairs {
		p := &pairs[i]
		var h Hash
		copy(h[:], d.take(len(h)))
		p.node = node{&p.derivation, Origin{Label: d.text(), Position: d.text(), Places: d.pairs()}, i}
		d.derivation(&p.derivation)
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
		g.nodes[h] = &p.node
		g.order = append(g.order, h)
	}
	if len(g.nodes) != n {
		d.fail(errors.New("a derivation occurs twice"))
	}
	g.unindexed = n
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
