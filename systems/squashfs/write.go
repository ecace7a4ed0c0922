package squashfs

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"sysc/store"
	"sysc/store/tree"
)

// A Source is where trees and contents come from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// Write writes the tree root of src to w, from its beginning. A blob that is not what its
// digest says is an error, and so are extended attributes other than user.*, trusted.*
// and security.*. root's own directory gets mode 0755 and belongs to root.
func Write(ctx context.Context, w io.WriterAt, src Source, root store.Digest) error {
	if err := write(ctx, w, src, root); err != nil {
		return fmt.Errorf("write SquashFS image of %s: %w", root, err)
	}
	return nil
}

func write(ctx context.Context, w io.WriterAt, src Source, root store.Digest) error {
	encoder, err := newEncoder()
	if err != nil {
		return err
	}
	defer encoder.Close()
	img := newImage(ctx, w, src, encoder)
	// First all contents, so that inodes can say where they are.
	err = tree.Walk(ctx, src, root, func(_ string, e tree.Entry) error {
		if e.Type != tree.File {
			return nil
		}
		return img.data.add(ctx, src, e.Digest, e.Size)
	})
	if err != nil {
		return err
	}
	if err := img.data.finish(ctx); err != nil {
		return err
	}
	top := tree.Entry{Type: tree.Dir, Mode: 0o755, Digest: root}
	ref, err := img.entry(&top, img.number(), 0, 0)
	if err != nil {
		return err
	}
	return img.finish(ref)
}

// An image is a file system being written.
type image struct {
	ctx     context.Context
	src     Source
	data    *dataWriter
	inodes  meta
	lists   meta
	xattrs  xattrTable
	owners  map[uint32]uint16
	ownerID fields // the owners by their positions
	count   uint32 // of inodes
}

func newImage(ctx context.Context, w io.WriterAt, src Source, encoder *zstd.Encoder) *image {
	return &image{
		ctx: ctx, src: src,
		data:   &dataWriter{to: w, pos: superSize, encoder: encoder, known: map[store.Digest]*content{}},
		inodes: meta{encoder: encoder}, lists: meta{encoder: encoder},
		xattrs: xattrTable{keys: meta{encoder: encoder}, known: map[string]uint32{}},
		owners: map[uint32]uint16{},
	}
}

// number gives the next inode its number, from 1 on.
func (img *image) number() uint32 {
	img.count++
	return img.count
}

// A written entry is what the directory that it is in has to know of it.
type written struct {
	name   string
	kind   uint16
	number uint32
	start  uint32 // of the block of its inode
	offset uint16 // in that
}

// entry writes an entry and everything below it. number is that of its inode,
// parent that of the directory's that it is in.
func (img *image) entry(e *tree.Entry, number, parent uint32, depth int) (*written, error) {
	e, err := withoutACL(e)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", e.Name, err)
	}
	attrs, err := img.xattrs.add(e.Xattrs)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", e.Name, err)
	}
	i := inode{entry: e, number: number, xattrs: attrs}
	if i.uid, err = img.owner(e.UID); err != nil {
		return nil, err
	}
	if i.gid, err = img.owner(e.GID); err != nil {
		return nil, err
	}
	var kind uint16
	var f fields
	switch e.Type {
	case tree.File:
		kind = typeFile
		f = i.file(img.data.known[e.Digest])
	case tree.Dir:
		kind = typeDir
		l, err := img.dir(e, number, depth)
		if err != nil {
			return nil, err
		}
		if parent == 0 {
			parent = img.count + 1 // of the top, nobody's number
		}
		f = i.dir(l, parent)
	case tree.Link:
		kind = typeLink
		f = i.link()
	default:
		return nil, fmt.Errorf("%q is of type %q", e.Name, byte(e.Type))
	}
	w := &written{name: e.Name, kind: kind, number: number}
	w.start, w.offset = img.inodes.place()
	img.inodes.write(f)
	return w, nil
}

func (img *image) owner(id uint32) (uint16, error) {
	if n, ok := img.owners[id]; ok {
		return n, nil
	}
	if len(img.owners) > math.MaxUint16 {
		return 0, fmt.Errorf("more than %d owners", math.MaxUint16+1)
	}
	n := uint16(len(img.owners))
	img.owners[id] = n
	img.ownerID.u32(id)
	return n, nil
}

