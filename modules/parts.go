package modules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"strconv"
	"strings"

	"sysc/derivations"
	"sysc/internal/varint"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
)

// What is kept beside an answer so that a definition of which only derivations have
// changed need not be evaluated as a whole: of which parts its files consist, and what
// evaluating each derivation did.

// A partSum tells parts of a file apart; 128 bits are enough for that.
type partSum [16]byte

func sumOf(text []byte) partSum {
	sum := sha256.Sum256(text)
	return partSum(sum[:])
}

// A textPart is a syntax.Part as it is kept.
type textPart struct {
	size, lines int
	sum         partSum
	// label is that of the one block, if this is a derivation without for_each that can
	// be remembered; otherwise it is "". plain is set for these, and for text without
	// blocks.
	label string
	plain bool
	// Where the block begins: bytes and lines from the beginning of the part, column.
	at, line, column int
}

// A partsFile is a file of the definition.
type partsFile struct {
	name  string
	parts []textPart
}

// A record is what evaluating a derivation did.
type record struct {
	events []eval.Event
	hash   derivations.Hash
}

// parts is what [Project.parts] found.
type parts struct {
	cost    eval.Cost
	files   []partsFile
	records map[string]record // by label
	// asks are the cells that cells asked for, by address, of an evaluation before, and
	// cells the events of one of now; bundles as in [work].
	asks    map[string][]string
	cells   map[string][]eval.Event
	bundles map[derivations.Hash][]derivations.Hash
}

const derivationBlock = "derivation"

func derivationAddress(label string) string { return derivationBlock + "." + label }

// parts tells what the evaluation consisted of, nil when nothing can be said.
func (p *Project) parts() *parts {
	t := p.session.Trace()
	if t == nil || t.HasGaps() {
		return nil
	}
	out := &parts{cost: p.cost(), records: map[string]record{}, bundles: p.bundles}
	for name := range p.def.Module.Files {
		out.files = append(out.files, partsFile{name, p.fileParts(name)})
	}
	slices.SortFunc(out.files, func(a, b partsFile) int { return strings.Compare(a.name, b.name) })
	for _, f := range out.files {
		for _, one := range f.parts {
			if one.label == "" {
				continue
			}
			events, ok := t.Cells[derivationAddress(one.label)]
			d, diags := p.module.Known(one.label)
			if ok && d != nil && len(diags) == 0 && replayable(events) {
				out.records[one.label] = record{events, d.Hash}
			}
		}
	}
	out.cells = t.Cells
	return out
}

