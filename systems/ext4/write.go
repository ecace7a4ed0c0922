package ext4

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"sysc/store"
	"sysc/store/tree"
)

// A Source is where trees and contents come from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// Options say what is not in the tree.
type Options struct {
	// Size is the file system's, in bytes; what is left of the last block is not
	// used.
	Size int64
	// UUID names the file system. HashSeed is what names of large directories are
	// hashed with, which is not a secret.
	UUID, HashSeed [16]byte
	// Label is up to 16 bytes.
	Label string
}

// Write writes a file system with the tree root of src to w, from its beginning. w must
// read as zeros where nothing is written. The root directory has mode 0755 and
// belongs to root; it has a directory lost+found. A blob that is not what its digest says
// is an error, and so is a tree that does not fit.
//
// Extended attributes must fit into an inode, and access control lists are refused.
func Write(ctx context.Context, w io.WriterAt, src Source, root store.Digest, opts Options) error {
	if err := write(ctx, w, src, root, opts); err != nil {
		return fmt.Errorf("write ext4 file system: %w", err)
	}
	return nil
}

// A writer writes one file system.
type writer struct {
	to    io.WriterAt
	src   Source
	opts  Options
	alloc allocator
	nodes []*node
	// journal is not in any directory.
	journal *node
}

func write(ctx context.Context, to io.WriterAt, src Source, root store.Digest, opts Options) error {
	nodes, err := collect(ctx, src, root)
	if err != nil {
		return err
	}
	g, err := newGeometry(opts.Size, int64(len(nodes)+firstInode))
	if err != nil {
		return err
	}
	w := &writer{to: to, src: src, opts: opts, alloc: allocator{geometry: g}, nodes: nodes}
	w.journal = &node{number: journalInode, mode: modeFile | 0o600, links: 1, size: journalBlocks(g.blocks) * blockSize}
	for _, n := range append([]*node{w.journal}, nodes...) {
		if err := w.alloc.allocate(n); err != nil {
			return err
		}
	}
	if err := w.inodes(); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := w.contents(ctx, n); err != nil {
			return err
		}
	}
	if err := w.writeLeaf(w.journal); err != nil {
		return err
	}
	if err := w.block(w.journal.extents[0].start, journalSuper(w.journal.size/blockSize, opts.UUID)); err != nil {
		return err
	}
	return w.groups()
}

func (w *writer) block(number int64, data []byte) error {
	_, err := w.to.WriteAt(data, number*blockSize)
	return err
}

// inodes writes the tables of inodes, as far as they are used.
func (w *writer) inodes() error {
	tables := map[int64][]byte{}
	for _, n := range append([]*node{w.journal}, w.nodes...) {
		data, err := n.encode()
		if err != nil {
			return err
		}
		group, at := w.place(n.number)
		if tables[group] == nil {
			tables[group] = make([]byte, w.alloc.inodesPerGroup*inodeSize)
		}
		copy(tables[group][at*inodeSize:], data)
	}
	for group, table := range tables {
		if err := w.block(w.alloc.inodeTable(group), table); err != nil {
			return err
		}
	}
	return nil
}

// place is where an inode stands: the group, and which of its inodes it is.
func (w *writer) place(number int) (group, at int64) {
	n := int64(number - 1)
	return n / w.alloc.inodesPerGroup, n % w.alloc.inodesPerGroup
}

// contents writes the blocks of a node.
func (w *writer) contents(ctx context.Context, n *node) error {
	if len(n.extents) == 0 {
		return nil
	}
	if err := w.writeLeaf(n); err != nil {
		return err
	}
	switch n.mode & modeType {
	case modeDir:
		return w.extents(n, n.dirData())
	case modeLink:
		return w.extents(n, []byte(n.target))
	}
	return w.file(ctx, n)
}

func (w *writer) writeLeaf(n *node) error {
	if n.leaf == 0 {
		return nil
	}
	return w.block(n.leaf, n.leafData())
}

