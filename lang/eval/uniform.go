package eval

import "github.com/zclconf/go-cty/cty"

// maxMixed bounds the elements for which cty looks for a common type: the time
// that it takes grows with the square of their number, even when all types are the
// same.
const maxMixed = 2000

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
