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
	// Recommends asks for what installed packages recommend, as far as that is
	// possible. It never makes a request fail.
	Recommends bool
}

// A Want is a package that is asked for.
type Want struct {
	// Name is a package's name. A virtual one will do when exactly one package
	// provides it.
	Name string
	// Version is "" for the best one, a version, the beginning of one as in "1.2*", or
	// an operator and a version as in ">= 1.2".
	Version string
}

// String writes it as a relation.
func (w Want) String() string {
	if w.Version == "" {
		return w.Name
	}
	if strings.HasSuffix(w.Version, "*") {
		return w.Name + " (= " + w.Version + ")"
	}
	op, v := w.constraint()
	return relation.Relation{Name: w.Name, Op: op, Version: v}.String()
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
	s := newSolver(u, goals, barred, request.Recommends)
	if core := s.solve(); core != nil {
		return nil, explain(u, goals, barred, core)
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
		return strings.Compare(u.Package(a.ID).Name, u.Package(b.ID).Name)
	})
	return choices, nil
}

// barredPackages returns all versions of packages.
func barredPackages(u *universe.Universe, names []string) ([]universe.ID, error) {
	var ids []universe.ID
	var unknown []error
	for _, name := range names {
		versions := u.Versions(name)
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
		goals = append(goals, goal{text: name, candidates: u.Versions(name), base: true})
	}
	return goals, errors.Join(unknown...)
}

func wantGoal(u *universe.Universe, w Want) (goal, error) {
	g := goal{text: w.String()}
	r := relation.Relation{Name: w.Name}
	beginning, isBeginning := strings.CutSuffix(w.Version, "*")
	if w.Version != "" && !isBeginning {
		r.Op, r.Version = w.constraint()
		if err := version.Check(r.Version); err != nil {
			return g, fmt.Errorf("package %q: %v", w.Name, err)
		}
		switch r.Op {
		case relation.Less, relation.LessEqual, relation.Equal, relation.GreaterEqual, relation.Greater:
		default:
			return g, fmt.Errorf("package %q: unknown operator %q", w.Name, r.Op)
		}
	}
	for _, id := range u.Versions(w.Name) {
		if v := u.Package(id).Version; r.Satisfied(v) && (!isBeginning || strings.HasPrefix(v, beginning)) {
			g.candidates = append(g.candidates, id)
		}
	}
	if len(g.candidates) > 0 {
		return g, nil
	}
	if len(u.Versions(w.Name)) == 0 {
		g.candidates = u.Candidates(r, "")
		if len(g.candidates) > 0 && sameName(u, g.candidates) {
			return g, nil
		}
	}
	return g, unknownPackage(u, w)
}

func sameName(u *universe.Universe, ids []universe.ID) bool {
	for _, id := range ids {
		if u.Package(id).Name != u.Package(ids[0]).Name {
			return false
		}
	}
	return true
}
