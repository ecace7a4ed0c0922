package option

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// Value returns the merged value of n. It is unknown when there is none because
// of an error. Problems with definitions are reported to the evaluation; what is
// returned is what is wrong with reading: that nothing defines the option, which
// is an error at by, the text that reads it.
func (n *Node) Value(by diag.Range) (cty.Value, diag.List) {
	n.note(ReadsValue)
	r := n.read(by)
	switch r.state {
	case valid:
		return r.value, nil
	case absent:
		return cty.DynamicVal, n.noValue(by)
	}
	return cty.DynamicVal, r.cause
}

// Elements returns where each element of the list that n's value is was
// written.
func (n *Node) Elements() []diag.Range {
	var places []diag.Range
	for _, p := range n.Pieces() {
		places = append(places, p.From[0].Range)
	}
	return places
}

// NoValue is the summary of the problem that an option is read and nothing says what
// it is.
const NoValue = "Option without a value"

func (n *Node) noValue(by diag.Range) diag.List {
	if n.opt != nil && n.opt.Removed != "" {
		return diag.Errorf(by, "Option was removed", "%s", n.Path()+": "+n.opt.Removed)
	}
	diags := diag.Errorf(by, NoValue,
		"Nothing defines %s (%s), it has no default, and it is needed here. Set it, or give the option a default.", n.Path(), n.kind())
	if i := n.parent.Instance(); i != nil {
		for _, d := range i.definitions() {
			if !d.declared && !d.rng.IsZero() {
				diags[0].Related = append(diags[0].Related, diag.Related{Message: i.Path() + " is defined here", Range: d.rng})
				break
			}
		}
	}
	return diags
}

// read finds the value, once.
func (n *Node) read(by diag.Range) *result {
	if n.result != nil {
		return n.result
	}
	if n.computing {
		n.ev.cycle(n, aspectValue, by)
		return &result{state: failed, cause: n.ev.cause(0)}
	}
	if !n.ev.enter(n, aspectValue, by) {
		return &result{state: failed, cause: n.ev.cause(0)}
	}
	defer n.ev.leave()
	n.computing = true
	before := len(n.ev.diags)
	r := n.compute(by)
	switch {
	case r.state == failed:
		r.cause = n.ev.cause(before)
	case r.state == valid && n.opt != nil && n.opt.Sensitive:
		r.value = r.value.Mark(eval.Sensitive)
	}
	n.computing = false
	n.result = r
	return r
}

func (n *Node) compute(by diag.Range) *result {
	if n.blocked() {
		return &result{state: failed}
	}
	switch n.shape {
	case shapeGroup:
		return n.computeGroup(by)
	case shapeLabelled, shapeMap:
		return n.computeKeyed(by)
	}
	if r := n.removedOption(); r != nil {
		return r
	}
	return n.merge(n.typ, n.definitions())
}

func (n *Node) computeGroup(by diag.Range) *result {
	attrs := map[string]cty.Value{}
	if n.instance() {
		for i, name := range n.opt.Labels {
			attrs[name] = cty.StringVal(n.labels[i])
		}
	}
	names := sortedKeys(n.opt.children)
	if n.opt.Freeform != nil {
		idx := n.index(diag.Range{})
		if idx.failed {
			return &result{state: failed}
		}
		names = append(names, n.undeclared(idx)...)
	}
	broken := false
	for _, name := range names {
		c := n.child(name)
		if c.opt != nil && (c.opt.Removed != "" || c.opt.Renamed()) {
			continue
		}
		r := c.read(diag.Range{})
		switch r.state {
		case valid:
			attrs[name] = r.value
		case absent:
			if c.opt == nil {
				continue
			}
			n.ev.report(c.noValue(by))
			broken = true
		default:
			broken = true
		}
	}
	if broken {
		return &result{state: failed}
	}
	return &result{value: cty.ObjectVal(attrs)}
}

func (n *Node) computeKeyed(by diag.Range) *result {
	keys, known := n.Keys(diag.Range{})
	if !known {
		return &result{state: failed}
	}
	values := map[string]cty.Value{}
	for _, key := range keys {
		c := n.child(key)
		r := c.read(diag.Range{})
		switch {
		case r.state == valid && !r.empty:
			values[key] = r.value
		case r.state == failed:
			known = false
		}
	}
	if !known {
		return &result{state: failed}
	}
	if n.shape == shapeLabelled {
		return &result{value: cty.ObjectVal(values)}
	}
	return &result{value: mapOf(n.typ.Elem, values), empty: !slices.ContainsFunc(n.idx.given, func(d *definition) bool { return d.verdict() == holds })}
}

func (n *Node) removedOption() *result {
	if n.opt == nil || n.opt.Removed == "" {
		return nil
	}
	return &result{state: absent}
}

