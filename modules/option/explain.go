package option

import (
	"fmt"
	"slices"

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
	// Via is the old name that was defined, "" when it was not.
	Via    string
	Status Status
	// Reason says in a few words why it has that status.
	Reason string
	// Conditions are those that it stands under, the outermost first.
	Conditions []Condition
	// Text is the right side as it is written, cut when it is long.
	Text string
}

// A Condition is a `when` that a definition stands under.
type Condition struct {
	Text  string
	Range diag.Range
	// Holds is "true", "false", "unknown" for one that has an error, and "not
	// evaluated" for one that cannot matter.
	Holds string
}

// Definitions reads n and returns every definition of it with what became of
// it, those that are used first, then in the order of the text. For a group,
// instance, labelled option or map it returns those that contribute any part, and
// reads nothing.
func (n *Node) Definitions() []Definition {
	var outcomes []outcome
	if n.shape == shapeLeaf {
		outcomes = n.read(diag.Range{}).outcomes
	}
	if keyed := n.keyedPart(); keyed != nil {
		outcomes = nil
		for _, d := range keyed.definitions() {
			outcomes = append(outcomes, outcome{d, n.statusOf(d)})
		}
	}
	var best *definition
	for _, o := range outcomes {
		if o.status == StatusUsed {
			best = o.def
		}
	}
	var used, rest []Definition
	for _, o := range outcomes {
		e := o.def.explain(o.status, best)
		if o.status == StatusUsed {
			used = append(used, e)
		} else {
			rest = append(rest, e)
		}
	}
	slices.SortStableFunc(rest, func(a, b Definition) int { return a.Range.Compare(b.Range) })
	return append(used, rest...)
}

// keyedPart returns n when it merges by key, or the part of it that does; nil
// when nothing does.
func (n *Node) keyedPart() *Node {
	if n.shape != shapeLeaf {
		return n
	}
	return n.alt
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

// explain tells of d; best is a definition that is used, or nil.
func (d *definition) explain(s Status, best *definition) Definition {
	out := Definition{
		Range:    d.rng,
		Module:   d.module,
		Priority: d.priority,
		Order:    d.order,
		Default:  d.declared,
		Via:      d.via,
		Status:   s,
		Text:     clip(d.source.Text(), textLimit),
	}
	for _, c := range d.when {
		out.Conditions = append(out.Conditions, c.explain())
	}
	switch s {
	case StatusLost:
		out.Reason = "a replace(…) of the whole map shuts it out"
		if !d.outranked() && best != nil {
			out.Reason = fmt.Sprintf("its priority %d yields to %d (%s)", d.priority, best.priority, where(best))
			if d.priority == best.priority {
				out.Reason = fmt.Sprintf("a default of something in it yields to that of the whole (%s)", where(best))
			}
		}
	case StatusOff:
		out.Reason = "a condition that it stands under is not true"
		for _, c := range out.Conditions {
			if c.Holds == "false" {
				out.Reason = fmt.Sprintf("when = %s is false (%s)", c.Text, place(c.Range))
			}
		}
	case StatusNull:
		out.Reason = "null is no definition"
	case StatusRemoves:
		out.Reason = "takes out of what all definitions together say"
	}
	return out
}

func (c *condition) explain() Condition {
	out := Condition{Text: clip(c.source.Text(), textLimit), Range: c.source.Range(), Holds: "not evaluated"}
	switch c.state {
	case holds:
		out.Holds = "true"
	case fails:
		out.Holds = "false"
	case broken, deciding:
		out.Holds = "unknown"
	}
	return out
}

// place is "file:line", "" for no place.
func place(r diag.Range) string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}

// A Piece is a part of an option's value with the places that it comes from: an
// element of a list or set, a text that lines are made of.
type Piece struct {
	Value cty.Value
	From  []Origin
}

// An Origin is where a piece of a value was written.
type Origin struct {
	// Range is that of the element itself, where the text shows it, or else of the
	// expression that made it; zero for what stands in no text.
	Range   diag.Range
	Module  string
	Default bool
}

// Pieces reads n and returns what its list or set has in it, or what its lines
// are made of, in order. It is nil for other values.
func (n *Node) Pieces() []Piece {
	if n.shape != shapeLeaf {
		return nil
	}
	if find := n.read(diag.Range{}).pieces; find != nil {
		return find()
	}
	return nil
}

// piecesOf finds the elements of what definitions of lists or sets give; gone are
// those taken out. Of a set, an element that several give is one piece.
func piecesOf(t *Type, fitted []candidate, gone []cty.Value) []Piece {
	var out []Piece
	for _, f := range fitted {
		values, _ := elements(f.raw)
		places := f.def.source.Elements(len(values))
		for i, v := range values {
			v, err := t.Elem.Fit(v)
			if err != nil || slices.ContainsFunc(gone, func(g cty.Value) bool { return same(g, v) }) {
				continue
			}
			at := f.def.source.Range()
			if i < len(places) {
				at = places[i]
			}
			from := f.def.origin(at)
			if t.Kind == KindSet {
				if j := slices.IndexFunc(out, func(p Piece) bool { return same(p.Value, v) }); j >= 0 {
					out[j].From = append(out[j].From, from)
					continue
				}
			}
			out = append(out, Piece{v, []Origin{from}})
		}
	}
	return out
}

func (d *definition) origin(at diag.Range) Origin {
	return Origin{Range: at, Module: d.module, Default: d.declared}
}

// Entries returns the nodes of what n merges by key: the options of a group, the
// instances of a labelled option, the keys of a map, sorted. ok is false when n
// does not merge by key.
func (n *Node) Entries() (entries []*Node, ok bool) {
	at := n.keyedPart()
	if at == nil {
		return nil, false
	}
	names, _ := at.groupOrKeys()
	for _, name := range names {
		c := at.child(name)
		if c.opt != nil && (c.opt.Renamed() || c.opt.Removed != "") {
			continue
		}
		entries = append(entries, c)
	}
	return entries, true
}

func (n *Node) groupOrKeys() ([]string, bool) {
	if n.shape == shapeGroup {
		return n.groupNames(), true
	}
	return n.Keys(diag.Range{})
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
// defaults and removals do not count, nor does null where it is no value of the type. by
// is the text that asks.
func (n *Node) Defined(by diag.Range) bool {
	n.note(ReadsDefined)
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
			v, ok := n.evaluate(d)
			if !ok || isNull(v) && (n.typ == nil || !n.typ.nullable()) {
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
