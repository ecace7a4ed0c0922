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
	// Architecture is the one that packages are for unless they say otherwise.
	Architecture string
	packages     []Package
	// byName has the packages of [Universe.Architecture], and those for all, by name,
	// others by name and architecture as in "libc6:i386".
	byName    map[string][]ID
	providers map[string][]Provider
	// single has room for lists of one, as most of byName are.
	single []ID
	// foreign are the other architectures, sorted.
	foreign []string
	// also are further origins of packages that several indexes have.
	also map[ID][]*Origin
}

// An Index is the packages of one index.
type Index struct {
	Origin   *Origin
	Packages []Package
}

// ReadIndex reads a Packages file (Debian's RepositoryFormat, "Packages
// Indices") and returns the packages for some architectures; "all" is one.
func ReadIndex(r io.Reader, architectures ...string) ([]Package, error) {
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
		if p, scratch, err = fromStanza(stanza, scratch); err != nil {
			return nil, err
		}
		if slices.Contains(architectures, p.Architecture) {
			packages = append(packages, p)
		}
	}
}

// New makes a universe of indexes. A package that several indexes have, the very
// same file, is one package: it has the highest of its priorities, and is taken from
// the first index that gives it that.
func New(architecture string, indexes ...Index) (*Universe, error) {
	total := 0
	for _, index := range indexes {
		total += len(index.Packages)
	}
	u := &Universe{
		Architecture: architecture,
		packages:     make([]Package, 0, total),
		byName:       make(map[string][]ID, total),
		providers:    make(map[string][]Provider),
		also:         make(map[ID][]*Origin),
	}
	u.single = make([]ID, total)
	for _, index := range indexes {
		for i := range index.Packages {
			if err := u.add(&index.Packages[i], index.Origin); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(u.foreign)
	for _, ids := range u.byName {
		if len(ids) > 1 {
			slices.SortFunc(ids, u.compare)
		}
	}
	for _, list := range u.providers {
		slices.SortFunc(list, func(a, b Provider) int { return u.compareProviders(a.ID, b.ID) })
	}
	return u, nil
}

func (u *Universe) add(p *Package, origin *Origin) error {
	pin := origin.PinOf(p.Name, p.Version)
	key := p.Name
	if u.isForeign(p) {
		key = p.Name + ":" + p.Architecture
		if !slices.Contains(u.foreign, p.Architecture) {
			u.foreign = append(u.foreign, p.Architecture)
		}
	}
	known := u.byName[key]
	for _, id := range known {
		if same := &u.packages[id]; same.Version == p.Version && same.SHA256 == p.SHA256 {
			u.also[id] = append(u.also[id], origin)
			if pin > same.Pin {
				u.also[id][len(u.also[id])-1] = same.Origin
				same.Origin, same.Filename, same.Pin = origin, p.Filename, pin
			}
			return nil
		}
	}
	id := ID(len(u.packages))
	u.packages = append(u.packages, *p)
	u.packages[id].Origin, u.packages[id].Pin = origin, pin
	if known == nil {
		known = u.single[id : id : id+1]
	}
	u.byName[key] = append(known, id)
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

// compare sorts the versions of one package: by priority, then newer before older.
func (u *Universe) compare(a, b ID) int {
	p, q := &u.packages[a], &u.packages[b]
	return cmp.Or(cmp.Compare(q.Pin, p.Pin), version.Compare(q.Version, p.Version), cmp.Compare(a, b))
}

// compareProviders sorts what provides one name: what is a last resort comes last,
// then by priority field, as apt does, then by name, then as compare.
func (u *Universe) compareProviders(a, b ID) int {
	p, q := &u.packages[a], &u.packages[b]
	return cmp.Or(
		cmp.Compare(q.tier(), p.tier()),
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

// Name returns a package's name, with the architecture behind it, as in
// "libc6:i386", when that is not the universe's.
func (u *Universe) Name(id ID) string {
	p := &u.packages[id]
	if u.isForeign(p) {
		return p.Name + ":" + p.Architecture
	}
	return p.Name
}

// Versions returns all versions of a package that has a name, see [Universe.Name], the
// preferred one first.
func (u *Universe) Versions(name string) []ID { return u.byName[name] }

// IsFrom reports whether an input has a package.
func (u *Universe) IsFrom(id ID, input string) bool {
	return u.packages[id].Origin.Input == input ||
		slices.ContainsFunc(u.also[id], func(o *Origin) bool { return o.Input == input })
}

// HasInputs reports whether the packages are of more than one input.
func (u *Universe) HasInputs() bool {
	first := ""
	for i := range u.packages {
		if i == 0 {
			first = u.packages[i].Origin.Input
		}
		if u.packages[i].Origin.Input != first {
			return true
		}
	}
	return false
}

// Providers returns what provides a name, the preferred one first. The package
// of that name itself is not among them unless it says so.
func (u *Universe) Providers(name string) []Provider { return u.providers[name] }

// Names calls yield with the name of every package, in no order.
func (u *Universe) Names(yield func(string) bool) {
	for name, ids := range u.byName {
		if !u.isForeign(&u.packages[ids[0]]) && !yield(name) {
			return
		}
	}
}

// Base returns the packages of an input that make a base system: the essential ones,
// and those of priority "required" if asked for, in their preferred versions. Sorted
// by name.
func (u *Universe) Base(input string, required bool) []ID {
	var ids []ID
	for name := range u.Names {
		i := slices.IndexFunc(u.byName[name], func(id ID) bool { return u.IsFrom(id, input) })
		if i < 0 {
			continue
		}
		id := u.byName[name][i]
		if p := &u.packages[id]; p.Essential || required && p.Priority == "required" {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ID) int { return cmp.Compare(u.packages[a].Name, u.packages[b].Name) })
	return ids
}
