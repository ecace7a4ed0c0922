package eval

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
)

// convertible are values of all kinds.
var convertible = []cty.Value{
	cty.EmptyTupleVal, cty.True, cty.StringVal("a"), cty.NullVal(cty.DynamicPseudoType), cty.DynamicVal,
	cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal("a")}),
	cty.TupleVal([]cty.Value{cty.StringVal("1"), cty.NumberIntVal(2), cty.True}),
	cty.TupleVal([]cty.Value{cty.StringVal("1"), cty.NullVal(cty.DynamicPseudoType)}),
	cty.TupleVal([]cty.Value{cty.StringVal("1"), cty.DynamicVal}),
	cty.TupleVal([]cty.Value{cty.StringVal("1").Mark(Sensitive), cty.NumberIntVal(1)}).Mark(Path{"x"}),
	cty.TupleVal([]cty.Value{cty.TupleVal([]cty.Value{cty.Zero}), cty.EmptyTupleVal}),
	cty.TupleVal([]cty.Value{cty.EmptyObjectVal, cty.ObjectVal(map[string]cty.Value{"a": cty.Zero})}),
	cty.ListVal([]cty.Value{cty.Zero}), cty.SetVal([]cty.Value{cty.StringVal("1"), cty.StringVal("01")}),
	cty.NullVal(cty.Tuple([]cty.Type{cty.String})), cty.UnknownVal(cty.Tuple([]cty.Type{cty.String})),
}

func TestConvertAsCty(t *testing.T) {
	types := []cty.Type{
		cty.List(cty.String), cty.Set(cty.String), cty.List(cty.Number), cty.Set(cty.Number), cty.List(cty.List(cty.Bool)), cty.List(cty.DynamicPseudoType),
		cty.List(cty.Object(map[string]cty.Type{"a": cty.String})), cty.Set(cty.List(cty.String)), cty.String, cty.Map(cty.String),
		cty.List(cty.ObjectWithOptionalAttrs(map[string]cty.Type{"a": cty.String}, []string{"a"})), cty.DynamicPseudoType,
	}
	for _, v := range convertible {
		for _, ty := range types {
			got, err := Convert(v, ty)
			want, wantErr := convert.Convert(v, ty)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !got.RawEquals(want) {
				t.Errorf("%#v as %#v: %#v (%v), cty has %#v (%v)", v, ty, got, err, want, wantErr)
			}
		}
	}
}

func TestShortNumber(t *testing.T) {
	numbers := []cty.Value{
		cty.Zero, cty.NumberIntVal(-1), cty.NumberIntVal(1<<53 - 1), cty.NumberIntVal(1 << 53), cty.NumberIntVal(-1 << 62), cty.NumberFloatVal(1e15),
		cty.NumberFloatVal(9007199254740991), cty.NumberFloatVal(1.5), cty.NumberFloatVal(-0.1), cty.NumberVal(new(big.Float).Neg(new(big.Float))),
		cty.MustParseNumberVal("123456789012345678901234567890"), cty.MustParseNumberVal("1e3"), cty.NumberVal(new(big.Float).SetPrec(4).SetInt64(1000)),
		cty.PositiveInfinity,
	}
	short := 0
	for _, v := range numbers {
		text, ok := shortNumber(v)
		if !ok {
			continue
		}
		short++
		want, err := convert.Convert(v, cty.String)
		if err != nil || text != want.AsString() {
			t.Errorf("%#v is written %q, cty writes %#v (%v)", v, text, want, err)
		}
	}
	if short < 6 {
		t.Errorf("%d numbers are short", short)
	}
}

// plainSize is [size] without a limit, one part at a time.
func plainSize(v cty.Value) int {
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown() || v.IsNull():
		return 1
	case v.Type() == cty.String:
		return 1 + len(v.AsString())/textUnit
	case !v.CanIterateElements():
		return 1
	}
	n := 1
	for it := v.ElementIterator(); it.Next(); {
		k, elem := it.Element()
		if k.Type() == cty.String && !v.Type().IsSetType() {
			n += len(k.AsString()) / textUnit
		}
		n += plainSize(elem)
	}
	return n
}

func TestSize(t *testing.T) {
	deep := cty.Zero
	for range maxValueDepth + 2 {
		deep = cty.TupleVal([]cty.Value{deep})
	}
	if size(deep, 1000) <= 1000 {
		t.Error("no end to how deep a value may nest")
	}
	for _, v := range append([]cty.Value{
		cty.TupleVal([]cty.Value{cty.TupleVal([]cty.Value{cty.Zero, cty.True}), cty.StringVal("0123456789012345678901234567890123456789"), cty.Zero}),
		cty.ObjectVal(map[string]cty.Value{"a": cty.Zero, "b": cty.TupleVal([]cty.Value{cty.StringVal("x")}), "0123456789012345678901234567890123456789": cty.True}),
		cty.MapVal(map[string]cty.Value{"0123456789012345678901234567890123456789": cty.True}),
	}, convertible...) {
		if got, want := size(v, 1000), plainSize(v); got != want {
			t.Errorf("%#v is of size %d, want %d", v, got, want)
		}
		if n := plainSize(v); n > 2 && size(v, n-1) < n {
			t.Errorf("%#v is within %d", v, n-1)
		}
	}
}

func TestMembers(t *testing.T) {
	s := NewSession()
	if diags := s.AddMembers(maxMembers, diag.Range{}); diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	if diags := s.AddMembers(1, diag.Range{}); !diags.HasErrors() {
		t.Error("one more is taken")
	}
}

// Texts are looked for until there were enough of them.
func TestDidYouMean(t *testing.T) {
	s := NewSession()
	known := func() []string { return []string{"hostname"} }
	if got := s.DidYouMean("hostnmae", maxGuesses, known); got == "" {
		t.Error("nothing is suggested")
	}
	if got := s.DidYouMean("hostnmae", 1, known); got != "" {
		t.Errorf("%q after the last guess", got)
	}
}
