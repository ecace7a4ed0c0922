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
	// exprBudget is what one expression may cost, sessionBudget all of them: a
	// node of the tree that is visited costs nodeCost, every element of a value
	// that is named 1, of one that is given to a function callCost, a call of a
	// function of the definition userCallCost more, text 1 for each textUnit bytes.
	exprBudget    = 3_000_000
	sessionBudget = 100_000_000
	nodeCost      = 4
	callCost      = 12
	userCallCost  = 400
	textUnit      = 32
	// maxText bounds one string, in bytes.
	maxText = 16 << 20
	// maxMade bounds the values that all expressions make, and maxMadeText their
	// texts, in bytes: what is made is kept.
	maxMade     = 6_000_000
	maxMadeText = 384 << 20
	// maxValueDepth bounds how deep values may nest.
	maxValueDepth = 400
)

// A Session is one evaluation of one definition. It is not safe for concurrent
// use, and neither are its cells and scopes.
type Session struct {
	stack []frame
	depth int
	spent int       // of sessionBudget
	made  int       // values
	text  int       // bytes
	over  diag.List // the error of sessionBudget, once it is used up
}

// A frame is a cell that is being computed, and the text that asked for it.
type frame struct {
	addr     string
	at, from diag.Range
}

// NewSession returns an evaluation at its beginning.
func NewSession() *Session { return &Session{} }

// enter goes n levels deeper, and reports whether that is not [tooDeep]. leave must
// be called in either case.
func (s *Session) enter(n int) bool {
	s.depth += n
	return s.depth <= maxDepth
}

func tooDeep(rng diag.Range) diag.List {
	return fatal(rng, "Definition nested too deeply",
		"Too many names and expressions are needed inside one another to know this one.")
}

func (s *Session) leave(n int) { s.depth -= n }

// fatal returns an error that no expression may recover from.
func fatal(rng diag.Range, summary, detail string, args ...any) diag.List {
	d := diag.New(diag.Error, rng, summary, "%s", fmt.Sprintf(detail, args...))
	d.Fatal = true
	return diag.List{d}
}
