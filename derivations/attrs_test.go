package derivations

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMakeAttrs(t *testing.T) {
	type nested struct {
		B int    `json:"b"`
		A string `json:"a"`
	}
	for _, test := range []struct {
		name string
		v    any
		want string
		err  string
	}{
		{"sorted", map[string]any{"b": 1, "a": []int{2, 3}}, `{"a":[2,3],"b":1}`, ""},
		{"struct", nested{1, "x"}, `{"a":"x","b":1}`, ""},
		{"nil", nil, "", ""},
		{"empty", map[string]int{}, "", ""},
		{"escapes", map[string]string{"a": "\"\\\n\t\x01</é\u2028"}, "{\"a\":\"\\\"\\\\\\n\\t\\u0001</é\u2028\"}", ""},
		{"raw", json.RawMessage(` { "z" : [ ] , "\u0061" : { "y":{}, "x" : null } } `), `{"a":{"x":null,"y":{}},"z":[]}`, ""},
		{"pair", json.RawMessage(`{"a":"\ud83d\ude00"}`), `{"a":"😀"}`, ""},
		{"real U+FFFD", map[string]string{"a": "\ufffd"}, "{\"a\":\"\ufffd\"}", ""},
		{"escaped backslash", map[string]string{"a": `\ufffd`}, `{"a":"\\ufffd"}`, ""},
		{"big", map[string]uint64{"a": 1<<64 - 1}, `{"a":18446744073709551615}`, ""},
		{"float", map[string]any{"a": 1.5}, "", "not an integer"},
		{"minus zero", json.RawMessage(`{"a":-0}`), "", "not an integer"},
		{"big negative", map[string]int64{"a": -1 << 63}, `{"a":-9223372036854775808}`, ""},
		{"too big", json.RawMessage(`{"a":18446744073709551616}`), "", "more than 64 bits"},
		{"too small", json.RawMessage(`{"a":-9223372036854775809}`), "", "more than 64 bits"},
		{"exponent", json.RawMessage(`{"a":1e3}`), "", "not an integer"},
		{"twice", json.RawMessage(`{"a":1,"\u0061":2}`), "", "occurs twice"},
		{"not UTF-8", map[string]string{"a": "\xff"}, "", "not UTF-8"},
		{"half pair", json.RawMessage(`{"a":"\ud83d"}`), "", "not UTF-8"},
		{"list", []int{1}, "", "not a JSON object"},
		{"text", "x", "", "not a JSON object"},
		{"deep", json.RawMessage(`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`), "", "nested"},
	} {
		got, err := MakeAttrs(test.v)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: got %s, %v; want error with %q", test.name, got, err, test.err)
			}
			continue
		}
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v; want %s", test.name, got, err, test.want)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	var v struct {
		A int `json:"a"`
	}
	for text, want := range map[string]string{
		`{"a":1}`:       "",
		``:              "",
		`{"a":1,"b":2}`: "unknown field",
		`{"a":"x"}`:     "cannot unmarshal",
		`{"a":1} {}`:    "text after",
	} {
		err := Attrs(text).Decode(&v)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%s): got %v, want %q", text, err, want)
		}
	}
}

// jsonValue draws values without floating-point numbers.
func jsonValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		n := 4
		if depth > 0 {
			n = 6
		}
		switch rapid.IntRange(0, n-1).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return float64(rapid.Int32().Draw(t, "int"))
		case 3:
			return rapid.String().Draw(t, "text")
		case 4:
			return rapid.SliceOfN(jsonValue(depth-1), 0, 4).Draw(t, "list")
		}
		return rapid.MapOfN(rapid.String(), jsonValue(depth-1), 0, 4).Draw(t, "map")
	})
}

func TestCanonicalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"v": jsonValue(3).Draw(t, "v")}
		attrs, err := MakeAttrs(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := attrs.check(); err != nil {
			t.Fatalf("%s: %v", attrs, err)
		}
		var back any
		if err := json.Unmarshal(attrs, &back); err != nil {
			t.Fatal(err)
		}
		again, err := MakeAttrs(back)
		if err != nil || string(again) != string(attrs) {
			t.Fatalf("got %s, %v; want %s", again, err, attrs)
		}
	})
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-2,"x\u0001\\"],"b":{"c":null}}`, `[[[`, `{"a":"\ud83d\ude00"}`, `"`, `{"a":1,}`, `[1,]`, ` true `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := canonicalJSON(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("accepted %q, which is no JSON", text)
		}
		again, err := canonicalJSON(out)
		if err != nil || string(again) != string(out) {
			t.Fatalf("%q is not canonical: %q, %v", out, again, err)
		}
		if !reflect.DeepEqual(parse(t, text), parse(t, out)) {
			t.Fatalf("%q means something else than %q", out, text)
		}
	})
}

// parse reads JSON with numbers as they are written.
func parse(t *testing.T, text []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
