package resolve

import (
	"fmt"
	"slices"
	"strings"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

// maxReasons is how many chains a person wants to read.
const maxReasons = 6

// maxTrials bounds how often the request is solved again to leave out what does
// not matter.
const maxTrials = 64

// explain makes an error of a contradiction.
func explain(u *universe.Universe, goals []goal, bounds bounds, core []*clause) *UnsatisfiableError {
	goals, core = shrink(u, goals, bounds, core)
	e := &explainer{u: u, goals: goals, inputs: u.HasInputs(), parents: make(map[universe.ID]*clause)}
	e.walk(core)
	err := &UnsatisfiableError{}
	for _, c := range core {
		if c.why.kind == goalKind {
			g := goals[c.why.goal]
			text := g.text
			if g.base {
				text += " (base system)"
			}
			err.Wants = append(err.Wants, text)
		}
	}
	slices.Sort(err.Wants)
	// That one relation cannot be met by two versions at once says little beside
	// what is wrong with each.
	var trivial []string
	for _, c := range core {
		switch reason := e.reason(c); {
		case reason == "":
		case c.why.kind == versions && e.chain(c.why.of) == e.chain(c.why.other):
			trivial = append(trivial, reason)
		default:
			err.Reasons = append(err.Reasons, reason)
		}
	}
	if len(err.Reasons) == 0 {
		err.Reasons = trivial
	}
	slices.Sort(err.Reasons)
	err.Reasons = slices.Compact(err.Reasons)
	err.Reasons = err.Reasons[:min(len(err.Reasons), maxReasons)]
	return err
}

// shrink leaves out goals, one by one, without which the rest has no answer
// either. Goals of the base system are tried first, so that the message speaks
// of what the user wrote.
func shrink(u *universe.Universe, goals []goal, bounds bounds, core []*clause) ([]goal, []*clause) {
	goals = coreGoals(goals, core)
	slices.SortStableFunc(goals, func(a, b goal) int {
		return boolInt(b.base) - boolInt(a.base)
	})
	core = newSolver(u, goals, bounds, false).solve()
	for i, trials := 0, 0; i < len(goals) && len(goals) > 1 && trials < maxTrials; trials++ {
		fewer := slices.Delete(slices.Clone(goals), i, i+1)
		if smaller := newSolver(u, fewer, bounds, false).solve(); smaller != nil {
			goals, core = fewer, smaller
			continue
		}
		i++
	}
	return goals, core
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func coreGoals(goals []goal, core []*clause) []goal {
	var used []goal
	for i, g := range goals {
		if slices.ContainsFunc(core, func(c *clause) bool { return c.why.kind == goalKind && c.why.goal == i }) {
			used = append(used, g)
		}
	}
	return used
}

// An explainer tells how the request leads to each package of a contradiction.
type explainer struct {
	u     *universe.Universe
	goals []goal
	// inputs is set when the packages are of several inputs.
	inputs bool
	// parents holds the clause by which a package came in, breadth first.
	parents map[universe.ID]*clause
}

// walk fills parents.
func (e *explainer) walk(core []*clause) {
	by := make(map[universe.ID][]*clause)
	var queue []universe.ID
	enter := func(c *clause) {
		for _, l := range c.lits {
			id := universe.ID(l.index())
			if l != yes(l.index()) || e.parents[id] != nil {
				continue
			}
			e.parents[id] = c
			queue = append(queue, id)
		}
	}
	for _, c := range core {
		switch c.why.kind {
		case goalKind:
			enter(c)
		case depends:
			by[c.why.of] = append(by[c.why.of], c)
		}
	}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for _, c := range by[id] {
			enter(c)
		}
	}
}

// chain writes how a package came in: "a -> b (>= 2) -> c".
func (e *explainer) chain(id universe.ID) string {
	var steps []string
	for range 100 {
		c := e.parents[id]
		if c == nil {
			steps = append(steps, e.u.Name(id))
			break
		}
		if c.why.kind == goalKind {
			steps = append(steps, e.step(e.goals[c.why.goal].text, id))
			break
		}
		steps = append(steps, e.step(c.why.group.String(), id))
		id = c.why.of
	}
	slices.Reverse(steps)
	return strings.Join(steps, " -> ")
}

// step writes what was asked for, and by which package it is met when the text
// does not begin with its name.
func (e *explainer) step(text string, id universe.ID) string {
	first, _, _ := strings.Cut(text, " ")
	if slices.Contains(strings.Split(first, ":"), e.u.Package(id).Name) {
		return text
	}
	return text + " [" + e.u.Name(id) + "]"
}

// reason writes the end of one chain, "" for a clause that is no end.
func (e *explainer) reason(c *clause) string {
	switch c.why.kind {
	case depends:
		if len(c.lits) > 1 {
			return ""
		}
		return e.chain(c.why.of) + " -> " + c.why.group.String() + ", but " + e.missing(c.why.group, c.why.of)
	case excludes:
		return e.exclusion(c.why)
	case excluded:
		return e.chain(c.why.of) + ", but " + e.u.Name(c.why.of) + " is excluded"
	case kept:
		if e.parents[c.why.of] == nil {
			return "" // it was not the version that mattered
		}
		stays := "stays at"
		if e.u.Package(c.why.other).Origin.Archive == "" { // a file of its own
			stays = "is the definition's own"
		}
		return fmt.Sprintf("%s, which is %s, but %s %s %s",
			e.chain(c.why.of), e.u.Package(c.why.of).Version, e.u.Name(c.why.of), stays, e.u.Package(c.why.other).Version)
	case versions:
		if e.parents[c.why.of] == nil || e.parents[c.why.other] == nil {
			return ""
		}
		which := "version"
		if e.u.Package(c.why.of).Version == e.u.Package(c.why.other).Version {
			which = "of them"
		}
		return fmt.Sprintf("%s needs %s, but %s needs %s, and only one %s can be installed",
			e.chain(c.why.of), e.version(c.why.of), e.chain(c.why.other), e.version(c.why.other), which)
	}
	return ""
}

// version writes "name version", and the input where there are several.
func (e *explainer) version(id universe.ID) string {
	p := e.u.Package(id)
	text := e.u.Name(id) + " " + p.Version
	if e.inputs {
		text += " of " + p.Origin.Input
	}
	return text
}

// exclusion writes "a -> b -> c, but x -> d conflicts with c (<< 2)".
func (e *explainer) exclusion(w why) string {
	of, other := e.u.Name(w.of), e.u.Package(w.other)
	what := w.group.String()
	if w.group[0].Name != other.Name {
		what += " [" + e.u.Name(w.other) + "]"
	}
	if w.group[0].Op != relation.Any {
		what += ", and it is " + other.Version
	}
	text := e.chain(w.other) + ", but " + of + " " + w.verb + " " + what
	if by := e.chain(w.of); by != of {
		text += " (" + by + ")"
	}
	return text
}

// missing says what there is instead of what nobody has.
func (e *explainer) missing(group relation.Group, by universe.ID) string {
	var parts []string
	for _, r := range group {
		parts = append(parts, e.missingOne(r, by))
	}
	return strings.Join(parts, " and ")
}

func (e *explainer) missingOne(r relation.Relation, by universe.ID) string {
	var have []string
	barred := false
	for _, id := range e.u.Versions(r.Name) {
		p := e.u.Package(id)
		have = append(have, p.Version)
		barred = barred || p.Pin < 0 && r.Satisfied(p.Version)
	}
	switch {
	case barred:
		return "a priority below 0 keeps " + r.Name + " from being installed"
	case len(have) > 0 && r.Op != relation.Any:
		return fmt.Sprintf("%s is there in version %s only", r.Name, strings.Join(have, ", "))
	case len(have) > 0 && r.Arch == "any":
		return r.Name + " is not for packages of any architecture (Multi-Arch: allowed)"
	case len(have) > 0:
		arch := r.Arch
		if arch == "" {
			arch = e.u.Package(by).Architecture
		}
		return fmt.Sprintf("%s is not there for architecture %s", r.Name, arch)
	}
	return "there is no package " + r.Name
}
