package eval

import (
	"fmt"

	"sysc/lang/diag"
)

// Limits of one evaluation. They are far above what definitions need, and low
// enough that a bomb is answered at once.
const (
	// maxDepth bounds the nesting of expressions and names in one another, each
	// level of which takes up to 1 KiB of stack.
	maxDepth = 100_000
	// cellDepth is what a name counts in it.
	cellDepth = 8
	// exprBudget is what one expression may cost: a node of the tree that is visited
	// costs nodeCost, every element of a value that is named 1, of one that is given
	// to a function callCost, a call of a function of the definition userCallCost
	// more, text 1 for each textUnit bytes.
	exprBudget = 3_000_000
	// sessionBudget is what all expressions may cost, and as much again for each
	// system; textBudget more for each byte of the texts that they stand in, and
	// memberBudget for each member of a family. A small text cannot keep anybody
	// waiting, and a large one may take its time.
	sessionBudget = 8_000_000
	textBudget    = 2
	memberBudget  = 300
	// maxMembers bounds the members of all families.
	maxMembers   = 200_000
	nodeCost     = 4
	callCost     = 12
	userCallCost = 400
	textUnit     = 32
	// maxText bounds one string, in bytes.
	maxText = 16 << 20
	// maxMade bounds the values that all expressions make, and maxMadeText their
	// texts, in bytes: what is made is kept.
	maxMade     = 6_000_000
	maxMadeText = 384 << 20
	// maxGuesses bounds the names that are looked at to say what was meant by others.
	maxGuesses = 2_000_000
	// maxValueDepth bounds how deep values may nest.
	maxValueDepth = 400
)

// A Session is one evaluation of one definition. It is not safe for concurrent
// use, and neither are its cells and scopes.
type Session struct {
	stack   []frame
	depth   int
	spent   int // by all expressions
	allowed int // for all expressions
	texts   map[any]bool
	members int
	made    int       // values
	text    int       // bytes
	over    diag.List // the error of the budget, once it is used up
	guesses int       // candidates that were compared with names nobody knows
	deepest int       // what depth was at most
	trace   *Trace
}

// A frame is a cell that is being computed, and the text that asked for it.
type frame struct {
	addr     string
	at, from diag.Range
}

// NewSession returns an evaluation at its beginning.
func NewSession() *Session { return &Session{allowed: sessionBudget, texts: make(map[any]bool)} }

// SetTrace lets a trace note what cells do that are computed from now on.
func (s *Session) SetTrace(t *Trace) { s.trace = t }

// Trace returns the trace, nil for none.
func (s *Session) Trace() *Trace { return s.trace }

// A Cost is what an evaluation took of what is allowed.
type Cost struct{ Spent, Made, Text, Members, Depth int }

// Cost returns what the evaluation has cost so far.
func (s *Session) Cost() Cost { return Cost{s.spent, s.made, s.text, s.members, s.deepest} }

// Add returns the cost of two evaluations, one of which goes on where the other ends.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.Spent + o.Spent, c.Made + o.Made, c.Text + o.Text, c.Members + o.Members, c.Depth + o.Depth}
}

// Small reports whether a cost is so far from what is allowed for any definition that
// no part of it is near that either.
func (c Cost) Small() bool {
	return c.Spent < sessionBudget/2 && c.Made < maxMade/2 && c.Text < maxMadeText/2 && c.Members < maxMembers/2 && c.Depth < maxDepth/2
}

// AddText allows for the work that is in proportion to a text. key tells texts apart:
// it counts once.
func (s *Session) AddText(key any, bytes int) {
	if !s.texts[key] {
		s.texts[key] = true
		s.allowed += textBudget * bytes
	}
}

// AddSystem allows for evaluating a system.
func (s *Session) AddSystem() { s.allowed += sessionBudget }

// AddMembers counts the members of a family, whose keys are made at rng.
func (s *Session) AddMembers(n int, rng diag.Range) diag.List {
	if s.members += n; s.members > maxMembers {
		return diag.Errorf(rng, "Invalid for_each", "With this one, the blocks with for_each of this definition make more than %d things.", maxMembers)
	}
	s.allowed += memberBudget * n
	return nil
}

// exhausted reports whether expressions have cost more than they may.
func (s *Session) exhausted() bool { return s.spent > s.allowed }

// enter goes n levels deeper, and reports whether that is not [tooDeep]. leave must
// be called in either case.
func (s *Session) enter(n int) bool {
	s.depth += n
	s.deepest = max(s.deepest, s.depth)
	return s.depth <= maxDepth
}

func tooDeep(rng diag.Range) diag.List {
	return fatal(rng, "Definition nested too deeply",
		"Too many names and expressions are needed inside one another to know this one.")
}

func (s *Session) leave(n int) { s.depth -= n }

// DidYouMean is [diag.DidYouMean] for names among those of a definition, of which
// there are n: where very many of very many are wrong, it has no answer to the last.
func (s *Session) DidYouMean(name string, n int, candidates func() []string) string {
	return s.guess(n, func() string { return diag.DidYouMean(name, candidates()) })
}

// guess asks for what was meant by a name among n, unless that has been asked for
// too often.
func (s *Session) guess(n int, ask func() string) string {
	if s.guesses += n; s.guesses > maxGuesses {
		return ""
	}
	return ask()
}

// fatal returns an error that no expression may recover from.
func fatal(rng diag.Range, summary, detail string, args ...any) diag.List {
	d := diag.New(diag.Error, rng, summary, "%s", fmt.Sprintf(detail, args...))
	d.Fatal = true
	return diag.List{d}
}
