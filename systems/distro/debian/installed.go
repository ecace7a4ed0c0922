package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/distro/debian/copyright"
	"sysc/systems/distro/debian/deb822"
)

// Bounds of what is read of a root, in bytes.
const (
	maxStatusFile = 128 << 20
	maxCopyright  = 8 << 20
	maxOSRelease  = 1 << 20
)

// A RootSource is what the files of a root are read from: a store.
type RootSource interface {
	tree.Source
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// An Installed is a package that the dpkg of a root says is there.
type Installed struct {
	Name, Version, Architecture string
	// Source is the source package that it is made from, SourceVersion that one's
	// version: another than Version after a rebuild without changes ("1.2-3+b1").
	Source, SourceVersion string
}

// ReadInstalled returns what dpkg's database of a root has, in its order. A root without
// one is [store.ErrNotExist], wrapped.
func ReadInstalled(ctx context.Context, src RootSource, root store.Digest) ([]Installed, error) {
	var packages []Installed
	err := readFileOf(ctx, src, root, "var/lib/dpkg/status", maxStatusFile, func(r io.Reader) error {
		stanzas := deb822.NewReader(r)
		for {
			s, err := stanzas.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if strings.HasSuffix(s.Value("Status"), " installed") {
				packages = append(packages, installedOf(s))
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read installed packages: %w", err)
	}
	return packages, nil
}

// installedOf reads a stanza of dpkg's database. "Source: NAME (VERSION)" is there when
// either is another one than the package's (Debian policy 5.6.1).
func installedOf(s *deb822.Stanza) Installed {
	p := Installed{Name: s.Value("Package"), Version: s.Value("Version"), Architecture: s.Value("Architecture")}
	name, version, _ := strings.Cut(s.Value("Source"), " ")
	p.Source, p.SourceVersion = name, strings.Trim(version, " ()")
	if p.Source == "" {
		p.Source = p.Name
	}
	if p.SourceVersion == "" {
		p.SourceVersion = p.Version
	}
	return p
}

// RootCodename returns the code name of the release that a root is of, "" when it does
// not say.
func RootCodename(ctx context.Context, src RootSource, root store.Digest) (string, error) {
	var codename string
	err := readFileOf(ctx, src, root, "etc/os-release", maxOSRelease, func(r io.Reader) error {
		text, err := io.ReadAll(r)
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
				codename = strings.Trim(value, `"'`)
			}
		}
		return err
	})
	if errors.Is(err, store.ErrNotExist) {
		return "", nil
	}
	return codename, err
}

// RootCopyright reads what a package of a root says of its licences. One that says nothing
// which programs can read is nil.
func RootCopyright(ctx context.Context, src RootSource, root store.Digest, name string) (*copyright.File, error) {
	var file *copyright.File
	err := readFileOf(ctx, src, root, "usr/share/doc/"+name+"/copyright", maxCopyright, func(r io.Reader) error {
		file = copyright.Read(r)
		return nil
	})
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	return file, err
}

// readFileOf gives a file of a root to read, at most so many bytes of it.
func readFileOf(ctx context.Context, src RootSource, root store.Digest, name string, most int64, read func(io.Reader) error) error {
	_, e, err := tree.Resolve(ctx, src, root, name)
	if err != nil {
		return err
	}
	if e.Type != tree.File || e.Size > most {
		return fmt.Errorf("/%s is no file of at most %d bytes", name, most)
	}
	f, err := src.OpenBlob(ctx, e.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("/%s: %w", name, err)
	}
	return nil
}
