package builtin

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The common ar format, as in deb(5): a magic line, then members, each a header
// of 60 bytes and its content, padded to an even offset.
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	arHeaderEnd  = "`\n"
	// maxArMembers bounds the members of an archive: a package has three.
	maxArMembers = 64
)

// An arMember is a file in an ar archive.
type arMember struct {
	name string
	*io.SectionReader
}

// readAr lists the members of an ar archive of size bytes.
func readAr(r io.ReaderAt, size int64) ([]arMember, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, fmt.Errorf("read ar archive: no ar archive")
	}
	var members []arMember
	for at := int64(len(arMagic)); at < size; {
		m, err := readArMember(r, at, size)
		if err != nil {
			return nil, fmt.Errorf("read ar archive at byte %d: %v", at, err)
		}
		if members = append(members, m); len(members) > maxArMembers {
			return nil, fmt.Errorf("read ar archive: more than %d members", maxArMembers)
		}
		at += arHeaderSize + m.Size() + m.Size()%2
	}
	return members, nil
}

// readArMember reads the header at a byte of the archive: name (16 bytes), time
// (12), owner (6), group (6), mode (8), size (10), end mark (2), in ASCII padded
// with spaces.
func readArMember(r io.ReaderAt, at, size int64) (arMember, error) {
	var header [arHeaderSize]byte
	if _, err := r.ReadAt(header[:], at); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return arMember{}, err
	}
	if string(header[58:]) != arHeaderEnd {
		return arMember{}, fmt.Errorf("damaged header")
	}
	// GNU ar ends names with a slash.
	name := strings.TrimSuffix(strings.TrimRight(string(header[:16]), " "), "/")
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return arMember{}, fmt.Errorf("member name %q", name)
	}
	text := strings.TrimRight(string(header[48:58]), " ")
	length, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return arMember{}, fmt.Errorf("member %q: size %q", name, text)
	}
	if int64(length) > size-at-arHeaderSize {
		return arMember{}, fmt.Errorf("member %q: %d bytes, the archive ends before", name, length)
	}
	return arMember{name, io.NewSectionReader(r, at+arHeaderSize, int64(length))}, nil
}
