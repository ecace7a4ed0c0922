package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeStub returns a program of one section, with room for more, and something behind
// it.
func makeStub(room int) []byte {
	const headers, signature, optional = 0x400, 0x80, 240
	b := make([]byte, headers)
	put16 := func(at int, n uint16) { binary.LittleEndian.PutUint16(b[at:], n) }
	put32 := func(at int, n uint32) { binary.LittleEndian.PutUint32(b[at:], n) }
	copy(b, "MZ")
	put32(signatureAt, signature)
	copy(b[signature:], "PE\x00\x00")
	const coff = signature + signatureSize
	put16(coff, 0x8664)
	put16(coff+2, 1)
	put16(coff+16, optional)
	put16(coff+18, 0x22E)
	const o = coff + coffSize
	put16(o, magicPlus)
	put32(o+32, 0x1000)
	put32(o+36, 0x200)
	put32(o+56, 0x2000)
	put32(o+60, uint32(o+optional+(1+room)*sectionSize))
	put16(o+68, 10) // a program for EFI
	put32(o+108, 16)
	s := b[o+optional:]
	copy(s, ".text")
	for at, n := range map[int]uint32{8: 5, 12: 0x1000, 16: 0x200, 20: headers, 36: 0x60000020} {
		binary.LittleEndian.PutUint32(s[at:], n)
	}
	b = append(b, "code\xc3"...)
	b = append(b, make([]byte, 0x200-5)...)
	return append(b, "a symbol table"...)
}

func sections() []Section {
	return []Section{
		Text(OSRelease, "ID=test\n"), Text(CommandLine, "quiet"), Text(Release, "6.1"),
		Text(Initrd, strings.Repeat("initrd", 1000)), Text(Linux, strings.Repeat("linux", 5000)),
	}
}

func TestRead(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, makeStub(5), sections()); err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if s := f.Section(".text"); s == nil || s.VirtualAddress != 0x1000 {
		t.Errorf("the stub's own section: %+v", s)
	}
	end := uint32(0x1005)
	for _, want := range sections() {
		s := f.Section(want.Name)
		if s == nil {
			t.Fatalf("no section %s", want.Name)
		}
		data, err := s.Data()
		text := new(bytes.Buffer)
		text.ReadFrom(want.Data)
		if err != nil || string(data[:s.VirtualSize]) != text.String() || s.VirtualAddress%0x1000 != 0 || s.VirtualAddress < end {
			t.Errorf("section %s at %#x: %d bytes, %v", s.Name, s.VirtualAddress, s.VirtualSize, err)
		}
		end = s.VirtualAddress + s.VirtualSize
	}
	if size := f.OptionalHeader.(*pe.OptionalHeader64).SizeOfImage; size < end || size%0x1000 != 0 {
		t.Errorf("size in memory %#x, sections end at %#x", size, end)
	}
}

// Another reader of such programs finds what was put in.
func TestReadByObjdump(t *testing.T) {
	objcopy, err := exec.LookPath("objcopy")
	if err != nil {
		t.Skip("objcopy is not installed: apt-get install binutils")
	}
	dir := t.TempDir()
	image, out := filepath.Join(dir, "image"), filepath.Join(dir, "out")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Write(f, makeStub(5), sections()); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections() {
		msg, err := exec.CommandContext(t.Context(), objcopy, "--dump-section", s.Name+"="+out, image, filepath.Join(dir, "copy")).CombinedOutput()
		if err != nil {
			t.Fatalf("objcopy: %v\n%s", err, msg)
		}
		got, err := os.ReadFile(out)
		want := new(bytes.Buffer)
		want.ReadFrom(s.Data)
		if err != nil || string(got) != want.String() {
			t.Errorf("section %s: %d bytes, %v, want %d", s.Name, len(got), err, want.Len())
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		stub     []byte
		sections []Section
		want     string
	}{
		"no program":   {[]byte("#!/bin/sh\n"), sections(), "not a program"},
		"no room":      {makeStub(4), sections(), "no room"},
		"there":        {makeStub(5), []Section{Text(".text", "x")}, "has it"},
		"twice":        {makeStub(5), []Section{Text(Linux, "x"), Text(Linux, "x")}, "has it"},
		"long name":    {makeStub(5), []Section{Text(".something", "x")}, "cannot have"},
		"short":        {makeStub(5), []Section{{Linux, 7, strings.NewReader("short")}}, "5 bytes of 7"},
		"cut off":      {makeStub(5)[:0x500], sections(), "ends behind"},
		"cut in front": {makeStub(5)[:0x180], sections(), "not a"},
	} {
		if err := Write(&bytes.Buffer{}, c.stub, c.sections); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %q", name, err, c.want)
		}
	}
}

func FuzzWrite(f *testing.F) {
	f.Add(makeStub(5))
	f.Add(makeStub(0)[:0x200])
	f.Fuzz(func(t *testing.T, stub []byte) {
		var b bytes.Buffer
		if err := Write(&b, stub, []Section{Text(Linux, "x")}); err == nil && !bytes.Contains(b.Bytes(), []byte(Linux)) {
			t.Error("accepted, and left out")
		}
	})
}
