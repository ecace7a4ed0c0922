// Package gpt writes the partition tables of disks, as UEFI has them (UEFI
// Specification 2.10, chapter 5): a GUID partition table with its copy at the end, and
// the old table that keeps others from taking the disk for empty.
package gpt

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"unicode/utf16"
)

// SectorSize is the unit of a disk, in bytes.
const SectorSize = 512

// Align is what partitions begin and end at multiples of, in bytes.
const Align = 1 << 20

const (
	entries    = 128 // in a table
	entrySize  = 128
	headerSize = 92
	tableSize  = entries * entrySize
	// FirstByte and the last one of a disk that a partition may use are as far from
	// its ends.
	overhead = 2*SectorSize + tableSize
)

// Tail is how many bytes at the end of a disk the copy of the table takes.
const Tail = SectorSize + tableSize

// A GUID is a globally unique identifier, as people write it: its bytes in the order of
// its digits.
type GUID [16]byte

// Types of partitions (UAPI.2, Discoverable Partitions Specification).
var (
	// TypeESP is what firmware looks for a boot loader on.
	TypeESP = GUID{0xC1, 0x2A, 0x73, 0x28, 0xF8, 0x1F, 0x11, 0xD2, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B}
	// TypeBIOS has no file system: a boot loader for a BIOS has its code there.
	TypeBIOS = GUID{0x21, 0x68, 0x61, 0x48, 0x64, 0x49, 0x6E, 0x6F, 0x74, 0x4E, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49}
	// TypeLinux is a file system of Linux of no special purpose.
	TypeLinux = GUID{0x0F, 0xC6, 0x3D, 0xAF, 0x84, 0x83, 0x47, 0x72, 0x8E, 0x79, 0x3D, 0x69, 0xD8, 0x47, 0x7D, 0xE4}
)

// A Partition is a part of a disk.
type Partition struct {
	Type, ID GUID
	Name     string // at most 36 characters
	// Start and Size are in bytes, multiples of Align.
	Start, Size int64
}

// encode returns the GUID as it is on a disk: the first three numbers of it
// little-endian.
func (g GUID) encode() []byte {
	return []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}

// Write writes the tables of a disk of size bytes.
func Write(w io.WriterAt, size int64, disk GUID, parts []Partition) error {
	if err := check(size, parts); err != nil {
		return fmt.Errorf("write partition table: %w", err)
	}
	sectors := size / SectorSize
	table := make([]byte, 0, tableSize)
	for _, p := range parts {
		table = append(table, p.encode()...)
	}
	table = table[:tableSize]
	const first = 1
	last := sectors - 1
	const copied = tableSize / SectorSize // sectors before the last one
	for _, part := range []struct {
		at   int64
		data []byte
	}{
		{0, protective(sectors)},
		{first, header(first, last, first+1, sectors, disk, table)},
		{first + 1, table},
		{last - copied, table},
		{last, header(last, first, last-copied, sectors, disk, table)},
	} {
		if _, err := w.WriteAt(part.data, part.at*SectorSize); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
	}
	return nil
}

func check(size int64, parts []Partition) error {
	if len(parts) > entries {
		return fmt.Errorf("%d partitions, at most %d", len(parts), entries)
	}
	if size%SectorSize != 0 {
		return fmt.Errorf("a disk of %d bytes: not in sectors", size)
	}
	end := int64(overhead)
	for _, p := range parts {
		switch {
		case p.Start%Align != 0 || p.Size%Align != 0 || p.Size <= 0:
			return fmt.Errorf("partition %q: %d bytes from %d on: not a multiple of %d", p.Name, p.Size, p.Start, int64(Align))
		case p.Start < end:
			return fmt.Errorf("partition %q begins at %d, where %d is taken", p.Name, p.Start, end)
		case p.Size > size-Tail-p.Start:
			return fmt.Errorf("partition %q ends after the disk", p.Name)
		case len(utf16.Encode([]rune(p.Name))) > 36:
			return fmt.Errorf("partition %q: its name is too long", p.Name)
		}
		end = p.Start + p.Size
	}
	return nil
}

func (p *Partition) encode() []byte {
	b := make([]byte, entrySize)
	copy(b, p.Type.encode())
	copy(b[16:], p.ID.encode())
	binary.LittleEndian.PutUint64(b[32:], uint64(p.Start/SectorSize))
	binary.LittleEndian.PutUint64(b[40:], uint64((p.Start+p.Size)/SectorSize-1))
	for i, c := range utf16.Encode([]rune(p.Name)) {
		binary.LittleEndian.PutUint16(b[56+2*i:], c)
	}
	return b
}

// header is the sector that describes a table, which stands at the sector self; table
// begins at the sector tableAt.
func header(self, other, tableAt, sectors int64, disk GUID, table []byte) []byte {
	b := make([]byte, SectorSize)
	copy(b, "EFI PART")
	binary.LittleEndian.PutUint32(b[8:], 1<<16)
	binary.LittleEndian.PutUint32(b[12:], headerSize)
	for i, n := range []int64{self, other, overhead / SectorSize, sectors - overhead/SectorSize} {
		binary.LittleEndian.PutUint64(b[24+8*i:], uint64(n))
	}
	copy(b[56:], disk.encode())
	binary.LittleEndian.PutUint64(b[72:], uint64(tableAt))
	binary.LittleEndian.PutUint32(b[80:], entries)
	binary.LittleEndian.PutUint32(b[84:], entrySize)
	binary.LittleEndian.PutUint32(b[88:], crc32.ChecksumIEEE(table))
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:headerSize]))
	return b
}

// protective is the first sector: a partition of a type of its own takes the whole
// disk.
func protective(sectors int64) []byte {
	b := make([]byte, SectorSize)
	p := b[446:]
	copy(p, []byte{0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF})
	binary.LittleEndian.PutUint32(p[8:], 1)
	binary.LittleEndian.PutUint32(p[12:], uint32(min(sectors-1, math.MaxUint32)))
	binary.LittleEndian.PutUint16(b[510:], 0xAA55)
	return b
}
