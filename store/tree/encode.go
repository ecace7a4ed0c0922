package tree

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"sysc/store"
)

// header begins every encoding. Its last byte is the version: another
// encoding means another byte, and other digests for everything.
const header = "sysctree\x01"

// minEntry is the length of the shortest entry: an empty target or a digest
// comes on top.
const minEntry = 1 + 1 + 1 + 2 + 4 + 4 + 2

// Encode returns the canonical encoding, as docs/formats.md has it. A tree that
// [Decode] would refuse is an error that names the entry.
func (t *Tree) Encode() ([]byte, error) { return t.encode(false) }

func (t *Tree) encode(blanks bool) ([]byte, error) {
	if len(t.Entries) > MaxEntries {
		return nil, fmt.Errorf("encode tree: %d entries, at most %d", len(t.Entries), MaxEntries)
	}
	size := len(header) + 4
	for i := range t.Entries {
		size += encodedLen(&t.Entries[i])
	}
	if size > MaxEncoding {
		return nil, fmt.Errorf("encode tree: %d bytes, at most %d", size, MaxEncoding)
	}
	out := make([]byte, 0, size)
	out = append(out, header...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(t.Entries)))
	previous := ""
	for i := range t.Entries {
		e := &t.Entries[i]
		checked := e
		if blanks && e.Type == Link {
			checked = new(Entry)
			*checked = *e
			checked.Target = strings.ReplaceAll(e.Target, "\x00", " ")
		}
		if err := checkEntry(checked, previous, i > 0); err != nil {
			return nil, fmt.Errorf("encode tree: %w", err)
		}
		previous = e.Name
		out = appendEntry(out, e)
	}
	return out, nil
}

// Digest returns the SHA-256 of the encoding.
func (t *Tree) Digest() (store.Digest, error) {
	data, err := t.Encode()
	if err != nil {
		return store.Digest{}, err
	}
	return store.DigestOf(data), nil
}

// BlankedDigest is [Tree.Digest] for a tree in which an object's own id has been
// blanked: targets of links may hold NULs. There is no such tree in a store.
func (t *Tree) BlankedDigest() (store.Digest, error) {
	data, err := t.encode(true)
	if err != nil {
		return store.Digest{}, err
	}
	return store.DigestOf(data), nil
}

func encodedLen(e *Entry) int {
	n := minEntry - 1 + len(e.Name)
	for _, x := range e.Xattrs {
		n += 1 + len(x.Name) + 4 + len(x.Value)
	}
	if e.Type == Link {
		return n + 2 + len(e.Target)
	}
	return n + 8 + len(e.Digest)
}

func appendEntry(out []byte, e *Entry) []byte {
	out = append(out, byte(e.Type), byte(len(e.Name)))
	out = append(out, e.Name...)
	out = binary.LittleEndian.AppendUint16(out, uint16(e.Mode))
	out = binary.LittleEndian.AppendUint32(out, e.UID)
	out = binary.LittleEndian.AppendUint32(out, e.GID)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(e.Xattrs)))
	for _, x := range e.Xattrs {
		out = append(out, byte(len(x.Name)))
		out = append(out, x.Name...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(x.Value)))
		out = append(out, x.Value...)
	}
	if e.Type == Link {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(e.Target)))
		return append(out, e.Target...)
	}
	out = binary.LittleEndian.AppendUint64(out, uint64(e.Size))
	return append(out, e.Digest[:]...)
}

// checkEntry says what is wrong with e as the entry after previous.
func checkEntry(e *Entry, previous string, notFirst bool) error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if notFirst && e.Name <= previous {
		return fmt.Errorf("name %q does not come after %q", e.Name, previous)
	}
	if err := checkContent(e); err != nil {
		return fmt.Errorf("entry %q: %w", e.Name, err)
	}
	return nil
}

func checkContent(e *Entry) error {
	if e.Mode > 0o7777 {
		return fmt.Errorf("mode %#o beyond 07777", e.Mode)
	}
	switch e.Type {
	case File, Dir:
		if e.Target != "" {
			return fmt.Errorf("a target, but it is no link")
		}
		if e.Digest.IsZero() {
			return fmt.Errorf("no digest")
		}
		if e.Size < 0 || e.Size > MaxSize {
			return fmt.Errorf("size %d out of range", e.Size)
		}
	case Link:
		switch {
		case e.Mode != 0o777:
			return fmt.Errorf("mode %#o of a link, want 0777", e.Mode)
		case e.Size != 0 || !e.Digest.IsZero():
			return fmt.Errorf("a link with a size or a digest")
		case e.Target == "" || len(e.Target) > MaxTarget:
			return fmt.Errorf("target of %d bytes, want 1 to %d", len(e.Target), MaxTarget)
		case strings.IndexByte(e.Target, 0) >= 0:
			return fmt.Errorf("NUL in the target")
		}
	default:
		return fmt.Errorf("unknown type %q", byte(e.Type))
	}
	return checkXattrs(e.Xattrs)
}

func checkXattrs(xattrs []Xattr) error {
	if len(xattrs) > MaxXattrs {
		return fmt.Errorf("%d extended attributes, at most %d", len(xattrs), MaxXattrs)
	}
	for i, x := range xattrs {
		switch {
		case x.Name == "" || len(x.Name) > MaxName:
			return fmt.Errorf("extended attribute's name of %d bytes, want 1 to %d", len(x.Name), MaxName)
		case strings.IndexByte(x.Name, 0) >= 0:
			return fmt.Errorf("NUL in the name of extended attribute %q", x.Name)
		case i > 0 && x.Name <= xattrs[i-1].Name:
			return fmt.Errorf("extended attribute %q does not come after %q", x.Name, xattrs[i-1].Name)
		case len(x.Value) > MaxXattrValue:
			return fmt.Errorf("extended attribute %q of %d bytes, at most %d", x.Name, len(x.Value), MaxXattrValue)
		}
	}
	return nil
}

// CheckName reports why name cannot be the name of an entry.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("empty name")
	case len(name) > MaxName:
		return fmt.Errorf("name of %d bytes, at most %d: %q", len(name), MaxName, name)
	case name == "." || name == "..":
		return fmt.Errorf("name %q", name)
	}
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return fmt.Errorf("%q in the name %q", name[i], name)
		}
	}
	return nil
}

// MaxSize bounds the size of an entry: half of what fits, so that sums of two
// do not overflow.
const MaxSize = math.MaxInt64 / 2
