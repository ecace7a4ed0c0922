// Package universe holds the packages that a set of indexes offers: what the
// resolver needs of each, an index of their names and one of what they provide.
package universe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"sysc/store"
	"sysc/systems/distro/debian/deb822"
	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/version"
)

// A Package is one version of one binary package, as an index describes it.
// The relations are fields as they stand there, folded; they are parsed for
// those packages that somebody asks about.
type Package struct {
	Name         string
	Version      string
	Architecture string
	// Source is the source package's name, SourceVersion its version.
	Source, SourceVersion string
	// Priority is "required", "important", "standard", "optional" or "extra".
	Priority  string
	Essential bool
	// MultiArch is "same", "foreign", "allowed", or "" and "no", which are the same
	// (policy, "Multi-Arch").
	MultiArch string

	PreDepends, Depends, Recommends string
	Conflicts, Breaks, Provides     string

	// Filename is relative to the mirror's base URL.
	Filename string
	Size     int64
	SHA256   store.Digest

	// Origin says which index it stands in, and Pin is the priority that it has
	// among the versions of the package. A [Universe] sets both.
	Origin *Origin
	Pin    int
}

// String writes "name version".
func (p *Package) String() string { return p.Name + " " + p.Version }

// fromStanza takes what is needed out of a stanza. All strings of the package
// share one allocation, and none of the stanza's memory.
func fromStanza(s *deb822.Stanza, scratch []byte) (Package, []byte, error) {
	type part struct {
		dst   *string
		start int
		end   int
	}
	var p Package
	var parts [16]part
	n := 0
	var size, sha string
	scratch = scratch[:0]
	for _, f := range s.Fields {
		dst := p.field(string(f.Name), &size, &sha)
		if dst == nil || n == len(parts) {
			if string(f.Name) == "Essential" {
				p.Essential = string(f.Value) == "yes"
			}
			continue
		}
		start := len(scratch)
		scratch = appendFolded(scratch, f.Value)
		parts[n] = part{dst, start, len(scratch)}
		n++
	}
	text := string(scratch)
	for _, part := range parts[:n] {
		*part.dst = text[part.start:part.end]
	}
	err := p.finish(size, sha)
	return p, scratch, err
}

// field returns where a field's value goes, nil for what nobody needs.
func (p *Package) field(name string, size, sha *string) *string {
	switch name {
	case "Package":
		return &p.Name
	case "Version":
		return &p.Version
	case "Architecture":
		return &p.Architecture
	case "Source":
		return &p.Source
	case "Priority":
		return &p.Priority
	case "Multi-Arch":
		return &p.MultiArch
	case "Pre-Depends":
		return &p.PreDepends
	case "Depends":
		return &p.Depends
	case "Recommends":
		return &p.Recommends
	case "Conflicts":
		return &p.Conflicts
	case "Breaks":
		return &p.Breaks
	case "Provides":
		return &p.Provides
	case "Filename":
		return &p.Filename
	case "Size":
		return size
	case "SHA256":
		return sha
	}
	return nil
}

// A File is where the file of a package is, and what it is.
type File struct {
	// Name stands for [Package.Filename].
	Name   string
	Size   int64
	SHA256 store.Digest
}

// ReadControl reads the control file of a package: one stanza as in an index, but for what
// is said there of the file.
func ReadControl(text []byte, file File) (Package, error) {
	reader := deb822.NewReader(bytes.NewReader(text))
	stanza, err := reader.Next()
	if err != nil {
		return Package{}, fmt.Errorf("read control file: %w", err)
	}
	if err := stanza.CheckUnique(); err != nil {
		return Package{}, fmt.Errorf("read control file: %w", err)
	}
	ofFile := func(f deb822.Field) bool {
		return slices.ContainsFunc([]string{"Filename", "Size", "SHA256"}, func(name string) bool { return strings.EqualFold(string(f.Name), name) })
	}
	own := deb822.Stanza{Fields: append(slices.DeleteFunc(slices.Clone(stanza.Fields), ofFile),
		deb822.Field{Name: []byte("Filename"), Value: []byte(file.Name)},
		deb822.Field{Name: []byte("Size"), Value: strconv.AppendInt(nil, file.Size, 10)},
		deb822.Field{Name: []byte("SHA256"), Value: []byte(file.SHA256.Hex())},
	)}
	p, _, err := fromStanza(&own, nil)
	if err == nil && p.Architecture == "" {
		err = fmt.Errorf("parse package %q: no architecture", p.Name)
	}
	if err != nil {
		return Package{}, err
	}
	if _, err := reader.Next(); !errors.Is(err, io.EOF) {
		return Package{}, fmt.Errorf("read control file of %q: more than one stanza", p.Name)
	}
	return p, nil
}

func appendFolded(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') >= 0 {
		return append(dst, deb822.Fold(string(value))...)
	}
	return append(dst, value...)
}

// finish checks what was read: an index is signed, but its signer may be wrong.
func (p *Package) finish(size, sha string) error {
	if err := relation.CheckName(p.Name); err != nil {
		return fmt.Errorf("parse package: %v", err)
	}
	if err := version.Check(p.Version); err != nil {
		return fmt.Errorf("parse package %q: %v", p.Name, err)
	}
	if p.Source == "" {
		p.Source = p.Name
	}
	// "NAME (VERSION)" where either is another one than the package's (policy 5.6.1).
	p.Source, p.SourceVersion, _ = strings.Cut(p.Source, " ")
	p.SourceVersion = strings.Trim(p.SourceVersion, " ()")
	if p.SourceVersion == "" {
		p.SourceVersion = p.Version
	}
	if p.Filename == "" || strings.HasPrefix(p.Filename, "/") || path.Clean("/"+p.Filename) != "/"+strings.TrimPrefix(p.Filename, "./") {
		return fmt.Errorf("parse package %q: file name %q leads elsewhere", p.Name, p.Filename)
	}
	p.Filename = strings.TrimPrefix(p.Filename, "./")
	var err error
	if p.Size, err = strconv.ParseInt(size, 10, 64); err != nil || p.Size < 0 {
		return fmt.Errorf("parse package %q: size %q is no number", p.Name, size)
	}
	if sha == "" {
		return fmt.Errorf("parse package %q: no SHA256: weaker hashes are not accepted", p.Name)
	}
	if p.SHA256, err = store.ParseDigest(sha); err != nil {
		return fmt.Errorf("parse package %q: %v", p.Name, err)
	}
	return nil
}
