package export

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"sysc/store"
	"sysc/store/sign"
)

// A framer takes frames and knows the digest of those that it took.
type framer interface {
	frame(k kind, payload []byte) error
	sum() store.Digest
}

// writeTable writes everything before the contents but the magic line.
func (p *plan) writeTable(w framer) error {
	header := binary.LittleEndian.AppendUint64(nil, uint64(p.total))
	header = binary.LittleEndian.AppendUint64(header, uint64(len(p.objects)))
	if err := w.frame(kindHeader, header); err != nil {
		return err
	}
	for _, need := range p.needs {
		if err := w.frame(kindNeed, []byte(need)); err != nil {
			return err
		}
	}
	for i := range p.objects {
		if err := w.frame(kindRecord, store.EncodeRecord(&p.objects[i].object)); err != nil {
			return err
		}
		if err := writeSignatures(w, p.objects[i].signatures); err != nil {
			return err
		}
	}
	for _, r := range p.realisations {
		if err := w.frame(kindRealisation, store.EncodeRealisation(r.realisation)); err != nil {
			return err
		}
		if err := writeSignatures(w, r.signatures); err != nil {
			return err
		}
	}
	sum := w.sum()
	return w.frame(kindContents, sum[:])
}

func writeSignatures(w framer, sigs []sign.Signature) error {
	for _, s := range sigs {
		if err := w.frame(kindSignature, []byte(s.String())); err != nil {
			return err
		}
	}
	return nil
}

func compareRealisations(a, b store.Realisation) int {
	return cmp.Or(slices.Compare(a.Derivation[:], b.Derivation[:]), cmp.Compare(a.Output, b.Output))
}

// A table is what the receiver knows of a stream before its contents come.
type table struct {
	plan
	known map[store.Path]bool // needs, and records so far
}

// readTable reads everything up to the contents, and refuses what writeTable
// could not have written.
func readTable(r *reader) (*table, error) {
	t := &table{known: map[store.Path]bool{}}
	records, err := t.header(r)
	if err != nil {
		return nil, err
	}
	last := kindHeader
	for {
		f, err := r.next()
		if err != nil {
			return nil, err
		}
		if r.at+f.length > maxTable {
			return nil, fmt.Errorf("its table has more than %d bytes", maxTable)
		}
		if f.kind == kindContents {
			if records != uint64(len(t.objects)) {
				return nil, fmt.Errorf("it has %d records, and says that it has %d", len(t.objects), records)
			}
			return t, r.checkSum(f)
		}
		limit := int64(maxText)
		if f.kind == kindRecord {
			limit = maxTable
		}
		data, err := r.payload(f, limit)
		if err != nil {
			return nil, err
		}
		if err := t.add(f.kind, last, data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.kind, err)
		}
		if f.kind != kindSignature {
			last = f.kind
		}
	}
}

func (t *table) header(r *reader) (records uint64, err error) {
	f, err := r.next()
	if err != nil {
		return 0, err
	}
	if f.kind != kindHeader || f.length != headerLen {
		return 0, errors.New("it has no header")
	}
	data, err := r.payload(f, headerLen)
	if err != nil {
		return 0, err
	}
	total := binary.LittleEndian.Uint64(data)
	if err := r.setTotal(total); err != nil {
		return 0, err
	}
	t.total = int64(total)
	return binary.LittleEndian.Uint64(data[8:]), nil
}

// order is that of the table's sections.
var order = map[kind]int{kindHeader: 0, kindNeed: 1, kindRecord: 2, kindRealisation: 3}

var errOrder = errors.New("it is not in its place")

// add takes one frame. last is the kind of the one before it that is no
// signature.
func (t *table) add(k, last kind, data []byte) error {
	if k == kindSignature {
		return t.signature(last, data)
	}
	place, ok := order[k]
	if !ok || k == kindHeader || place < order[last] {
		return errOrder
	}
	switch k {
	case kindNeed:
		return t.need(data)
	case kindRecord:
		return t.record(data)
	}
	return t.realisation(data)
}

func (t *table) need(data []byte) error {
	p, err := store.ParsePath(string(data))
	if err != nil {
		return err
	}
	if n := len(t.needs); n > 0 && t.needs[n-1] >= p {
		return errOrder
	}
	t.needs = append(t.needs, p)
	t.known[p] = true
	return nil
}

func (t *table) record(data []byte) error {
	o, err := store.DecodeRecord(data)
	if err != nil {
		return err
	}
	if t.known[o.Path] {
		return fmt.Errorf("%s is there twice", o.Path)
	}
	for _, ref := range o.References {
		if !t.known[ref] {
			return fmt.Errorf("%s refers to %s, which does not come before it", o.Path, ref)
		}
	}
	// Nobody vouches for it, and it is printed.
	if o.Deriver != "" && store.CheckName(o.Deriver) != nil {
		return fmt.Errorf("%s: its deriver is no name", o.Path)
	}
	t.known[o.Path] = true
	t.objects = append(t.objects, signedObject{object: o})
	return nil
}

func (t *table) realisation(data []byte) error {
	r, err := store.DecodeRealisation(data)
	if err != nil {
		return err
	}
	if n := len(t.realisations); n > 0 && compareRealisations(t.realisations[n-1].realisation, r) >= 0 {
		return errOrder
	}
	if !t.known[r.Path] {
		return fmt.Errorf("of %s, which the stream does not have", r.Path)
	}
	t.realisations = append(t.realisations, signedRealisation{realisation: r})
	return nil
}

func (t *table) signature(last kind, data []byte) error {
	s, err := sign.ParseSignature(string(data))
	if err != nil {
		return err
	}
	var list *[]sign.Signature
	switch last {
	case kindRecord:
		list = &t.objects[len(t.objects)-1].signatures
	case kindRealisation:
		list = &t.realisations[len(t.realisations)-1].signatures
	default:
		return errOrder
	}
	if n := len(*list); n > 0 && sign.Compare((*list)[n-1], s) >= 0 {
		return errOrder
	}
	if len(*list) == maxSignatures {
		return fmt.Errorf("more than %d signatures", maxSignatures)
	}
	*list = append(*list, s)
	return nil
}

// String names a frame for messages.
func (k kind) String() string {
	switch k {
	case kindHeader:
		return "header"
	case kindNeed:
		return "needed object"
	case kindRecord:
		return "record"
	case kindRealisation:
		return "realisation"
	case kindSignature:
		return "signature"
	case kindContents:
		return "end of the table"
	case kindBlob:
		return "blob"
	case kindTree:
		return "tree"
	case kindComplete:
		return "complete object"
	case kindEnd:
		return "end"
	}
	return fmt.Sprintf("frame of unknown type %q", byte(k))
}
