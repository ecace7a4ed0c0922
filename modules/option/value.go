package option

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/eval"
)

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// isNull reports whether v is known to be null, marks or not.
func isNull(v cty.Value) bool {
	v, _ = v.Unmark()
	return v.IsKnown() && v.IsNull()
}

// isObject reports whether v has keys.
func isObject(v cty.Value) bool {
	ty := v.Type()
	return ty.IsObjectType() || ty.IsMapType()
}

// same reports whether two fitted values are equal; marks do not count.
func same(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}

// uniform reports whether all values have one type that cty can make a
// collection of.
func uniform(values []cty.Value) bool {
	for _, v := range values {
		if ty := v.Type(); ty == cty.DynamicPseudoType || !ty.Equals(values[0].Type()) {
			return false
		}
	}
	return true
}

// listOf makes a list, or a tuple when the elements' types differ.
func listOf(elem *Type, values []cty.Value) cty.Value {
	ty := elem.ctyType()
	switch {
	case len(values) == 0 && ty == cty.DynamicPseudoType:
		return cty.EmptyTupleVal
	case len(values) == 0:
		return cty.ListValEmpty(ty)
	case !uniform(values):
		return cty.TupleVal(values)
	}
	return cty.ListVal(values)
}

// setOf makes a set without the duplicates. Where the elements' types differ it
// is a tuple in the order given, because cty has no such set.
func setOf(elem *Type, values []cty.Value) cty.Value {
	if len(values) == 0 {
		return cty.SetValEmpty(elem.ctyType())
	}
	if !uniform(values) {
		return cty.TupleVal(distinct(values))
	}
	return cty.SetVal(values)
}

// distinct leaves out every value that is equal to an earlier one.
func distinct(values []cty.Value) []cty.Value {
	var out []cty.Value
	for _, v := range values {
		if !slices.ContainsFunc(out, func(o cty.Value) bool { return same(o, v) }) {
			out = append(out, v)
		}
	}
	return out
}

// mapOf makes a map, or an object when the elements' types differ.
func mapOf(elem *Type, values map[string]cty.Value) cty.Value {
	ty := elem.ctyType()
	switch {
	case len(values) == 0 && ty == cty.DynamicPseudoType:
		return cty.EmptyObjectVal
	case len(values) == 0:
		return cty.MapValEmpty(ty)
	case !uniform(slices.Collect(maps.Values(values))):
		return cty.ObjectVal(values)
	}
	return cty.MapVal(values)
}

// elements lists what a list, set or tuple holds, marks of the whole handed
// down. ok is false for anything else.
func elements(v cty.Value) (out []cty.Value, ok bool) {
	v, marks := v.Unmark()
	ty := v.Type()
	if !v.IsKnown() || v.IsNull() || !ty.IsListType() && !ty.IsTupleType() && !ty.IsSetType() {
		return nil, false
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e.WithMarks(marks))
	}
	return out, true
}

// describeLimit is how much of a value a message shows, in bytes.
const describeLimit = 60

// Describe shows a value in a message: short ones as they are written, long
// ones cut, sensitive ones not at all.
func Describe(v cty.Value) string {
	if v == cty.NilVal {
		return "nothing"
	}
	if v.HasMark(eval.Sensitive) {
		return "(sensitive)"
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return "something unknown"
	}
	if v.IsNull() {
		return "null"
	}
	var b strings.Builder
	describe(&b, v)
	return clip(b.String(), describeLimit)
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func describe(b *strings.Builder, v cty.Value) {
	if b.Len() > describeLimit {
		return
	}
	if v.HasMark(eval.Sensitive) {
		b.WriteString("(sensitive)")
		return
	}
	v, _ = v.Unmark()
	ty := v.Type()
	switch {
	case !v.IsKnown():
		b.WriteString("(unknown)")
	case v.IsNull():
		b.WriteString("null")
	case ty == cty.String:
		b.WriteString(strconv.Quote(clip(v.AsString(), describeLimit)))
	case ty == cty.Number:
		n := v.AsBigFloat()
		if e := n.MantExp(nil); e > 1100 || e < -1100 {
			b.WriteString("a huge number")
			return
		}
		b.WriteString(text(n))
	case ty == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case ty.IsListType() || ty.IsTupleType() || ty.IsSetType():
		b.WriteByte('[')
		for i, it := 0, v.ElementIterator(); it.Next() && b.Len() <= describeLimit; i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			_, e := it.Element()
			describe(b, e)
		}
		b.WriteByte(']')
	case ty.IsObjectType() || ty.IsMapType():
		b.WriteByte('{')
		for i, it := 0, v.ElementIterator(); it.Next() && b.Len() <= describeLimit; i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			k, e := it.Element()
			b.WriteString(k.AsString() + " = ")
			describe(b, e)
		}
		b.WriteByte('}')
	default:
		b.WriteString(ty.FriendlyName())
	}
}
