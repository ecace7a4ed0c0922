// Package copyright reads which licences a Debian package names in its machine-readable
// debian/copyright file ("copyright-format 1.0", known as DEP-5), and writes them as SPDX
// license expressions.
package copyright

import (
	"io"
	"slices"
	"strings"

	"sysc/systems/distro/debian/deb822"
)

// MaxLicenses bounds how many licences of one package are kept: a browser has some 200.
const MaxLicenses = 1024

// A File is what such a file says.
type File struct {
	// Licenses are the licences of the package's files as the file writes them, as in
	// "GPL-2+ or Artistic": each once, sorted.
	Licenses []string
}

// Read reads a file, and returns nil for one that is not machine-readable. Errors of its
// author end it where they are: what was read until then counts.
func Read(r io.Reader) *File {
	stanzas := deb822.NewReader(r)
	header, err := stanzas.Next()
	if err != nil || !isFormat(header.Value("Format")) && !isFormat(header.Value("Format-Specification")) {
		return nil
	}
	f := &File{}
	f.add(header)
	for {
		s, err := stanzas.Next()
		if err != nil {
			break
		}
		// A stanza with a license alone has the text of what others name.
		if _, ok := s.Get("Files"); ok {
			f.add(s)
		}
	}
	slices.Sort(f.Licenses)
	return f
}

func isFormat(address string) bool {
	return strings.Contains(address, "copyright-format") || strings.Contains(strings.ToLower(address), "dep5")
}

// add takes the first line of the field License: the lines that follow are its text.
func (f *File) add(s *deb822.Stanza) {
	name, _, _ := strings.Cut(s.Value("License"), "\n")
	name = strings.Join(strings.Fields(name), " ")
	if name != "" && len(f.Licenses) < MaxLicenses && !slices.Contains(f.Licenses, name) {
		f.Licenses = append(f.Licenses, name)
	}
}
