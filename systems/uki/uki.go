package uki

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// Names of sections that systemd-stub(7) looks for.
const (
	OSRelease   = ".osrel"   // os-release(5): what loaders show, and order by
	CommandLine = ".cmdline" // of the kernel
	Release     = ".uname"   // of the kernel, as uname -r has it
	Initrd      = ".initrd"
	Linux       = ".linux"
)

// A Section is a part of an image.
type Section struct {
	Name string // at most 8 bytes
	Size int64
	Data io.Reader // of Size bytes
}

// Text returns a section of a text.
func Text(name, text string) Section {
	return Section{name, int64(len(text)), strings.NewReader(text)}
}

// MaxStub bounds a stub, in bytes.
const MaxStub = 16 << 20

// Sizes and offsets of PE, in bytes.
const (
	dosSize       = 64
	signatureAt   = 0x3C // where the DOS header says where the signature is
	signatureSize = 4
	coffSize      = 20
	sectionSize   = 40
	nameSize      = 8
	// minOptional is the optional header up to the number of directories, and
	// directorySize one of those.
	minOptional     = 112
	directorySize   = 8
	certificates    = 4 // number of that directory
	magicPlus       = 0x20B
	initializedData = 0x40
	readable        = 0x40000000
)

// A stub is a program that sections are added to.
type stub struct {
	data     []byte
	coff     int // where the COFF header is
	optional int // where the optional header is
	table    int // where the headers of sections are
	sections int
	align    uint64 // of sections in memory
	fileUnit uint64 // of sections in the file
	memory   uint64 // end of the last section in memory
	headers  int    // size of all headers
	names    map[string]bool
}

// Write writes stub with sections behind its own, in their order. A stub that has one of
// them already, or no room for their headers, is an error.
func Write(w io.Writer, program []byte, sections []Section) error {
	if err := write(w, program, sections); err != nil {
		return fmt.Errorf("write unified kernel image: %w", err)
	}
	return nil
}

func write(w io.Writer, program []byte, sections []Section) error {
	s, err := parse(bytes.Clone(program))
	if err != nil {
		return fmt.Errorf("read stub: %w", err)
	}
	if err := s.add(sections); err != nil {
		return err
	}
	if _, err := w.Write(s.data); err != nil {
		return err
	}
	for _, sec := range sections {
		n, err := io.CopyN(w, sec.Data, sec.Size)
		if err != nil {
			return fmt.Errorf("section %s: %d bytes of %d: %w", sec.Name, n, sec.Size, err)
		}
		if _, err := w.Write(make([]byte, roundUp(uint64(n), s.fileUnit)-uint64(n))); err != nil {
			return err
		}
	}
	return nil
}

// parse reads the headers of a program.
func parse(data []byte) (*stub, error) {
	if len(data) > MaxStub {
		return nil, fmt.Errorf("%d bytes, at most %d", len(data), MaxStub)
	}
	if len(data) < dosSize || string(data[:2]) != "MZ" {
		return nil, errors.New("not a program for UEFI")
	}
	s := &stub{data: data, names: map[string]bool{}}
	at := uint64(binary.LittleEndian.Uint32(data[signatureAt:]))
	if at+signatureSize+coffSize+minOptional > uint64(len(data)) || string(data[at:at+signatureSize]) != "PE\x00\x00" {
		return nil, errors.New("not a program for UEFI")
	}
	s.coff = int(at) + signatureSize
	s.optional = s.coff + coffSize
	s.sections = int(s.u16(s.coff + 2))
	optionalSize := int(s.u16(s.coff + 16))
	s.table = s.optional + optionalSize
	if s.u16(s.optional) != magicPlus || optionalSize < minOptional || s.table+s.sections*sectionSize > len(data) {
		return nil, errors.New("not a 64-bit program for UEFI")
	}
	s.align, s.fileUnit = uint64(s.u32(s.optional+32)), uint64(s.u32(s.optional+36))
	s.headers = int(s.u32(s.optional + 60))
	if !isPowerOfTwo(s.align) || !isPowerOfTwo(s.fileUnit) || s.align > MaxStub || s.fileUnit > MaxStub || s.headers > len(data) {
		return nil, errors.New("its headers make no sense")
	}
	return s, s.parseSections()
}

// parseSections finds where the stub's own sections end, and cuts off what is behind
// them.
func (s *stub) parseSections() error {
	end := uint64(s.headers)
	for i := range s.sections {
		at := s.table + i*sectionSize
		s.names[strings.TrimRight(string(s.data[at:at+nameSize]), "\x00")] = true
		s.memory = max(s.memory, uint64(s.u32(at+12))+uint64(s.u32(at+8)))
		if size := uint64(s.u32(at + 16)); size > 0 {
			end = max(end, uint64(s.u32(at+20))+size)
		}
	}
	if end > uint64(len(s.data)) {
		return errors.New("a section ends behind it")
	}
	s.data = append(s.data[:end], make([]byte, roundUp(end, s.fileUnit)-end)...)
	return nil
}

// add adds the headers of sections.
func (s *stub) add(sections []Section) error {
	if s.table+(s.sections+len(sections))*sectionSize > s.headers {
		return fmt.Errorf("the stub has no room for %d more sections", len(sections))
	}
	place, memory := uint64(len(s.data)), roundUp(s.memory, s.align)
	var total uint64
	for _, sec := range sections {
		if len(sec.Name) > nameSize || s.names[sec.Name] {
			return fmt.Errorf("section %s: the stub has it, or cannot have one of this name", sec.Name)
		}
		s.names[sec.Name] = true
		if sec.Size < 0 || sec.Size > math.MaxInt32 {
			return fmt.Errorf("section %s of %d bytes: at most %d", sec.Name, sec.Size, math.MaxInt32)
		}
		size := uint64(sec.Size)
		padded := roundUp(size, s.fileUnit)
		if place+padded > math.MaxUint32 || memory+size > math.MaxUint32 {
			return fmt.Errorf("section %s: the image would be larger than 4 GiB", sec.Name)
		}
		h := s.data[s.table+s.sections*sectionSize:][:sectionSize]
		clear(h)
		copy(h, sec.Name)
		for at, n := range map[int]uint64{8: size, 12: memory, 16: padded, 20: place, 36: initializedData | readable} {
			binary.LittleEndian.PutUint32(h[at:], uint32(n))
		}
		s.sections++
		place += padded
		total += padded
		memory = roundUp(memory+size, s.align)
	}
	binary.LittleEndian.PutUint16(s.data[s.coff+2:], uint16(s.sections))
	s.put32(s.optional+8, uint32(uint64(s.u32(s.optional+8))+total))
	s.put32(s.optional+56, uint32(memory))
	s.put32(s.optional+64, 0) // no checksum, which firmware does not look at
	// Nor a symbol table, which stood behind the sections, or a signature.
	s.put32(s.coff+8, 0)
	s.put32(s.coff+12, 0)
	if at := s.optional + minOptional + certificates*directorySize; at+directorySize <= s.table {
		clear(s.data[at:][:directorySize])
	}
	return nil
}

func (s *stub) u16(at int) uint16      { return binary.LittleEndian.Uint16(s.data[at:]) }
func (s *stub) u32(at int) uint32      { return binary.LittleEndian.Uint32(s.data[at:]) }
func (s *stub) put32(at int, n uint32) { binary.LittleEndian.PutUint32(s.data[at:], n) }

func isPowerOfTwo(n uint64) bool { return n > 0 && n&(n-1) == 0 }

// roundUp returns the first multiple of to, a power of two, that is not below n.
func roundUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }
