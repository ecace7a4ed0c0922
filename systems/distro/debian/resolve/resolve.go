// Package resolve picks the packages that a request needs out of a universe.
//
// The search is complete and led by preference, not by size: a conflict-driven
// solver (unit propagation, learned clauses, back-jumping) whose decisions are
// those of a person who installs by hand. Whatever has no alternative is taken
// first; then dependencies are met in the order in which they came up, by the
// first alternative that is possible: the one listed first, real before virtual
// packages, newer before older versions. Nothing is minimised, because the
// smallest set is not the wanted one. The same request and universe give the
// same result, always.
//
// A clause exists once a package is chosen for the first time, so the size of
// the universe costs nothing.
package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
	"sysc/systems/distro/debian/version"
)

// A Request says what must be there.
type Request struct {
	// Wants are asked for by name.
	Wants []Want
	// Base are packages that must be there in any case.
	Base []universe.ID
	// Exclude are the names of packages that must not be there. Every one is in the
	// universe.
	Exclude []string
	// Keep are packages of which no other version may be there. They themselves need not
	// be.
	Keep []universe.ID
	// Recommends asks for what installed packages recommend, as far as that is
	// possible. It never makes a request fail.
	Recommends bool
}

// A Want is a package that is asked for.
type Want struct {
	// Name is a package's name. A virtual one will do when exactly one package
	// provides it.
	Name string
	// Architecture is "" for the universe's own.
	Architecture string
	// Input is the input that the package has to be from, "" for any.
	Input string
	// Prefix stands in front of the name in messages, as "trixie:" does for an input.
	Prefix string
	// Version is "" for the best one, a version, the beginning of one as in "1.2*", or
	// an operator and a version as in ">= 1.2".
	Version string
}

// Label is the package without a version, as in "trixie:libc6:i386".
func (w Want) Label() string { return w.Prefix + w.name() }

// name is what the universe calls the package.
func (w Want) name() string {
	if w.Architecture == "" {
		return w.Name
	}
	return w.Name + ":" + w.Architecture
}

// String writes it as a relation.
func (w Want) String() string {
	if w.Version == "" {
		return w.Label()
	}
	if strings.HasSuffix(w.Version, "*") {
		return w.Label() + " (= " + w.Version + ")"
	}
	op, v := w.constraint()
	return relation.Relation{Name: w.Label(), Op: op, Version: v}.String()
}

func (w Want) constraint() (relation.Op, string) {
	v := strings.TrimLeft(w.Version, "<>=")
	op := relation.Op(w.Version[:len(w.Version)-len(v)])
	if op == relation.Any {
		op = relation.Equal
	}
	return op, strings.TrimSpace(v)
}

// A Choice is one package of the answer.
type Choice struct {
	ID universe.ID
	// Explicit is true for what a want named.
	Explicit bool
}

// Resolve answers a request, sorted by name. When it cannot, the error is
// several [*UnknownPackageError] joined (errors.Join), or an
// [*UnsatisfiableError].
func Resolve(u *universe.Universe, request Request) ([]Choice, error) {
	goals, err := makeGoals(u, request)
	if err != nil {
		return nil, err
	}
	barred, err := barredPackages(u, request.Exclude)
	if err != nil {
		return nil, err
	}
	bounds := bounds{barred: barred, keep: request.Keep}
	s := newSolver(u, goals, bounds, request.Recommends)
	if core := s.solve(); core != nil {
		return nil, explain(u, goals, bounds, core)
	}
	explicit := make(map[universe.ID]bool)
	for _, g := range goals {
		if !g.base {
			for _, id := range g.candidates {
				explicit[id] = true
			}
		}
	}
	var choices []Choice
	for _, id := range s.chosen() {
		choices = append(choices, Choice{ID: id, Explicit: explicit[id]})
	}
	slices.SortFunc(choices, func(a, b Choice) int {
		p, q := u.Package(a.ID), u.Package(b.ID)
		return cmp.Or(strings.Compare(p.Name, q.Name), strings.Compare(p.Architecture, q.Architecture))
	})
	return choices, nil
}

// bounds are what must not be there, whatever is asked for.
type bounds struct {
	barred []universe.ID
	keep   []universe.ID // see [Request]
}

// barredPackages returns all versions of packages, of every architecture.
func barredPackages(u *universe.Universe, names []string) ([]universe.ID, error) {
	var ids []universe.ID
	var unknown []error
	for _, name := range names {
		versions := slices.Clone(u.Versions(name))
		for _, arch := range u.Foreign() {
			versions = append(versions, u.Versions(name+":"+arch)...)
		}
		if len(versions) == 0 {
			unknown = append(unknown, unknownPackage(u, Want{Name: name}))
		}
		ids = append(ids, versions...)
	}
	return ids, errors.Join(unknown...)
}

// A goal is a want or a base package, with what satisfies it.
type goal struct {
	text       string
	candidates []universe.ID
	base       bool
}

func makeGoals(u *universe.Universe, request Request) ([]goal, error) {
	var goals []goal
	var unknown []error
	for _, w := range request.Wants {
		g, err := wantGoal(u, w)
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		goals = append(goals, g)
	}
	for _, id := range request.Base {
		name := u.Package(id).Name
		goals = append(goals, goal{text: name, candidates: installable(u, u.Versions(name)), base: true})
	}
	return goals, errors.Join(unknown...)
}

// installable leaves out what must not be installed.
func installable(u *universe.Universe, ids []universe.ID) []universe.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id universe.ID) bool { return u.Package(id).Pin < 0 })
}

func wantGoal(u *universe.Universe, w Want) (goal, error) {
	g := goal{text: w.String()}
	r := relation.Relation{Name: w.Name, Arch: w.Architecture}
	beginning, isBeginning := strings.CutSuffix(w.Version, "*")
	if w.Version != "" && !isBeginning {
		r.Op, r.Version = w.constraint()
		if err := version.Check(r.Version); err != nil {
			return g, fmt.Errorf("package %q: %v", w.Label(), err)
		}
		switch r.Op {
		case relation.Less, relation.LessEqual, relation.Equal, relation.GreaterEqual, relation.Greater:
		default:
			return g, fmt.Errorf("package %q: unknown operator %q", w.Label(), r.Op)
		}
	}
	versions := w.from(u, u.Versions(w.name()))
	for _, id := range versions {
		p := u.Package(id)
		// A priority below 0 is for those who take what comes (apt_preferences(5)).
		if p.Pin < 0 && (w.Version == "" || isBeginning) {
			continue
		}
		if r.Satisfied(p.Version) && (!isBeginning || strings.HasPrefix(p.Version, beginning)) {
			g.candidates = append(g.candidates, id)
		}
	}
	if len(g.candidates) > 0 {
		return g, nil
	}
	if len(versions) == 0 {
		g.candidates = w.from(u, u.Candidates(r, nil))
		if len(g.candidates) > 0 && sameName(u, g.candidates) {
			return g, nil
		}
	}
	return g, unknownPackage(u, w)
}

// from leaves out packages of other inputs.
func (w Want) from(u *universe.Universe, ids []universe.ID) []universe.ID {
	if w.Input == "" {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id universe.ID) bool { return !u.IsFrom(id, w.Input) })
}

func sameName(u *universe.Universe, ids []universe.ID) bool {
	for _, id := range ids {
		if u.Name(id) != u.Name(ids[0]) {
			return false
		}
	}
	return true
}
