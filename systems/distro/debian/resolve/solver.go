package resolve

import (
	"slices"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

// A lit is a variable with a sign: 2v says "package v is installed", 2v+1 that
// it is not.
type lit int32

func yes(v int32) lit      { return lit(2 * v) }
func no(v int32) lit       { return lit(2*v + 1) }
func (l lit) not() lit     { return l ^ 1 }
func (l lit) index() int32 { return int32(l >> 1) }

// A clause is a set of literals of which at least one holds. Those that come
// from packages say why; learned ones name the clauses they follow from.
type clause struct {
	lits []lit
	why  why
	from []*clause
}

// kind says what a clause comes from.
type kind uint8

const (
	learned  kind = iota
	goalKind      // the request asks for one of these
	depends       // a package needs one of these
	excludes      // a package conflicts with or breaks another
	versions      // two versions of one package
	excluded      // the request excludes a package
	kept          // the request wants another version of the package, if any
)

// why says where a clause comes from, for the explanation.
type why struct {
	kind  kind
	of    universe.ID    // the package whose field it is, or that must not be there
	other universe.ID    // excludes, versions: the other package; kept: the one that stays
	goal  int            // goalKind: index of the goal
	group relation.Group // depends: the group; excludes: its one relation
	verb  string         // excludes: "conflicts with" or "breaks"
}

// A choice is a dependency that is not met by propagation alone: a group with
// its candidates in order of preference.
type choice struct {
	candidates []universe.ID
	// hard is false for a recommendation.
	hard bool
	// plain is true when all candidates are versions of one package, so that
	// the only question is which.
	plain bool
}

// A solver holds one search. The variable after the last package is the request
// itself; it is true.
type solver struct {
	u          *universe.Universe
	goals      []goal
	bounds     bounds
	recommends bool
	root       int32

	value   []int8 // by variable: +1, -1, 0 unknown
	level   []int32
	reason  []*clause
	trail   []lit
	limits  []int // trail length at each decision
	head    int   // trail[:head] is propagated
	watches map[lit][]*clause

	expanded map[int32]bool
	choices  map[int32][]choice
	// scan holds, per rank of choice, where in the trail to go on looking.
	scan [ranks]int
}

// Choices are made by rank: first those without real alternative, then those
// with, then recommendations.
const (
	plainRank = iota
	alternativeRank
	softRank
	ranks
)

func newSolver(u *universe.Universe, goals []goal, bounds bounds, recommends bool) *solver {
	n := u.Len() + 1
	return &solver{
		u: u, goals: goals, bounds: bounds, recommends: recommends,
		root:  int32(u.Len()),
		value: make([]int8, n), level: make([]int32, n), reason: make([]*clause, n),
		watches:  make(map[lit][]*clause),
		expanded: make(map[int32]bool),
		choices:  make(map[int32][]choice),
	}
}

// solve searches. It returns nil when there is an answer ([solver.chosen]),
// otherwise the clauses that contradict each other.
func (s *solver) solve() []*clause {
	s.assign(yes(s.root), nil)
	for {
		if conflict := s.propagate(); conflict != nil {
			if core := s.resolveConflict(conflict); core != nil {
				return core
			}
			continue
		}
		next, ok := s.pick()
		if !ok {
			return nil
		}
		s.limits = append(s.limits, len(s.trail))
		s.assign(yes(int32(next)), nil)
	}
}

// chosen returns what is installed, in the order of the search.
func (s *solver) chosen() []universe.ID {
	var ids []universe.ID
	for _, l := range s.trail {
		if v := l.index(); l == yes(v) && v != s.root {
			ids = append(ids, universe.ID(v))
		}
	}
	return ids
}

// holds returns +1, -1 or 0 as a literal is true, false or open.
func (s *solver) holds(l lit) int8 {
	if l&1 == 0 {
		return s.value[l.index()]
	}
	return -s.value[l.index()]
}

func (s *solver) assign(l lit, because *clause) {
	v := l.index()
	s.value[v] = 1 - 2*int8(l&1)
	s.level[v] = int32(len(s.limits))
	s.reason[v] = because
	s.trail = append(s.trail, l)
}

// propagate draws all conclusions. It returns a clause that is violated, if any.
func (s *solver) propagate() *clause {
	for s.head < len(s.trail) {
		l := s.trail[s.head]
		s.head++
		if conflict := s.visit(l.not()); conflict != nil {
			return conflict
		}
		if v := l.index(); l == yes(v) && !s.expanded[v] {
			s.expanded[v] = true
			if conflict := s.expand(v); conflict != nil {
				return conflict
			}
		}
	}
	return nil
}

// visit looks at the clauses that watch a literal which became false.
func (s *solver) visit(falsified lit) *clause {
	list := s.watches[falsified]
	kept := list[:0]
	for i, c := range list {
		if c.lits[0] == falsified {
			c.lits[0], c.lits[1] = c.lits[1], c.lits[0]
		}
		if s.holds(c.lits[0]) <= 0 && s.rewatch(c) {
			continue
		}
		kept = append(kept, c)
		switch s.holds(c.lits[0]) {
		case -1:
			s.watches[falsified] = append(kept, list[i+1:]...)
			return c
		case 0:
			s.assign(c.lits[0], c)
		}
	}
	s.watches[falsified] = kept
	return nil
}

// rewatch finds another literal to watch in place of lits[1].
func (s *solver) rewatch(c *clause) bool {
	for k := 2; k < len(c.lits); k++ {
		if s.holds(c.lits[k]) >= 0 {
			c.lits[1], c.lits[k] = c.lits[k], c.lits[1]
			s.watches[c.lits[1]] = append(s.watches[c.lits[1]], c)
			return true
		}
	}
	return false
}

// add makes a clause known in the middle of the search. It returns the clause
// when it is violated already.
func (s *solver) add(c *clause) *clause {
	// Watch what is true or open first, then what became false last: those are
	// the first to change when the search goes back.
	slices.SortStableFunc(c.lits, func(a, b lit) int {
		return s.watchOrder(b) - s.watchOrder(a)
	})
	if len(c.lits) > 1 {
		for _, l := range c.lits[:2] {
			s.watches[l] = append(s.watches[l], c)
		}
	}
	switch {
	case s.holds(c.lits[0]) < 0:
		return c
	case s.holds(c.lits[0]) == 0 && (len(c.lits) == 1 || s.holds(c.lits[1]) < 0):
		s.assign(c.lits[0], c)
	}
	return nil
}

func (s *solver) watchOrder(l lit) int {
	if s.holds(l) >= 0 {
		return len(s.limits) + 1
	}
	return int(s.level[l.index()])
}

// resolveConflict learns from a violated clause and goes back to where the
// lesson applies. It returns the contradiction when there is nowhere to go.
func (s *solver) resolveConflict(conflict *clause) []*clause {
	for {
		// A clause that was added late may be violated further back.
		deepest := int32(0)
		for _, l := range conflict.lits {
			deepest = max(deepest, s.level[l.index()])
		}
		if deepest == 0 {
			return s.contradiction(conflict)
		}
		s.back(int(deepest))
		lesson, target := s.analyze(conflict)
		s.back(target)
		if conflict = s.add(lesson); conflict == nil {
			return nil
		}
	}
}

// analyze resolves a violated clause with the reasons of its literals, latest
// first, until one literal of the current level is left. It returns the learned
// clause and the level at which it forces that literal.
func (s *solver) analyze(conflict *clause) (*clause, int) {
	current := int32(len(s.limits))
	seen := make(map[int32]bool)
	lesson := &clause{from: []*clause{conflict}}
	open := 0
	note := func(c *clause, except int32) {
		for _, l := range c.lits {
			v := l.index()
			if v == except || seen[v] {
				continue
			}
			seen[v] = true
			if s.level[v] == current {
				open++
			} else {
				// Those of level 0 stay in, so that a contradiction can be
				// explained by what the lessons came from.
				lesson.lits = append(lesson.lits, l)
			}
		}
	}
	note(conflict, -1)
	for i := len(s.trail) - 1; ; i-- {
		l := s.trail[i]
		v := l.index()
		if !seen[v] {
			continue
		}
		if open--; open == 0 {
			lesson.lits = append(lesson.lits, l.not())
			break
		}
		lesson.from = append(lesson.from, s.reason[v])
		note(s.reason[v], v)
	}
	target := int32(0)
	for _, l := range lesson.lits[:len(lesson.lits)-1] {
		target = max(target, s.level[l.index()])
	}
	return lesson, int(target)
}

// back undoes all decisions above a level.
func (s *solver) back(level int) {
	if level >= len(s.limits) {
		return
	}
	keep := s.limits[level]
	for _, l := range s.trail[keep:] {
		s.value[l.index()] = 0
		s.reason[l.index()] = nil
	}
	s.trail = s.trail[:keep]
	s.limits = s.limits[:level]
	s.head = min(s.head, keep)
	// What was met may be met no longer.
	s.scan = [ranks]int{}
}

// contradiction collects the clauses of packages and goals from which a
// violation without any decision follows.
func (s *solver) contradiction(conflict *clause) []*clause {
	var core []*clause
	seen := make(map[*clause]bool)
	queue := []*clause{conflict}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		if c == nil || seen[c] {
			continue
		}
		seen[c] = true
		if c.why.kind != learned {
			core = append(core, c)
		}
		queue = append(queue, c.from...)
		for _, l := range c.lits {
			if s.level[l.index()] == 0 && s.value[l.index()] != 0 {
				queue = append(queue, s.reason[l.index()])
			}
		}
	}
	return core
}

// pick returns what to install next, and false when nothing is left to decide.
func (s *solver) pick() (universe.ID, bool) {
	for rank := range ranks {
		for ; s.scan[rank] < len(s.trail); s.scan[rank]++ {
			l := s.trail[s.scan[rank]]
			if l != yes(l.index()) {
				continue
			}
			for _, c := range s.choices[l.index()] {
				if c.rank() != rank {
					continue
				}
				if id, ok := s.best(c.candidates); ok {
					return id, true
				}
			}
		}
	}
	return 0, false
}

func (c choice) rank() int {
	switch {
	case !c.hard:
		return softRank
	case c.plain:
		return plainRank
	}
	return alternativeRank
}

// best returns the first candidate that is still possible, unless one is
// installed already.
func (s *solver) best(candidates []universe.ID) (universe.ID, bool) {
	best, found := universe.ID(0), false
	for _, id := range candidates {
		switch {
		case s.value[id] > 0:
			return 0, false
		case s.value[id] == 0 && !found:
			best, found = id, true
		}
	}
	return best, found
}
