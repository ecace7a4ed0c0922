package hostscan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"sysc/internal/lazyregexp"
	"sysc/systems/distro/debian/deb822"
)

var (
	packageName = lazyregexp.New(`^[a-z0-9][a-z0-9+.-]*$`)
	// kernelOfVersion is a kernel that a metapackage has brought, or that stays of an
	// older one.
	kernelOfVersion = lazyregexp.New(`^linux-(image|headers|kbuild)-[0-9]`)
)

// packages reads dpkg's database, and what apt notes of packages that nobody asked
// for.
func (s *scan) packages() error {
	auto := map[string]bool{}
	err := s.stanzas("var/lib/apt/extended_states", maxSmall*8, func(st *deb822.Stanza) {
		if st.Value("Auto-Installed") == "1" {
			auto[st.Value("Package")+":"+st.Value("Architecture")] = true
		}
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	native, all := "", []installed{}
	err = s.stanzas("var/lib/dpkg/status", maxStatus, func(st *deb822.Stanza) {
		p := installed{st.Value("Package"), st.Value("Architecture")}
		if p.name == "dpkg" {
			native = p.arch
		}
		isThere := st.Value("Status") == "install ok installed" || st.Value("Status") == "hold ok installed"
		always := st.Value("Essential") == "yes" || st.Value("Priority") == "required"
		if isThere && !always && packageName().MatchString(p.name) && !kernelOfVersion().MatchString(p.name) {
			all = append(all, p)
		}
	})
	if err != nil {
		return err
	}
	for _, p := range all {
		noted := p.arch
		if noted == "all" {
			noted = native // as apt notes it
		}
		switch {
		case auto[p.name+":"+noted]:
		case noted != native:
			s.left("The package %s:%s: it is of another architecture.", p.name, p.arch)
		default:
			s.host.Packages = append(s.host.Packages, p.name)
		}
	}
	slices.Sort(s.host.Packages)
	return nil
}

// An installed package is one that dpkg has.
type installed struct{ name, arch string }

// stanzas reads a file of stanzas.
func (s *scan) stanzas(name string, most int64, use func(*deb822.Stanza)) error {
	f, err := s.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := deb822.NewReader(io.LimitReader(f, most))
	for {
		st, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		use(st)
	}
}