// A listing is where that of a directory is.
type listing struct {
	start  uint32
	offset uint16
	size   int64
	links  uint32
}

// dir writes what is in a directory, then its listing.
func (img *image) dir(e *tree.Entry, number uint32, depth int) (listing, error) {
	if err := img.ctx.Err(); err != nil {
		return listing{}, err
	}
	t, err := img.src.Tree(img.ctx, e.Digest)
	if err != nil {
		return listing{}, fmt.Errorf("read listing: %w", err)
	}
	switch {
	case depth > tree.MaxDepth:
		return listing{}, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	case int64(img.count)+int64(len(t.Entries)) > tree.MaxExpanded:
		return listing{}, fmt.Errorf("more than %d entries", tree.MaxExpanded)
	}
	first := img.count + 1
	img.count += uint32(len(t.Entries))
	list := make([]*written, len(t.Entries))
	l := listing{links: 2}
	for i := range t.Entries {
		if list[i], err = img.entry(&t.Entries[i], first+uint32(i), number, depth+1); err != nil {
			return listing{}, err
		}
		if t.Entries[i].Type == tree.Dir {
			l.links++
		}
	}
	l.start, l.offset = img.lists.place()
	for len(list) > 0 {
		n := run(list)
		f := directoryRun(list[:n])
		img.lists.write(f)
		l.size += int64(len(f))
		list = list[n:]
	}
	if l.size+listingExtra > math.MaxUint32 {
		return listing{}, fmt.Errorf("a directory of %d entries: too many", len(t.Entries))
	}
	return l, nil
}

// run returns how many entries can stand behind one header.
func run(list []*written) int {
	n := 1
	for n < min(len(list), maxRun) && list[n].start == list[0].start && list[n].number-list[0].number <= maxDistance {
		n++
	}
	return n
}

func directoryRun(list []*written) fields {
	var f fields
	f.u32(uint32(len(list) - 1))
	f.u32(list[0].start)
	f.u32(list[0].number)
	for _, w := range list {
		f.u16(w.offset)
		f.u16(uint16(w.number - list[0].number))
		f.u16(w.kind)
		f.u16(uint16(len(w.name) - 1))
		f.text(w.name)
	}
	return f
}

// finish writes the tables and the head.
func (img *image) finish(root *written) error {
	d := img.data
	inodesAt := uint64(d.pos)
	if err := d.table(&img.inodes); err != nil {
		return err
	}
	listsAt := uint64(d.pos)
	if err := d.table(&img.lists); err != nil {
		return err
	}
	fragments := meta{encoder: d.encoder}
	fragments.write(slices.Concat(d.fragments...))
	_, fragmentsAt, err := d.indexed(&fragments, nil)
	if err != nil {
		return err
	}
	owners := meta{encoder: d.encoder}
	owners.write(img.ownerID)
	_, ownersAt, err := d.indexed(&owners, nil)
	if err != nil {
		return err
	}
	xattrsAt, err := img.xattrs.write(d)
	if err != nil {
		return err
	}
	flags := uint16(flagDuplicates)
	if xattrsAt == nowhere64 {
		flags |= flagNoXattrs
	}
	used := d.pos
	var f fields
	f.u32(superMagic)
	f.u32(img.count)
	f.u32(buildTime)
	f.u32(blockSize)
	f.u32(uint32(len(d.fragments)))
	f.u16(zstdNumber)
	f.u16(blockBits)
	f.u16(flags)
	f.u16(uint16(len(img.owners)))
	f.u16(major)
	f.u16(0)
	f.u64(uint64(root.start)<<16 | uint64(root.offset))
	f.u64(uint64(used))
	for _, at := range []uint64{ownersAt, xattrsAt, inodesAt, listsAt, fragmentsAt, nowhere64} {
		f.u64(at)
	}
	if err := d.write(make([]byte, (padding-used%padding)%padding)); err != nil {
		return err
	}
	_, err = d.to.WriteAt(f, 0)
	return err
}
