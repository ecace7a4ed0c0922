package erofs

import (
	"bufio"
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

// Write writes the tree root of src, with the contents of its files, uncompressed. A
// blob that is not what its digest says is an error. root's own directory gets mode
// 0755 and belongs to root. Files of equal contents share them.
func Write(ctx context.Context, w io.Writer, src Source, root store.Digest) error {
	img := &image{data: true}
	if err := img.collect(ctx, src, root); err != nil {
		return fmt.Errorf("write EROFS image of %s: %w", root, err)
	}
	if err := img.write(ctx, w, src); err != nil {
		return fmt.Errorf("write EROFS image of %s: %w", root, err)
	}
	return nil
}

// write writes an image that has all its nodes.
func (img *image) write(ctx context.Context, to io.Writer, src Source) error {
	img.link()
	if err := img.arrange(); err != nil {
		return err
	}
	w := &writer{to: bufio.NewWriterSize(to, 1<<16)}
	img.writeSuper(w)
	for i := range img.nodes {
		img.writeInode(w, i)
	}
	w.padTo(img.inodesEnd)
	for i := range img.shared {
		w.xattr(&img.shared[i])
	}
	w.padTo(img.dataStart)
	for i := range img.nodes {
		if err := img.writeData(ctx, w, src, &img.nodes[i]); err != nil {
			return err
		}
	}
	return w.flush()
}

// A writer knows where it is. Its first error stays.
type writer struct {
	to      *bufio.Writer
	pos     int64
	scratch [extendedSize]byte
	zeros   [blockSize]byte
	err     error
}

func (w *writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.to.Write(p)
		w.pos += int64(len(p))
	}
}

func (w *writer) string(s string) {
	if w.err == nil {
		_, w.err = w.to.WriteString(s)
		w.pos += int64(len(s))
	}
}

func (w *writer) uint32(n uint32) {
	binary.LittleEndian.PutUint32(w.scratch[:], n)
	w.write(w.scratch[:4])
}

// padTo writes zeros up to pos.
func (w *writer) padTo(pos int64) {
	for w.err == nil && w.pos < pos {
		w.write(w.zeros[:min(pos-w.pos, blockSize)])
	}
}

func (w *writer) flush() error {
	if w.err == nil {
		w.err = w.to.Flush()
	}
	return w.err
}

// fields collects the fields of a structure.
type fields []byte

func (f *fields) u8(n uint8)   { *f = append(*f, n) }
func (f *fields) u16(n uint16) { *f = binary.LittleEndian.AppendUint16(*f, n) }
func (f *fields) u32(n uint32) { *f = binary.LittleEndian.AppendUint32(*f, n) }
func (f *fields) u64(n uint64) { *f = binary.LittleEndian.AppendUint64(*f, n) }

// writeSuper writes everything before the first inode.
func (img *image) writeSuper(w *writer) {
	if !img.data {
		head := fields(w.scratch[:0])
		head.u32(composefsMagic)
		head.u32(composefsVersion)
		if img.hasACL {
			head.u32(composefsHasACL)
		} else {
			head.u32(0)
		}
		w.write(head)
	}
	w.padTo(superOffset)
	f := make(fields, 0, superSize)
	f.u32(superMagic)
	f.u32(0) // checksum, which no feature announces
	f.u32(featureMtime | featureXattrFilter)
	f.u8(blockBits)
	f.u8(0)
	f.u16(uint16(img.nodes[0].number()))
	f.u64(uint64(len(img.nodes)))
	f.u64(buildTime)
	f.u32(0)
	f.u32(uint32(img.blocks))
	f.u32(0) // inodes are counted from the first block
	f.u32(uint32(img.inodesEnd / blockSize))
	w.write(f)
	w.padTo(superOffset + superSize)
}

// writeInode writes an inode and what stands behind it.
func (img *image) writeInode(w *writer, i int) {
	n := &img.nodes[i]
	w.padTo(n.pos)
	if n.isCompact {
		w.write(img.compactInode(w, i))
	} else {
		w.write(img.extendedInode(w, i))
	}
	img.writeXattrs(w, n)
	if n.tail == 0 {
		return
	}
	switch n.mode & modeType {
	case modeDir:
		for k, block := range blocksOf(n.entries) {
			if k == n.blocks {
				img.writeDirents(w, block)
			}
		}
	case modeLink:
		w.string(n.target)
	default:
		w.uint32(nullAddress)
	}
}

// format is how n's inode and data are stored.
func (img *image) format(n *node) uint16 {
	layout := uint16(layoutPlain)
	switch {
	case n.tail > 0 && n.mode&modeType == modeFile:
		layout = layoutChunks
	case n.tail > 0:
		layout = layoutInline
	}
	format := layout << 1
	if !n.isCompact {
		format |= 1
	}
	return format
}

