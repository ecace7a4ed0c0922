package lang

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// maxForEach bounds the members of one family.
const maxForEach = 100_000

// forEach reads the value of a for_each: a map or object, or a list or set of
// distinct strings, whose elements are keys and values at once. rng is where the
// value stands.
func forEach(v cty.Value, rng diag.Range) (map[string]cty.Value, diag.List) {
	plain, marks := v.Unmark()
	ty := plain.Type()
	wrong := func() (map[string]cty.Value, diag.List) {
		return nil, diag.Errorf(rng, "Invalid for_each", "for_each takes a map, or a list or set of distinct strings: this %s.", eval.Describe(v))
	}
	switch {
	case plain.IsNull() || !plain.IsKnown():
		return wrong()
	case plain.CanIterateElements() && plain.LengthInt() > maxForEach:
		return nil, diag.Errorf(rng, "Invalid for_each", "for_each has %d elements, and %d are allowed.", plain.LengthInt(), maxForEach)
	}
	out := map[string]cty.Value{}
	switch {
	case ty.IsMapType() || ty.IsObjectType():
		for it := plain.ElementIterator(); it.Next(); {
			k, e := it.Element()
			out[k.AsString()] = e.WithMarks(marks)
		}
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		for it := plain.ElementIterator(); it.Next(); {
			_, e := it.Element()
			text, _ := eval.Plain(e)
			if text.Type() != cty.String || text.IsNull() || !text.IsKnown() {
				return wrong()
			}
			if _, dup := out[text.AsString()]; dup {
				return nil, diag.Errorf(rng, "Invalid for_each", "The key %q occurs twice.", text.AsString())
			}
			out[text.AsString()] = e.WithMarks(marks)
		}
	default:
		return wrong()
	}
	return out, nil
}
