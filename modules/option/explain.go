package option

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A Status says what became of a definition.
type Status string

const (
	// StatusUsed is a definition that the value is made of.
	StatusUsed Status = "used"
	// StatusLost is one that a stronger one, or a replace, has shut out; it was not
	// evaluated.
	StatusLost Status = "lost"
	// StatusOff is one whose condition is false; it was not evaluated.
	StatusOff Status = "condition false"
	// StatusNull is one that turned out to be null, which is no definition.
	StatusNull Status = "null"
	// StatusRemoves is a remove(…).
	StatusRemoves Status = "removes"
)

type outcome struct {
	def    *definition
	status Status
}

// A Definition is one definition of an option, as [Node.Definitions] tells of
// it.
type Definition struct {
	// Range is zero for what stands in no text.
	Range    diag.Range
	Module   string
	Priority int
	Order    int
	// Default is set for the option's own default.
	Default bool
	Status  Status
	// Text is the right side as it is written, cut when it is long.
	Text string
}

// Definitions reads n and returns every definition of it with what became of
// it, those that are used first, then in the order of the text. For a group,
// instance, labelled option or map it returns those that contribute any part.
func (n *Node) Definitions() []Definition {
	r := n.read(diag.Range{})
	outcomes := r.outcomes
	if n.shape != shapeLeaf {
		outcomes = nil
		for _, d := range n.definitions() {
			outcomes = append(outcomes, outcome{d, n.statusOf(d)})
		}
	}
	var used, rest []Definition
	for _, o := range outcomes {
		e := o.def.explain(o.status)
		if o.status == StatusUsed {
			used = append(used, e)
		} else {
			rest = append(rest, e)
		}
	}
	return append(used, rest...)
}

func (n *Node) statusOf(d *definition) Status {
	switch {
	case d.verdict() != holds:
		return StatusOff
	case d.remove:
		return StatusRemoves
	case d.outranked():
		return StatusLost
	}
	return StatusUsed
}

// textLimit is how much of a definition's text is shown, in bytes.
const textLimit = 200

func (d *definition) explain(s Status) Definition {
	return Definition{
		Range:    d.rng,
		Module:   d.module,
		Priority: d.priority,
		Order:    d.order,
		Default:  d.declared,
		Status:   s,
		Text:     clip(d.source.Text(), textLimit),
	}
}

// Range returns where the first definition of n that holds stands; zero when
// there is none in any text.
func (n *Node) Range() diag.Range {
	for _, d := range n.definitions() {
		if !d.rng.IsZero() && d.verdict() == holds {
			return d.rng
		}
	}
	return diag.Range{}
}

// Defined reports whether any definition of n with a true condition exists;
// defaults, removals and null do not count. by is the text that asks.
func (n *Node) Defined(by diag.Range) bool {
	if n.ev.asking(n) {
		n.ev.cycle(n, aspectDefined, by)
		return false
	}
	if !n.ev.enter(n, aspectDefined, by) {
		return false
	}
	defer n.ev.leave()
	for _, d := range n.definitions() {
		if d.declared || d.remove || d.outranked() || d.verdict() != holds {
			continue
		}
		if _, keyed := d.source.Items(); !keyed {
			if v, ok := n.evaluate(d); !ok || isNull(v) {
				continue
			}
		}
		if n.shape != shapeGroup || n.instance() || n.anyDefined() {
			return true
		}
	}
	return false
}

// anyDefined reports whether any option of a group is defined.
func (n *Node) anyDefined() bool {
	for _, key := range n.index(diag.Range{}).keys {
		if c, ok := n.child(key).follow(diag.Range{}); ok && c.Defined(diag.Range{}) {
			return true
		}
	}
	return false
}

// asking reports whether it is being found whether n is defined.
func (ev *Evaluation) asking(n *Node) bool {
	for _, f := range ev.stack {
		if f.node == n && f.aspect == aspectDefined {
			return true
		}
	}
	return false
}

// Part follows keys into a value that is no group any more; ok is false when
// there is nothing of that name.
func Part(v cty.Value, key string) (part cty.Value, ok bool) {
	v, marks := v.Unmark()
	if !v.IsKnown() {
		return cty.DynamicVal, true
	}
	ty := v.Type()
	switch {
	case v.IsNull():
		return cty.NilVal, false
	case ty.IsObjectType():
		if !ty.HasAttribute(key) {
			return cty.NilVal, false
		}
		return v.GetAttr(key).WithMarks(marks), true
	case ty.IsMapType():
		k := cty.StringVal(key)
		if v.HasIndex(k).False() {
			return cty.NilVal, false
		}
		return v.Index(k).WithMarks(marks), true
	}
	return cty.NilVal, false
}
