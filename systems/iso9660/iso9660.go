package iso9660

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// SectorSize is the unit of a disc, in bytes.
const SectorSize = 2048

// Sectors of what stands in front of files. The first ones are free for what makes a disc
// a disk, too: partition tables.
const (
	primary    = 16
	bootRecord = 17
	terminator = 18
	tableL     = 19 // of paths, little-endian
	tableM     = 20 // the same, big-endian
	root       = 21 // directory
	catalogue  = 22
	firstFile  = 23
)

// A Platform is what firmware a boot file is for.
type Platform byte

// The platforms that there are. Other files are for nobody's.
const (
	BIOS Platform = 0
	UEFI Platform = 0xEF
)

// A File is a file at the top of a disc.
type File struct {
	Name string // as in "EFI.IMG"
	Size int64
	// Align is what it begins at a multiple of, in bytes; 0 is SectorSize.
	Align int64
	// Boot is set for a file that firmware starts, for Platform.
	Boot     bool
	Platform Platform
	// Load is how many sectors of 512 bytes a BIOS loads of it.
	Load uint16
	// Start is where it begins, in bytes: Layout sets it.
	Start int64
}

// A Disc is where everything is on one.
type Disc struct {
	Label string
	Files []File
	// Size is the whole disc's, in bytes.
	Size int64
}

// Layout decides where files stand. label is up to 32 capital letters, digits and "_".
func Layout(label string, files []File) (*Disc, error) {
	if err := checkWord(label, 32); err != nil {
		return nil, fmt.Errorf("lay out disc: label %q: %w", label, err)
	}
	d := &Disc{Label: label, Files: slices.Clone(files)}
	at := int64(firstFile * SectorSize)
	for i := range d.Files {
		f := &d.Files[i]
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("lay out disc: file %q: %w", f.Name, err)
		}
		f.Start = roundUp(at, max(f.Align, SectorSize))
		at = roundUp(f.Start+f.Size, SectorSize)
	}
	d.Size = at
	slices.SortFunc(d.Files, func(a, b File) int { return strings.Compare(a.identifier(), b.identifier()) })
	for i := 1; i < len(d.Files); i++ {
		if d.Files[i].Name == d.Files[i-1].Name {
			return nil, fmt.Errorf("lay out disc: two files %q", d.Files[i].Name)
		}
	}
	if d.directorySize() > SectorSize {
		return nil, fmt.Errorf("lay out disc: %d files, too many", len(files))
	}
	return d, nil
}

func (f *File) check() error {
	const nameSize, endSize = 8, 3
	base, end, ok := strings.Cut(f.Name, ".")
	if err := checkWord(base, nameSize); err != nil {
		return err
	}
	if ok {
		if err := checkWord(end, endSize); err != nil {
			return err
		}
	}
	if f.Size < 0 || f.Size > math.MaxUint32 || f.Align < 0 || f.Align%SectorSize != 0 {
		return fmt.Errorf("%d bytes at multiples of %d: at most %d, in sectors", f.Size, f.Align, uint32(math.MaxUint32))
	}
	return nil
}

func checkWord(s string, most int) error {
	if s == "" || len(s) > most || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return fmt.Errorf("not 1 to %d of A-Z, 0-9 and _", most)
	}
	return nil
}

// identifier is the name as directories have it: with a dot and the version.
func (f *File) identifier() string {
	if strings.Contains(f.Name, ".") {
		return f.Name + ";1"
	}
	return f.Name + ".;1"
}

// File returns a file by its name, which there has to be.
func (d *Disc) File(name string) *File {
	return &d.Files[slices.IndexFunc(d.Files, func(f File) bool { return f.Name == name })]
}

// Write writes everything but the files. w must read as zeros where nothing is written,
// up to Size.
func (d *Disc) Write(w io.WriterAt) error {
	for _, s := range []struct {
		sector int64
		data   []byte
	}{
		{primary, d.primary()}, {bootRecord, d.bootRecord()}, {terminator, descriptor(255)},
		{tableL, pathTable(binary.LittleEndian)}, {tableM, pathTable(binary.BigEndian)},
		{root, d.directory()}, {catalogue, d.catalogue()},
	} {
		if _, err := w.WriteAt(s.data, s.sector*SectorSize); err != nil {
			return fmt.Errorf("write disc: %w", err)
		}
	}
	return nil
}

// descriptor is one of the volume, without what is its own.
func descriptor(kind byte) []byte {
	b := make([]byte, SectorSize)
	b[0] = kind
	copy(b[1:], "CD001\x01")
	return b
}

