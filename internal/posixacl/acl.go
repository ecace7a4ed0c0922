// Package posixacl reads and writes access control lists as Linux hands them to
// programs: the values of the extended attributes [Access] and [Default]
// (acl(5); struct posix_acl_xattr_header of linux/posix_acl_xattr.h).
package posixacl

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Names of the extended attributes.
const (
	// Access is who may do what with a file.
	Access = "system.posix_acl_access"
	// Default is what files that are made in a directory get.
	Default = "system.posix_acl_default"
)

// Tags of entries, in the order that they have in a list.
const (
	UserObj  = 0x01 // the owner
	User     = 0x02
	GroupObj = 0x04 // the group
	Group    = 0x08
	Mask     = 0x10 // the most that all but the owner and others have
	Other    = 0x20
)

// An Entry gives somebody rights.
type Entry struct {
	Tag  uint16
	Perm uint16 // of 7: read, write, execute
	ID   uint32 // of User and Group; otherwise NoID
}

// NoID is the ID of entries that name nobody.
const NoID = ^uint32(0)

// An ACL is a whole list: one entry each for owner, group and others, and a mask if any
// others are named; sorted by tag and ID.
type ACL []Entry

const (
	version    = 2
	headerSize = 4
	entrySize  = 8
)

// Parse reads the value of an attribute. A value without entries is a nil list, which
// takes a list away. What is not in order, or does not make sense, is an error.
func Parse(value string) (ACL, error) {
	data := []byte(value)
	if len(data) < headerSize || (len(data)-headerSize)%entrySize != 0 {
		return nil, fmt.Errorf("access control list of %d bytes", len(data))
	}
	if v := binary.LittleEndian.Uint32(data); v != version {
		return nil, fmt.Errorf("access control list of version %d", v)
	}
	var a ACL
	for data = data[headerSize:]; len(data) > 0; data = data[entrySize:] {
		e := Entry{Tag: binary.LittleEndian.Uint16(data), Perm: binary.LittleEndian.Uint16(data[2:]), ID: binary.LittleEndian.Uint32(data[4:])}
		if !e.named() {
			e.ID = NoID // programs leave anything there
		}
		a = append(a, e)
	}
	return a, a.check()
}

func (e Entry) named() bool { return e.Tag == User || e.Tag == Group }

func (a ACL) check() error {
	if len(a) == 0 {
		return nil
	}
	count := map[uint16]int{}
	for i, e := range a {
		count[e.Tag]++
		switch {
		case e.Perm&^7 != 0, e.named() && e.ID == NoID:
			return fmt.Errorf("access control list with an entry of tag %d, rights %o, number %d", e.Tag, e.Perm, e.ID)
		case i > 0 && (a[i-1].Tag > e.Tag || a[i-1].Tag == e.Tag && (!e.named() || a[i-1].ID >= e.ID)):
			return errors.New("access control list that is not sorted, or names somebody twice")
		}
	}
	known := count[User] + count[Group] + count[Mask]
	for _, tag := range []uint16{UserObj, GroupObj, Other} {
		if count[tag] != 1 {
			return errors.New("access control list without owner, group or others")
		}
		known++
	}
	if known != len(a) || count[Mask] == 0 && count[User]+count[Group] > 0 {
		return errors.New("access control list with unknown entries, or names without a mask")
	}
	return nil
}

// Encode returns the value of the attribute, the same for the same list.
func (a ACL) Encode() string {
	out := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range a {
		out = binary.LittleEndian.AppendUint16(out, e.Tag)
		out = binary.LittleEndian.AppendUint16(out, e.Perm)
		out = binary.LittleEndian.AppendUint32(out, e.ID)
	}
	return string(out)
}

// Plain reports whether the list says no more than permission bits can.
func (a ACL) Plain() bool {
	for _, e := range a {
		if e.named() || e.Tag == Mask {
			return false
		}
	}
	return true
}

// Mode returns mode with the permission bits of a file that has the list: those of the
// group are the mask, if there is one.
func (a ACL) Mode(mode uint32) uint32 {
	for _, e := range a {
		if shift, ok := a.shift(e); ok {
			mode = mode&^(7<<shift) | uint32(e.Perm)<<shift
		}
	}
	return mode
}

// WithMode returns the list of a file whose permission bits were changed since it got
// this one, as chmod(2) changes it.
func (a ACL) WithMode(mode uint32) ACL {
	out := make(ACL, len(a))
	for i, e := range a {
		if shift, ok := a.shift(e); ok {
			e.Perm = uint16(mode >> shift & 7)
		}
		out[i] = e
	}
	return out
}

// shift is where the rights of an entry stand in a mode, if they do.
func (a ACL) shift(e Entry) (uint, bool) {
	switch {
	case e.Tag == UserObj:
		return 6, true
	case e.Tag == Mask, e.Tag == GroupObj && a.Plain():
		return 3, true
	case e.Tag == Other:
		return 0, true
	}
	return 0, false
}

// Without returns the mode of a file that loses the list, where nothing can keep one:
// nobody has more rights than before.
func (a ACL) Without(mode uint32) uint32 {
	if a.Plain() {
		return a.Mode(mode)
	}
	mask, group, users, named := uint16(7), uint16(0), uint16(7), uint16(7)
	for _, e := range a {
		switch e.Tag {
		case Mask:
			mask = e.Perm
		case GroupObj:
			group = e.Perm
		case User:
			users &= e.Perm
			named &= e.Perm
		case Group:
			named &= e.Perm
		}
	}
	group &= mask & users
	other := uint16(mode) & 7 & (named & mask)
	return mode&^0o077 | uint32(group)<<3 | uint32(other)
}
