package ext4

import (
	"encoding/binary"
	"fmt"
	"strings"

	"sysc/internal/posixacl"
	"sysc/store/tree"
)

// encode returns the inode.
func (n *node) encode() ([]byte, error) {
	b := make([]byte, inodeSize)
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	put16(0x0, uint16(n.mode))
	put16(0x2, uint16(n.uid))
	put32(0x4, uint32(n.size))
	for _, at := range []int{0x8, 0xC, 0x10, 0x90} { // access, change, modification, creation
		put32(at, fileTime)
	}
	put16(0x18, uint16(n.gid))
	put16(0x1A, uint16(n.links))
	sectors := n.usedBlocks() * sectorsPerBlock
	put32(0x1C, uint32(sectors))
	put16(0x74, uint16(sectors>>32))
	if n.mode&modeType == modeLink && n.size <= maxFastLink {
		copy(b[0x28:], n.target)
	} else {
		put32(0x20, flagExtents)
		n.encodeExtents(b[0x28:0x64])
	}
	put32(0x6C, uint32(n.size>>32))
	put16(0x78, uint16(n.uid>>16))
	put16(0x7A, uint16(n.gid>>16))
	put16(0x80, extraInodeSize)
	if err := encodeXattrs(b[0x80+extraInodeSize:], n.xattrs); err != nil {
		return nil, err
	}
	return b, nil
}

// usedBlocks are those of the contents, and of the extents.
func (n *node) usedBlocks() int64 {
	var blocks int64
	for _, e := range n.extents {
		blocks += e.length
	}
	if n.leaf != 0 {
		blocks++
	}
	return blocks
}

// encodeExtents writes the root of the tree of extents.
func (n *node) encodeExtents(b []byte) {
	if n.leaf == 0 {
		putExtents(b, n.extents, extentsInInode)
		return
	}
	putExtentHeader(b, 1, extentsInInode, 1)
	// An index: the first block that it is about is 0.
	binary.LittleEndian.PutUint32(b[extentSize+4:], uint32(n.leaf))
}

// leafData is the block of the extents.
func (n *node) leafData() []byte {
	b := make([]byte, blockSize)
	putExtents(b, n.extents, extentsInBlock)
	return b
}

func putExtentHeader(b []byte, count, room, depth int) {
	binary.LittleEndian.PutUint16(b[0:], extentMagic)
	binary.LittleEndian.PutUint16(b[2:], uint16(count))
	binary.LittleEndian.PutUint16(b[4:], uint16(room))
	binary.LittleEndian.PutUint16(b[6:], uint16(depth))
}

func putExtents(b []byte, list []extent, room int) {
	putExtentHeader(b, len(list), room, 0)
	logical := int64(0)
	for i, e := range list {
		at := (i + 1) * extentSize
		binary.LittleEndian.PutUint32(b[at:], uint32(logical))
		binary.LittleEndian.PutUint16(b[at+4:], uint16(e.length))
		binary.LittleEndian.PutUint32(b[at+8:], uint32(e.start))
		logical += e.length
	}
}

// prefixes are the beginnings of names of extended attributes that are stored as a
// number.
var prefixes = []struct {
	text  string
	index uint8
}{{"user.", 1}, {posixacl.Access, 2}, {posixacl.Default, 3}, {"trusted.", 4}, {"security.", 6}}

// encodeXattrs writes extended attributes behind an inode: names from the front, values
// from the back.
func encodeXattrs(b []byte, list []tree.Xattr) error {
	if len(list) == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(b, xattrMagic)
	b = b[4:]
	front, back := 0, xattrRoom
	for _, x := range list {
		index, name, err := cutPrefix(x.Name)
		if err != nil {
			return err
		}
		value, err := diskValue(x)
		if err != nil {
			return err
		}
		back -= (len(value) + 3) &^ 3
		size := (xattrEntrySize + len(name) + 3) &^ 3
		if front+size+4 > back { // four zeros end the names
			return fmt.Errorf("extended attributes of more than %d bytes", xattrRoom)
		}
		b[front] = uint8(len(name))
		b[front+1] = index
		binary.LittleEndian.PutUint16(b[front+2:], uint16(back))
		binary.LittleEndian.PutUint32(b[front+8:], uint32(len(value)))
		copy(b[front+xattrEntrySize:], name)
		copy(b[back:], value)
		front += size
	}
	return nil
}

// diskValue is what the file system keeps of an attribute's value: of an access control
// list, its own form, with numbers only where they mean something (fs/ext4/acl.h).
func diskValue(x tree.Xattr) (string, error) {
	if x.Name != posixacl.Access && x.Name != posixacl.Default {
		return x.Value, nil
	}
	acl, err := posixacl.Parse(x.Value)
	if err != nil {
		return "", fmt.Errorf("extended attribute %s: %w", x.Name, err)
	}
	const version = 1
	b := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range acl {
		b = binary.LittleEndian.AppendUint16(b, e.Tag)
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		if e.ID != posixacl.NoID {
			b = binary.LittleEndian.AppendUint32(b, e.ID)
		}
	}
	return string(b), nil
}

func cutPrefix(name string) (index uint8, rest string, err error) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(name, p.text); ok {
			return p.index, rest, nil
		}
	}
	return 0, "", fmt.Errorf("extended attribute %s: names like this cannot be written", name)
}
