package squashfs

import (
	"fmt"
	"slices"
	"strings"

	"sysc/internal/posixacl"
	"sysc/store/tree"
)

// An xattrTable has the extended attributes of all inodes, equal lists once.
type xattrTable struct {
	keys  meta
	ids   fields
	known map[string]uint32
}

// withoutACL returns an entry without its access control lists, which SquashFS cannot
// hold, with a mode by which nobody has more rights.
func withoutACL(e *tree.Entry) (*tree.Entry, error) {
	if len(e.Xattrs) == 0 {
		return e, nil
	}
	out := *e
	var kept []tree.Xattr
	for _, x := range e.Xattrs {
		switch x.Name {
		case posixacl.Access:
			acl, err := posixacl.Parse(x.Value)
			if err != nil {
				return e, fmt.Errorf("extended attribute %s: %w", x.Name, err)
			}
			out.Mode = acl.Without(e.Mode)
		case posixacl.Default:
		default:
			kept = append(kept, x)
		}
	}
	out.Xattrs = kept
	return &out, nil
}

// xattrPrefixes are what names can begin with, by their numbers.
var xattrPrefixes = []string{"user.", "trusted.", "security."}

// add returns the number of a list of attributes.
func (x *xattrTable) add(list []tree.Xattr) (uint32, error) {
	if len(list) == 0 {
		return nowhere32, nil
	}
	var f fields
	for _, a := range list {
		kind := slices.IndexFunc(xattrPrefixes, func(p string) bool { return strings.HasPrefix(a.Name, p) })
		if kind < 0 {
			return 0, fmt.Errorf("extended attribute %s: SquashFS has %s alone", a.Name, strings.Join(xattrPrefixes, "*, ")+"*")
		}
		name := strings.TrimPrefix(a.Name, xattrPrefixes[kind])
		f.u16(uint16(kind))
		f.u16(uint16(len(name)))
		f.text(name)
		f.u32(uint32(len(a.Value)))
		f.text(a.Value)
	}
	if n, ok := x.known[string(f)]; ok {
		return n, nil
	}
	n := uint32(len(x.known))
	x.known[string(f)] = n
	x.ids.u64(x.keys.reference())
	x.ids.u32(uint32(len(list)))
	x.ids.u32(uint32(len(f)))
	x.keys.write(f)
	return n, nil
}

// write writes the table and returns where its index is, nowhere64 for none.
func (x *xattrTable) write(d *dataWriter) (uint64, error) {
	if len(x.known) == 0 {
		return nowhere64, nil
	}
	keysAt := d.pos
	if err := d.table(&x.keys); err != nil {
		return 0, err
	}
	ids := meta{encoder: d.encoder}
	ids.write(x.ids)
	_, at, err := d.indexed(&ids, func(int64) fields {
		var f fields
		f.u64(uint64(keysAt))
		f.u32(uint32(len(x.known)))
		f.u32(0)
		return f
	})
	return at, err
}
