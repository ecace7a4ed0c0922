package resolve

import (
	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

// A violation remembers one of the clauses that are violated when they are added. Of
// several, one with a single literal counts: there is no second one to watch it by, so
// that whoever resolves another conflict first would never meet it again.
type violation struct{ clause *clause }

// note takes what [solver.add] returned.
func (v *violation) note(c *clause) {
	if c != nil && (v.clause == nil || len(c.lits) == 1) {
		v.clause = c
	}
}

// expand adds the clauses that choosing a package brings. It returns one that is
// violated already, if any; the others are added all the same.
func (s *solver) expand(v int32) *clause {
	if v == s.root {
		return s.expandGoals()
	}
	id := universe.ID(v)
	p := s.u.Package(id)
	var found violation
	for _, other := range s.u.Rivals(id) {
		if other != id {
			found.note(s.add(&clause{
				lits: []lit{no(v), no(int32(other))},
				why:  why{kind: versions, of: id, other: other},
			}))
		}
	}
	found.note(s.expandExclusions(id, p.Conflicts, "conflicts with"))
	found.note(s.expandExclusions(id, p.Breaks, "breaks"))
	for _, field := range []string{p.PreDepends, p.Depends} {
		for _, group := range parseGroups(field) {
			candidates := s.candidates(group, p)
			found.note(s.require(v, candidates, why{kind: depends, of: id, group: group}))
		}
	}
	if s.recommends {
		for _, group := range parseGroups(p.Recommends) {
			if candidates := s.candidates(group, p); len(candidates) > 0 {
				s.choices[v] = append(s.choices[v], choice{candidates: candidates})
			}
		}
	}
	return found.clause
}

// parseGroups reads a field of a signed index. A field that nobody can read
// asks for something that nobody has.
func parseGroups(field string) []relation.Group {
	if field == "" {
		return nil
	}
	groups, err := relation.Parse(field)
	if err != nil {
		return []relation.Group{{{Name: "unreadable field " + field}}}
	}
	return groups
}

func (s *solver) expandGoals() *clause {
	var found violation
	bar := func(because why) {
		found.note(s.add(&clause{lits: []lit{no(s.root), no(int32(because.of))}, why: because}))
	}
	for _, id := range s.bounds.barred {
		bar(why{kind: excluded, of: id})
	}
	for _, keep := range s.bounds.keep {
		for _, id := range s.u.Versions(s.u.Name(keep)) {
			if id != keep {
				bar(why{kind: kept, of: id, other: keep})
			}
		}
	}
	for i, g := range s.goals {
		found.note(s.require(s.root, g.candidates, why{kind: goalKind, goal: i}))
	}
	return found.clause
}

// require adds "v needs one of these".
func (s *solver) require(v int32, candidates []universe.ID, because why) *clause {
	c := &clause{lits: make([]lit, 1, len(candidates)+1), why: because}
	c.lits[0] = no(v)
	for _, id := range candidates {
		if int32(id) == v {
			return nil // met by the package itself
		}
		c.lits = append(c.lits, yes(int32(id)))
	}
	if len(candidates) > 1 {
		s.choices[v] = append(s.choices[v], choice{candidates: candidates, hard: true, plain: sameName(s.u, candidates)})
	}
	return s.add(c)
}

// candidates returns what satisfies a group, the preferred one first.
func (s *solver) candidates(group relation.Group, by *universe.Package) []universe.ID {
	if len(group) == 1 {
		return s.u.Candidates(group[0], by)
	}
	var all []universe.ID
	seen := make(map[universe.ID]bool)
	for _, r := range group {
		for _, id := range s.u.Candidates(r, by) {
			if !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}

// expandExclusions adds "not both" for all that a Conflicts or Breaks field
// names. A package does not exclude itself, whatever it provides (policy 7.4),
// nor other versions of itself: those cannot be there anyway.
func (s *solver) expandExclusions(id universe.ID, field, verb string) *clause {
	var found violation
	for _, group := range parseGroups(field) {
		for _, r := range group {
			for _, other := range s.u.Excluded(r) {
				if s.u.Package(other).Name == s.u.Package(id).Name {
					continue
				}
				found.note(s.add(&clause{
					lits: []lit{no(int32(id)), no(int32(other))},
					why:  why{kind: excludes, of: id, other: other, group: relation.Group{r}, verb: verb},
				}))
			}
		}
	}
	return found.clause
}
