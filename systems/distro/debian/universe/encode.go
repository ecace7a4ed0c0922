package universe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"sysc/internal/varint"
)

// Packages that were read once are kept in a form that is read again in a tenth of the
// time. It is two texts: one of numbers, and one that all fields of the packages are parts
// of, one behind the other, so that reading copies none of them.
//
//	count, then for each package:
//	  flags, size, the 32 bytes of its SHA-256
//	  the lengths of its fields, in the order of [Package.texts]
//
// A field that repeats another one or is one of a few words is told by a flag, or by a
// length of 0 and the number of the word.

// encodedFlags of a package.
const (
	flagEssential     = 1 << iota
	flagSource        // Source is Name
	flagSourceVersion // SourceVersion is Version
	flagsEnd
)

// commonWords are what fields mostly have; their numbers are a part of the form.
var commonWords = []string{"", "all", "amd64", "arm64", "i386", "armhf", "riscv64", "optional", "extra", "important", "required", "standard", "same", "foreign", "allowed", "no"}

// words are the fields that are one of commonWords mostly.
func (p *Package) words() [3]*string { return [...]*string{&p.Architecture, &p.Priority, &p.MultiArch} }

// texts are all other fields.
func (p *Package) texts() [11]*string {
	return [...]*string{
		&p.Name, &p.Version, &p.Source, &p.SourceVersion, &p.PreDepends, &p.Depends, &p.Recommends,
		&p.Conflicts, &p.Breaks, &p.Provides, &p.Filename,
	}
}

// Encode writes packages, but for their origins and priorities.
func Encode(packages []Package) []byte {
	numbers := binary.AppendUvarint(nil, uint64(len(packages)))
	var text []byte
	for i := range packages {
		p := packages[i]
		flags := uint64(0)
		if p.Essential {
			flags |= flagEssential
		}
		if p.Source == p.Name {
			flags, p.Source = flags|flagSource, ""
		}
		if p.SourceVersion == p.Version {
			flags, p.SourceVersion = flags|flagSourceVersion, ""
		}
		numbers = binary.AppendUvarint(numbers, flags)
		numbers = binary.AppendUvarint(numbers, uint64(p.Size))
		numbers = append(numbers, p.SHA256[:]...)
		for _, word := range p.words() {
			numbers, text = appendWord(numbers, text, *word)
		}
		for _, field := range p.texts() {
			numbers = binary.AppendUvarint(numbers, uint64(len(*field)))
			text = append(text, *field...)
		}
	}
	return append(varint.AppendText(nil, string(numbers)), text...)
}

// appendWord writes the number of a common word, or behind the last of those the length of
// another one.
func appendWord(numbers, text []byte, word string) (n, t []byte) {
	for i, common := range commonWords {
		if word == common {
			return binary.AppendUvarint(numbers, uint64(i)), text
		}
	}
	return binary.AppendUvarint(numbers, uint64(len(commonWords)+len(word))), append(text, word...)
}

// ErrEncoding says that something is not what [Encode] wrote.
var ErrEncoding = errors.New("not a list of packages")

// Decode reads what [Encode] wrote. Anything else is [ErrEncoding], or a list of packages
// whose fields are parts of it.
func Decode(data string) ([]Package, error) {
	numbers, text, ok := varint.CutText(data)
	d := decoder{numbers: numbers, text: text, failed: !ok}
	count := d.number()
	// A package takes more bytes than this.
	if d.failed || count > MaxPackages || count > uint64(len(numbers)/len(Package{}.SHA256)) {
		return nil, ErrEncoding
	}
	packages := make([]Package, count)
	for i := range packages {
		d.read(&packages[i])
		if d.failed {
			return nil, ErrEncoding
		}
	}
	if d.numbers != "" || d.text != "" {
		return nil, fmt.Errorf("%w: there is more", ErrEncoding)
	}
	return packages, nil
}

// A decoder takes numbers and texts off the fronts of what is left.
type decoder struct {
	numbers, text string
	failed        bool
}

func (d *decoder) read(p *Package) {
	flags, size := d.number(), d.number()
	if flags >= flagsEnd || size > 1<<62 || len(d.numbers) < len(p.SHA256) {
		d.failed = true
		return
	}
	p.Size = int64(size)
	copy(p.SHA256[:], d.numbers)
	d.numbers = d.numbers[len(p.SHA256):]
	for _, word := range p.words() {
		n := d.number()
		if n < uint64(len(commonWords)) {
			*word = commonWords[n]
			continue
		}
		*word = d.cut(n - uint64(len(commonWords)))
	}
	for _, field := range p.texts() {
		*field = d.cut(d.number())
	}
	p.Essential = flags&flagEssential != 0
	if flags&flagSource != 0 {
		p.Source = p.Name
	}
	if flags&flagSourceVersion != 0 {
		p.SourceVersion = p.Version
	}
	// What finish checks, as far as it is about more than the resolver.
	if p.Name == "" || strings.HasPrefix(p.Filename, "/") || strings.Contains("/"+p.Filename+"/", "/../") {
		d.failed = true
	}
}

func (d *decoder) number() uint64 {
	// Most are of one byte.
	if len(d.numbers) > 0 && d.numbers[0] < 0x80 {
		n := d.numbers[0]
		d.numbers = d.numbers[1:]
		return uint64(n)
	}
	n, rest, ok := varint.Cut(d.numbers)
	d.numbers, d.failed = rest, d.failed || !ok
	return n
}

func (d *decoder) cut(n uint64) string {
	if n > uint64(len(d.text)) {
		d.failed = true
		return ""
	}
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}
