package option

import (
	"math"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
)

// Priorities: the definitions with the lowest number win.
const (
	PriorityForce   = 50
	PriorityPlain   = 100
	PriorityDefault = 1000
	// PriorityDeclared is that of an option's own default.
	PriorityDeclared = 1500
)

// Orders within lists and lines.
const (
	OrderBefore = 500
	OrderPlain  = 1000
	OrderAfter  = 1500
)

// maxWeight bounds the numbers of priority and order, so that they stay exact
// in every reader of JSON.
const maxWeight = 1 << 31

// A definition is one contribution to one node, normalised: however wrappers
// and blocks nest in the text, what they say of this node is here.
type definition struct {
	priority int
	order    int
	// weak orders defaults among each other: the default of a sub-option yields to
	// what the default of the option around it says.
	weak int
	// declared is set for an option's own default.
	declared bool
	// ceiling, if not 0, is the worst priority that still counts: somebody else's
	// replace holds for the map that this is part of.
	ceiling int
	// replace is set when the definition replaces the whole map, kept when it is
	// part of a map that does.
	replace, kept bool
	remove        bool
	// ordered is where an order was asked for at this very place, zero elsewhere.
	ordered diag.Range
	// forced is the force(…) that the priority is from, nil for none.
	forced *diag.Range
	when   []*condition
	source Source
	module string
	rng    diag.Range
	// text is the number of the text that it is from, -1 for an option's default.
	text int
	// via is the old name of a renamed option that was defined, "" for none.
	via      string
	problems diag.List
}

// A condition is a `when`, evaluated at most once.
type condition struct {
	source Source
	at     *Node
	state  verdict
}

// A verdict is the outcome of a condition.
type verdict uint8

const (
	undecided verdict = iota
	deciding
	holds
	fails
	// broken is a condition whose error is reported: nothing is known.
	broken
)

// decide evaluates the condition.
func (c *condition) decide() verdict {
	switch c.state {
	case undecided:
		c.state = deciding
		c.state = c.evaluate()
	case deciding:
		c.at.ev.cycle(c.at, aspectCondition, c.source.Range())
		return broken
	}
	return c.state
}

func (c *condition) evaluate() verdict {
	ev := c.at.ev
	if !ev.enter(c.at, aspectCondition, c.source.Range()) {
		return broken
	}
	defer ev.leave()
	ev.stack[len(ev.stack)-1].condition = c
	v, diags := c.source.Value(c.at)
	ev.report(diags)
	v, _ = v.Unmark()
	if diags.HasErrors() || !v.IsKnown() {
		return broken
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() {
		ev.report(diag.Errorf(c.source.Range(), "Wrong type for when",
			"A condition is true or false; this is %s.", Describe(v)))
		return broken
	}
	if b.True() {
		return holds
	}
	return fails
}

// verdict settles all conditions of d.
func (d *definition) verdict() verdict {
	for _, c := range d.when {
		if v := c.decide(); v != holds {
			return v
		}
	}
	return holds
}

// inherit returns a definition of a part of what d defines.
func (d *definition) inherit(w Written, at *Node) *definition {
	n := &definition{
		priority: d.priority,
		order:    d.order,
		weak:     d.weak,
		declared: d.declared,
		ceiling:  d.ceiling,
		kept:     d.kept || d.replace,
		forced:   d.forced,
		when:     d.when,
		source:   w.Value,
		module:   d.module,
		text:     d.text,
		via:      d.via,
		rng:      w.Range,
		problems: w.Problems,
	}
	if len(w.When) > 0 {
		// A copy, as the siblings share the slice.
		n.when = append([]*condition(nil), d.when...)
		for _, s := range w.When {
			n.when = append(n.when, &condition{source: s, at: at})
		}
	}
	for _, wrap := range w.Wraps {
		n.apply(wrap, at)
	}
	if n.remove && len(w.Wraps) > 1 {
		n.problem(w.Wraps[0].Range, "Wrapper around remove",
			"remove takes elements out of what all definitions together say. It is no definition itself, so that no priority or order applies to it; write remove(…) alone.")
	}
	return n
}

// apply does what one wrapper says; inner wrappers come later and so win.
func (d *definition) apply(w Wrap, at *Node) {
	switch w.Name {
	case "force":
		d.priority, d.forced = PriorityForce, w.Range.Ptr()
	case "default":
		d.priority = PriorityDefault
	case "replace":
		d.priority, d.replace = PriorityForce, true
	case "remove":
		d.remove = true
	case "before":
		d.order, d.ordered = OrderBefore, w.Range
	case "after":
		d.order, d.ordered = OrderAfter, w.Range
	case "priority":
		d.priority = d.number(w, at, d.priority)
	case "order":
		d.order, d.ordered = d.number(w, at, d.order), w.Range
	}
}

// number evaluates the number of a priority or order.
func (d *definition) number(w Wrap, at *Node, otherwise int) int {
	if w.Number == nil {
		return otherwise
	}
	if !at.ev.enter(at, aspectWeight, w.Range) {
		return otherwise
	}
	defer at.ev.leave()
	v, diags := w.Number.Value(at)
	d.problems = append(d.problems[:len(d.problems):len(d.problems)], diags...)
	v, _ = v.Unmark()
	if diags.HasErrors() || !v.IsKnown() {
		return otherwise
	}
	n, err := (&Type{Kind: KindInteger}).Fit(v)
	if err == nil {
		if f, _ := n.AsBigFloat().Float64(); math.Abs(f) <= maxWeight {
			return int(f)
		}
	}
	d.problem(w.Number.Range(), "Wrong number for "+w.Name,
		"The first argument of %s is a whole number of at most %d; this is %s.", w.Name, int64(maxWeight), Describe(v))
	return otherwise
}

func (d *definition) problem(r diag.Range, summary, detail string, args ...any) {
	d.problems = append(d.problems[:len(d.problems):len(d.problems)], diag.Errorf(r, summary, detail, args...)...)
}

// outranked reports whether a replace elsewhere shuts d out.
func (d *definition) outranked() bool { return d.ceiling != 0 && d.priority > d.ceiling }

// compare orders definitions by strength, strongest first.
func (d *definition) compare(o *definition) int {
	if d.priority != o.priority {
		return d.priority - o.priority
	}
	return d.weak - o.weak
}
