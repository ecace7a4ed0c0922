package universe

import (
	"cmp"
	"slices"

	"sysc/systems/distro/debian/relation"
)

// Values of the field Multi-Arch that say something.
const (
	multiArchSame    = "same"
	multiArchForeign = "foreign"
	multiArchAllowed = "allowed"
)

// arch returns the architecture that a package counts as: one for all counts as the
// universe's own.
func (u *Universe) arch(p *Package) string {
	if p.Architecture == "all" {
		return u.Architecture
	}
	return p.Architecture
}

func (u *Universe) isForeign(p *Package) bool { return u.arch(p) != u.Architecture }

// Foreign returns the architectures of packages beside the universe's own, sorted.
func (u *Universe) Foreign() []string { return u.foreign }

// Candidates returns the packages that satisfy a relation of the package by, or, when
// that is nil, of somebody who asks for it; the preferred one first: last resorts come
// last, then the architecture of by comes first, real packages come before those that
// provide the name, versions in their order. Of providers, those made from the same
// source as by come first. What must not be installed is not among them.
func (u *Universe) Candidates(r relation.Relation, by *Package) []ID {
	asking, source := u.Architecture, ""
	if by != nil {
		asking, source = u.arch(by), by.Source
	}
	var ids []ID
	each := func(id ID) {
		p := &u.packages[id]
		if p.Pin >= 0 && r.Satisfied(p.Version) && u.answers(p, r.Arch, asking) {
			ids = append(ids, id)
		}
	}
	u.eachOf(r.Name, asking, each)
	if asking != u.Architecture {
		slices.SortStableFunc(ids, func(a, b ID) int { return cmp.Compare(u.apart(a, asking), u.apart(b, asking)) })
	}
	var others []ID
	for _, p := range u.providers[r.Name] {
		provider := &u.packages[p.ID]
		if provider.Pin < 0 || !r.ProvidedBy(p.Provided) || !u.answers(provider, r.Arch, asking) && (r.Arch == "" || p.Provided.Arch != r.Arch) {
			continue
		}
		if slices.Contains(ids, p.ID) || slices.Contains(others, p.ID) {
			continue
		}
		others = append(others, p.ID)
	}
	if source != "" || len(u.foreign) > 0 {
		slices.SortStableFunc(others, func(a, b ID) int {
			p, q := &u.packages[a], &u.packages[b]
			return cmp.Or(
				cmp.Compare(q.tier(), p.tier()),
				cmp.Compare(u.apart(a, asking), u.apart(b, asking)),
				cmp.Compare(unlike(p.Source, source), unlike(q.Source, source)),
			)
		})
	}
	ids = append(ids, others...)
	byTier := func(a, b ID) int { return cmp.Compare(u.packages[b].tier(), u.packages[a].tier()) }
	if !slices.IsSortedFunc(ids, byTier) {
		slices.SortStableFunc(ids, byTier)
	}
	return ids
}

// apart is 0 for a package of the architecture that suits one of another: its own, but of
// what is used by running it the machine's own, which can be run for certain.
func (u *Universe) apart(id ID, asking string) int {
	p := &u.packages[id]
	if p.MultiArch == multiArchForeign {
		return unlike(u.arch(p), u.Architecture)
	}
	return unlike(u.arch(p), asking)
}

// eachOf calls fn with the packages of a name, those of an architecture first.
func (u *Universe) eachOf(name, first string, fn func(ID)) {
	list := func(arch string) []ID {
		if arch == u.Architecture {
			return u.byName[name]
		}
		return u.byName[name+":"+arch]
	}
	for _, id := range list(first) {
		fn(id)
	}
	if len(u.foreign) == 0 {
		return
	}
	if first != u.Architecture {
		for _, id := range list(u.Architecture) {
			fn(id)
		}
	}
	for _, arch := range u.foreign {
		if arch != first {
			for _, id := range list(arch) {
				fn(id)
			}
		}
	}
}

// answers reports whether a package may satisfy a relation that has qualifier behind
// its name and is of a package of an architecture (deb-control(5), "Depends").
func (u *Universe) answers(p *Package, qualifier, asking string) bool {
	switch qualifier {
	case "":
		return u.arch(p) == asking || p.MultiArch == multiArchForeign
	case "any":
		return p.MultiArch == multiArchAllowed
	case "native", "all":
		return !u.isForeign(p)
	}
	return u.arch(p) == qualifier
}

func unlike(a, b string) int {
	if a == b {
		return 0
	}
	return 1
}

// Excluded returns the packages that a relation in a Conflicts or Breaks field names:
// without a qualifier those of every architecture.
func (u *Universe) Excluded(r relation.Relation) []ID {
	var ids []ID
	fits := func(p *Package) bool {
		return r.Arch == "" || r.Arch == "any" || u.answers(p, r.Arch, u.Architecture)
	}
	u.eachOf(r.Name, u.Architecture, func(id ID) {
		if p := &u.packages[id]; r.Satisfied(p.Version) && fits(p) {
			ids = append(ids, id)
		}
	})
	for _, p := range u.providers[r.Name] {
		if r.ProvidedBy(p.Provided) && fits(&u.packages[p.ID]) && !slices.Contains(ids, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Rivals returns the packages of the same name that exclude one, and that one: its other
// versions, and those of other architectures unless both packages are "Multi-Arch:
// same" and of one version.
func (u *Universe) Rivals(id ID) []ID {
	p := &u.packages[id]
	if len(u.foreign) == 0 {
		return u.byName[p.Name]
	}
	var ids []ID
	u.eachOf(p.Name, u.arch(p), func(other ID) {
		q := &u.packages[other]
		beside := u.arch(p) != u.arch(q) && p.MultiArch == multiArchSame && q.MultiArch == multiArchSame && p.Version == q.Version
		if !beside {
			ids = append(ids, other)
		}
	})
	return ids
}
