package option

import (
	"cmp"
	"maps"
	"slices"

	"sysc/lang/diag"
)

// A trace notes which options are read while others are evaluated.
type trace map[reader]map[reading]bool

// A reader is what is being evaluated: the definitions of a node, or a condition,
// which many nodes may stand under.
type reader struct {
	node      *Node
	condition *condition
}

// A reading is what was asked of a node.
type reading struct {
	node *Node
	what string
}

// What a [Dependency] reads of an option.
const (
	ReadsValue   = "value"
	ReadsKeys    = "keys"
	ReadsDefined = "is_defined"
)

// A Dependency is that one option reads another.
type Dependency struct {
	From, To *Node
	// Reads is what is read of it: [ReadsValue] and the others.
	Reads string
	// Condition is set when a condition reads it that From stands under.
	Condition bool
}

// Trace makes the evaluation note what reads what, which costs time. It is called
// before anything is read.
func (ev *Evaluation) Trace() { ev.trace = trace{} }

// note is called when something is asked of n.
func (n *Node) note(what string) {
	ev := n.ev
	if ev.trace == nil || len(ev.stack) == 0 {
		return
	}
	top := ev.stack[len(ev.stack)-1]
	from := reader{node: top.node}
	if top.condition != nil {
		from = reader{condition: top.condition}
	}
	if ev.trace[from] == nil {
		ev.trace[from] = map[reading]bool{}
	}
	ev.trace[from][reading{n, what}] = true
}

// Dependencies returns what has been read while everything so far was evaluated,
// sorted by paths, and the nodes that texts define, sorted. A part of an option
// does not depend on what it is a part of.
func (ev *Evaluation) Dependencies() (defined []*Node, edges []Dependency) {
	found := map[Dependency]bool{}
	add := func(from *Node, readings map[reading]bool, condition bool) {
		for r := range readings {
			if !from.within(r.node) && !r.node.within(from) {
				found[Dependency{from, r.node, r.what, condition}] = true
			}
		}
	}
	for from, readings := range ev.trace {
		if from.node != nil {
			add(from.node, readings, false)
		}
	}
	ev.root.eachDefined(func(n *Node) {
		defined = append(defined, n)
		for _, d := range n.definitions() {
			for _, c := range d.when {
				add(n, ev.trace[reader{condition: c}], true)
			}
		}
	})
	byPath := func(a, b *Node) int { return cmp.Compare(a.Path(), b.Path()) }
	slices.SortFunc(defined, byPath)
	edges = slices.Collect(maps.Keys(found))
	slices.SortFunc(edges, func(a, b Dependency) int {
		return cmp.Or(byPath(a.From, b.From), byPath(a.To, b.To), cmp.Compare(a.Reads, b.Reads), compareBools(a.Condition, b.Condition))
	})
	return defined, edges
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// within reports whether n is in around, or is it. An alternative that was tried is
// the node whose place it has.
func (n *Node) within(around *Node) bool {
	for ; n != nil; n = n.parent {
		if n.parent == around.parent && n.key == around.key {
			return true
		}
	}
	return false
}

// eachDefined calls visit for the innermost nodes that a text defines.
func (n *Node) eachDefined(visit func(*Node)) {
	if n.shape != shapeLeaf {
		idx := n.index(diag.Range{})
		for _, key := range idx.keys {
			if c := n.child(key); c.opt == nil || !c.opt.Renamed() {
				c.eachDefined(visit)
			}
		}
		if len(idx.keys) > 0 {
			return
		}
	}
	if slices.ContainsFunc(n.definitions(), func(d *definition) bool { return !d.declared }) && n.parent != nil {
		visit(n)
	}
}

// Places returns where texts define n, sorted.
func (n *Node) Places() []diag.Range {
	var out []diag.Range
	for _, d := range n.definitions() {
		if !d.declared && !d.rng.IsZero() {
			out = append(out, d.rng)
		}
	}
	slices.SortFunc(out, diag.Range.Compare)
	return out
}
