package modules

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/modules/option"
)

// A reader reads options of a system into plain values. What goes wrong is
// collected: in diags what is wrong with reading, in the evaluation what is
// wrong with definitions.
type reader struct {
	e *evaluator
	// by is the text that needs what is read: the system's block.
	by    diag.Range
	diags diag.List
}

// option returns the node of an option below n.
func (r *reader) option(n *option.Node, name string) *option.Node {
	c, ok := n.Child(name, r.by)
	if !ok {
		panic("modules.reader: no option " + name) // not in the core's table
	}
	return c
}

// value reads an option without its marks. ok is false when it has no value,
// which is reported.
func (r *reader) value(n *option.Node, name string) (v cty.Value, ok bool) {
	c := r.option(n, name)
	v, diags := c.Value(r.by)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.NilVal, false
	}
	plain, marks := eval.Plain(v)
	if marks.Sensitive {
		r.diags = append(r.diags, diag.Errorf(rangeOf(c, r.by), "Sensitive value reaches the store",
			"%s would be part of the system, which anybody can read, and its value is marked sensitive.", c.Path())...)
		return cty.NilVal, false
	}
	return plain, true
}

// problems is how many there are so far: what is wrong with a part of something that
// is already known to be wrong need not be said as well.
func (r *reader) problems() int { return len(r.diags) + len(r.e.options.Diagnostics()) }

// rangeOf returns where a node is defined, or else.
func rangeOf(n *option.Node, otherwise diag.Range) diag.Range {
	if r := n.Range(); !r.IsZero() {
		return r
	}
	return otherwise
}

// text reads a string; null and errors are "".
func (r *reader) text(n *option.Node, name string) string {
	s, _ := r.maybeText(n, name)
	return s
}

// maybeText reads a string that may be null.
func (r *reader) maybeText(n *option.Node, name string) (s string, given bool) {
	v, ok := r.value(n, name)
	if !ok || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

func (r *reader) flag(n *option.Node, name string) bool {
	v, ok := r.value(n, name)
	return ok && !v.IsNull() && v.True()
}

// texts reads a list of strings.
func (r *reader) texts(n *option.Node, name string) []string {
	v, ok := r.value(n, name)
	if !ok {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e.AsString())
	}
	return out
}

// id reads a number that may be null, which nil stands for. ok is false when it
// has no value.
func (r *reader) id(n *option.Node, name string) (id *uint32, ok bool) {
	v, ok := r.value(n, name)
	if !ok || v.IsNull() {
		return nil, ok
	}
	u, _ := v.AsBigFloat().Uint64()
	small := uint32(u) // the option's type has bounded it
	return &small, true
}

// count reads a small whole number; null and errors are 0.
func (r *reader) count(n *option.Node, name string) int {
	v, ok := r.value(n, name)
	if !ok || v.IsNull() {
		return 0
	}
	i, _ := v.AsBigFloat().Int64()
	return int(i) // the option's type has bounded it
}

// mode reads octal permissions. The option's type has checked them.
func (r *reader) mode(n *option.Node, name string) uint32 {
	m, err := strconv.ParseUint(r.text(n, name), 8, 32)
	if err != nil {
		return 0
	}
	return uint32(m)
}

// instances returns the instances of a labelled option, sorted by label.
func (r *reader) instances(name string) []*option.Node {
	n := r.option(r.e.options.Root(), name)
	keys, _ := n.Keys(r.by)
	var out []*option.Node
	for _, key := range keys {
		if c, ok := n.Child(key, r.by); ok {
			out = append(out, c)
		}
	}
	return out
}

func (r *reader) errorf(n *option.Node, summary, detail string, args ...any) {
	r.diags = append(r.diags, diag.Errorf(rangeOf(n, r.by), summary, detail, args...)...)
}
