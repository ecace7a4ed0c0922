package gpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// A Device is a disk whose table is changed.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns when everything that was written is on the disk.
	Sync() error
}

// A table is one that was read.
type table struct {
	header  []byte // the sector
	entries []byte
	size    int // of an entry
}

// Fields of a header, as offsets.
const (
	headerLength  = 12
	headerSum     = 16
	headerSelf    = 24
	headerOther   = 32
	headerLast    = 48
	headerTable   = 72
	headerCount   = 80
	headerEntry   = 84
	headerCRC     = 88
	entryStart    = 32
	entryEnd      = 40
	maxHeader     = SectorSize
	maxEntrySize  = 4096
	maxEntryCount = 1024
)

// Grow lets a partition, the number-th from 1 on, reach to the end of a disk of size
// bytes: one that was copied to a larger disk. It returns the partition's beginning and
// size in bytes, and whether anything was changed; nothing is when less than Align is to
// be had, or another partition stands behind it. At any moment one of the two tables is
// whole; the caller has to tell the kernel.
func Grow(d Device, size int64, number int) (start, length int64, changed bool, err error) {
	t, err := readTable(d, size)
	if err != nil {
		return 0, 0, false, fmt.Errorf("read partition table: %w", err)
	}
	e, err := t.entry(number)
	if err != nil {
		return 0, 0, false, fmt.Errorf("grow partition %d: %w", number, err)
	}
	first, last := u64(e[entryStart:]), u64(e[entryEnd:])
	sectors := uint64(size / SectorSize)
	copySectors := uint64((len(t.entries) + SectorSize - 1) / SectorSize)
	if first == 0 || first > last || last > math.MaxInt64/SectorSize || sectors < copySectors+2 {
		return 0, 0, false, fmt.Errorf("grow partition %d: it is from sector %d to %d of %d", number, first, last, sectors)
	}
	start, length = int64(first*SectorSize), int64((last-first+1)*SectorSize)
	end := (sectors - 1 - copySectors) * SectorSize / Align * Align / SectorSize // the sector behind it
	if end <= last+1 || t.isBehind(number, last) {
		return start, length, false, nil
	}
	binary.LittleEndian.PutUint64(e[entryEnd:], end-1)
	if err := t.write(d, sectors, copySectors); err != nil {
		return 0, 0, false, fmt.Errorf("write partition table: %w", err)
	}
	return start, int64(end-first) * SectorSize, true, nil
}

func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// readTable reads the first of the two tables, and checks it.
func readTable(d io.ReaderAt, size int64) (*table, error) {
	t := &table{header: make([]byte, SectorSize)}
	if _, err := d.ReadAt(t.header, SectorSize); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(t.header[headerLength:])
	if !bytes.HasPrefix(t.header, []byte("EFI PART")) || length < headerSize || length > maxHeader {
		return nil, errors.New("there is none")
	}
	want := binary.LittleEndian.Uint32(t.header[headerSum:])
	if t.sum(t.header) != want {
		return nil, errors.New("its header is damaged")
	}
	count := binary.LittleEndian.Uint32(t.header[headerCount:])
	t.size = int(binary.LittleEndian.Uint32(t.header[headerEntry:]))
	at := u64(t.header[headerTable:])
	if count > maxEntryCount || t.size < entrySize || t.size > maxEntrySize || at > uint64(size/SectorSize) {
		return nil, fmt.Errorf("%d entries of %d bytes at sector %d", count, t.size, at)
	}
	t.entries = make([]byte, int(count)*t.size)
	if _, err := d.ReadAt(t.entries, int64(at)*SectorSize); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(t.entries) != binary.LittleEndian.Uint32(t.header[headerCRC:]) {
		return nil, errors.New("its entries are damaged")
	}
	return t, nil
}

// sum is the checksum of a header.
func (t *table) sum(header []byte) uint32 {
	b := bytes.Clone(header[:binary.LittleEndian.Uint32(header[headerLength:])])
	clear(b[headerSum : headerSum+4])
	return crc32.ChecksumIEEE(b)
}

func (t *table) entry(number int) ([]byte, error) {
	if number < 1 || number > len(t.entries)/t.size {
		return nil, errors.New("there is none")
	}
	return t.entries[(number-1)*t.size:][:t.size], nil
}

// isBehind reports whether a partition other than number begins after a sector.
func (t *table) isBehind(number int, sector uint64) bool {
	for i := 1; i <= len(t.entries)/t.size; i++ {
		e, err := t.entry(i)
		if err == nil && i != number && u64(e[entryStart:]) > sector {
			return true
		}
	}
	return false
}

// write writes both tables for a disk of some sectors: first the copy at the end, which
// nobody knows of yet, then the one that counts.
func (t *table) write(d Device, sectors, copySectors uint64) error {
	last := sectors - 1
	header := bytes.Clone(t.header)
	binary.LittleEndian.PutUint64(header[headerLast:], last-copySectors-1)
	binary.LittleEndian.PutUint32(header[headerCRC:], crc32.ChecksumIEEE(t.entries))
	place := func(self, other, table uint64) []byte {
		h := bytes.Clone(header)
		binary.LittleEndian.PutUint64(h[headerSelf:], self)
		binary.LittleEndian.PutUint64(h[headerOther:], other)
		binary.LittleEndian.PutUint64(h[headerTable:], table)
		binary.LittleEndian.PutUint32(h[headerSum:], t.sum(h))
		return h
	}
	const first = 1
	firstTable := u64(t.header[headerTable:])
	for _, part := range []struct {
		at   uint64
		data []byte
		sync bool
	}{
		{last - copySectors, t.entries, false},
		{last, place(last, first, last-copySectors), true},
		{firstTable, t.entries, false},
		{first, place(first, last, firstTable), true},
		{0, nil, true},
	} {
		if part.data == nil {
			part.data = make([]byte, SectorSize)
			if _, err := d.ReadAt(part.data, 0); err != nil {
				return err
			}
			copy(part.data[446:], protective(int64(sectors))[446:])
		}
		if _, err := d.WriteAt(part.data, int64(part.at*SectorSize)); err != nil {
			return err
		}
		if part.sync {
			if err := d.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}
