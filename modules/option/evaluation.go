package option

import (
	"fmt"

	"sysc/lang/diag"
)

// An Evaluation is the options of one system while their values are being
// found. It is for one goroutine.
type Evaluation struct {
	root *Node
	// elsewhere are options that exist and are not in the schema.
	elsewhere []string
	// misplaced are options of something else, with what is said of them.
	misplaced map[string]string
	stack     []frame
	diags     diag.List
	// reported are the keys that nothing can have of which that is said.
	reported map[wrongPlace]bool
	// trace is nil unless somebody wants to know what reads what.
	trace trace
}

// maxDepth bounds how deep options may depend on one another, far above what
// anybody writes and far below what Go's stack holds.
const maxDepth = 4000

// An aspect is what of a node is being found.
type aspect uint8

const (
	aspectValue aspect = iota
	aspectKeys
	aspectDefined
	aspectCondition
	aspectWeight
)

// A frame is one step of the way from the first reader to what is being
// evaluated now.
type frame struct {
	node   *Node
	aspect aspect
	// by is the text that wants it, zero when that is the engine itself.
	by diag.Range
	// condition is the one that is being found, for aspectCondition.
	condition *condition
}

// Misplaced says where the option of a path belongs, when it exists for something else
// than this evaluation ([Schema.Misplaced]); "" for any other.
func (ev *Evaluation) Misplaced(path string) string { return ev.misplaced[path] }

// NewEvaluation returns an evaluation of a schema's options, without
// definitions.
func NewEvaluation(s *Schema) *Evaluation {
	ev := &Evaluation{elsewhere: s.Elsewhere, misplaced: s.Misplaced, reported: map[wrongPlace]bool{}}
	ev.root = &Node{ev: ev, opt: s.root, shape: shapeGroup, given: []*definition{}}
	return ev
}

// Define adds one text's definitions: a source with a key for each option. Texts
// come in the order in which lists are to be concatenated, and before anything
// is read. module names the module that the text belongs to.
func (ev *Evaluation) Define(w Written, module string) {
	top := &definition{priority: PriorityPlain, order: OrderPlain, module: module, text: len(ev.root.given)}
	ev.root.given = append(ev.root.given, top.inherit(w, ev.root))
}

// Root is the node of the group of all options.
func (ev *Evaluation) Root() *Node { return ev.root }

// Diagnostics returns the problems met so far, in the order in which they were
// found. What nobody read is not among them.
func (ev *Evaluation) Diagnostics() diag.List { return ev.diags }

func (ev *Evaluation) report(diags diag.List) { ev.diags = append(ev.diags, diags...) }

// cause returns an error that was reported after the first ones, or else any.
func (ev *Evaluation) cause(after int) diag.List {
	for _, d := range append(ev.diags[after:len(ev.diags):len(ev.diags)], ev.diags[:after]...) {
		if d.Severity == diag.Error {
			return diag.List{d}
		}
	}
	return nil
}

// enter notes that something is being found; leave that it is. enter is false
// when the way there is too long.
func (ev *Evaluation) enter(n *Node, a aspect, by diag.Range) bool {
	if len(ev.stack) >= maxDepth {
		deep := diag.Errorf(by, "Options depend on one another too deeply",
			"%s is wanted by an option that is wanted by an option, and so on, %d times. That is beyond what sysc evaluates.", n.Path(), maxDepth)
		deep[0].Fatal = true
		ev.report(deep)
		return false
	}
	ev.stack = append(ev.stack, frame{node: n, aspect: a, by: by})
	return true
}

func (ev *Evaluation) leave() { ev.stack = ev.stack[:len(ev.stack)-1] }

// cycle reports that n, which is being found, is needed for that.
func (ev *Evaluation) cycle(n *Node, a aspect, by diag.Range) {
	start := len(ev.stack) - 1
	for start > 0 && (ev.stack[start].node != n || ev.stack[start].aspect != a) {
		start--
	}
	// Each step: the node, and the text in it that wants the next one.
	type step struct {
		path string
		by   diag.Range
	}
	var steps []step
	frames := ev.stack[start:]
	for i, f := range frames {
		next := by
		if i+1 < len(frames) {
			next = frames[i+1].by
		}
		if !next.IsZero() {
			steps = append(steps, step{f.describe(), next})
		}
	}
	if len(steps) == 0 {
		steps = []step{{n.Path(), by}}
	}
	// The same cycle reads the same wherever it was entered.
	first := 0
	for i, s := range steps {
		if s.by.Compare(steps[first].by) < 0 {
			first = i
		}
	}
	steps = append(steps[first:len(steps):len(steps)], steps[:first]...)
	detail := "The value of an option cannot depend on itself:"
	var related []diag.Related
	for i, s := range steps {
		needs := steps[(i+1)%len(steps)].path
		detail += fmt.Sprintf("\n  %s needs %s (%s)", s.path, needs, s.by)
		if i > 0 {
			related = append(related, diag.Related{Message: fmt.Sprintf("%s needs %s", s.path, needs), Range: s.by})
		}
	}
	d := diag.New(diag.Error, steps[0].by, "Options depend on one another in a cycle", detail+"\nTake one of these references out, or give the option a value that needs none.")
	d.Related, d.Fatal = related, true
	ev.report(diag.List{d})
}

func (f frame) describe() string {
	switch f.aspect {
	case aspectKeys:
		return "the set of keys of " + f.node.Path()
	case aspectCondition:
		if f.node.parent == nil {
			return "a condition (when)"
		}
		return "the condition (when) of " + f.node.Path()
	case aspectDefined:
		return "whether " + f.node.Path() + " is defined"
	}
	return f.node.Path()
}
