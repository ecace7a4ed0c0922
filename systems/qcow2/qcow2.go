// Package qcow2 writes disks in the form that QEMU and clouds keep them in: a file with
// those parts of a disk that were written, and tables that say where. [Disk] takes
// writes in any order, straight into the file; what was never written takes no room and
// reads as zeros.
//
// The same writes in the same order give the same bytes.
//
// The format is version 3 of QEMU's docs/interop/qcow2.rst. Parts are clusters of 64 KiB.
// The tables of what is where stand behind the data, as nothing is known of their number
// before.
package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

const (
	clusterBits = 16
	clusterSize = 1 << clusterBits
	// entrySize is that of an entry of the two tables of clusters, and perTable
	// how many of them a second one has: one cluster.
	entrySize = 8
	perTable  = clusterSize / entrySize
	// refcountSize is that of the count of a cluster's users, and perBlock how many
	// clusters a block of them is for.
	refcountSize = 2
	perBlock     = clusterSize / refcountSize

	magic      = "QFI\xfb"
	version    = 3
	headerSize = 104
	// copied marks an entry whose cluster has one user.
	copied = 1 << 63
)

// MaxSize is the largest disk, in bytes: what one cluster of counts' blocks is for, less
// what the tables take.
const MaxSize = 8 << 40

// A Disk is a disk being written to a file. It is not for concurrent use.
type Disk struct {
	to   io.WriterAt
	size int64 // of the disk, in bytes
	next int64 // cluster of the file
	// tables have, for each second table with anything in it, where clusters of the
	// disk are in the file, by cluster; 0 is nowhere.
	tables map[int64]*[perTable]int64
}

// New returns a disk of no size, which is written to an empty file.
func New(to io.WriterAt) *Disk {
	const first = 1 // behind the header
	return &Disk{to: to, next: first, tables: map[int64]*[perTable]int64{}}
}

// Truncate says how large the disk is, in bytes. It cannot become smaller.
func (d *Disk) Truncate(size int64) error {
	if size < d.size || size > MaxSize {
		return fmt.Errorf("make disk of %d bytes: from %d to %d", size, d.size, int64(MaxSize))
	}
	d.size = size
	return nil
}

// WriteAt writes to the disk. Zeros where nothing was written stay nothing.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > d.size-int64(len(p)) {
		return 0, fmt.Errorf("write %d bytes at %d: the disk has %d", len(p), off, d.size)
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		part := p[done:min(len(p), done+int(clusterSize-at%clusterSize))]
		if err := d.writeCluster(part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// writeCluster writes to one cluster of the disk.
func (d *Disk) writeCluster(p []byte, off int64) error {
	cluster := off / clusterSize
	table := d.tables[cluster/perTable]
	if (table == nil || table[cluster%perTable] == 0) && isZero(p) {
		return nil
	}
	if table == nil {
		table = new([perTable]int64)
		d.tables[cluster/perTable] = table
	}
	place := &table[cluster%perTable]
	if *place == 0 {
		*place = d.take(1)
	}
	_, err := d.to.WriteAt(p, *place*clusterSize+off%clusterSize)
	return err
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// take gives clusters of the file away, and returns the first.
func (d *Disk) take(n int64) int64 {
	first := d.next
	d.next += n
	return first
}

// Close writes the tables. The file is not closed.
func (d *Disk) Close() error {
	if err := d.close(); err != nil {
		return fmt.Errorf("write tables of disk: %w", err)
	}
	return nil
}

func (d *Disk) close() error {
	first := make([]byte, roundUp((d.size+clusterSize*perTable-1)/(clusterSize*perTable)*entrySize))
	for _, i := range slices.Sorted(maps.Keys(d.tables)) {
		at := d.take(1)
		binary.BigEndian.PutUint64(first[i*entrySize:], uint64(at*clusterSize)|copied)
		if err := d.put(at, d.secondTable(i)); err != nil {
			return err
		}
	}
	firstAt := d.take(int64(len(first)) / clusterSize)
	if err := d.put(firstAt, first); err != nil {
		return err
	}
	countsAt, err := d.counts()
	if err != nil {
		return err
	}
	return d.put(0, d.header(firstAt, countsAt))
}

func (d *Disk) put(cluster int64, p []byte) error {
	_, err := d.to.WriteAt(p, cluster*clusterSize)
	return err
}

func (d *Disk) secondTable(i int64) []byte {
	b := make([]byte, clusterSize)
	for k, place := range d.tables[i] {
		if place != 0 {
			binary.BigEndian.PutUint64(b[k*entrySize:], uint64(place*clusterSize)|copied)
		}
	}
	return b
}

// counts writes how many users each cluster of the file has: one. Their table and
// its blocks are the last clusters, and count themselves.
func (d *Disk) counts() (tableAt int64, err error) {
	tableAt = d.take(1)
	blocks := int64(1)
	for (d.next+blocks+perBlock-1)/perBlock > blocks {
		blocks++
	}
	if blocks > perTable {
		return 0, errors.New("the file is too large")
	}
	blocksAt := d.take(blocks)
	table := make([]byte, clusterSize)
	for i := range blocks {
		binary.BigEndian.PutUint64(table[i*entrySize:], uint64((blocksAt+i)*clusterSize))
		block := make([]byte, clusterSize)
		for k := range min(d.next-i*perBlock, perBlock) {
			binary.BigEndian.PutUint16(block[k*refcountSize:], 1)
		}
		if err := d.put(blocksAt+i, block); err != nil {
			return 0, err
		}
	}
	return tableAt, d.put(tableAt, table)
}

// header is the first cluster.
func (d *Disk) header(firstAt, countsAt int64) []byte {
	b := make([]byte, clusterSize)
	copy(b, magic)
	binary.BigEndian.PutUint32(b[4:], version)
	binary.BigEndian.PutUint32(b[20:], clusterBits)
	binary.BigEndian.PutUint64(b[24:], uint64(d.size))
	binary.BigEndian.PutUint32(b[36:], uint32((d.size+clusterSize*perTable-1)/(clusterSize*perTable)))
	binary.BigEndian.PutUint64(b[40:], uint64(firstAt*clusterSize))
	binary.BigEndian.PutUint64(b[48:], uint64(countsAt*clusterSize))
	binary.BigEndian.PutUint32(b[56:], 1) // cluster of the counts' table
	const countBits = 4                   // log2 of the bits of a count
	binary.BigEndian.PutUint32(b[96:], countBits)
	binary.BigEndian.PutUint32(b[100:], headerSize)
	return b
}

func roundUp(n int64) int64 { return (n + clusterSize - 1) &^ (clusterSize - 1) }
