package universe

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"sysc/systems/distro/debian/deb822"
	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/version"
)

// MaxPackages bounds how many packages one index may have. Debian's main has
// about 70,000.
const MaxPackages = 4 << 20

// An ID numbers the packages of a universe, from 0.
type ID int32

// A Provider is a package that provides a name.
type Provider struct {
	ID ID
	// Provided is the entry of its Provides field.
	Provided relation.Relation
}

// A Universe is a set of packages. It does not change, so it is safe for
// concurrent use.
type Universe struct {
	Architecture string
	packages     []Package
	byName       map[string][]ID
	providers    map[string][]Provider
}

// ReadIndex reads a Packages file (Debian's RepositoryFormat, "Packages
// Indices") and returns the packages for an architecture and those for all.
func ReadIndex(r io.Reader, architecture string, origin *Origin) ([]Package, error) {
	reader := deb822.NewReader(r)
	var packages []Package
	var scratch []byte
	for {
		stanza, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, err
		}
		if len(packages) == MaxPackages {
			return nil, fmt.Errorf("more than %d packages", MaxPackages)
		}
		var p Package
		if p, scratch, err = fromStanza(stanza, scratch, origin); err != nil {
			return nil, err
		}
		if p.Architecture == architecture || p.Architecture == "all" {
			packages = append(packages, p)
		}
	}
}

// New makes a universe of indexes. A package that several indexes have in the
// same version is taken from the first.
func New(architecture string, indexes ...[]Package) (*Universe, error) {
	total := 0
	for _, index := range indexes {
		total += len(index)
	}
	u := &Universe{
		Architecture: architecture,
		packages:     make([]Package, 0, total),
		byName:       make(map[string][]ID, total),
		providers:    make(map[string][]Provider),
	}
	for _, index := range indexes {
		for i := range index {
			if err := u.add(&index[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, ids := range u.byName {
		slices.SortFunc(ids, u.compare)
	}
	for _, list := range u.providers {
		slices.SortFunc(list, func(a, b Provider) int { return u.compareProviders(a.ID, b.ID) })
	}
	return u, nil
}

func (u *Universe) add(p *Package) error {
	for _, id := range u.byName[p.Name] {
		if u.packages[id].Version == p.Version {
			return nil
		}
	}
	id := ID(len(u.packages))
	u.packages = append(u.packages, *p)
	u.byName[p.Name] = append(u.byName[p.Name], id)
	if p.Provides == "" {
		return nil
	}
	provides, err := relation.ParseList(p.Provides)
	if err != nil {
		return fmt.Errorf("package %s: Provides: %v", p, err)
	}
	for _, r := range provides {
		u.providers[r.Name] = append(u.providers[r.Name], Provider{ID: id, Provided: r})
	}
	return nil
}

// compare sorts the versions of one package: those that are taken without being
// asked for before the others, newer before older.
func (u *Universe) compare(a, b ID) int {
	p, q := &u.packages[a], &u.packages[b]
	if p.Origin.NotAutomatic != q.Origin.NotAutomatic {
		if q.Origin.NotAutomatic {
			return -1
		}
		return 1
	}
	if c := version.Compare(q.Version, p.Version); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}

// compareProviders sorts what provides one name: by priority, as apt does, then
// by name, then as compare.
func (u *Universe) compareProviders(a, b ID) int {
	p, q := &u.packages[a], &u.packages[b]
	return cmp.Or(
		cmp.Compare(rank(p), rank(q)),
		cmp.Compare(p.Name, q.Name),
		u.compare(a, b),
	)
}

// rank numbers the priorities of policy 2.5, essential packages first.
func rank(p *Package) int {
	if p.Essential {
		return 0
	}
	switch p.Priority {
	case "required":
		return 1
	case "important":
		return 2
	case "standard":
		return 3
	case "optional":
		return 4
	}
	return 5
}

// Len returns the number of packages.
func (u *Universe) Len() int { return len(u.packages) }

// Package returns a package. It must not be changed.
func (u *Universe) Package(id ID) *Package { return &u.packages[id] }

// Versions returns all versions of a package, the preferred one first.
func (u *Universe) Versions(name string) []ID { return u.byName[name] }

// Providers returns what provides a name, the preferred one first. The package
// of that name itself is not among them unless it says so.
func (u *Universe) Providers(name string) []Provider { return u.providers[name] }

// Candidates returns the packages that satisfy a relation, the preferred one
// first: real packages before those that provide the name, newer versions before
// older ones. Of providers, those made from the same source as the package that
// asks come first; source may be "".
func (u *Universe) Candidates(r relation.Relation, source string) []ID {
	if !u.native(r.Arch) {
		return nil
	}
	var ids []ID
	for _, id := range u.byName[r.Name] {
		if r.Satisfied(u.packages[id].Version) {
			ids = append(ids, id)
		}
	}
	var others []ID
	for _, p := range u.providers[r.Name] {
		if !r.ProvidedBy(p.Provided) || slices.Contains(ids, p.ID) || slices.Contains(others, p.ID) {
			continue
		}
		others = append(others, p.ID)
	}
	if source != "" {
		slices.SortStableFunc(others, func(a, b ID) int {
			return cmp.Compare(u.foreign(a, source), u.foreign(b, source))
		})
	}
	return append(ids, others...)
}

// foreign is 0 for a package of a source, 1 for any other.
func (u *Universe) foreign(id ID, source string) int {
	if u.packages[id].Source == source {
		return 0
	}
	return 1
}

// native reports whether a relation's architecture can be had: there is only
// one, beside packages for all.
func (u *Universe) native(arch string) bool {
	switch arch {
	case "", "any", "native", "all", u.Architecture:
		return true
	}
	return false
}

// Names calls yield with the name of every package, in no order.
func (u *Universe) Names(yield func(string) bool) {
	for name := range u.byName {
		if !yield(name) {
			return
		}
	}
}

// Base returns the newest versions of the packages that make a base system:
// the essential ones, and those of priority "required" if asked for. Sorted by
// name.
func (u *Universe) Base(required bool) []ID {
	var ids []ID
	for _, versions := range u.byName {
		p := &u.packages[versions[0]]
		if p.Essential || required && p.Priority == "required" {
			ids = append(ids, versions[0])
		}
	}
	slices.SortFunc(ids, func(a, b ID) int { return cmp.Compare(u.packages[a].Name, u.packages[b].Name) })
	return ids
}
