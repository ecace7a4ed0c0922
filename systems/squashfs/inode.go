package squashfs

import (
	"math"

	"sysc/store/tree"
)

// An inode is one being written.
type inode struct {
	entry    *tree.Entry
	number   uint32
	uid, gid uint16
	xattrs   uint32 // nowhere32 without any
}

func (i *inode) head(kind uint16) fields {
	var f fields
	f.u16(kind)
	f.u16(uint16(i.entry.Mode))
	f.u16(i.uid)
	f.u16(i.gid)
	f.u32(buildTime)
	f.u32(i.number)
	return f
}

func (i *inode) file(c *content) fields {
	size := i.entry.Size
	var f fields
	if i.xattrs == nowhere32 && c.start <= math.MaxUint32 && size <= math.MaxUint32 {
		f = i.head(typeFile)
		f.u32(uint32(c.start))
		f.u32(c.fragment)
		f.u32(c.offset)
		f.u32(uint32(size))
	} else {
		f = i.head(typeFile + extended)
		f.u64(uint64(c.start))
		f.u64(uint64(size))
		f.u64(0) // bytes of holes
		f.u32(1)
		f.u32(c.fragment)
		f.u32(c.offset)
		f.u32(i.xattrs)
	}
	for _, n := range c.blocks {
		f.u32(n)
	}
	return f
}

func (i *inode) dir(l listing, parent uint32) fields {
	size := l.size + listingExtra
	if i.xattrs == nowhere32 && size <= math.MaxUint16 {
		f := i.head(typeDir)
		f.u32(l.start)
		f.u32(l.links)
		f.u16(uint16(size))
		f.u16(l.offset)
		f.u32(parent)
		return f
	}
	f := i.head(typeDir + extended)
	f.u32(l.links)
	f.u32(uint32(size))
	f.u32(l.start)
	f.u32(parent)
	f.u16(0) // without an index
	f.u16(l.offset)
	f.u32(i.xattrs)
	return f
}

func (i *inode) link() fields {
	kind := uint16(typeLink)
	if i.xattrs != nowhere32 {
		kind += extended
	}
	f := i.head(kind)
	f.u32(1)
	f.u32(uint32(len(i.entry.Target)))
	f.text(i.entry.Target)
	if i.xattrs != nowhere32 {
		f.u32(i.xattrs)
	}
	return f
}
