package lang

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestParseJSONVariables(t *testing.T) {
	got, diags := ParseVariables([]byte(`{"text": "${x}\u00e9", "list": [1, true, null, {"a": []}], "n": 1e3}`), "x.json")
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	for name, want := range map[string]cty.Value{
		"text": cty.StringVal("${x}é"),
		"list": cty.TupleVal([]cty.Value{cty.NumberIntVal(1), cty.True, cty.NullVal(cty.DynamicPseudoType), cty.ObjectVal(map[string]cty.Value{"a": cty.EmptyTupleVal})}),
		"n":    cty.NumberIntVal(1000),
	} {
		v, diags := got[name].Value()
		if diags.HasErrors() || !v.RawEquals(want) {
			t.Errorf("%s is %#v, want %#v", name, v, want)
		}
	}
	for _, text := range []string{
		"", "[]", "1", `{"a": 1`, `{"a": 1} x`, `{"a": 1, "a": 2}`, `{"a": {"b": 1, "b": 2}}`, `{"a": 1e5000}`, `{a: 1}`, "{\"a\": \"\xff\"}",
		`{"a": ` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "}",
	} {
		if _, diags := ParseVariables([]byte(text), "x.json"); !diags.HasErrors() {
			t.Errorf("%.20q is accepted", text)
		}
	}
}

func FuzzParseVariables(f *testing.F) {
	f.Add(`{"a": [1, {"b": null}]}`)
	f.Add("a = 1\nb = [\"x\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"x.json", "x.hcl"} {
			ParseVariables([]byte(text), name)
		}
	})
}
