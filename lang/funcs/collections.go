package funcs

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// lengthFunc counts elements, and the characters of a text.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty.IsTupleType() || ty.IsObjectType() || ty.IsCollectionType() || ty == cty.DynamicPseudoType && !args[0].IsNull() {
			return cty.Number, nil
		}
		return cty.Number, function.NewArgErrorf(0, "argument must be a string, a list, a set, a map, a tuple or an object")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch {
		case v.IsNull():
			return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "argument must not be null")
		case v.Type() == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		}
		return cty.NumberIntVal(int64(v.LengthInt())).WithMarks(marks), nil
	},
})

// coalesceFunc returns the first argument that is neither null nor "".
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowNull: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, a := range args {
			types[i] = a.Type()
		}
		if ty, _ := convert.UnifyUnsafe(types); ty != cty.NilType {
			return ty, nil
		}
		return cty.NilType, fmt.Errorf("all arguments must have the same type")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, a := range args {
			v, err := convert.Convert(a, ty)
			if err != nil {
				return cty.NilVal, err
			}
			plain, marks := v.Unmark()
			if plain.IsNull() || len(marks) == 0 && plain.Type() == cty.String && plain.AsString() == "" {
				continue
			}
			return v, nil
		}
		return cty.NilVal, fmt.Errorf("no non-null, non-empty-string arguments")
	},
})

// lookupFunc takes a value out of a map or object, or a default.
var lookupFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "inputMap", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true},
	Type:     func(args []cty.Value) (cty.Type, error) { return cty.DynamicPseudoType, lookupArgs(args) },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		m, marks := args[0].Unmark()
		key := args[1].AsString()
		switch {
		case m.Type().IsObjectType() && m.Type().HasAttribute(key):
			return m.GetAttr(key).WithMarks(marks), nil
		case m.Type().IsMapType() && m.HasIndex(args[1]).True():
			return m.Index(args[1]).WithMarks(marks), nil
		case len(args) == 3:
			return args[2].WithMarks(marks), nil
		}
		return cty.DynamicVal, function.NewArgErrorf(1, "there is no element with the key %q, and no default is given", key)
	},
})

func lookupArgs(args []cty.Value) error {
	if ty := args[0].Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return function.NewArgErrorf(0, "lookup takes a map or an object")
	}
	if len(args) > 3 {
		return fmt.Errorf("lookup takes two or three arguments, got %d", len(args))
	}
	return nil
}

// oneFunc returns the only element, or null when there is none.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() {
			return cty.NilType, function.NewArgErrorf(0, "must be a list, set, or tuple value with either zero or one elements")
		}
		return cty.DynamicPseudoType, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch elems := args[0].AsValueSlice(); len(elems) {
		case 0:
			return cty.NullVal(cty.DynamicPseudoType), nil
		case 1:
			return elems[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "must be a list, set, or tuple value with either zero or one elements")
	},
})

var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "argument must be list, set, or tuple with at least one element")
		}
		total := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, elem := it.Element()
			if err := checkNumberText(text(elem)); err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			n, err := convert.Convert(elem, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "argument must be list, set, or tuple of number values")
			}
			total = total.Add(n)
		}
		return total, nil
	},
})

var (
	allTrueFunc = boolsFunc(true)
	anyTrueFunc = boolsFunc(false)
)

// boolsFunc makes "all are true" (neutral true) and "any is" (neutral false).
func boolsFunc(neutral bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				_, elem := it.Element()
				if isTrue := !elem.IsNull() && elem.True(); isTrue != neutral {
					return cty.BoolVal(!neutral), nil
				}
			}
			return cty.BoolVal(neutral), nil
		},
	})
}

// indexFunc returns where an element stands in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "argument must be a list or tuple")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, elem := it.Element()
			if eq := elem.Equals(args[1]); eq.IsKnown() && eq.True() {
				return i, nil
			}
		}
		return cty.NilVal, fmt.Errorf("item not found")
	},
})

// maxCompared bounds comparisons of everything with everything.
const maxCompared = 4_000_000

// matchKeysFunc returns the values whose keys are among those searched for.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		values, keys, wanted := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
		switch {
		case len(values) != len(keys):
			return cty.NilVal, fmt.Errorf("length of keys and values should be equal")
		case len(keys)*len(wanted) > maxCompared:
			return cty.NilVal, fmt.Errorf("too many elements to compare")
		}
		var out []cty.Value
		for i, key := range keys {
			if slices.ContainsFunc(wanted, key.RawEquals) {
				out = append(out, values[i])
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// distinctFunc removes repeated elements and keeps the first of each.
var distinctFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.List(cty.DynamicPseudoType)}},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		var out []cty.Value
		seen := map[string]bool{}
		elems := args[0].AsValueSlice()
		if ty.ElementType() != cty.String && len(elems) > 2000 {
			return cty.NilVal, function.NewArgErrorf(0, "too many elements to compare: only strings can be more than 2000")
		}
		for _, v := range elems {
			switch {
			case v.Type() == cty.String && !v.IsNull():
				if seen[v.AsString()] {
					continue
				}
				seen[v.AsString()] = true
			case slices.ContainsFunc(out, v.RawEquals):
				continue
			}
			out = append(out, v)
		}
		if len(out) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// transposeFunc exchanges keys and elements of a map of lists of strings.
var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		lists := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, list := it.Element()
			if list.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "the list of %q is null", key.AsString())
			}
			for elems := list.ElementIterator(); elems.Next(); {
				_, elem := elems.Element()
				if elem.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "the list of %q has a null in it", key.AsString())
				}
				lists[elem.AsString()] = append(lists[elem.AsString()], key)
			}
		}
		if len(lists) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := map[string]cty.Value{}
		for key, elems := range lists {
			out[key] = cty.ListVal(elems)
		}
		return cty.MapVal(out), nil
	},
})
