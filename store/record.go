package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// recordMagic begins an encoded object record; its number is that of the format.
const recordMagic = "sysc record 1\n"

// EncodeRecord writes what a store has to know of an object besides its contents,
// so that it can be told again from disk or by another store. [Object.Size] is
// not part of it, as the contents have it. docs/formats.md has the encoding byte
// by byte.
func EncodeRecord(o *Object) []byte {
	b := []byte(recordMagic)
	b = appendString(b, string(o.Path))
	b = binary.LittleEndian.AppendUint64(b, uint64(o.Kind))
	b = append(b, o.Tree[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(o.SelfReferences)))
	for _, s := range o.SelfReferences {
		b = appendString(b, s.File)
		link := uint64(0)
		if s.Link {
			link = 1
		}
		b = binary.LittleEndian.AppendUint64(b, link)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Offset))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(o.References)))
	for _, r := range o.References {
		b = appendString(b, string(r))
	}
	return appendString(b, o.Deriver)
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// DecodeRecord reads what [EncodeRecord] wrote, and refuses everything else. The
// object's id is not compared with anything: see [MakeID].
func DecodeRecord(data []byte) (Object, error) {
	d := recordDecoder{data: data}
	o := d.object()
	if d.err == nil && len(d.data) > 0 {
		d.fail("%d bytes too many", len(d.data))
	}
	if d.err != nil {
		return Object{}, fmt.Errorf("decode record: %w", d.err)
	}
	return o, nil
}

// A recordDecoder takes data from the front until something is wrong.
type recordDecoder struct {
	data []byte
	err  error
}

func (d *recordDecoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
	d.data = nil
}

func (d *recordDecoder) object() (o Object) {
	if string(d.bytes(uint64(len(recordMagic)))) != recordMagic {
		d.fail("no object record of a format that this version knows")
	}
	o.Path = d.path()
	o.Kind = Kind(d.below(uint64(KindRoot) + 1))
	if o.Kind == 0 {
		d.fail("no kind")
	}
	copy(o.Tree[:], d.bytes(uint64(len(o.Tree))))
	for n := d.uint(); n > 0 && d.err == nil; n-- {
		o.SelfReferences = append(o.SelfReferences, d.self())
	}
	for n := d.uint(); n > 0 && d.err == nil; n-- {
		o.References = append(o.References, d.path())
	}
	if !slices.IsSorted(o.References) || len(slices.Compact(slices.Clone(o.References))) != len(o.References) {
		d.fail("references are not sorted, or not each once")
	}
	if slices.Contains(o.References, o.Path) {
		d.fail("it refers to itself")
	}
	o.Deriver = d.string()
	return o
}

func (d *recordDecoder) self() SelfReference {
	s := SelfReference{File: d.string(), Link: d.below(2) == 1}
	const most = 1<<63 - 1
	s.Offset = int64(d.below(most))
	return s
}

func (d *recordDecoder) path() Path {
	p, err := ParsePath(d.string())
	if err != nil {
		d.fail("%w", err)
	}
	return p
}

func (d *recordDecoder) string() string { return string(d.bytes(d.uint())) }

func (d *recordDecoder) uint() uint64 {
	b := d.bytes(8)
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (d *recordDecoder) below(limit uint64) uint64 {
	n := d.uint()
	if n >= limit {
		d.fail("number %d where less than %d is expected", n, limit)
		return 0
	}
	return n
}

// bytes returns the next n bytes, or nil and an error.
func (d *recordDecoder) bytes(n uint64) []byte {
	if n > uint64(len(d.data)) {
		if d.err == nil {
			d.err = errors.New("cut off")
		}
		d.data = nil
		return nil
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

// EncodeRealisation writes a realisation as one line without an end: derivation,
// output and path, with a space between.
func EncodeRealisation(r Realisation) []byte {
	return []byte(r.Derivation.String() + " " + r.Output + " " + string(r.Path))
}

// DecodeRealisation reads what [EncodeRealisation] wrote, and refuses everything
// else.
func DecodeRealisation(data []byte) (r Realisation, err error) {
	fields := strings.Split(string(data), " ")
	if len(fields) != 3 {
		return r, errors.New("want derivation, output and path")
	}
	if r.Derivation, err = ParseDerivationHash(fields[0]); err != nil {
		return r, err
	}
	if err := CheckName(fields[1]); err != nil {
		return r, err
	}
	r.Output = fields[1]
	r.Path, err = ParsePath(fields[2])
	return r, err
}
