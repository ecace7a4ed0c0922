package debian

import (
	"slices"
	"strings"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

// Why a package is in a root that nothing else there needs.
const (
	AskedFor  = "asked for"
	Essential = "essential"
	Required  = "required"
)

// A Need is one package's need of another.
type Need struct {
	// Package needs what stands in Relation, by its Field "Depends", "Pre-Depends" or
	// "Recommends".
	Package, Version string
	Field, Relation  string
}

// A Reason says why a package is in a root.
type Reason struct {
	// Package is what was asked about, or what provides it.
	Package Package
	// Name is its name, with the architecture behind it where that is not the root's.
	Name string
	// First says why the first package of the chain is there, or, when that is empty,
	// the package itself: AskedFor, Essential or Required.
	First string
	// Chain is the shortest way from there: each package's need is met by the next one,
	// and that of the last by Package. Recommendations are in it only when there is no
	// way without.
	Chain []Need
	// Needs are those of all packages in the root that the package itself meets, sorted.
	Needs []Need
}

// Why tells why one of the packages that were chosen for a request is there. name may
// also be one that it provides. ok is false when there is no such package.
func (u *Universe) Why(r Request, chosen []Package, name string) (reason Reason, ok bool) {
	w := u.newWhy(r, chosen)
	target, ok := w.find(u.u, name)
	if !ok {
		return Reason{}, false
	}
	reason = Reason{Package: w.packages[target], Name: u.u.Name(target), Needs: w.needs(target)}
	for _, recommends := range []bool{false, true} {
		if reason.First, reason.Chain = w.chain(target, recommends); reason.First != "" {
			break
		}
	}
	return reason, true
}

// A why is the packages of a root and who needs whom.
type why struct {
	packages map[universe.ID]Package
	first    map[universe.ID]string
	by       map[universe.ID][]edge // to each package; in the order of the needing ones
}

type edge struct {
	from universe.ID
	need Need
}

func (u *Universe) newWhy(r Request, chosen []Package) *why {
	w := &why{packages: map[universe.ID]Package{}, first: map[universe.ID]string{}, by: map[universe.ID][]edge{}}
	var ids []universe.ID
	for _, p := range chosen {
		for _, id := range u.versions(p) {
			if u.u.Package(id).SHA256 == p.SHA256 {
				ids = append(ids, id)
				w.packages[id] = p
			}
		}
	}
	slices.SortFunc(ids, func(a, b universe.ID) int { return strings.Compare(u.u.Name(a), u.u.Name(b)) })
	for _, id := range ids {
		w.addFirst(r, id, u.u.Package(id))
		w.addNeeds(r, u.u, id)
	}
	return w
}

// addFirst notes whether a package is there for itself.
func (w *why) addFirst(r Request, id universe.ID, p *universe.Package) {
	switch {
	case w.packages[id].Explicit:
		w.first[id] = AskedFor
	case r.Base == BaseNone:
	case p.Essential:
		w.first[id] = Essential
	case r.Base != BaseEssential && p.Priority == "required":
		w.first[id] = Required
	}
}

// addNeeds notes which of the packages meet the needs of one of them.
func (w *why) addNeeds(r Request, u *universe.Universe, id universe.ID) {
	p := u.Package(id)
	fields := []struct{ name, value string }{{"Pre-Depends", p.PreDepends}, {"Depends", p.Depends}}
	if r.Recommends {
		fields = append(fields, struct{ name, value string }{"Recommends", p.Recommends})
	}
	for _, f := range fields {
		groups, _ := relation.Parse(f.value) // resolving has read it
		for _, g := range groups {
			need := Need{Package: u.Name(id), Version: p.Version, Field: f.name, Relation: g.String()}
			met := map[universe.ID]bool{}
			for _, alternative := range g {
				for _, by := range u.Candidates(alternative, p) {
					if _, ok := w.packages[by]; ok && by != id && !met[by] {
						met[by] = true
						w.by[by] = append(w.by[by], edge{id, need})
					}
				}
			}
		}
	}
}

// versions returns the packages that have the name and the architecture of a locked one.
func (u *Universe) versions(p Package) []universe.ID {
	if p.Architecture != ArchitectureAll && p.Architecture != u.u.Architecture {
		return u.u.Versions(p.Name + ":" + p.Architecture)
	}
	return u.u.Versions(p.Name)
}

// find returns the package of a name, or one that provides it.
func (w *why) find(u *universe.Universe, name string) (universe.ID, bool) {
	for _, id := range u.Versions(name) {
		if _, ok := w.packages[id]; ok {
			return id, true
		}
	}
	for _, p := range u.Providers(name) {
		if _, ok := w.packages[p.ID]; ok {
			return p.ID, true
		}
	}
	return 0, false
}

// needs returns those that a package meets.
func (w *why) needs(id universe.ID) []Need {
	var out []Need
	for _, e := range w.by[id] {
		out = append(out, e.need)
	}
	return out
}

// chain returns the shortest way to a package from one that is there for itself; first
// is "" when there is none.
func (w *why) chain(target universe.ID, recommends bool) (first string, chain []Need) {
	type step struct {
		need Need
		next universe.ID
	}
	steps := map[universe.ID]step{target: {}}
	for queue := []universe.ID{target}; len(queue) > 0; queue = queue[1:] {
		id := queue[0]
		if first = w.first[id]; first != "" {
			for ; id != target; id = steps[id].next {
				chain = append(chain, steps[id].need)
			}
			return first, chain
		}
		for _, e := range w.by[id] {
			if _, seen := steps[e.from]; !seen && (recommends || e.need.Field != "Recommends") {
				steps[e.from] = step{e.need, id}
				queue = append(queue, e.from)
			}
		}
	}
	return "", nil
}