// address is the field of an inode that says where its data are.
func (img *image) address(n *node) uint32 {
	if n.tail > 0 && n.mode&modeType == modeFile {
		return uint32(chunkBits(n.size) - blockBits)
	}
	return uint32(n.block)
}

// xattrCount is the size of n's attributes, as an inode has it.
func (n *node) xattrCount() uint16 {
	size := n.xattrSize()
	if size == 0 {
		return 0
	}
	return uint16((size-xattrHead)/xattrEntry + 1)
}

func (img *image) compactInode(w *writer, i int) []byte {
	n := &img.nodes[i]
	f := fields(w.scratch[:0])
	f.u16(img.format(n))
	f.u16(n.xattrCount())
	f.u16(uint16(n.mode))
	f.u16(uint16(n.nlink))
	f.u32(uint32(n.size))
	f.u32(0)
	f.u32(img.address(n))
	f.u32(uint32(i))
	f.u16(uint16(n.uid))
	f.u16(uint16(n.gid))
	f.u32(0)
	return f
}

func (img *image) extendedInode(w *writer, i int) []byte {
	n := &img.nodes[i]
	f := fields(w.scratch[:0])
	f.u16(img.format(n))
	f.u16(n.xattrCount())
	f.u16(uint16(n.mode))
	f.u16(0)
	f.u64(uint64(n.size))
	f.u32(img.address(n))
	f.u32(uint32(i))
	f.u32(n.uid)
	f.u32(n.gid)
	f.u64(buildTime)
	f.u32(0)
	f.u32(n.nlink)
	f.u64(0)
	f.u64(0)
	return f
}

// writeXattrs writes the attributes behind an inode: numbers of shared ones first.
func (img *image) writeXattrs(w *writer, n *node) {
	if len(n.xattrs) == 0 {
		return
	}
	shared := 0
	for k := range n.xattrs {
		if n.xattrs[k].shared {
			shared++
		}
	}
	f := fields(w.scratch[:0])
	f.u32(n.nameFilter())
	f.u8(uint8(shared))
	f.u8(0)
	f.u16(0)
	f.u32(0)
	w.write(f)
	for k := range n.xattrs {
		if x := &n.xattrs[k]; x.shared {
			w.uint32(uint32((img.inodesEnd%blockSize + x.offset) / 4))
		}
	}
	for k := range n.xattrs {
		if x := &n.xattrs[k]; !x.shared {
			w.xattr(&x.xattrKey)
		}
	}
}

func (w *writer) xattr(k *xattrKey) {
	f := fields(w.scratch[:0])
	f.u8(uint8(len(k.name)))
	f.u8(prefixes[k.prefix].index)
	f.u16(uint16(len(k.value)))
	w.write(f)
	w.string(k.name)
	w.string(k.value)
	w.padTo(roundUp(w.pos, 4))
}

// writeDirents writes entries that stand in one block: first all but their
// names, then those.
func (img *image) writeDirents(w *writer, entries []dirent) {
	name := direntSize * len(entries)
	for i := range entries {
		e := &entries[i]
		target := &img.nodes[e.node]
		f := fields(w.scratch[:0])
		f.u64(uint64(target.number()))
		f.u16(uint16(name))
		f.u8(direntType(target.mode))
		f.u8(0)
		w.write(f)
		name += len(e.name)
	}
	for i := range entries {
		w.string(entries[i].name)
	}
}

// writeData writes the blocks that n has of its own.
func (img *image) writeData(ctx context.Context, w *writer, src Source, n *node) error {
	if n.blocks == 0 {
		return w.err
	}
	switch n.mode & modeType {
	case modeDir:
		for k, block := range blocksOf(n.entries) {
			if k < n.blocks {
				img.writeDirents(w, block)
				w.padTo(roundUp(w.pos, blockSize))
			}
		}
	case modeLink:
		w.string(n.target)
	default:
		if err := w.blob(ctx, src, n.digest, n.size); err != nil {
			return err
		}
	}
	w.padTo(roundUp(w.pos, blockSize))
	return w.err
}

// blob writes the contents of a file.
func (w *writer) blob(ctx context.Context, src Source, d store.Digest, size int64) error {
	f, err := src.OpenBlob(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.to, sum), f)
	w.pos += n
	if err != nil {
		return fmt.Errorf("copy blob %s: %w", d, err)
	}
	if got := store.Digest(sum.Sum(nil)); got != d || n != size {
		return fmt.Errorf("copy blob %s: the store's copy is damaged: %d bytes of %d, digest %s", d, n, size, got)
	}
	return nil
}
