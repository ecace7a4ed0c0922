package funcs

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
)

// TestTable checks that every entry is exactly one kind of function.
func TestTable(t *testing.T) {
	for name, f := range Table(Module{}) {
		kinds := 0
		for _, set := range []bool{f.Native != nil, f.Refused != "", f.Native == nil && f.Refused == ""} {
			if set {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%s is %d kinds of function", name, kinds)
		}
		if f.Native == nil && f.Refused == "" && f.Impl.Params() == nil && f.Impl.VarParam() == nil {
			t.Errorf("%s has no parameters", name)
		}
	}
}

// What makes store objects needs something to put them into.
func TestStoreFunctions(t *testing.T) {
	for name := range storeFunctions(Module{}) {
		if f := Table(Module{})[name]; f.Refused == "" || f.Native != nil {
			t.Errorf("%s can be called without a graph", name)
		}
		if f := Table(Module{Graph: derivations.NewGraph()})[name]; f.Refused != "" || f.Native == nil {
			t.Errorf("%s cannot be called", name)
		}
	}
}

// TestHostileArguments calls every pure function with nulls, unknown and empty
// values, and expects answers and no panic.
func TestHostileArguments(t *testing.T) {
	values := []cty.Value{
		cty.NullVal(cty.String), cty.NullVal(cty.DynamicPseudoType), cty.DynamicVal, cty.UnknownVal(cty.List(cty.String)),
		cty.StringVal(""), cty.StringVal("%999999999999999999999d%*[9]v"), cty.Zero, cty.NumberIntVal(-1), cty.NumberFloatVal(1e300),
		cty.EmptyTupleVal, cty.EmptyObjectVal, cty.ListValEmpty(cty.String), cty.SetValEmpty(cty.Number), cty.MapValEmpty(cty.Bool),
		cty.TupleVal([]cty.Value{cty.NullVal(cty.String), cty.UnknownVal(cty.Number)}), cty.ObjectVal(map[string]cty.Value{"a": cty.NullVal(cty.String)}),
		cty.ListVal([]cty.Value{cty.NullVal(cty.String), cty.StringVal("x").Mark("m")}),
	}
	for name, f := range Table(Module{}) {
		if f.Native != nil || f.Refused != "" {
			continue
		}
		call := func(args ...cty.Value) {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s(%#v) panics: %v", name, args, r)
				}
			}()
			f.Impl.Call(args)
		}
		call()
		for _, a := range values {
			call(a)
			for _, b := range values {
				call(a, b)
				call(a, b, a)
			}
		}
	}
}
