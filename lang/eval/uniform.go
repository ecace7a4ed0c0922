package eval

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// maxMixed bounds the elements for which cty looks for a common type: the time
// that it takes grows with the square of their number, even when all types are the
// same. mixedUnit of the square cost 1.
const (
	maxMixed  = 2000
	mixedUnit = 16
)

// convertsElements are the functions that look for a common type of the elements,
// beside those whose parameters say so. Never written to.
var convertsElements = map[string]bool{"tolist": true, "toset": true}

// uniform makes a list of a tuple whose elements all have the same type, and
// returns anything else as it is.
func uniform(v cty.Value) cty.Value {
	plain, marks := v.Unmark()
	if !plain.IsKnown() || plain.IsNull() || !plain.Type().IsTupleType() || plain.LengthInt() == 0 {
		return v
	}
	types := plain.Type().TupleElementTypes()
	if types[0] == cty.DynamicPseudoType {
		return v
	}
	for _, ty := range types[1:] {
		if !ty.Equals(types[0]) {
			return v
		}
	}
	return cty.ListVal(plain.AsValueSlice()).WithMarks(marks)
}

// Convert is [convert.Convert], which takes a time that grows with the square of the
// length when a tuple becomes a list or a set. That need not be where the type of
// the elements is known.
func Convert(v cty.Value, ty cty.Type) (cty.Value, error) {
	if list, ok := listOf(v, ty); ok {
		v = list
	}
	return convert.Convert(v, ty)
}

// listOf makes a list of a tuple whose elements can all become those of a list or set
// of type ty.
func listOf(v cty.Value, ty cty.Type) (list cty.Value, ok bool) {
	if !ty.IsListType() && !ty.IsSetType() || ty.HasDynamicTypes() || !ty.WithoutOptionalAttributesDeep().Equals(ty) {
		return v, false
	}
	plain, marks := v.Unmark()
	if !plain.IsKnown() || plain.IsNull() || !plain.Type().IsTupleType() || plain.LengthInt() == 0 {
		return v, false
	}
	elements := plain.AsValueSlice()
	for i, elem := range elements {
		converted, err := Convert(elem, ty.ElementType())
		if err != nil {
			return v, false // it says so again, with the place
		}
		elements[i] = converted
	}
	return cty.ListVal(elements).WithMarks(marks), true
}

// shortNumber writes a number that is whole and not too long, as cty converts it and
// in a tenth of the time.
func shortNumber(v cty.Value) (text string, ok bool) {
	if v.Type() != cty.Number || v.IsNull() || !v.IsKnown() {
		return "", false
	}
	f := v.AsBigFloat()
	const exact, digits = 1 << 53, 53 // whatever the number's precision, there is no shorter form
	i, _ := f.Int64()
	if !f.IsInt() || i <= -exact || i >= exact || i == 0 && f.Signbit() || f.Prec() < digits {
		return "", false
	}
	return strconv.FormatInt(i, 10), true
}
