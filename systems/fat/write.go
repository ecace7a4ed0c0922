package fat

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

const (
	sectorSize = 512
	// reserved are the sectors before the tables: boot sector, free space, copies.
	reserved    = 32
	infoSector  = 1
	copySector  = 6
	tables      = 2
	firstNumber = 2 // of clusters
	// minClusters tells FAT32 from its older siblings, for whoever counts them.
	minClusters = 65525

	attrDir  = 0x10
	attrFile = 0x20
	attrLong = 0x0F

	endOfChain = 0x0FFFFFFF
	mediaByte  = 0xF8
	firstDate  = 1<<5 | 1 // the first day of 1980, where FAT's time begins
)

// MinSize is the smallest file system that Write makes, in bytes.
const MinSize = 36 << 20

// largeClusters is from which size on, in bytes, clusters have 4 KiB and not 512
// bytes.
const largeClusters = 300 << 20

// A Source is where trees and contents come from: a store.
type Source interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// Options say what is not in the tree.
type Options struct {
	// Size is the file system's, in bytes.
	Size int64
	// Serial is the number of the volume, by which systems know it.
	Serial uint32
	// Label is up to 11 capital letters and digits.
	Label string
}

// Write writes a file system with the tree root of src to w, from its beginning. w must
// read as zeros where nothing is written. A blob that is not what its digest says is
// an error, and so is a tree that does not fit.
func Write(ctx context.Context, w io.WriterAt, src Source, root store.Digest, opts Options) error {
	if err := write(ctx, w, src, root, opts); err != nil {
		return fmt.Errorf("write FAT file system: %w", err)
	}
	return nil
}

// A volume is a file system being written.
type volume struct {
	ctx     context.Context
	to      io.WriterAt
	src     Source
	opts    Options
	cluster int64 // bytes
	count   int64 // of clusters
	table   int64 // sectors of one table
	next    uint32
	chain   []uint32 // the table, from its beginning to next
}

func write(ctx context.Context, to io.WriterAt, src Source, root store.Digest, opts Options) error {
	v := &volume{ctx: ctx, to: to, src: src, opts: opts, next: firstNumber}
	if err := v.divide(); err != nil {
		return err
	}
	v.chain = []uint32{0x0FFFFF00 | mediaByte, endOfChain}
	if _, err := v.dir(root, 0, 0); err != nil {
		return err
	}
	return v.administration()
}

// divide decides on clusters and the size of the tables.
func (v *volume) divide() error {
	sectors := v.opts.Size / sectorSize
	if v.opts.Size < MinSize || sectors > math.MaxUint32 {
		return fmt.Errorf("size of %d bytes: from %d to %d", v.opts.Size, int64(MinSize), int64(math.MaxUint32)*sectorSize)
	}
	v.cluster = sectorSize
	if v.opts.Size >= largeClusters {
		v.cluster = 8 * sectorSize
	}
	perCluster := v.cluster / sectorSize
	// Each cluster takes its sectors, and 4 bytes in each table.
	v.count = (sectors - reserved) * sectorSize / (v.cluster + 4*tables)
	v.table = ((v.count+firstNumber)*4 + sectorSize - 1) / sectorSize
	v.count = (sectors - reserved - tables*v.table) / perCluster
	if v.count < minClusters {
		return fmt.Errorf("size of %d bytes: too small for FAT32", v.opts.Size)
	}
	return nil
}

// take gives size bytes away, at least one cluster, and returns the first.
func (v *volume) take(size int64) (uint32, error) {
	n := max((size+v.cluster-1)/v.cluster, 1)
	if int64(v.next)-firstNumber+n > v.count {
		return 0, fmt.Errorf("the file system is too small for what is in it")
	}
	first := v.next
	for range n - 1 {
		v.next++
		v.chain = append(v.chain, v.next)
	}
	v.next++
	v.chain = append(v.chain, endOfChain)
	return first, nil
}

