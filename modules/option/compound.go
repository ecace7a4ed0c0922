package option

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// all returns the definitions that take part in the contest, conditions
// settled, in their order; removals included.
func (c *contest) all() []*definition {
	var out []*definition
	for _, d := range c.node.definitions() {
		for _, g := range c.groups {
			if slices.Contains(g, d) {
				out = append(out, d)
			}
		}
		if slices.Contains(c.removals, d) {
			out = append(out, d)
		}
	}
	return out
}

// combineMap merges by key. Unlike for other types, definitions that are weaker
// as a whole take part: they lose key by key.
func (n *Node) combineMap(t *Type, c *contest) *result {
	return n.virtual(t, c.all()).read(diag.Range{})
}

// combineNullable: all null, or none.
func (n *Node) combineNullable(t *Type, best []candidate, c *contest) *result {
	var nulls, others []candidate
	for _, b := range best {
		if isNull(b.value) {
			nulls = append(nulls, b)
		} else {
			others = append(others, b)
		}
	}
	switch {
	case len(nulls) > 0 && len(others) > 0:
		n.ev.report(n.conflict(best))
		return &result{state: failed}
	case len(nulls) > 0:
		return &result{value: cty.NullVal(t.Elem.ctyType())}
	}
	return n.combine(t.Elem, others, c)
}

// combineEither takes the first alternative that fits all, one that fits
// without conversion before others.
func (n *Node) combineEither(t *Type, best []candidate, c *contest) *result {
	for _, m := range []mode{exact, converting} {
		for _, p := range t.Parts {
			fits := func(b candidate) bool {
				_, err := p.fit(b.value, m)
				return err == nil
			}
			if !slices.ContainsFunc(best, func(b candidate) bool { return !fits(b) }) {
				return n.combine(p, best, c)
			}
		}
	}
	for _, b := range best {
		if _, err := t.Fit(b.value); err != nil {
			n.ev.report(n.mismatch(b, err))
			return &result{state: failed}
		}
	}
	n.ev.report(n.conflict(best))
	return &result{state: failed}
}

// combineAny is for definitions of which one at least has no keys.
func (n *Node) combineAny(t *Type, best []candidate, c *contest) *result {
	if len(best) == 0 {
		return c.empty(t)
	}
	if !slices.ContainsFunc(best, func(b candidate) bool { return !isObject(b.value) }) {
		return n.asMap(t, c.all())
	}
	return n.agree(best)
}

// asMap merges definitions of an any by key, each key again as any. What is
// weaker and has no keys has lost as a whole.
func (n *Node) asMap(t *Type, defs []*definition) *result {
	var keyed []*definition
	for _, d := range defs {
		if _, ok := d.source.Items(); !ok && !d.remove && d.verdict() == holds {
			if v, ok := n.evaluate(d); ok && !isObject(v) {
				continue
			}
		}
		keyed = append(keyed, d)
	}
	return n.virtual(Map(t), keyed).read(diag.Range{})
}

// allKeyed reports whether the text of every definition shows keys.
func (n *Node) allKeyed(defs []*definition) bool {
	if len(defs) == 0 {
		return false
	}
	return !slices.ContainsFunc(defs, func(d *definition) bool {
		_, ok := d.source.Items()
		return !ok
	})
}
