package eval

import "github.com/zclconf/go-cty/cty"

// size measures a value: 1 for each part of it, and more for long strings. It
// stops at limit, and at maxValueDepth, and returns more than limit then.
func size(v cty.Value, limit int) int {
	s := sizer{looks: 2 * limit}
	return s.value(v, limit, 0)
}

// A sizer measures one value. Looking at types is much faster than looking at values,
// as cty makes a number for the index of each element; so what is made of numbers
// alone is not looked into.
type sizer struct {
	looks int // at parts of types, before types are left alone: they may lead nowhere
}

func (s *sizer) value(v cty.Value, limit, depth int) int {
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
	case ty.IsTupleType():
		return s.tuple(v, ty.TupleElementTypes(), limit, depth)
	case (ty.IsListType() || ty.IsSetType()) && isFixed(ty.ElementType()):
		return 1 + v.LengthInt()
	case ty.IsObjectType():
		return s.object(v, ty.AttributeTypes(), limit, depth)
	}
	n := 1
	for it := v.ElementIterator(); it.Next() && n <= limit; {
		k, elem := it.Element()
		if k.Type() == cty.String {
			n += len(k.AsString()) / textUnit
		}
		n += s.value(elem, limit-n, depth+1)
	}
	return n
}

// object does not sort the attributes, as cty's iterator does.
func (s *sizer) object(v cty.Value, attrs map[string]cty.Type, limit, depth int) int {
	n := 1
	for name, ty := range attrs {
		n += len(name) / textUnit
		if isFixed(ty) {
			n++
		} else {
			n += s.value(v.GetAttr(name), limit-n, depth+1)
		}
		if n > limit {
			break
		}
	}
	return n
}

func (s *sizer) tuple(v cty.Value, types []cty.Type, limit, depth int) int {
	n := 1
	it := v.ElementIterator()
	for i := 0; it.Next() && n <= limit; i++ {
		if size, ok := s.ofType(types[i], limit-n, depth+1); ok {
			n += size
			continue
		}
		_, elem := it.Element()
		n += s.value(elem, limit-n, depth+1)
	}
	return n
}

// isFixed reports whether all values of a type are of size 1.
func isFixed(ty cty.Type) bool { return ty == cty.Number || ty == cty.Bool }

// ofType is the size of a number, and of tuples of numbers that are known and not
// null. ok is false for other types, and when enough of them were looked at.
func (s *sizer) ofType(ty cty.Type, limit, depth int) (n int, ok bool) {
	if isFixed(ty) {
		return 1, true
	}
	if s.looks--; s.looks < 0 || depth > maxValueDepth || !ty.IsTupleType() {
		return 0, false
	}
	n = 1
	for _, elem := range ty.TupleElementTypes() {
		size, ok := s.ofType(elem, limit-n, depth+1)
		if !ok {
			return 0, false
		}
		if n += size; n > limit {
			break
		}
	}
	return n, true
}

// maxNumberExponent bounds numbers, as powers of two: what is beyond takes
// minutes to write out.
const maxNumberExponent = 4096

// OutOfRange reports whether there is a number in v that would take minutes to
// write out. Evaluation makes none; a conversion of a text may.
func OutOfRange(v cty.Value) bool { return hugeNumber(v) }

// Most numbers lie between these. Never written to.
var usualLeast, usualBound = cty.NumberIntVal(1), cty.NumberIntVal(1 << 53)

// hugeNumber reports whether there is a number in v that is out of range.
func hugeNumber(v cty.Value) bool {
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return false
	}
	ty := v.Type()
	switch {
	case ty == cty.Number:
		if v.LessThan(usualBound).True() && !v.LessThan(usualLeast).True() {
			return false
		}
		f := v.AsBigFloat() // a copy
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
