package modules

import (
	"errors"
	"strconv"
	"strings"

	"sysc/derivations"
	"sysc/internal/varint"
	"sysc/lang/eval"
	"sysc/store"
)

// keptParts are the parts of an evaluation before. What was done for a derivation is
// read when somebody asks for it: see [keptParts.record].
type keptParts struct {
	closed bool
	cost   eval.Cost
	files  []partsFile
	hashes []derivations.Hash // of the snapshot, in order
	texts  []string
	// Of cells, by the numbers of the texts that are their addresses: whether it is known
	// what they ask for, whether they are derivations with records, and which asks for
	// which.
	known, recorded []bool
	asks            []ask
	// owners tells of each derivation of the snapshot who adds it: the number of a
	// recorded derivation's part, if that alone does and has it as its own; otherwise
	// nobody or several.
	owners  []int
	bundles map[derivations.Hash][]derivations.Hash
	// explicit is set when an event has an origin that is not the derivation's.
	explicit bool
	// As they were written: the texts, and what stands behind the files.
	textsAsKept, restAsKept string
}

type ask struct{ asker, asked int }

// Owners that are no parts.
const (
	nobody  = -1
	several = -2
)

var errParts = errors.New("recall an evaluation: its parts are damaged")

// A partsDecoder reads what a partsEncoder wrote. After the first thing that is not
// there it has failed and returns nothing.
type partsDecoder struct {
	rest   string
	failed bool
	kept   *keptParts
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

func (d *partsDecoder) bytes() string {
	s, rest, ok := varint.CutText(d.rest)
	if !ok {
		d.fail()
		return ""
	}
	d.rest = rest
	return s
}

// number reads the number of a text, position that of a derivation.
func (d *partsDecoder) number() int { return d.below(len(d.kept.texts)) }

func (d *partsDecoder) position() int { return d.below(len(d.kept.hashes)) }

func (d *partsDecoder) below(most int) int {
	n := d.uint()
	if n >= most {
		d.fail()
		return 0
	}
	return n
}

func (d *partsDecoder) text() string {
	if i := d.number(); !d.failed {
		return d.kept.texts[i]
	}
	return ""
}

func (d *partsDecoder) hash() derivations.Hash {
	if i := d.position(); !d.failed {
		return d.kept.hashes[i]
	}
	return derivations.Hash{}
}

// decodeParts reads parts; hashes are the derivations of the snapshot, in order.
func decodeParts(data string, hashes []derivations.Hash) (*keptParts, error) {
	k := &keptParts{hashes: hashes, owners: make([]int, len(hashes)), bundles: map[derivations.Hash][]derivations.Hash{}}
	for i := range k.owners {
		k.owners[i] = nobody
	}
	d := &partsDecoder{rest: data, kept: k}
	k.closed = d.uint() == 1
	for _, n := range []*int{&k.cost.Spent, &k.cost.Made, &k.cost.Text, &k.cost.Members, &k.cost.Depth} {
		*n = d.uint()
	}
	k.textsAsKept = d.bytes()
	d.allTexts(k.textsAsKept)
	number := 0
	for range d.count() {
		var f partsFile
		if f.number = d.number(); d.failed {
			break
		}
		f.name = k.texts[f.number]
		f.parts = make([]textPart, d.count())
		line := 1
		for i := range f.parts {
			o := &f.parts[i]
			o.number, o.begin = number, line
			d.part(o)
			line += o.lines
			number++
		}
		k.files = append(k.files, f)
	}
	k.restAsKept = d.rest
	d.others()
	d.bundles()
	if d.failed || d.rest != "" {
		return nil, errParts
	}
	return k, nil
}

func (d *partsDecoder) allTexts(all string) {
	after := d.rest
	d.rest = all
	texts := make([]string, d.count())
	for i := range texts {
		texts[i] = d.bytes()
	}
	if d.rest != "" {
		d.fail()
	}
	if d.failed {
		return
	}
	d.rest = after
	d.kept.texts, d.kept.asks = texts, make([]ask, 0, 2*len(texts)) // most are asked for twice
	d.kept.known, d.kept.recorded = make([]bool, len(texts)), make([]bool, len(texts))
}

func (d *partsDecoder) part(o *textPart) {
	flags := d.uint()
	o.plain = flags&partPlain != 0
	for _, n := range []*int{&o.size, &o.lines, &o.at, &o.line, &o.column} {
		*n = d.uint()
	}
	if len(d.rest) < len(o.sum) {
		d.fail()
		return
	}
	copy(o.sum[:], d.rest)
	d.rest = d.rest[len(o.sum):]
	if flags&partDerivation == 0 {
		return
	}
	o.address = d.number()
	if d.failed {
		return
	}
	var ok bool
	if o.label, ok = strings.CutPrefix(d.kept.texts[o.address], derivationAddress("")); !ok || o.label == "" {
		d.fail()
		return
	}
	if flags&partRecorded == 0 {
		return
	}
	o.record = d.bytes()
	d.scan(o)
}

// scan notes which cells a record asks for, and what it adds.
func (d *partsDecoder) scan(o *textPart) {
	k, after := d.kept, d.rest
	k.known[o.address], k.recorded[o.address] = true, true
	d.rest = o.record
	d.position()
	for d.rest != "" {
		switch d.uint() {
		case eventCell:
			k.asks = append(k.asks, ask{o.address, d.number()})
		case eventOwn:
			d.adds(d.position(), o.number)
		case eventInside:
			d.adds(d.position(), o.number)
			d.number()
			d.uint()
			d.number()
		case eventStep:
			d.adds(d.position(), several)
			k.explicit = true
			d.number()
			d.number()
		case eventBundle:
			k.explicit = true
			d.position()
			d.number()
			d.number()
		case eventOwnBundle:
			d.position()
		case eventSource:
			d.number()
		default:
			d.fail()
		}
	}
	if !d.failed {
		d.rest = after
	}
}

// adds notes who adds a derivation.
func (d *partsDecoder) adds(at, owner int) {
	switch {
	case d.failed:
	case d.kept.owners[at] == nobody:
		d.kept.owners[at] = owner
	case d.kept.owners[at] != owner:
		d.kept.owners[at] = several
	}
}

func (d *partsDecoder) others() {
	for range d.count() {
		addr := d.number()
		asked := make([]int, d.count())
		for i := range asked {
			asked[i] = d.number()
		}
		for range d.count() {
			d.adds(d.position(), several)
		}
		if d.failed {
			return
		}
		d.kept.known[addr] = true
		for _, a := range asked {
			d.kept.asks = append(d.kept.asks, ask{addr, a})
		}
	}
}

func (d *partsDecoder) bundles() {
	for range d.count() {
		last := d.hash()
		all := make([]derivations.Hash, d.count())
		for i := range all {
			at := d.position()
			d.adds(at, several)
			if !d.failed {
				all[i] = d.kept.hashes[at]
			}
		}
		d.kept.bundles[last] = all
	}
}

// record reads what evaluating the derivation of a part did. It returns false when
// nothing is kept of it.
func (k *keptParts) record(o *textPart, file string) (r record, ok bool) {
	if o.record == "" {
		return r, false
	}
	d := &partsDecoder{rest: o.record, kept: k}
	r.hash = d.hash()
	own := o.own(file, o.begin)
	for d.rest != "" {
		r.events = append(r.events, d.event(own, file, o.begin))
	}
	return r, !d.failed
}

// event reads an event of a derivation, which has the origin own in a part that begins at
// a line of a file.
func (d *partsDecoder) event(own derivations.Origin, file string, line int) (e eval.Event) {
	switch d.uint() {
	case eventCell:
		e.Cell = d.text()
	case eventOwn:
		e.Made = addedStep{d.hash(), own}
	case eventInside:
		e.Made = addedStep{d.hash(), derivations.Origin{Label: d.text(), Position: file + ":" + strconv.Itoa(line+d.uint()) + "," + d.text()}}
	case eventStep:
		e.Made = addedStep{d.hash(), derivations.Origin{Label: d.text(), Position: d.text()}}
	case eventOwnBundle:
		e.Made = usedBundle{d.hash(), own}
	case eventBundle:
		e.Made = usedBundle{d.hash(), derivations.Origin{Label: d.text(), Position: d.text()}}
	case eventSource:
		e.Made = addedSource{store.Path(d.text())}
	default:
		d.fail()
	}
	return e
}

// affected tells of each text whether it is the address of a cell whose value may be
// another when those of some derivations are. Nobody knows that of cells that ask for
// others of which nothing is known.
func (k *keptParts) affected(labels []string) []bool {
	// askers[begins[i]:begins[i+1]] are those of i.
	begins, askers := make([]int, len(k.texts)+1), make([]int, len(k.asks))
	for _, a := range k.asks {
		begins[a.asked]++
	}
	for i, n := 0, 0; i <= len(k.texts); i++ {
		n += begins[i]
		begins[i] = n
	}
	var todo []int
	for _, a := range k.asks {
		begins[a.asked]--
		askers[begins[a.asked]] = a.asker
		if !k.known[a.asked] {
			todo = append(todo, a.asker)
		}
	}
	changed := make(map[string]bool, len(labels))
	for _, label := range labels {
		changed[derivationAddress(label)] = true
	}
	for i, text := range k.texts {
		if changed[text] {
			todo = append(todo, i)
		}
	}
	out := make([]bool, len(k.texts))
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !out[i] {
			out[i] = true
			todo = append(todo, askers[begins[i]:begins[i+1]]...)
		}
	}
	return out
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
