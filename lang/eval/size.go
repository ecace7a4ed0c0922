package eval

import "github.com/zclconf/go-cty/cty"

// size measures a value: 1 for each part of it, and more for long strings. It
// stops at limit, and at maxValueDepth, and returns more than limit then.
func size(v cty.Value, limit int) int { return sizeAt(v, limit, 0) }

func sizeAt(v cty.Value, limit, depth int) int {
	if depth > maxValueDepth {
		return limit + 1
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return 1
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return 1 + len(v.AsString())/textUnit
	case ty.IsPrimitiveType(), ty.IsCapsuleType():
		return 1
	}
	n := 1
	for it := v.ElementIterator(); it.Next() && n <= limit; {
		k, elem := it.Element()
		if k.Type() == cty.String {
			n += len(k.AsString()) / textUnit
		}
		n += sizeAt(elem, limit-n, depth+1)
	}
	return n
}

// maxNumberExponent bounds numbers, as powers of two: what is beyond takes
// minutes to write out.
const maxNumberExponent = 4096

// OutOfRange reports whether there is a number in v that would take minutes to
// write out. Evaluation makes none; a conversion of a text may.
func OutOfRange(v cty.Value) bool { return hugeNumber(v) }

// hugeNumber reports whether there is a number in v that is out of range.
func hugeNumber(v cty.Value) bool {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return false
	}
	ty := v.Type()
	switch {
	case ty == cty.Number:
		f := v.AsBigFloat()
		exp := f.MantExp(nil)
		return f.IsInf() || exp > maxNumberExponent || exp < -maxNumberExponent
	case ty.IsPrimitiveType(), ty.IsCapsuleType():
		return false
	case ty.IsCollectionType() && (ty.ElementType() == cty.String || ty.ElementType() == cty.Bool):
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, elem := it.Element(); hugeNumber(elem) {
			return true
		}
	}
	return false
}
