package debian

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/systems/distro/debian/universe"
)

// PinChosen is the priority of what a definition chooses itself, a version or a package
// file of its own: above what any archive has by default, as it is for a file that apt is
// given (apt_preferences(5)).
const PinChosen = 1001

// An OwnFile is a package file that a definition names: it is in no archive.
type OwnFile struct {
	p universe.Package
}

// ReadOwnFile reads what a package file of size bytes says of itself. name is the file's.
// The error is a [*MismatchError] when its bytes are not those of a digest, and a
// [*builtin.MalformedError] when it is no package.
func ReadOwnFile(ctx context.Context, r io.ReaderAt, size int64, name string, digest store.Digest) (*OwnFile, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return nil, fmt.Errorf("read package %s: %w", name, err)
	}
	if got := store.Digest(h.Sum(nil)); got != digest {
		return nil, &MismatchError{File: name, WantSize: size, GotSize: size, Want: digest, Got: got}
	}
	text, err := builtin.DebControl(ctx, r, size)
	if err != nil {
		return nil, fmt.Errorf("read package %s: %w", name, err)
	}
	p, err := universe.ReadControl(text, universe.File{Name: name, Size: size, SHA256: digest})
	if err != nil {
		return nil, fmt.Errorf("read package %s: %w", name, builtin.Malformed(ctx, err))
	}
	return &OwnFile{p}, nil
}

// Own makes a part of a universe of package files that a definition names. Each counts as
// one of the input, and is preferred to all others of its name.
func Own(input string, files []*OwnFile) Part {
	list := make([]universe.Package, len(files))
	for i, f := range files {
		list[i] = f.p
	}
	return Part{Input: input, Priority: PinChosen, Packages: []*Packages{{indexes: []Index{{}}, lists: [][]universe.Package{list}}}}
}

// Only is what [Request.Keep] takes for no other package of the name to be there than the
// file.
func (f *OwnFile) Only() Package {
	return Package{Name: f.p.Name, Version: f.p.Version, Architecture: f.p.Architecture, Size: f.p.Size, SHA256: f.p.SHA256}
}

// Check reports a file that is not the package of a name, or not for an architecture.
func (f *OwnFile) Check(name, architecture string) error {
	switch {
	case f.p.Name != name:
		return fmt.Errorf("the control file is that of %q", f.p.Name)
	case f.p.Architecture != architecture && f.p.Architecture != ArchitectureAll:
		return fmt.Errorf("it is for %s, and the system is for %s", f.p.Architecture, architecture)
	}
	return nil
}
