//go:build soak

package debian_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

// The reasons for which our choice may differ from apt's (docs/debian-differences.md).
const (
	reasonThere     = "what is there anyway meets it"
	reasonProviders = "providers of equal rank"
	reasonOrder     = "alternatives were met in another order"
	reasonLeft      = "apt has what it needs no more"
)

// A choice is a set of packages by name.
type choice struct {
	u      *universe.Universe
	by     map[string]universe.ID
	groups map[string][]relation.Group
}

// newChoice takes "name version" of each package.
func newChoice(u *universe.Universe, list []string) *choice {
	c := &choice{u: u, by: map[string]universe.ID{}, groups: map[string][]relation.Group{}}
	for _, line := range list {
		name, version, _ := strings.Cut(line, " ")
		for _, id := range u.Versions(name) {
			if p := u.Package(id); p.Version == version {
				c.by[name] = id
				groups, err := relation.Parse(strings.Trim(p.PreDepends+", "+p.Depends, ", "))
				if err == nil {
					c.groups[name] = groups
				}
			}
		}
	}
	return c
}

// meet returns the names of what meets a dependency of a package.
func (c *choice) meet(of string, g relation.Group) []string {
	var names []string
	for _, r := range g {
		for _, id := range c.u.Candidates(r, c.u.Package(c.by[of])) {
			if name := c.u.Package(id).Name; c.by[name] == id && c.has(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (c *choice) has(name string) bool { _, ok := c.by[name]; return ok }

// A choiceDifference compares two answers to one request.
type choiceDifference struct {
	u            *universe.Universe
	ours, theirs *choice
	// wanted are the names that are asked for, and those of the base.
	wanted []string
}

// explain finds a reason for every package that only one of the two has: a dependency of
// a package that both have, which they meet in two ways, or what such a package needs in
// its turn.
func (d *choiceDifference) explain() (reasons map[string]int, unexplained []string) {
	reasons = map[string]int{}
	ours, theirs := map[string]bool{}, map[string]bool{} // explained
	for _, name := range slices.Sorted(maps.Keys(d.ours.by)) {
		id, ok := d.theirs.by[name]
		if !ok {
			continue
		}
		if id != d.ours.by[name] {
			unexplained = append(unexplained, fmt.Sprintf("%s, and %s for apt", d.u.Package(d.ours.by[name]), d.u.Package(id)))
			continue
		}
		for _, g := range d.ours.groups[name] {
			we, apt := d.ours.meet(name, g), d.theirs.meet(name, g)
			if slices.Equal(we, apt) {
				continue
			}
			reason := d.reason(g, we, apt)
			if reason == "" {
				unexplained = append(unexplained, fmt.Sprintf("%s needs %s: %v, and for apt %v", name, g, we, apt))
			}
			reasons[reason]++
			mark(ours, we)
			mark(theirs, apt)
		}
	}
	for _, name := range d.ours.unneeded(d.wanted) {
		unexplained = append(unexplained, "we have, and nothing needs, "+name)
	}
	// apt takes out what another choice has brought, but not what that had brought.
	for _, name := range d.theirs.unneeded(d.wanted) {
		theirs[name] = true
		reasons[reasonLeft]++
	}
	for _, name := range d.ours.without(d.theirs, ours) {
		unexplained = append(unexplained, "only we have "+name)
	}
	for _, name := range d.theirs.without(d.ours, theirs) {
		unexplained = append(unexplained, "only apt has "+name)
	}
	return reasons, unexplained
}

// unneeded lists the packages that no need of the wanted ones leads to.
func (c *choice) unneeded(wanted []string) []string {
	needed := map[string]bool{}
	mark(needed, wanted)
	return c.without(&choice{}, needed)
}

// reason says why one dependency is met in two ways.
func (d *choiceDifference) reason(g relation.Group, we, apt []string) string {
	inBoth := slices.DeleteFunc(slices.Clone(we), func(n string) bool { return !slices.Contains(apt, n) })
	if len(inBoth) > 0 {
		// One of the two took another one before this one was there.
		return reasonThere
	}
	for _, r := range g {
		if len(d.u.Versions(r.Name)) == 0 && d.provides(r, we) && d.provides(r, apt) {
			return reasonProviders
		}
	}
	if slices.ContainsFunc(we, func(n string) bool { return d.ours.neededElsewhere(n, g) }) ||
		slices.ContainsFunc(apt, func(n string) bool { return d.theirs.neededElsewhere(n, g) }) {
		return reasonOrder
	}
	if d.excludes(d.ours, d.theirs, apt) || d.excludes(d.theirs, d.ours, we) {
		return reasonOrder
	}
	return ""
}

// excludes reports whether a package that only one of the two has conflicts with what the
// other one has taken, or with what that needs.
func (d *choiceDifference) excludes(one, other *choice, taken []string) bool {
	needed := other.behind(taken)
	for name, id := range one.by {
		if other.has(name) {
			continue
		}
		p := d.u.Package(id)
		list, err := relation.ParseList(strings.Trim(p.Conflicts+", "+p.Breaks, ", "))
		if err != nil {
			continue
		}
		for _, r := range list {
			if slices.ContainsFunc(d.u.Excluded(r), func(id universe.ID) bool { return needed[d.u.Package(id).Name] && other.by[d.u.Package(id).Name] == id }) {
				return true
			}
		}
	}
	return false
}

// behind returns some packages and all that they need.
func (c *choice) behind(names []string) map[string]bool {
	all := map[string]bool{}
	mark(all, names)
	for todo := slices.Clone(names); len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		for _, g := range c.groups[name] {
			for _, n := range c.meet(name, g) {
				if !all[n] {
					all[n] = true
					todo = append(todo, n)
				}
			}
		}
	}
	return all
}

func (d *choiceDifference) provides(r relation.Relation, names []string) bool {
	return slices.ContainsFunc(d.u.Providers(r.Name), func(p universe.Provider) bool {
		return slices.Contains(names, d.u.Package(p.ID).Name)
	})
}

// neededElsewhere reports whether another dependency is met by one package alone.
func (c *choice) neededElsewhere(name string, except relation.Group) bool {
	for of, groups := range c.groups {
		for _, g := range groups {
			if met := c.meet(of, g); len(met) == 1 && met[0] == name && fmt.Sprint(g) != fmt.Sprint(except) {
				return true
			}
		}
	}
	return false
}

func mark(set map[string]bool, names []string) {
	for _, n := range names {
		set[n] = true
	}
}

// without lists what the other choice lacks and what no explained package needs, sorted.
func (c *choice) without(other *choice, explained map[string]bool) (names []string) {
	todo := slices.Sorted(maps.Keys(explained))
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		for _, g := range c.groups[name] {
			for _, n := range c.meet(name, g) {
				if !explained[n] {
					explained[n] = true
					todo = append(todo, n)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.by)) {
		if !other.has(name) && !explained[name] {
			names = append(names, name)
		}
	}
	return names
}
