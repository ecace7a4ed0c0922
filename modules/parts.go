package modules

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/internal/varint"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
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
	// Of what was kept: the number of the part, the line where it began, the number of
	// the text that is the derivation's address, and its record, "" for none.
	number, begin, address int
	record                 string
}

// A partsFile is a file of the definition.
type partsFile struct {
	name  string
	parts []textPart
	// number is that of the text that is its name, of what was kept.
	number int
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
	// cells are the events of cells by address; bundles as in [work].
	cells   map[string][]eval.Event
	bundles map[derivations.Hash][]derivations.Hash
	// closed is set when nothing but cells has asked for cells, or added to the graph.
	closed bool
}

const derivationBlock = "derivation"

func derivationAddress(label string) string { return derivationBlock + "." + label }

// parts tells what the evaluation consisted of, nil when nothing can be said.
func (p *Project) parts() *parts {
	t := p.session.Trace()
	if t == nil || t.HasGaps() {
		return nil
	}
	out := &parts{cost: p.cost(), records: map[string]record{}, bundles: p.bundles, closed: !t.Ambiguous() && onlyCells(p.def)}
	for name := range p.def.Module.Files {
		out.files = append(out.files, partsFile{name: name, parts: p.fileParts(name)})
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

// onlyCells reports whether a definition has nothing that is evaluated and is no cell.
func onlyCells(d *lang.Definition) bool {
	return len(d.Asserts)+len(d.Uses)+len(d.Systems)+len(d.Homes)+len(d.Environments) == 0
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
		out = append(out, newTextPart(text, one))
	}
	return out
}

func newTextPart(text []byte, one syntax.Part) textPart {
	piece := text[one.From:one.To]
	o := textPart{size: len(piece), lines: bytes.Count(piece, []byte{'\n'}), sum: sumOf(piece), plain: len(one.Blocks) == 0}
	if len(one.Blocks) == 1 {
		if b := one.Blocks[0]; b.Type == derivationBlock && b.Body.Attr("for_each") == nil {
			o.label, o.plain = b.Labels[0], true
			o.at, o.line, o.column = b.Range.Start.Byte-one.From, b.Range.Start.Line-one.Line, b.Range.Start.Column
		}
	}
	return o
}

// own is the origin of what the derivation of a part adds, that begins at a line of a
// file.
func (o *textPart) own(file string, line int) derivations.Origin {
	return derivations.Origin{Label: derivationAddress(o.label), Position: o.header(file, 0, line).Range.String()}
}

// within tells where an origin is in a part that begins at a line of a file: in which of
// its lines, from 0 on, and column. ok is false when it is not there.
func (o *textPart) within(file string, line int, of derivations.Origin) (at int, column string, ok bool) {
	in, n, column, ok := splitPosition(of.Position)
	return n - line, column, ok && in == file && of.Places == nil && line <= n && n <= line+o.lines
}

// header is the block of a part that begins at a byte and line of a file, without its
// body.
func (o *textPart) header(file string, from, line int) *syntax.Block {
	start := diag.Pos{Byte: from + o.at, Line: line + o.line, Column: o.column}
	at := diag.Range{Filename: file, Start: start, End: start}
	return &syntax.Block{Type: derivationBlock, Labels: []string{o.label}, TypeRange: at, LabelRanges: []diag.Range{at}, Range: at,
		Body: &syntax.Body{Open: start, End: at}}
}

// Kinds of events, as they are written.
const (
	eventCell   = iota
	eventOwn    // a step whose origin is its block
	eventInside // a step whose origin is within its block
	eventStep
	eventSource
	eventOwnBundle
	eventBundle
)

// A partsEncoder writes parts. Texts are written once, hashes as positions in a
// snapshot.
type partsEncoder struct {
	out   []byte
	texts []string
	index map[string]int
	at    func(derivations.Hash) (int, bool)
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
func (p *parts) encode(at func(derivations.Hash) (int, bool)) []byte {
	e := &partsEncoder{index: map[string]int{}, at: at, recorded: map[string]bool{}}
	e.uint(len(p.files))
	for _, f := range p.files {
		e.text(f.name)
		e.uint(len(f.parts))
		line := 1
		for i := range f.parts {
			e.part(p, f.name, &f.parts[i], line)
			line += f.parts[i].lines
		}
	}
	e.others(p.cells)
	e.bundles(p.bundles)
	return append(appendHead(nil, p.closed, p.cost, e.allTexts()), e.out...)
}

// appendHead appends what parts begin with.
func appendHead(out []byte, closed bool, cost eval.Cost, texts string) []byte {
	flag := 0
	if closed {
		flag = 1
	}
	for _, n := range []int{flag, cost.Spent, cost.Made, cost.Text, cost.Members, cost.Depth} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	return varint.AppendText(out, texts)
}

// allTexts are the texts that have been used.
func (e *partsEncoder) allTexts() string {
	out := binary.AppendUvarint(nil, uint64(len(e.texts)))
	for _, s := range e.texts {
		out = varint.AppendText(out, s)
	}
	return string(out)
}

// others writes what the cells without a record ask for, and what they have added to
// the graph. What recorded ones do is in their records.
func (e *partsEncoder) others(cells map[string][]eval.Event) {
	var others []string
	for addr := range cells {
		if !e.recorded[addr] {
			others = append(others, addr)
		}
	}
	slices.Sort(others)
	e.uint(len(others))
	for _, addr := range others {
		e.text(addr)
		list := asked(cells[addr])
		e.uint(len(list))
		for _, a := range list {
			e.text(a)
		}
		var added []int
		for _, event := range cells[addr] {
			if step, ok := event.Made.(addedStep); ok {
				if at, known := e.at(step.hash); known {
					added = append(added, at)
				}
			}
		}
		e.uint(len(added))
		for _, at := range added {
			e.uint(at)
		}
	}
}

func (e *partsEncoder) bundles(all map[derivations.Hash][]derivations.Hash) {
	var known []derivations.Hash
	for last, hashes := range all {
		if e.knowsAll(append(slices.Clone(hashes), last)) {
			known = append(known, last)
		}
	}
	slices.SortFunc(known, func(a, b derivations.Hash) int { return cmp.Compare(e.position(a), e.position(b)) })
	e.uint(len(known))
	for _, last := range known {
		e.uint(e.position(last))
		e.uint(len(all[last]))
		for _, h := range all[last] {
			e.uint(e.position(h))
		}
	}
}

func (e *partsEncoder) position(h derivations.Hash) int {
	at, _ := e.at(h)
	return at
}

func (e *partsEncoder) knowsAll(hashes []derivations.Hash) bool {
	return !slices.ContainsFunc(hashes, func(h derivations.Hash) bool { _, ok := e.at(h); return !ok })
}

// Flags of parts, as they are written.
const (
	partPlain = 1 << iota
	partDerivation
	partRecorded
)

func (o *textPart) flags(recorded bool) int {
	flags := 0
	if o.plain {
		flags |= partPlain
	}
	if o.label != "" {
		flags |= partDerivation
	}
	if recorded {
		flags |= partRecorded
	}
	return flags
}

func (e *partsEncoder) part(p *parts, file string, o *textPart, line int) {
	r, recorded := p.records[o.label]
	recorded = recorded && e.knows(p, &r)
	e.uint(o.flags(recorded))
	e.place(o)
	if o.label == "" {
		return
	}
	address := derivationAddress(o.label)
	e.text(address)
	if !recorded {
		return
	}
	e.recorded[address] = true
	out := e.out
	e.out = nil
	e.uint(e.position(r.hash))
	for _, event := range r.events {
		e.event(event, o, file, line)
	}
	e.out = varint.AppendText(out, string(e.out))
}

// place writes where a part is, and which text it has.
func (e *partsEncoder) place(o *textPart) {
	for _, n := range []int{o.size, o.lines, o.at, o.line, o.column} {
		e.uint(n)
	}
	e.out = append(e.out, o.sum[:]...)
}

// knows reports whether all that a record is about is in the snapshot.
func (e *partsEncoder) knows(p *parts, r *record) bool {
	hashes := []derivations.Hash{r.hash}
	for _, event := range r.events {
		switch made := event.Made.(type) {
		case addedStep:
			hashes = append(hashes, made.hash)
		case usedBundle:
			hashes = append(append(hashes, made.last), p.bundles[made.last]...)
		}
	}
	return e.knowsAll(hashes)
}

// event writes what the derivation of a part did.
func (e *partsEncoder) event(event eval.Event, part *textPart, file string, line int) {
	own := part.own(file, line)
	origin := func(kind, ownKind int, h derivations.Hash, o derivations.Origin) {
		if o.Label == own.Label && o.Position == own.Position {
			e.uint(ownKind)
			e.uint(e.position(h))
			return
		}
		if at, column, ok := part.within(file, line, o); ok && kind == eventStep {
			e.uint(eventInside)
			e.uint(e.position(h))
			e.text(o.Label)
			e.uint(at)
			e.text(column)
			return
		}
		e.uint(kind)
		e.uint(e.position(h))
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
