package option

import (
	"slices"

	"sysc/lang/diag"
)

// A RemarkKind is something that can be said of a definition which is not wrong.
type RemarkKind uint8

const (
	// RemarkDeprecated is a definition of an option that is deprecated or renamed.
	RemarkDeprecated RemarkKind = iota
	// RemarkDefault is a definition that says what holds without it.
	RemarkDefault
	// RemarkForce is a force(…) that no other definition makes necessary.
	RemarkForce
)

// A Remark is about one definition of one option.
type Remark struct {
	Kind RemarkKind
	// Holds is whether it is so. A definition in a text may define several options,
	// and what holds for all of them holds for the text.
	Holds bool
	// Option is the declaration, for keys of maps that of the map; Path the name of
	// what is defined.
	Option *Option
	Path   string
	// Range is the definition's place, of RemarkForce that of the wrapper; Module is
	// the module that it stands in.
	Range  diag.Range
	Module string
	// Detail says more: why the option is deprecated, or what is the default.
	Detail string
}

// Remarks goes through all definitions of all options, and says what can be said of
// each. Values of constant sources are evaluated for it, and what finding keys and
// conditions needs.
func (ev *Evaluation) Remarks(constant func(Source) bool) []Remark {
	r := &remarker{constant: constant}
	r.node(ev.root)
	return r.out
}

type remarker struct {
	constant func(Source) bool
	out      []Remark
}

func (r *remarker) node(n *Node) {
	if n.shape == shapeLeaf {
		r.defaults(n)
		r.forces(n)
		return
	}
	idx := n.index(diag.Range{})
	for _, key := range idx.keys {
		c := n.child(key)
		for _, d := range idx.defs[key] {
			r.deprecated(c, d)
		}
		if c.opt != nil && c.opt.Renamed() {
			continue // what is in it is looked at where it counts
		}
		r.node(c)
	}
}

func (r *remarker) add(kind RemarkKind, holds bool, n *Node, d *definition, at diag.Range, detail string) {
	if at.IsZero() {
		return
	}
	declared := n
	for declared.opt == nil {
		declared = declared.parent
	}
	r.out = append(r.out, Remark{Kind: kind, Holds: holds, Option: declared.opt, Path: n.Path(), Range: at, Module: d.module, Detail: detail})
}

func (r *remarker) deprecated(n *Node, d *definition) {
	for _, w := range n.checkUse(d) {
		if w.Severity == diag.Warning {
			r.add(RemarkDeprecated, true, n, d, d.rng, w.Detail)
		}
	}
}

// defaults remarks on the definitions of a leaf that say the same as its default.
func (r *remarker) defaults(n *Node) {
	for _, d := range n.definitions() {
		if !d.declared {
			text, same := r.repeats(n, d)
			r.add(RemarkDefault, same, n, d, d.rng, text)
		}
	}
}

// repeats reports whether d is all that is said of n beside the default, and says
// the same. Only constants count: other values are what they are by chance.
func (r *remarker) repeats(n *Node, d *definition) (text string, same bool) {
	defs := n.definitions()
	if len(defs) != 2 || !defs[0].declared || d.remove || d.kept || d.replace || d.ceiling != 0 || d.priority != PriorityPlain || d.order != OrderPlain ||
		len(d.when) > 0 || d.via != "" || len(d.problems) > 0 {
		return "", false
	}
	own := defs[0]
	if n.opt != nil && n.opt.DefaultText != "" {
		return "", false // the default is computed
	}
	if !r.constant(d.source) || !r.constant(own.source) {
		return "", false
	}
	values := make([]candidate, 2)
	for i, def := range []*definition{own, d} {
		v, diags := n.whole(def.source)
		if diags.HasErrors() || !v.IsWhollyKnown() || isNull(v) {
			return "", false
		}
		fitted, err := n.typ.Fit(v)
		if err != nil {
			return "", false
		}
		values[i].value, _ = fitted.UnmarkDeep()
	}
	return Describe(values[0].value), values[0].value.RawEquals(values[1].value)
}

// forces remarks on the definitions of a leaf that are forced.
func (r *remarker) forces(n *Node) {
	defs := n.definitions()
	for _, d := range defs {
		if d.forced == nil || d.priority != PriorityForce {
			continue
		}
		contested := d.kept || d.ceiling != 0 || slices.ContainsFunc(defs, func(o *definition) bool {
			return o != d && (o.priority <= PriorityPlain || o.remove)
		})
		r.add(RemarkForce, !contested, n, d, *d.forced, "")
	}
}
