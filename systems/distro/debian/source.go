package debian

import (
	"context"
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
	"sysc/systems/distro/debian/universe"
)

// ArchitectureSource is what indexes of source packages are for.
const ArchitectureSource = "source"

// maxSourceFiles bounds the files of a source package.
const maxSourceFiles = 256

// A Source is a source package, as the lock file has it.
type Source struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Archive is the name of the mirror that has the files.
	Archive string       `json:"archive"`
	Files   []SourceFile `json:"files"` // in the order of the index
}

// A SourceFile is a file of a source package: its .dsc, or one that this names.
type SourceFile struct {
	// Filename is the path below the mirror's base address.
	Filename string       `json:"filename"`
	Size     int64        `json:"size"` // bytes
	SHA256   store.Digest `json:"sha256"`
}

// A SourcePackage is what an index says of a source package.
type SourcePackage struct {
	Source
	// fields has the fields of its needs and conflicts.
	fields map[string]string
}

// A NoSourceError says that the indexes do not have a source package.
type NoSourceError struct {
	Name, Version string
	// Versions are those that there are.
	Versions []string
}

func (e *NoSourceError) Error() string {
	if len(e.Versions) == 0 {
		return fmt.Sprintf("no source package %s", e.Name)
	}
	return fmt.Sprintf("no source package %s %s; there is %s", e.Name, e.Version, strings.Join(e.Versions, ", "))
}

// buildFields are those of a source package that say what a build needs, by whether
// packages for one architecture are built, or such as are for all.
var buildFields = []string{"Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep", "Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"}

// FindSource finds a source package in the indexes of a revision. The error is a
// [*NoSourceError] when there is none, or as that of [ReadPackages].
func FindSource(ctx context.Context, r Revision, f Fetcher, name, version string) (*SourcePackage, error) {
	var found *SourcePackage
	missing := &NoSourceError{Name: name, Version: version}
	for _, index := range r.Indexes {
		if index.Architecture != ArchitectureSource || found != nil {
			continue
		}
		err := readIndex(ctx, index, f, func(plain io.Reader) error {
			stanzas := deb822.NewReader(plain)
			for {
				s, err := stanzas.Next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if s.Value("Package") != name {
					continue
				}
				if v := s.Value("Version"); v != version {
					missing.Versions = append(missing.Versions, v)
					continue
				}
				if found, err = readSource(s, index.Archive); err != nil {
					return fmt.Errorf("source package %s %s: %w", name, version, err)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if found == nil {
		return nil, missing
	}
	return found, nil
}

// readSource takes a stanza of a Sources index apart (Debian's RepositoryFormat, "Sources
// Indices").
func readSource(s *deb822.Stanza, archive string) (*SourcePackage, error) {
	p := &SourcePackage{Source: Source{Name: s.Value("Package"), Version: s.Value("Version"), Archive: archive}, fields: map[string]string{}}
	for _, name := range buildFields {
		p.fields[name] = deb822.Fold(s.Value(name))
	}
	dir := strings.TrimPrefix(s.Value("Directory"), "./")
	for _, line := range deb822.Lines(s.Value("Checksums-Sha256")) {
		words := strings.Fields(line)
		if len(words) != 3 || len(p.Files) == maxSourceFiles {
			return nil, fmt.Errorf("Checksums-Sha256: %q is not \"hash size name\", or there are more than %d", line, maxSourceFiles)
		}
		file := SourceFile{Filename: path.Join(dir, words[2])}
		if path.Base("/"+words[2]) != words[2] || path.Clean("/"+file.Filename) != "/"+file.Filename || file.Filename != strings.TrimPrefix(dir+"/"+words[2], "/") {
			return nil, fmt.Errorf("file name %q leads elsewhere", line)
		}
		var err error
		if file.SHA256, err = store.ParseDigest(words[0]); err != nil {
			return nil, err
		}
		if file.Size, err = strconv.ParseInt(words[1], 10, 64); err != nil || file.Size < 0 {
			return nil, fmt.Errorf("%q is no size", words[1])
		}
		p.Files = append(p.Files, file)
	}
	if !slices.ContainsFunc(p.Files, func(f SourceFile) bool { return strings.HasSuffix(f.Filename, ".dsc") }) {
		return nil, errors.New("no .dsc among its files: weaker hashes than SHA-256 are not accepted")
	}
	return p, nil
}

// Needs makes a package of what building a package of the source needs on an architecture:
// build-essential, which every source may take for granted (policy 4.2), what it names
// itself, and fakeroot where there is one, which older sources build with.
func (s *SourcePackage) Needs(u *Universe, architecture string, of Package) (*OwnFile, error) {
	kind := "Arch"
	if of.Architecture == ArchitectureAll {
		kind = "Indep"
	}
	p := universe.Package{
		Name: "build-needs-of-" + s.Name, Version: s.Version, Architecture: architecture, Source: s.Name,
		Filename: s.Name, SHA256: store.DigestOf([]byte(s.Name + " " + s.Version)),
	}
	needs := []string{"build-essential"}
	if len(u.u.Versions("fakeroot")) > 0 {
		needs = append(needs, "fakeroot")
	}
	var conflicts []string
	for _, name := range []string{"Build-Depends", "Build-Depends-" + kind} {
		plain, err := relation.Restrict(s.fields[name], architecture)
		if err != nil {
			return nil, fmt.Errorf("source package %s: %s: %v", s.Name, name, err)
		}
		needs = append(needs, plain)
		if plain, err = relation.Restrict(s.fields[strings.Replace(name, "Depends", "Conflicts", 1)], architecture); err != nil {
			return nil, fmt.Errorf("source package %s: %v", s.Name, err)
		}
		conflicts = append(conflicts, plain)
	}
	p.Depends, p.Conflicts = strings.Join(needs, ", "), strings.Join(conflicts, ", ")
	return &OwnFile{p}, nil
}

// SourceOf returns the name and version of the source package that a chosen package is
// made of.
func (u *Universe) SourceOf(p Package) (name, version string, ok bool) {
	for _, id := range u.versions(p) {
		if q := u.u.Package(id); q.SHA256 == p.SHA256 {
			return q.Source, q.SourceVersion, true
		}
	}
	return "", "", false
}

// VersionsOf returns the versions of a package that there are, the preferred one first.
func (u *Universe) VersionsOf(name string) []string {
	var versions []string
	for _, id := range u.u.Versions(name) {
		versions = append(versions, u.u.Package(id).Version)
	}
	return versions
}