func (v *volume) offset(cluster uint32) int64 {
	return (reserved+tables*v.table)*sectorSize + int64(cluster-firstNumber)*v.cluster
}

// dir writes a directory and what is in it, and returns its first cluster. parent
// is that of the directory that it is in, 0 for the root directory and what is
// in it.
func (v *volume) dir(d store.Digest, parent uint32, depth int) (uint32, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, err
	}
	if depth > tree.MaxDepth {
		return 0, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	t, err := v.src.Tree(v.ctx, d)
	if err != nil {
		return 0, fmt.Errorf("read listing: %w", err)
	}
	shorts, err := shortNames(t)
	if err != nil {
		return 0, err
	}
	isRoot := depth == 0
	size := 0
	for i := range t.Entries {
		size += recordSize
		if name := t.Entries[i].Name; !shorts[i].exact {
			size += len(longRecords(name, shorts[i].name))
		}
	}
	size += 2 * recordSize // its label, or "." and ".."
	self, err := v.take(int64(size))
	if err != nil {
		return 0, err
	}
	var data []byte
	if isRoot {
		data = append(data, v.label()...)
	} else {
		data = append(data, record(makeShort(".", ""), attrDir, self, 0)...)
		data = append(data, record(makeShort("..", ""), attrDir, parent, 0)...)
	}
	below := self
	if isRoot {
		below = 0
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		first, attr, err := v.entry(e, below, depth)
		if err != nil {
			return 0, err
		}
		if !shorts[i].exact {
			data = append(data, longRecords(e.Name, shorts[i].name)...)
		}
		size := e.Size
		if e.Type == tree.Dir {
			size = 0
		}
		data = append(data, record(shorts[i].name, attr, first, size)...)
	}
	_, err = v.to.WriteAt(data, v.offset(self))
	return self, err
}

// A short is the short form of a name, and whether it is the whole of it.
type short struct {
	name  shortName
	exact bool
}

// shortNames finds the short forms of the names in a directory, and refuses names
// that are the same to FAT.
func shortNames(t *tree.Tree) ([]short, error) {
	shorts := make([]short, len(t.Entries))
	used := aliases{}
	seen := map[string]bool{}
	for i := range t.Entries {
		name := t.Entries[i].Name
		if err := checkName(name); err != nil {
			return nil, err
		}
		if folded := strings.ToLower(name); seen[folded] {
			return nil, fmt.Errorf("name %q: there is another one in other cases", name)
		} else {
			seen[folded] = true
		}
		if s, ok := exactShort(name); ok {
			shorts[i], used[s] = short{s, true}, true
		}
	}
	for i := range t.Entries {
		if shorts[i].exact {
			continue
		}
		s, err := used.alias(t.Entries[i].Name)
		if err != nil {
			return nil, err
		}
		shorts[i].name = s
	}
	return shorts, nil
}

// entry writes what an entry of a directory is about.
func (v *volume) entry(e *tree.Entry, parent uint32, depth int) (first uint32, attr byte, err error) {
	switch e.Type {
	case tree.Dir:
		first, err = v.dir(e.Digest, parent, depth+1)
		return first, attrDir, err
	case tree.File:
		if e.Size > math.MaxUint32 {
			return 0, 0, fmt.Errorf("file %q of %d bytes: FAT holds %d", e.Name, e.Size, uint32(math.MaxUint32))
		}
		if e.Size == 0 {
			return 0, attrFile, nil
		}
		if first, err = v.take(e.Size); err != nil {
			return 0, 0, err
		}
		return first, attrFile, v.file(e, v.offset(first))
	}
	return 0, 0, fmt.Errorf("%q is a symbolic link, which FAT does not have", e.Name)
}

