package option

import (
	"math/big"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func mustType(t *testing.T, typ *Type, err error) *Type {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

func TestFit(t *testing.T) {
	str, num := cty.StringVal, cty.NumberIntVal
	list := func(v ...cty.Value) cty.Value { return cty.TupleVal(v) }
	port, _ := Simple("port")
	anything, _ := Simple("any")
	between := mustType(t, mustBetween(1, 3), nil)
	pattern, err := Pattern("a|b")
	pattern = mustType(t, pattern, err)
	object, err := Object(Attr{Name: "b", Type: Bool(), Optional: true, Default: cty.True}, Attr{Name: "a", Type: String()})
	object = mustType(t, object, err)
	tests := []struct {
		typ  *Type
		in   cty.Value
		want cty.Value
		err  string
	}{
		{String(), num(1), str("1"), ""},
		{String(), cty.True, str("true"), ""},
		{String(), list(), cty.NilVal, "a string is required, got []"},
		{String(), cty.NullVal(cty.String), cty.NilVal, "got null"},
		{Bool(), str("true"), cty.True, ""},
		{Bool(), str("yes"), cty.NilVal, "true or false is required"},
		{Integer(), str("12"), num(12), ""},
		{Integer(), cty.NumberFloatVal(1.5), cty.NilVal, "whole number"},
		{Integer(), cty.MustParseNumberVal("9223372036854775808"), cty.NilVal, "whole number"},
		{port, num(0), cty.NilVal, "a port"},
		{port, num(65535), num(65535), ""},
		{between, num(3), num(3), ""},
		{between, num(4), cty.NilVal, "from 1 to 3"},
		{Path(), str("/"), str("/"), ""},
		{Path(), str("/a/../b"), cty.NilVal, `has a ".." in it`},
		{Path(), str("/a/"), cty.NilVal, "ends with a slash"},
		{Path(), str("a"), cty.NilVal, "does not begin with a slash"},
		{pattern, str("ba"), cty.NilVal, "matches"},
		{Enum("x", "y"), str("z"), cty.NilVal, `one of "x", "y"`},
		{List(Integer()), list(num(1), str("2")), cty.ListVal([]cty.Value{num(1), num(2)}), ""},
		{List(Integer()), list(num(1), str("x")), cty.NilVal, "at [1]: a whole number"},
		{List(String()), list(), cty.ListValEmpty(cty.String), ""},
		{Set(String()), list(str("b"), str("a"), str("b")), cty.SetVal([]cty.Value{str("a"), str("b")}), ""},
		{Map(List(Path())), cty.ObjectVal(map[string]cty.Value{"k": list(str("x"))}), cty.NilVal, `at ["k"][0]`},
		{object, cty.ObjectVal(map[string]cty.Value{"a": str("x")}), cty.ObjectVal(map[string]cty.Value{"a": str("x"), "b": cty.True}), ""},
		{object, cty.EmptyObjectVal, cty.NilVal, `attribute "a" is required`},
		{object, cty.ObjectVal(map[string]cty.Value{"a": str("x"), "c": str("x")}), cty.NilVal, `no attribute "c"`},
		{Tuple(String(), Bool()), list(str("a"), cty.False), cty.TupleVal([]cty.Value{str("a"), cty.False}), ""},
		{Tuple(String()), list(), cty.NilVal, "required"},
		{Nullable(Integer()), cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.Number), ""},
		{Either(String(), Integer()), num(1), num(1), ""},
		{Either(List(String()), Bool()), str("true"), cty.True, ""},
		{Either(Integer(), Bool()), str("x"), cty.NilVal, "a whole number, or true or false"},
		{Package(), cty.ObjectVal(map[string]cty.Value{"out": str("/sysc/store/x"), "name": str("x")}), str("/sysc/store/x"), ""},
		{Package(), str("a b"), cty.NilVal, "a package"},
		{anything, list(num(1)), list(num(1)), ""},
		{String(), num(1).Mark("m"), str("1").Mark("m"), ""},
		{List(String()), cty.ListVal([]cty.Value{str("a")}).Mark("m"), cty.ListVal([]cty.Value{str("a").Mark("m")}), ""},
	}
	for _, tt := range tests {
		got, err := tt.typ.Fit(tt.in)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s of %s: got %v, want an error with %q", tt.typ, Describe(tt.in), err, tt.err)
			}
		case err != nil:
			t.Errorf("%s of %s: %v", tt.typ, Describe(tt.in), err)
		case !got.RawEquals(tt.want):
			t.Errorf("%s of %s: got %#v, want %#v", tt.typ, Describe(tt.in), got, tt.want)
		}
	}
}

func mustBetween(low, high float64) *Type {
	typ, err := Between(big.NewFloat(low), big.NewFloat(high))
	if err != nil {
		panic(err)
	}
	return typ
}

func TestTypeString(t *testing.T) {
	object, err := Object(Attr{Name: "b", Type: List(Path())}, Attr{Name: "a", Type: Bool(), Optional: true, Default: cty.True})
	object = mustType(t, object, err)
	for want, typ := range map[string]*Type{
		`map(set(package))`:                                  Map(Set(Package())),
		`nullable(either(bool, string))`:                     Nullable(Either(Bool(), String())),
		`enum("a", "b\"c")`:                                  Enum("a", `b"c`),
		`object({a = optional(bool, true), b = list(path)})`: object,
		`between(0.5, 10)`:                                   mustBetween(0.5, 10),
		`tuple([string, integer])`:                           Tuple(String(), Integer()),
	} {
		if got := typ.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
