package lang

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"sysc/derivations"
	"sysc/lang/diag"
)

// A both is a piece of a definition in both syntaxes.
type both struct {
	native string
	// json is a JSON value.
	json string
}

// jsonQuoted is a JSON string.
func jsonQuoted(s string) string {
	b := &strings.Builder{}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}

// nativeString is a quoted string of the native syntax.
func nativeString(s string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "${", "$${", "%{", "%%{")
	return `"` + r.Replace(s) + `"`
}

var plainText = rapid.StringOfN(rapid.SampledFrom([]rune("ab \"\\\n\t/é→{}$%#")), 0, 6, -1)

// drawExpr draws an expression that may refer to the locals v0 … v(known-1).
func drawExpr(t *rapid.T, depth, known int) both {
	kinds := []string{"text", "number", "word", "reference", "native"}
	if depth > 0 {
		kinds = append(kinds, "list", "object", "template", "call", "for")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "text":
		s := plainText.Draw(t, "text")
		return both{nativeString(s), jsonQuoted(strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s))}
	case "number":
		n := rapid.SampledFrom([]string{"0", "-3", "1.5", "12345678901234567890", "1e3"}).Draw(t, "number")
		return both{n, n}
	case "word":
		w := rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word")
		return both{w, w}
	case "reference":
		if known > 0 {
			return wrapped(fmt.Sprintf("local.v%d", rapid.IntRange(0, known-1).Draw(t, "local")))
		}
		return wrapped(`path.module`)
	case "list":
		n := rapid.IntRange(0, 3).Draw(t, "length")
		var natives, jsons []string
		for range n {
			e := drawExpr(t, depth-1, known)
			natives, jsons = append(natives, e.native), append(jsons, e.json)
		}
		return both{"[" + strings.Join(natives, ", ") + "]", "[" + strings.Join(jsons, ", ") + "]"}
	case "object":
		keys := rapid.SliceOfNDistinct(plainText, 0, 3, rapid.ID).Draw(t, "keys")
		var natives, jsons []string
		for _, k := range keys {
			e := drawExpr(t, depth-1, known)
			natives = append(natives, nativeString(k)+" = "+e.native)
			jsons = append(jsons, jsonQuoted(strings.NewReplacer("${", "$${", "%{", "%%{").Replace(k))+": "+e.json)
		}
		return both{"{" + strings.Join(natives, ", ") + "}", "{" + strings.Join(jsons, ", ") + "}"}
	case "template":
		e := drawExpr(t, depth-1, known)
		s := "é\" ${jsonencode(" + e.native + ")} %{if true}→%{else}no%{endif}\\n"
		return both{`"é\" ${jsonencode(` + e.native + `)} %{if true}→%{else}no%{endif}\\n"`, jsonQuoted(s)}
	case "call":
		e := drawExpr(t, depth-1, known)
		return wrapped("try([" + e.native + ", \"x\"][*], {a = upper(\"é\")})")
	case "for":
		e := drawExpr(t, depth-1, known)
		return wrapped("{ for k in [\"a\", \"b\\\\\"] : k => " + e.native + " if k != \"\" }")
	}
	e := drawExpr(t, 0, 0)
	return wrapped("true ? " + e.native + " : null")
}

// wrapped writes an expression of the native syntax in a JSON string.
func wrapped(expr string) both { return both{expr, jsonQuoted("${" + expr + "}")} }

// TestJSONMeansTheSame writes random definitions in both syntaxes.
func TestJSONMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "locals")
		var native, locals strings.Builder
		native.WriteString("input \"debian\" {\n  type = \"debian\"\n}\nlocals {\n")
		for i := range n {
			e := drawExpr(t, 3, i)
			fmt.Fprintf(&native, "  v%d = %s\n", i, e.native)
			fmt.Fprintf(&locals, "    \"v%d\": %s,\n", i, e.json)
		}
		native.WriteString("}\n")
		env := drawExpr(t, 2, n)
		env = both{"jsonencode([" + env.native + "])", jsonQuoted("${jsonencode([" + env.native + "])}")}
		fmt.Fprintf(&native, "derivation \"d\" {\n  builder = \"/bin/x\"\n  structured = { x = %s }\n  for_each = { \"a b\" = 1, c = 2 }\n  env = { KEY = each.key }\n"+
			"  assert {\n    condition = each.value > 0\n    error_message = \"small\"\n  }\n}\n", env.native)
		text := fmt.Sprintf("{\n  \"//\": \"of a program\",\n  \"input\": {\"debian\": {\"type\": \"debian\"}},\n  \"locals\": [{\n%s    \"//\": 1\n  }],\n"+
			"  \"derivation\": {\"d\": {\"builder\": \"/bin/x\", \"structured\": {\"x\": %s}, \"for_each\": {\"a b\": 1, \"c\": 2},\n"+
			"    \"env\": {\"KEY\": \"${each.key}\"}, \"assert\": {\"condition\": \"${each.value > 0}\", \"error_message\": \"small\"}}}\n}\n", locals.String(), env.json)
		a, hashesA := values(t, n, "x.sysc.hcl", native.String())
		b, hashesB := values(t, n, "x.sysc.json", text)
		for i := range a {
			if !a[i].RawEquals(b[i]) {
				t.Fatalf("v%d is %#v, and %#v in JSON\n%s\n%s", i, a[i], b[i], native.String(), text)
			}
		}
		if hashesA != hashesB {
			t.Fatalf("other derivations:\n%s\n%s\n%s\n%s", hashesA, hashesB, native.String(), text)
		}
	})
}

// values evaluates a definition with the locals v0 … v(n-1).
func values(t *rapid.T, n int, name, text string) (list []cty.Value, hashes string) {
	m, diags := run("", map[string][]byte{name: []byte(text)}, nil)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags.Err(), text)
	}
	for i := range n {
		v, _ := m.Local(fmt.Sprintf("v%d", i), diag.Range{})
		list = append(list, v)
	}
	return list, graphText(m.opts.Graph)
}

// graphText is the hashes of all derivations.
func graphText(g *derivations.Graph) string {
	var b strings.Builder
	for _, h := range g.Hashes() {
		fmt.Fprintln(&b, h)
	}
	return b.String()
}