// file copies a blob, and checks it.
func (v *volume) file(e *tree.Entry, at int64) error {
	f, err := v.src.OpenBlob(v.ctx, e.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.NewOffsetWriter(v.to, at), io.TeeReader(io.LimitReader(f, e.Size+1), sum))
	if err != nil {
		return fmt.Errorf("copy blob %s: %w", e.Digest, err)
	}
	if got := store.Digest(sum.Sum(nil)); got != e.Digest || n != e.Size {
		return fmt.Errorf("copy blob %s: the store's copy is damaged: %d bytes of %d, digest %s", e.Digest, n, e.Size, got)
	}
	return nil
}

func record(name shortName, attr byte, first uint32, size int64) []byte {
	r := make([]byte, recordSize)
	copy(r, name[:])
	r[11] = attr
	for _, at := range []int{16, 18, 24} { // created, accessed, written
		binary.LittleEndian.PutUint16(r[at:], firstDate)
	}
	binary.LittleEndian.PutUint16(r[20:], uint16(first>>16))
	binary.LittleEndian.PutUint16(r[26:], uint16(first))
	binary.LittleEndian.PutUint32(r[28:], uint32(size))
	return r
}

func (v *volume) labelName() (s shortName) {
	copy(s[:], "NO NAME    ")
	if v.opts.Label != "" {
		copy(s[:], "           ")
		copy(s[:], v.opts.Label)
	}
	return s
}

// label is the record of the volume's label, in the root directory.
func (v *volume) label() []byte {
	if v.opts.Label == "" {
		return nil
	}
	const attrLabel = 0x08
	return record(v.labelName(), attrLabel, 0, 0)
}

// administration writes the boot sector, the sector of free space, their copies, and the
// tables.
func (v *volume) administration() error {
	for _, at := range []int64{0, copySector} {
		if _, err := v.to.WriteAt(v.bootSector(), at*sectorSize); err != nil {
			return err
		}
		if _, err := v.to.WriteAt(v.info(), (at+infoSector)*sectorSize); err != nil {
			return err
		}
	}
	var table []byte
	for _, n := range v.chain {
		table = binary.LittleEndian.AppendUint32(table, n)
	}
	for i := range int64(tables) {
		if _, err := v.to.WriteAt(table, (reserved+i*v.table)*sectorSize); err != nil {
			return err
		}
	}
	return nil
}

func (v *volume) bootSector() []byte {
	b := make([]byte, sectorSize)
	put16 := func(at int, n uint16) { binary.LittleEndian.PutUint16(b[at:], n) }
	put32 := func(at int, n uint32) { binary.LittleEndian.PutUint32(b[at:], n) }
	copy(b, "\xeb\x58\x90SYSC    ")
	put16(11, sectorSize)
	b[13] = byte(v.cluster / sectorSize)
	put16(14, reserved)
	b[16] = tables
	b[21] = mediaByte
	put16(24, 63)  // sectors of a track, and heads, of a drive that is none
	put16(26, 255) //
	put32(32, uint32(v.opts.Size/sectorSize))
	put32(36, uint32(v.table))
	put32(44, firstNumber) // the root directory
	put16(48, infoSector)
	put16(50, copySector)
	b[64] = 0x80
	b[66] = 0x29 // what follows is there
	put32(67, v.opts.Serial)
	label := v.labelName()
	copy(b[71:], label[:])
	copy(b[82:], "FAT32   ")
	// Whoever boots it without firmware that knows files is stopped: cli, hlt, jump back.
	copy(b[90:], "\xfa\xf4\xeb\xfd")
	put16(510, 0xAA55)
	return b
}

// info is the sector that counts what is free.
func (v *volume) info() []byte {
	b := make([]byte, sectorSize)
	copy(b, "RRaA")
	copy(b[484:], "rrAa")
	binary.LittleEndian.PutUint32(b[488:], uint32(v.count-int64(v.next-firstNumber)))
	binary.LittleEndian.PutUint32(b[492:], v.next)
	binary.LittleEndian.PutUint16(b[510:], 0xAA55)
	return b
}