func (d *Disc) primary() []byte {
	b := descriptor(1)
	spaces := func(from, to int) { copy(b[from:to], strings.Repeat(" ", to-from)) }
	spaces(8, 72)
	copy(b[40:], d.Label)
	both32(b[80:], uint32(d.Size/SectorSize))
	both16(b[120:], 1)
	both16(b[124:], 1)
	both16(b[128:], SectorSize)
	both32(b[132:], uint32(pathTableSize))
	binary.LittleEndian.PutUint32(b[140:], tableL)
	binary.BigEndian.PutUint32(b[148:], tableM)
	copy(b[156:], record("\x00", root, SectorSize, isDirectory))
	spaces(190, 813)
	for _, at := range []int{813, 830, 847, 864} {
		copy(b[at:], "0000000000000000\x00") // of creation, change, expiry, effect: not stated
	}
	date := time.Unix(fileTime, 0).UTC().Format("20060102150405") + "00\x00"
	copy(b[813:], date)
	copy(b[830:], date)
	b[881] = 1
	return b
}

// fileTime is the time of everything, in seconds since the epoch.
const fileTime = 1

const isDirectory = 2

// record is an entry of a directory.
func record(name string, sector int64, size int64, flags byte) []byte {
	const head = 33
	b := make([]byte, (head+len(name)+1)&^1)
	b[0] = byte(len(b))
	both32(b[2:], uint32(sector))
	both32(b[10:], uint32(size))
	t := time.Unix(fileTime, 0).UTC()
	copy(b[18:], []byte{byte(t.Year() - 1900), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0})
	b[25] = flags
	both16(b[28:], 1)
	b[32] = byte(len(name))
	copy(b[head:], name)
	return b
}

func (d *Disc) directorySize() int {
	size := len(record("\x00", 0, 0, 0)) + len(record("\x01", 0, 0, 0))
	for i := range d.Files {
		size += len(record(d.Files[i].identifier(), 0, 0, 0))
	}
	return size
}

func (d *Disc) directory() []byte {
	b := slices.Concat(record("\x00", root, SectorSize, isDirectory), record("\x01", root, SectorSize, isDirectory))
	for i := range d.Files {
		f := &d.Files[i]
		b = append(b, record(f.identifier(), f.Start/SectorSize, f.Size, 0)...)
	}
	return append(b, make([]byte, SectorSize-len(b))...)
}

const pathTableSize = 10

// pathTable lists the directories: one.
func pathTable(order binary.ByteOrder) []byte {
	b := make([]byte, SectorSize)
	b[0] = 1
	order.PutUint32(b[2:], root)
	order.PutUint16(b[6:], 1)
	return b
}

func (d *Disc) bootRecord() []byte {
	b := descriptor(0)
	copy(b[7:], "EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(b[71:], catalogue)
	return b
}

const catalogueEntry = 32

// catalogue lists the files that firmware starts. A BIOS takes the first entry, so its
// own comes first.
func (d *Disc) catalogue() []byte {
	var files []*File
	for i := range d.Files {
		if d.Files[i].Boot {
			files = append(files, &d.Files[i])
		}
	}
	slices.SortStableFunc(files, func(a, b *File) int { return int(a.Platform) - int(b.Platform) })
	b := make([]byte, SectorSize)
	if len(files) == 0 {
		return b
	}
	validation := b[:catalogueEntry]
	validation[0] = 1
	validation[1] = byte(files[0].Platform)
	validation[30], validation[31] = 0x55, 0xAA
	var sum uint16
	for i := 0; i < catalogueEntry; i += 2 {
		sum += binary.LittleEndian.Uint16(validation[i:])
	}
	binary.LittleEndian.PutUint16(validation[28:], -sum)
	at := catalogueEntry
	for i, f := range files {
		if i > 0 { // each further platform has a section of its own
			header := b[at:]
			header[0] = 0x90
			if i == len(files)-1 {
				header[0] = 0x91
			}
			header[1] = byte(f.Platform)
			binary.LittleEndian.PutUint16(header[2:], 1)
			at += catalogueEntry
		}
		entry := b[at:]
		entry[0] = 0x88 // bootable, and no floppy disk
		binary.LittleEndian.PutUint16(entry[6:], f.Load)
		binary.LittleEndian.PutUint32(entry[8:], uint32(f.Start/SectorSize))
		at += catalogueEntry
	}
	return b
}

// both16 and both32 write a number in both orders.
func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

func both32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
