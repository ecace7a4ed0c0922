package fat

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	recordSize = 32 // of an entry of a directory
	// longChars is how many characters of a long name one record holds.
	longChars   = 13
	maxLongName = 255
)

// checkName reports why FAT cannot have a file of this name.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not UTF-8", name)
	case len(utf16.Encode([]rune(name))) > maxLongName:
		return fmt.Errorf("name %q is too long", name)
	case strings.ContainsAny(name, "\"*/:<>?\\|") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("name %q has a character that FAT does not know", name)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fmt.Errorf("name %q ends in a dot or blank, which FAT cuts off", name)
	}
	return nil
}

// A shortName is a name as DOS has it: eight characters and three, filled with
// blanks.
type shortName [11]byte

// exactShort returns the short form of a name that needs no long one.
func exactShort(name string) (shortName, bool) {
	var s shortName
	base, ext, _ := strings.Cut(name, ".")
	if len(base) == 0 || len(base) > 8 || len(ext) > 3 || strings.HasSuffix(name, ".") {
		return s, false
	}
	for _, c := range []byte(base + ext) {
		if !isShortChar(c) {
			return s, false
		}
	}
	return makeShort(base, ext), true
}

func makeShort(base, ext string) (s shortName) {
	copy(s[:], "           ")
	copy(s[:8], base)
	copy(s[8:], ext)
	return s
}

func isShortChar(c byte) bool {
	return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("$%'-_@~`!(){}^#&", c) >= 0
}

// aliases gives names in one directory short forms that do not meet.
type aliases map[shortName]bool

// alias makes a short form of a name that has none by itself: what is left of it, a
// number, and its extension.
func (a aliases) alias(name string) (shortName, error) {
	dot := strings.LastIndexByte(name, '.')
	base, ext := name, ""
	if dot > 0 {
		base, ext = name[:dot], name[dot+1:]
	}
	base, ext = loud(base), loud(ext)
	for n := 1; n < 1_000_000; n++ {
		tail := fmt.Sprintf("~%d", n)
		s := makeShort(base[:min(len(base), 8-len(tail))]+tail, ext[:min(len(ext), 3)])
		if !a[s] {
			a[s] = true
			return s, nil
		}
	}
	return shortName{}, fmt.Errorf("name %q has no short form left", name)
}

// loud keeps the characters that short names may have, in capitals.
func loud(s string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToUpper(s)) {
		if isShortChar(c) {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// longRecords returns the records of a long name, which stand before the one of its
// short form, last part first.
func longRecords(name string, short shortName) []byte {
	chars := utf16.Encode([]rune(name))
	if len(chars)%longChars != 0 {
		chars = append(chars, 0)
	}
	for len(chars)%longChars != 0 {
		chars = append(chars, 0xFFFF)
	}
	count := len(chars) / longChars
	var out []byte
	for i := count; i >= 1; i-- {
		r := make([]byte, recordSize)
		r[0] = byte(i)
		if i == count {
			r[0] |= 0x40
		}
		r[11] = attrLong
		r[13] = checksum(short)
		part := chars[(i-1)*longChars:]
		for k, at := range [longChars]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
			binary.LittleEndian.PutUint16(r[at:], part[k])
		}
		out = append(out, r...)
	}
	return out
}

// checksum ties the records of a long name to the short one.
func checksum(s shortName) (sum byte) {
	for _, c := range s {
		sum = sum<<7 | sum>>1
		sum += c
	}
	return sum
}