// asked returns the addresses of the cells that were asked for, each once.
func asked(events []eval.Event) []string {
	var out []string
	for _, e := range events {
		if e.Cell != "" {
			out = append(out, e.Cell)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// replayable reports whether events can be written down.
func replayable(events []eval.Event) bool {
	return !slices.ContainsFunc(events, func(e eval.Event) bool {
		step, ok := e.Made.(addedStep)
		return ok && step.origin.Places != nil
	})
}

func (p *Project) fileParts(name string) []textPart {
	text := p.def.Module.Files[name]
	var out []textPart
	for _, one := range p.def.Module.Parts(name) {
		piece := text[one.From:one.To]
		o := textPart{size: len(piece), lines: bytes.Count(piece, []byte{'\n'}), sum: sumOf(piece), plain: len(one.Blocks) == 0}
		if len(one.Blocks) == 1 {
			if b := one.Blocks[0]; b.Type == derivationBlock && b.Body.Attr("for_each") == nil {
				o.label, o.plain = b.Labels[0], true
				o.at, o.line, o.column = b.Range.Start.Byte-one.From, b.Range.Start.Line-one.Line, b.Range.Start.Column
			}
		}
		out = append(out, o)
	}
	return out
}

// header is the block of a part that begins at a byte and line of a file, without its
// body.
func (o *textPart) header(file string, from, line int) *syntax.Block {
	start := diag.Pos{Byte: from + o.at, Line: line + o.line, Column: o.column}
	at := diag.Range{Filename: file, Start: start, End: start}
	return &syntax.Block{Type: derivationBlock, Labels: []string{o.label}, TypeRange: at, LabelRanges: []diag.Range{at}, Range: at,
		Body: &syntax.Body{Open: start, End: at}}
}

// affected returns the addresses of the cells whose values may be others when those of
// some derivations are. Nobody knows that of cells that ask for others of which nothing
// is known.
func (p *parts) affected(labels []string) map[string]bool {
	askers := map[string][]string{}
	var todo []string
	for addr, asked := range p.asks {
		for _, a := range asked {
			askers[a] = append(askers[a], addr)
			if _, known := p.asks[a]; !known {
				todo = append(todo, addr)
			}
		}
	}
	for _, label := range labels {
		todo = append(todo, derivationAddress(label))
	}
	out := map[string]bool{}
	for len(todo) > 0 {
		addr := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !out[addr] {
			out[addr] = true
			todo = append(todo, askers[addr]...)
		}
	}
	return out
}

// Kinds of events, as they are written.
const (
	eventCell = iota
	eventOwn  // a step whose origin is its block
	eventStep
	eventSource
	eventOwnBundle
	eventBundle
	eventEnd
)

// A partsEncoder writes parts. Texts are written once, hashes as positions in a
// snapshot.
type partsEncoder struct {
	out   []byte
	texts []string
	index map[string]int
	at    map[derivations.Hash]int
	// recorded are the addresses of derivations whose records are written.
	recorded map[string]bool
}

func (e *partsEncoder) uint(n int) { e.out = binary.AppendUvarint(e.out, uint64(n)) }

func (e *partsEncoder) text(s string) {
	i, ok := e.index[s]
	if !ok {
		i = len(e.texts)
		e.index[s] = i
		e.texts = append(e.texts, s)
	}
	e.uint(i)
}

// encode writes parts down for a snapshot in which derivations have the positions at.
// What is not in it cannot be replayed, and is left out.
func (p *parts) encode(at map[derivations.Hash]int) []byte {
	e := &partsEncoder{index: map[string]int{}, at: at, recorded: map[string]bool{}}
	for _, n := range []int{p.cost.Spent, p.cost.Made, p.cost.Text, p.cost.Members, p.cost.Depth, len(p.files)} {
		e.uint(n)
	}
	for _, f := range p.files {
		e.text(f.name)
		e.uint(len(f.parts))
		line := 1
		for i := range f.parts {
			e.part(p, f.name, &f.parts[i], line)
			line += f.parts[i].lines
		}
	}
	var others []string // what recorded cells ask for is among their events
	for addr := range p.cells {
		if !e.recorded[addr] {
			others = append(others, addr)
		}
	}
	slices.Sort(others)
	e.uint(len(others))
	for _, addr := range others {
		list := asked(p.cells[addr])
		e.text(addr)
		e.uint(len(list))
		for _, a := range list {
			e.text(a)
		}
	}
	e.bundles(p.bundles)
	var texts []byte
	texts = binary.AppendUvarint(texts, uint64(len(e.texts)))
	for _, s := range e.texts {
		texts = varint.AppendText(texts, s)
	}
	return append(texts, e.out...)
}

func (e *partsEncoder) bundles(all map[derivations.Hash][]derivations.Hash) {
	var known []derivations.Hash
	for last, hashes := range all {
		if !slices.ContainsFunc(append(slices.Clone(hashes), last), func(h derivations.Hash) bool { _, ok := e.at[h]; return !ok }) {
			known = append(known, last)
		}
	}
	sort.Slice(known, func(i, k int) bool { return e.at[known[i]] < e.at[known[k]] })
	e.uint(len(known))
	for _, last := range known {
		e.uint(e.at[last])
		e.uint(len(all[last]))
		for _, h := range all[last] {
			e.uint(e.at[h])
		}
	}
}

func (e *partsEncoder) part(p *parts, file string, o *textPart, line int) {
	flags := 0
	if o.plain {
		flags = 1
	}
	r, recorded := p.records[o.label]
	recorded = recorded && e.knows(p, &r)
	if recorded {
		flags |= 2
	}
	e.uint(flags)
	e.uint(o.size)
	e.uint(o.lines)
	e.out = append(e.out, o.sum[:]...)
	e.text(o.label)
	if o.label == "" {
		return
	}
	e.uint(o.at)
	e.uint(o.line)
	e.uint(o.column)
	if !recorded {
		return
	}
	e.recorded[derivationAddress(o.label)] = true
	e.uint(e.at[r.hash])
	own := derivations.Origin{Label: derivationAddress(o.label), Position: o.header(file, 0, line).Range.String()}
	for _, event := range r.events {
		e.event(event, own)
	}
	e.uint(eventEnd)
}

// knows reports whether all that a record is about is in the snapshot.
func (e *partsEncoder) knows(p *parts, r *record) bool {
	_, ok := e.at[r.hash]
	for _, event := range r.events {
		switch made := event.Made.(type) {
		case addedStep:
			_, known := e.at[made.hash]
			ok = ok && known
		case usedBundle:
			for _, h := range p.bundles[made.last] {
				_, known := e.at[h]
				ok = ok && known
			}
			_, known := e.at[made.last]
			ok = ok && known
		}
	}
	return ok
}

func (e *partsEncoder) event(event eval.Event, own derivations.Origin) {
	origin := func(kind, ownKind int, h derivations.Hash, o derivations.Origin) {
		if o.Label == own.Label && o.Position == own.Position {
			e.uint(ownKind)
			e.uint(e.at[h])
			return
		}
		e.uint(kind)
		e.uint(e.at[h])
		e.text(o.Label)
		e.text(o.Position)
	}
	switch made := event.Made.(type) {
	case addedStep:
		origin(eventStep, eventOwn, made.hash, made.origin)
	case usedBundle:
		origin(eventBundle, eventOwnBundle, made.last, made.origin)
	case addedSource:
		e.uint(eventSource)
		e.text(string(made.path))
	default:
		e.uint(eventCell)
		e.text(event.Cell)
	}
}

var errParts = errors.New("recall an evaluation: its parts are damaged")

// A partsDecoder reads what a partsEncoder wrote. After the first thing that is not
// there it has failed and returns nothing.
type partsDecoder struct {
	rest   string
	failed bool
	texts  []string
	hashes []derivations.Hash
}

func (d *partsDecoder) fail() { d.rest, d.failed = "", true }

func (d *partsDecoder) uint() int {
	n, rest, ok := varint.Cut(d.rest)
	const most = 1 << 40
	if !ok || n > most {
		d.fail()
		return 0
	}
	d.rest = rest
	return int(n)
}

// count reads the number of things that follow, each of which has a byte at least.
func (d *partsDecoder) count() int {
	n := d.uint()
	if n > len(d.rest) {
		d.fail()
		return 0
	}
	return n
}

func (d *partsDecoder) text() string {
	if i := d.uint(); i < len(d.texts) {
		return d.texts[i]
	}
	d.fail()
	return ""
}

func (d *partsDecoder) hash() derivations.Hash {
	if i := d.uint(); i < len(d.hashes) {
		return d.hashes[i]
	}
	d.fail()
	return derivations.Hash{}
}

// decodeParts reads parts; hashes are the derivations of the snapshot, in order.
func decodeParts(data string, hashes []derivations.Hash) (*parts, error) {
	d := &partsDecoder{rest: data, hashes: hashes}
	d.texts = make([]string, d.count())
	for i := range d.texts {
		s, rest, ok := varint.CutText(d.rest)
		if !ok {
			return nil, errParts
		}
		d.texts[i], d.rest = s, rest
	}
	p := &parts{records: map[string]record{}, asks: map[string][]string{}, bundles: map[derivations.Hash][]derivations.Hash{}}
	for _, n := range []*int{&p.cost.Spent, &p.cost.Made, &p.cost.Text, &p.cost.Members, &p.cost.Depth} {
		*n = d.uint()
	}
	for range d.count() {
		f := partsFile{name: d.text()}
		n, line := d.count(), 1
		f.parts = make([]textPart, n)
		for i := range f.parts {
			d.part(p, f.name, &f.parts[i], line)
			line += f.parts[i].lines
		}
		p.files = append(p.files, f)
	}
	for range d.count() {
		addr := d.text()
		asked := make([]string, d.count())
		for i := range asked {
			asked[i] = d.text()
		}
		p.asks[addr] = asked
	}
	for range d.count() {
		last := d.hash()
		all := make([]derivations.Hash, d.count())
		for i := range all {
			all[i] = d.hash()
		}
		p.bundles[last] = all
	}
	if d.failed || d.rest != "" {
		return nil, errParts
	}
	return p, nil
}

func (d *partsDecoder) part(p *parts, file string, o *textPart, line int) {
	flags := d.uint()
	o.plain = flags&1 != 0
	o.size, o.lines = d.uint(), d.uint()
	if len(d.rest) < len(o.sum) {
		d.fail()
		return
	}
	copy(o.sum[:], d.rest)
	d.rest = d.rest[len(o.sum):]
	if o.label = d.text(); o.label == "" {
		return
	}
	o.at, o.line, o.column = d.uint(), d.uint(), d.uint()
	if flags&2 == 0 {
		return
	}
	r := record{hash: d.hash()}
	own := derivations.Origin{Label: derivationAddress(o.label), Position: o.header(file, 0, line).Range.String()}
	for !d.failed {
		e, ok := d.event(own)
		if !ok {
			break
		}
		r.events = append(r.events, e)
	}
	p.records[o.label] = r
	var asked []string
	for _, e := range r.events {
		if e.Cell != "" {
			asked = append(asked, e.Cell)
		}
	}
	p.asks[own.Label] = asked
}

func (d *partsDecoder) event(own derivations.Origin) (e eval.Event, ok bool) {
	switch d.uint() {
	case eventCell:
		e.Cell = d.text()
	case eventOwn:
		e.Made = addedStep{d.hash(), own}
	case eventStep:
		e.Made = addedStep{d.hash(), derivations.Origin{Label: d.text(), Position: d.text()}}
	case eventOwnBundle:
		e.Made = usedBundle{d.hash(), own}
	case eventBundle:
		e.Made = usedBundle{d.hash(), derivations.Origin{Label: d.text(), Position: d.text()}}
	case eventSource:
		e.Made = addedSource{store.Path(d.text())}
	case eventEnd:
		return e, false
	default:
		d.fail()
	}
	return e, !d.failed
}

// splitPosition is the reverse of diag.Range.String.
func splitPosition(position string) (file string, line int, column string, ok bool) {
	i := strings.LastIndexByte(position, ':')
	if i < 0 {
		return "", 0, "", false
	}
	text, column, ok := strings.Cut(position[i+1:], ",")
	line, err := strconv.Atoi(text)
	return position[:i], line, column, ok && err == nil
}
