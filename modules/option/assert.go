package option

import "sysc/lang/diag"

// An Assertion is something that has to be true of an option's value, of each
// instance of a labelled option, or of a system as a whole.
type Assertion interface {
	// Check evaluates it at n: the option, the instance, or the root. It returns
	// what is wrong.
	Check(n *Node) diag.List
}

// CheckAssertions checks all assertions of options, those of labelled options for
// each instance, at every depth. What does not hold is reported.
func (ev *Evaluation) CheckAssertions() { ev.root.checkAssertions() }

func (n *Node) checkAssertions() {
	if !n.opt.asserting {
		return
	}
	if n.shape == shapeLabelled {
		keys, _ := n.Keys(diag.Range{})
		for _, key := range keys {
			n.child(key).checkAssertions()
		}
		return
	}
	for _, a := range n.opt.Asserts {
		n.ev.report(a.Check(n))
	}
	if n.shape != shapeGroup {
		return
	}
	for _, c := range n.opt.Children() {
		if !c.Renamed() {
			n.child(c.name).checkAssertions()
		}
	}
}

// noteAssertions finds out where assertions are, so that nobody looks for them
// elsewhere.
func (o *Option) noteAssertions() bool {
	o.asserting = len(o.Asserts) > 0
	for _, c := range o.children {
		if !c.Renamed() && c.noteAssertions() {
			o.asserting = true
		}
	}
	return o.asserting
}
