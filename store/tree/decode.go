package tree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"sysc/store"
)

var errShort = errors.New("it ends in the middle")

// Decode reads what [Tree.Encode] wrote and refuses everything else: another
// version, entries out of order, trailing bytes. It returns a whole tree or an
// error, and it allocates no more than a small multiple of len(data).
func Decode(data []byte) (*Tree, error) {
	d := decoder{rest: data}
	t, err := d.tree()
	if err != nil {
		return nil, fmt.Errorf("decode tree: %w", err)
	}
	return t, nil
}

type decoder struct {
	rest []byte
}

func (d *decoder) tree() (*Tree, error) {
	if len(d.rest) > MaxEncoding {
		return nil, fmt.Errorf("%d bytes, at most %d", len(d.rest), MaxEncoding)
	}
	head, err := d.take(len(header))
	if err != nil {
		return nil, err
	}
	const magic = len(header) - 1
	switch {
	case string(head[:magic]) != header[:magic]:
		return nil, fmt.Errorf("not a tree: it begins with %q", head)
	case head[magic] != header[magic]:
		return nil, fmt.Errorf("version %d, want %d", head[magic], header[magic])
	}
	count, err := d.uint32()
	if err != nil {
		return nil, err
	}
	// Before anything is allocated: the count is the writer's word only.
	if count > MaxEntries || int(count) > len(d.rest)/minEntry {
		return nil, fmt.Errorf("%d entries in %d bytes", count, len(d.rest))
	}
	t := &Tree{Entries: make([]Entry, count)}
	previous := ""
	for i := range t.Entries {
		e := &t.Entries[i]
		if err := d.entry(e); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if err := checkEntry(e, previous, i > 0); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		previous = e.Name
	}
	if len(d.rest) != 0 {
		return nil, fmt.Errorf("%d bytes after the last entry", len(d.rest))
	}
	return t, nil
}

func (d *decoder) entry(e *Entry) error {
	typ, err := d.take(1)
	if err != nil {
		return err
	}
	e.Type = Type(typ[0])
	if e.Name, err = d.text8(); err != nil {
		return err
	}
	fixed, err := d.take(2 + 4 + 4 + 2)
	if err != nil {
		return err
	}
	e.Mode = uint32(binary.LittleEndian.Uint16(fixed))
	e.UID = binary.LittleEndian.Uint32(fixed[2:])
	e.GID = binary.LittleEndian.Uint32(fixed[6:])
	if err := d.xattrs(e, int(binary.LittleEndian.Uint16(fixed[10:]))); err != nil {
		return err
	}
	if e.Type == Link {
		n, err := d.take(2)
		if err != nil {
			return err
		}
		target, err := d.take(int(binary.LittleEndian.Uint16(n)))
		e.Target = string(target)
		return err
	}
	last, err := d.take(8 + len(e.Digest))
	if err != nil {
		return err
	}
	size := binary.LittleEndian.Uint64(last)
	if size > MaxSize {
		return fmt.Errorf("size %d out of range", size)
	}
	e.Size = int64(size)
	e.Digest = store.Digest(last[8:])
	return nil
}

func (d *decoder) xattrs(e *Entry, count int) error {
	if count == 0 {
		return nil
	}
	if count > MaxXattrs {
		return fmt.Errorf("%d extended attributes, at most %d", count, MaxXattrs)
	}
	e.Xattrs = make([]Xattr, count)
	for i := range e.Xattrs {
		name, err := d.text8()
		if err != nil {
			return err
		}
		n, err := d.uint32()
		if err != nil {
			return err
		}
		if n > MaxXattrValue {
			return fmt.Errorf("extended attribute %q of %d bytes, at most %d", name, n, MaxXattrValue)
		}
		value, err := d.take(int(n))
		if err != nil {
			return err
		}
		e.Xattrs[i] = Xattr{Name: name, Value: string(value)}
	}
	return nil
}

func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.rest) {
		return nil, errShort
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out, nil
}

func (d *decoder) uint32() (uint32, error) {
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (d *decoder) text8() (string, error) {
	n, err := d.take(1)
	if err != nil {
		return "", err
	}
	text, err := d.take(int(n[0]))
	return string(text), err
}

// Lookup returns the entry called name.
func (t *Tree) Lookup(name string) (Entry, bool) {
	i := sort.Search(len(t.Entries), func(i int) bool { return t.Entries[i].Name >= name })
	if i < len(t.Entries) && t.Entries[i].Name == name {
		return t.Entries[i], true
	}
	return Entry{}, false
}

// Size returns the sum of the sizes of all files in the tree, in bytes.
func (t *Tree) Size() int64 {
	var sum int64
	for i := range t.Entries {
		// A lying listing could overflow it; a wrong sum would do less harm
		// than a negative one.
		if sum += t.Entries[i].Size; sum > MaxSize {
			return MaxSize
		}
	}
	return sum
}