// evaluate finds the value of one definition at n. ok is false when it failed
// and the reason is reported, here or elsewhere.
func (n *Node) evaluate(d *definition) (v cty.Value, ok bool) {
	n.ev.report(d.problems)
	if d.problems.HasErrors() {
		return cty.DynamicVal, false
	}
	v, diags := n.whole(d.source)
	n.ev.report(diags)
	plain, _ := v.Unmark()
	if diags.HasErrors() || !plain.IsKnown() {
		return cty.DynamicVal, false
	}
	return v, true
}

// whole evaluates a source as one value. A block, and an object with wrappers at
// its keys, have none by themselves: they are put together from their parts.
func (n *Node) whole(s Source) (cty.Value, diag.List) {
	items, ok := s.Items()
	wrapped := slices.ContainsFunc(items, func(it Item) bool { return len(it.Def.Wraps) > 0 })
	if !ok || !wrapped && s.Form() == FormExpr {
		return s.Value(n)
	}
	attrs := map[string]cty.Value{}
	var diags diag.List
	for _, it := range items {
		v, more := n.whole(it.Def.Value)
		diags = append(diags, more...)
		attrs[it.Key] = v
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return cty.ObjectVal(attrs), diags
}

// A candidate is a definition that has not lost, with its value.
type candidate struct {
	def *definition
	// value is what it gives: as it was written, later as the type has it.
	value cty.Value
	// raw stays as it was written.
	raw cty.Value
}

// A contest is the definitions of one node while the winners are found.
type contest struct {
	node     *Node
	groups   [][]*definition // strongest first
	removals []*definition
	outcomes []outcome
	failed   bool
}

// settle sorts definitions by strength, those whose condition is false left out.
func (n *Node) settle(defs []*definition) *contest {
	c := &contest{node: n}
	var live []*definition
	for _, d := range defs {
		switch d.verdict() {
		case broken:
			c.failed = true
			continue
		case fails:
			c.outcome(d, StatusOff)
			continue
		}
		switch {
		case d.remove:
			c.removals = append(c.removals, d)
			c.outcome(d, StatusRemoves)
		case d.outranked():
			c.outcome(d, StatusLost)
		default:
			live = append(live, d)
		}
	}
	slices.SortStableFunc(live, (*definition).compare)
	for i, d := range live {
		if i == 0 || d.compare(live[i-1]) != 0 {
			c.groups = append(c.groups, nil)
		}
		last := len(c.groups) - 1
		c.groups[last] = append(c.groups[last], d)
	}
	return c
}

func (c *contest) outcome(d *definition, s Status) {
	c.outcomes = append(c.outcomes, outcome{d, s})
}

// winners evaluates the strongest definitions, and weaker ones as long as all
// stronger ones turn out to be null. nulls says whether null is a value.
func (c *contest) winners(nulls bool) []candidate {
	var best []candidate
	for _, group := range c.groups {
		if best != nil {
			for _, d := range group {
				c.outcome(d, StatusLost)
			}
			continue
		}
		slices.SortStableFunc(group, func(a, b *definition) int { return a.order - b.order })
		for _, d := range group {
			v, ok := c.node.evaluate(d)
			switch {
			case !ok:
				c.failed = true
			case isNull(v) && !nulls:
				c.outcome(d, StatusNull)
			default:
				best = append(best, candidate{d, v, v})
				c.outcome(d, StatusUsed)
			}
		}
		if c.failed {
			break
		}
	}
	return best
}

// merge makes one value of the definitions by the rules of type t.
func (n *Node) merge(t *Type, defs []*definition) *result {
	switch t.Kind {
	case KindMap:
		return n.virtual(t, defs).read(diag.Range{})
	case KindAny:
		if n.allKeyed(defs) {
			return n.asMap(t, defs)
		}
	}
	c := n.settle(defs)
	if c.failed {
		return c.fail()
	}
	best := c.winners(t.Kind == KindNullable || t.Kind == KindEither && t.nullable())
	if c.failed {
		return c.fail()
	}
	if len(best) == 0 {
		// There is nothing to take away from, but what is wrong is wrong.
		if _, known := n.removals(c.removals, &Type{Kind: KindAny}); !known {
			return c.fail()
		}
		return c.empty(t)
	}
	return c.finish(n.combine(t, best, c))
}

// nullable reports whether null is a value of the type.
func (t *Type) nullable() bool {
	switch t.Kind {
	case KindNullable:
		return true
	case KindEither:
		return t.Parts[0].nullable() || t.Parts[1].nullable()
	}
	return false
}

func (c *contest) fail() *result { return &result{state: failed, outcomes: c.outcomes} }

func (c *contest) empty(t *Type) *result {
	v, ok := t.Empty()
	if !ok {
		return &result{state: absent, outcomes: c.outcomes}
	}
	return &result{value: v, empty: true, outcomes: c.outcomes}
}

func (c *contest) finish(r *result) *result {
	r.outcomes = append(r.outcomes, c.outcomes...)
	return r
}

// combine merges the values of the winners.
func (n *Node) combine(t *Type, best []candidate, c *contest) *result {
	switch t.Kind {
	case KindNullable:
		return n.combineNullable(t, best, c)
	case KindEither:
		return n.combineEither(t, best, c)
	case KindMap:
		return n.combineMap(t, c)
	case KindAny:
		return n.combineAny(t, best, c)
	}
	fitted, ok := n.fit(t, best)
	if !ok {
		return &result{state: failed}
	}
	switch t.Kind {
	case KindList:
		return n.combineList(t, fitted, c)
	case KindSet:
		return n.combineSet(t, fitted, c)
	case KindLines:
		return combineLines(fitted)
	}
	if len(fitted) == 0 {
		return c.empty(t)
	}
	return n.agree(fitted)
}

// fit checks the winners against the type; all that do not fit are reported.
func (n *Node) fit(t *Type, best []candidate) (fitted []candidate, ok bool) {
	ok = true
	for _, b := range best {
		v, err := t.Fit(b.value)
		if err != nil {
			n.ev.report(n.mismatch(b, err))
			ok = false
			continue
		}
		if !v.IsKnown() {
			ok = false
		}
		fitted = append(fitted, candidate{b.def, v, b.value})
	}
	return fitted, ok
}

func (n *Node) mismatch(c candidate, err *Mismatch) diag.List {
	d := c.def
	at := d.source.Range()
	var i int
	if _, scanErr := fmt.Sscanf(err.Path, "[%d]", &i); scanErr == nil {
		values, _ := elements(c.value)
		if places := d.source.Elements(len(values)); i < len(places) {
			at = places[i]
		}
	}
	diags := diag.Errorf(at, "Wrong type for option", "%s: %s.", n.Path()+err.Path, err.Reason)
	if !d.rng.IsZero() && d.rng.Filename == at.Filename {
		diags[0].Context = d.rng.Ptr()
	}
	return diags
}

// agree is the merge of everything that cannot be merged: all must be equal.
func (n *Node) agree(fitted []candidate) *result {
	first := fitted[0]
	if slices.ContainsFunc(fitted, func(o candidate) bool { return !same(first.value, o.value) }) {
		n.ev.report(n.conflict(fitted))
		return &result{state: failed}
	}
	return &result{value: first.value}
}

// conflict shows every definition and both remedies.
func (n *Node) conflict(fitted []candidate) diag.List {
	var detail strings.Builder
	fmt.Fprintf(&detail, "%s has one value, but %d definitions of the same priority (%d) give it different ones:",
		n.Path(), len(fitted), fitted[0].def.priority)
	for _, f := range fitted {
		fmt.Fprintf(&detail, "\n  %s = %s  (%s)", n.key, Describe(f.value), where(f.def))
	}
	detail.WriteString("\nTake out all but one, or wrap the one that shall win in force(…), or those that shall yield in default(…).")
	last := fitted[len(fitted)-1]
	d := diag.New(diag.Error, last.def.rng, "Conflicting definitions", detail.String())
	for _, f := range fitted[:len(fitted)-1] {
		if !f.def.rng.IsZero() {
			d.Related = append(d.Related, diag.Related{Message: "The other definition", Range: f.def.rng})
		}
	}
	return diag.List{d}
}

// where says where a definition stands.
func where(d *definition) string {
	if d.rng.IsZero() {
		return "default of " + d.module
	}
	return place(d.rng)
}

func (n *Node) combineList(t *Type, fitted []candidate, c *contest) *result {
	gone, known := n.removals(c.removals, t.Elem)
	if !known {
		return &result{state: failed}
	}
	pieces := func() []Piece { return piecesOf(t, fitted, gone) }
	return &result{value: listOf(t.Elem, remaining(fitted, gone)), pieces: pieces}
}

func (n *Node) combineSet(t *Type, fitted []candidate, c *contest) *result {
	gone, known := n.removals(c.removals, t.Elem)
	if !known {
		return &result{state: failed}
	}
	pieces := func() []Piece { return piecesOf(t, fitted, gone) }
	return &result{value: setOf(t.Elem, remaining(fitted, gone)), pieces: pieces}
}

// remaining returns the elements of all definitions without those taken out.
func remaining(fitted []candidate, gone []cty.Value) []cty.Value {
	var out []cty.Value
	for _, f := range fitted {
		values, _ := elements(f.value)
		for _, v := range values {
			if !slices.ContainsFunc(gone, func(g cty.Value) bool { return same(g, v) }) {
				out = append(out, v)
			}
		}
	}
	return out
}

// combineLines joins texts by one newline, whether or not they end with one.
func combineLines(fitted []candidate) *result {
	var b strings.Builder
	marks := cty.ValueMarks{}
	for i, f := range fitted {
		v, m := f.value.Unmark()
		for mark := range m {
			marks[mark] = struct{}{}
		}
		if i > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(v.AsString())
	}
	pieces := func() []Piece {
		var out []Piece
		for _, f := range fitted {
			out = append(out, Piece{f.value, []Origin{f.def.origin(f.def.source.Range())}})
		}
		return out
	}
	return &result{value: cty.StringVal(b.String()).WithMarks(marks), pieces: pieces}
}