// extents writes data that are in memory.
func (w *writer) extents(n *node, data []byte) error {
	for _, e := range n.extents {
		size := min(int64(len(data)), e.length*blockSize)
		if err := w.block(e.start, data[:size]); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// file copies a blob into the extents of a node, and checks it.
func (w *writer) file(ctx context.Context, n *node) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := w.src.OpenBlob(ctx, n.digest)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	r := io.TeeReader(f, sum)
	var size int64
	for _, e := range n.extents {
		copied, err := io.Copy(io.NewOffsetWriter(w.to, e.start*blockSize), io.LimitReader(r, e.length*blockSize))
		if err != nil {
			return fmt.Errorf("copy blob %s: %w", n.digest, err)
		}
		size += copied
	}
	if got := store.Digest(sum.Sum(nil)); got != n.digest || size != n.size {
		return fmt.Errorf("copy blob %s: the store's copy is damaged: %d bytes of %d, digest %s", n.digest, size, n.size, got)
	}
	return nil
}

// groups writes bitmaps, descriptors and superblocks.
func (w *writer) groups() error {
	g := &w.alloc.geometry
	descs := make([]byte, g.descBlocks*blockSize)
	dirs := w.countDirs()
	var freeBlocks, freeInodes int64
	lastInode := int64(w.nodes[len(w.nodes)-1].number)
	for group := range g.groups {
		used := max(g.data(group), min(w.alloc.next, g.end(group))) - g.first(group)
		blocks := g.end(group) - g.first(group)
		inodes := min(max(lastInode-group*g.inodesPerGroup, 0), g.inodesPerGroup)
		if err := w.block(g.blockBitmap(group), bitmap(used, blocks)); err != nil {
			return err
		}
		if err := w.block(g.inodeBitmap(group), bitmap(inodes, g.inodesPerGroup)); err != nil {
			return err
		}
		freeBlocks += blocks - used
		freeInodes += g.inodesPerGroup - inodes
		d := descs[group*descSize:]
		binary.LittleEndian.PutUint32(d[0:], uint32(g.blockBitmap(group)))
		binary.LittleEndian.PutUint32(d[4:], uint32(g.inodeBitmap(group)))
		binary.LittleEndian.PutUint32(d[8:], uint32(g.inodeTable(group)))
		binary.LittleEndian.PutUint16(d[12:], uint16(blocks-used))
		binary.LittleEndian.PutUint16(d[14:], uint16(g.inodesPerGroup-inodes))
		binary.LittleEndian.PutUint16(d[16:], uint16(dirs[group]))
	}
	for group := range g.groups {
		if !hasSuper(group) {
			continue
		}
		super, offset := w.super(group, freeBlocks, freeInodes), int64(0)
		if group == 0 {
			offset = superOffset
		}
		if _, err := w.to.WriteAt(super, g.first(group)*blockSize+offset); err != nil {
			return err
		}
		if err := w.block(g.first(group)+1, descs); err != nil {
			return err
		}
	}
	return nil
}

// countDirs counts the directories whose inodes are in each group.
func (w *writer) countDirs() map[int64]int {
	dirs := map[int64]int{}
	for _, n := range w.nodes {
		if n.mode&modeType == modeDir {
			group, _ := w.place(n.number)
			dirs[group]++
		}
	}
	return dirs
}

// bitmap returns a block that says that the first of count things are used. What is
// beyond them counts as used, too.
func bitmap(used, count int64) []byte {
	b := make([]byte, blockSize)
	for i := range int64(len(b)) * 8 {
		if i < used || i >= count {
			b[i/8] |= 1 << (i % 8)
		}
	}
	return b
}

// super returns the superblock, as the copy in a group has it.
func (w *writer) super(group, freeBlocks, freeInodes int64) []byte {
	g := &w.alloc.geometry
	b := make([]byte, superSize)
	put8 := func(at int, v uint8) { b[at] = v }
	put16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
	put32 := func(at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
	put32(0x0, uint32(g.groups*g.inodesPerGroup))
	put32(0x4, uint32(g.blocks))
	put32(0xC, uint32(freeBlocks))
	put32(0x10, uint32(freeInodes))
	put32(0x18, blockBits-10)
	put32(0x1C, blockBits-10)
	put32(0x20, blocksPerGroup)
	put32(0x24, blocksPerGroup)
	put32(0x28, uint32(g.inodesPerGroup))
	put32(0x30, fileTime) // written
	put16(0x36, 0xFFFF)   // never checked because of the number of mounts
	put16(0x38, superMagic)
	put16(0x3A, 1) // clean
	put16(0x3C, 1) // errors: continue
	put32(0x40, fileTime)
	put32(0x4C, 1) // a revision with what follows
	put32(0x54, firstInode)
	put16(0x58, inodeSize)
	put16(0x5A, uint16(group))
	put32(0x5C, compatHasJournal|compatExtAttr|compatDirIndex)
	put32(0x60, incompatFiletype|incompatExtents)
	put32(0x64, roCompatSparseSuper|roCompatLargeFile|roCompatHugeFile|roCompatDirNlink|roCompatExtraIsize)
	copy(b[0x68:0x78], w.opts.UUID[:])
	copy(b[0x78:0x88], w.opts.Label)
	put32(0xE0, journalInode)
	copy(b[0xEC:0xFC], w.opts.HashSeed[:])
	put8(0xFC, 1)     // half MD4
	put8(0xFD, 1)     // what follows at 0x10C is a copy of the journal's inode
	put32(0x100, 0xC) // mounted with user_xattr, acl
	put32(0x108, fileTime)
	journal := make([]byte, 60)
	w.journal.encodeExtents(journal)
	copy(b[0x10C:], journal)
	put32(0x148, uint32(w.journal.size>>32))
	put32(0x14C, uint32(w.journal.size))
	put16(0x15C, extraInodeSize)
	put16(0x15E, extraInodeSize)
	put32(0x160, 1) // hashes of signed bytes
	return b
}
