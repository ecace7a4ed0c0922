package syntax

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"pgregory.net/rapid"
)

func parseOne(t *testing.T, src string) *Expr {
	t.Helper()
	x, diags := ParseExpression([]byte(src), "test.sysc.hcl")
	if diags.HasErrors() {
		t.Fatalf("parse %s: %v", src, diags.Err())
	}
	return x
}

func TestReferences(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{`1 + 2`, nil},
		{`config.a.b["c d"].e[0]`, []string{`config.a.b["c d"].e[0]`}},
		{`config.a[var.x].b`, []string{`config.a`, `var.x`}},
		{`[for x in local.list : x.y + var.z]`, []string{`local.list`, `var.z`}},
		{`true ? var.a : "${var.b}-${f(var.c)}"`, []string{`var.a`, `var.b`, `var.c`}},
		{`local.a[*].b`, []string{`local.a`}},
		{`{ a = var.a, (var.b) = 1 }`, []string{`var.a`, `var.b`}},
	} {
		var got []string
		for _, r := range parseOne(t, tt.src).References() {
			got = append(got, r.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("References(%s) (-want +got):\n%s", tt.src, diff)
		}
	}
}

func TestStaticForms(t *testing.T) {
	x := parseOne(t, `(force(order(500, ["a", b])))`)
	name, args, ok := x.Call()
	if !ok || name != "force" || len(args) != 1 {
		t.Fatalf("Call() = %q, %d args, %v", name, len(args), ok)
	}
	if got, want := args[0].Text(), `order(500, ["a", b])`; got != want {
		t.Errorf("Text() = %s, want %s", got, want)
	}
	_, args, _ = args[0].Call()
	elems, ok := args[1].Elements()
	if !ok || len(elems) != 2 {
		t.Fatalf("Elements() = %d, %v", len(elems), ok)
	}
	if s, ok := elems[0].StringLiteral(); !ok || s != "a" {
		t.Errorf("StringLiteral() = %q, %v", s, ok)
	}
	if word, ok := elems[1].Keyword(); !ok || word != "b" {
		t.Errorf("Keyword() = %q, %v", word, ok)
	}
	items, ok := parseOne(t, `{ a = 1, "b c" = 2, 3 = 4, null = 5 }`).Items()
	if !ok {
		t.Fatal("Items() says that keys are not static")
	}
	var keys []string
	for _, it := range items {
		keys = append(keys, it.Key)
	}
	if diff := cmp.Diff([]string{"a", "b c", "3", "null"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if _, ok := parseOne(t, `{ (x) = 1 }`).Items(); ok {
		t.Error("Items() takes a computed key for a static one")
	}
}

// cpuTime is what this process has used so far: other work on the machine must
// not fail a test.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func nested(open, mid, shut string, n int) string {
	return "locals {\n  x = " + strings.Repeat(open, n) + mid + strings.Repeat(shut, n) + "\n}\n"
}

// TestLimits checks that texts beyond a limit get an error, quickly, and texts
// right below it do not.
func TestLimits(t *testing.T) {
	blocks := func(n int) string { return strings.Repeat("a {\n", n) + strings.Repeat("}\n", n) }
	for _, tt := range []struct {
		name string
		src  string
		ok   bool
	}{
		{"parentheses", nested("(", "1", ")", 150), true},
		{"parentheses deep", nested("(", "1", ")", 50_000), false},
		{"brackets deep", nested("[", "1", "]", 50_000), false},
		{"open brackets only", nested("[", "", "", 50_000), false},
		{"mismatched brackets", nested("[)", "", "", 50_000), false},
		{"index deep", nested("a[", "1", "]", 50_000), false},
		{"calls deep", nested("f(", "1", ")", 50_000), false},
		{"objects deep", nested("{a=", "1", "}", 50_000), false},
		{"for deep", nested("[for x in ", "[]", ": x]", 50_000), false},
		{"templates deep", nested(`"${`, "1", `}"`, 50_000), false},
		{"not", nested("!", "true", "", 150), true},
		{"not deep", nested("!", "true", "", 200_000), false},
		{"minus deep", nested("-", "1", "", 200_000), false},
		{"conditionals", nested("true ? 1 : ", "2", "", 150), true},
		{"conditionals deep", nested("true ? 1 : ", "2", "", 50_000), false},
		{"conditionals over lines in for", "locals {\n  x = {for k, v in y : k => " + strings.Repeat("true ? 1 :\n", 50_000) + "2}\n}\n", false},
		{"blocks", blocks(150), true},
		{"blocks deep", blocks(50_000), false},
		{"directives deep", "locals {\n  x = <<E\n" + strings.Repeat("%{ if true }", 50_000) + "\nE\n}\n", false},
		{"sum", nested("1 + ", "1", "", 1000), true},
		{"sum long", nested("1 + ", "1", "", 200_000), false},
		{"splat long", nested("", "a", "[*]", 50_000), false},
		{"index long", nested("", "a", "[x]", 50_000), false},
		{"many attributes with operators", "locals {\n" + manyAttrs(5_000) + "}\n", true},
		{"list of conditionals", "locals {\n  x = [" + strings.Repeat("true ? 1 : 2, ", 10_000) + "]\n}\n", true},
		{"number", nested("", "1e50000000", "", 1), false},
		{"number of digits", nested("", strings.Repeat("9", 50_000), "", 1), false},
		{"only commas", strings.Repeat(",", MaxFileSize), false},
		{"too large", strings.Repeat("#\n", MaxFileSize/2+1), false},
		{"invalid UTF-8", "locals {\n  x = \"\xff\xfe\"\n}\n", false},
		{"NUL", "locals {\n  x = \x00\n}\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := cpuTime(t)
			_, diags := Parse("", map[string][]byte{"a.sysc.hcl": []byte(tt.src)})
			if got := !diags.HasErrors(); got != tt.ok {
				t.Errorf("accepted: %v, want %v: %.300v", got, tt.ok, diags.Err())
			}
			// Far above what it takes, and far below what the parser would.
			if d := cpuTime(t) - start; d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestJSONLimits is [TestLimits] for the JSON syntax.
func TestJSONLimits(t *testing.T) {
	value := func(s string) string { return `{"locals": {"x": ` + s + `}}` }
	deep := func(open, mid, shut string, n int) string {
		return value(strings.Repeat(open, n) + mid + strings.Repeat(shut, n))
	}
	for _, tt := range []struct {
		name string
		src  string
		ok   bool
	}{
		{"arrays", deep("[", "1", "]", 150), true},
		{"arrays deep", deep("[", "1", "]", 100_000), false},
		{"open arrays", value(strings.Repeat("[", 4<<20)), false},
		{"objects deep", deep(`{"a":`, "1", "}", 100_000), false},
		{"blocks deep", `{"option": ` + strings.Repeat(`{"a": {"option": `, 50_000) + "{}" + strings.Repeat("}}", 50_000) + "}", false},
		{"brackets in a string", deep(`"${`+strings.Repeat("[", 100_000), "", `}"`, 1), false},
		{"not", value(`"${` + strings.Repeat("!", 200_000) + `true}"`), false},
		{"minus", value(`"${` + strings.Repeat("-", 200_000) + `1}"`), false},
		{"conditionals", value(`"${` + strings.Repeat("true ? 1 : ", 50_000) + `2}"`), false},
		{"sum", value(`"${` + strings.Repeat("1 + ", 50_000) + `2}"`), false},
		{"type", `{"variable": {"x": {"type": "` + strings.Repeat("list(", 50_000) + `"}}}`, false},
		{"number", value("1e50000000"), false},
		{"digits", value(strings.Repeat("9", 50_000)), false},
		{"many values", value("[" + strings.Repeat("1,", 100_000) + "1]"), true},
		{"only brackets", strings.Repeat("[]", MaxFileSize/2), false},
		{"long text", value(`"` + strings.Repeat(`line\n`, 64_000) + `"`), true},
		{"long template", value(`"` + strings.Repeat(`é${1}`, 20_000) + `"`), true},
		{"long text of escapes", value(`"` + strings.Repeat(`\u00e9`, 200_000) + `${1}"`), true},
		{"too large", strings.Repeat(" ", MaxFileSize+1), false},
		{"invalid UTF-8", value("\"\xff\""), false},
		{"NUL", "{\x00}", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := cpuTime(t)
			_, diags := Parse("", map[string][]byte{"a.sysc.json": []byte(tt.src)})
			if got := !diags.HasErrors(); got != tt.ok {
				t.Errorf("accepted: %v, want %v: %.300v", got, tt.ok, diags.Err())
			}
			if d := cpuTime(t) - start; d > 5*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func manyAttrs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  a%d = !x || -1 > 2 ? 1 : 2 # comment\n", i)
	}
	return b.String()
}

// TestLongHeredoc reads what takes the parser half a minute.
func TestLongHeredoc(t *testing.T) {
	const lines = 64_000
	var body, want strings.Builder
	for i := range lines {
		fmt.Fprintf(&body, "    line %d of $${text}\n", i)
		fmt.Fprintf(&want, "line %d of ${text}\n", i)
	}
	src := "locals {\n  x = f(<<-EOT\n" + body.String() + "    EOT\n  )\n  y = local.x\n}\n"
	start := cpuTime(t)
	m, diags := Parse("", map[string][]byte{"a.sysc.hcl": []byte(src)})
	t.Logf("%d lines in %v", lines, cpuTime(t)-start)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	if d := cpuTime(t) - start; d > 5*time.Second {
		t.Errorf("took %v", d)
	}
	attrs := m.Blocks[0].Body.Attrs
	_, args, _ := attrs[0].Expr.Call()
	got, ok := args[0].StringLiteral()
	if !ok || got != want.String() {
		t.Errorf("text of %d bytes (literal: %v), want %d", len(got), ok, want.Len())
	}
	if got, want := attrs[1].NameRange.Start.Line, lines+5; got != want {
		t.Errorf("the attribute behind stands in line %d, want %d", got, want)
	}
	if got := attrs[1].Expr.Text(); got != "local.x" {
		t.Errorf("text of the expression behind: %q", got)
	}
}

// templateLines are what TestTemplateParser makes heredocs of.
var templateLines = []string{
	"plain", "", "   ", "  indented", "\ttab", "    deep ${x}", "${x}", "${ x }${y}", "a ${~ x ~} b", "  ${~ x}", "${x ~}  ",
	"$${not} %%{not}", "%{ if c }yes", "  %{ else }no", "%{~ else ~}", "%{ endif }", "%{ endif ~}  ", "%{ for v in list }v=${v}",
	"%{~ for k, v in list ~}  ${k}:${v}", "%{ endfor }", "%{ endfor ~}", "é ${\"q ${x}\"} \\n", "\u00a0nbsp", "${[for z in list : z][0]}",
	"${join(\"\", [<<IN\ninner ${x}\nIN\n])}", "%{ if c }a%{ else }b%{ endif }", "$", "%", "$$", "${true ? \"}\" : 1}",
}

var evalContext = &hcl.EvalContext{
	Variables: map[string]cty.Value{
		"x": cty.StringVal(" X "), "y": cty.NumberIntVal(7), "c": cty.True,
		"list": cty.ListVal([]cty.Value{cty.StringVal("one"), cty.StringVal("two")}),
	},
	Functions: map[string]function.Function{"join": stdlib.JoinFunc},
}

// TestTemplateParser holds the template parser for long heredocs against the
// HCL library's: same value, or errors from both.
func TestTemplateParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom(templateLines), 0, 12).Draw(t, "lines")
		flush := rapid.Bool().Draw(t, "flush")
		src := "<<EOT\n"
		if flush {
			src = "<<-EOT\n"
		}
		for _, l := range lines {
			src += l + "\n"
		}
		src += "EOT\n"
		want, wantDiags := hclsyntax.ParseExpression([]byte(src), "t", startPos)
		tokens, _ := hclsyntax.LexExpression([]byte(src), "t", startPos)
		end := 0
		for i, tok := range tokens {
			if tok.Type == hclsyntax.TokenCHeredoc {
				end = i
			}
		}
		if tokens[0].Type != hclsyntax.TokenOHeredoc || end == 0 {
			t.Skip()
		}
		got, gotDiags := parseTemplateTokens([]byte(src), "t", tokens[1:end], tokens[0], tokens[end])
		if gotDiags.HasErrors() != wantDiags.HasErrors() {
			t.Fatalf("errors: %v, want %v\n%s", gotDiags.Err(), wantDiags, src)
		}
		if wantDiags.HasErrors() {
			return
		}
		gotVal, gotEval := got.Value(evalContext)
		wantVal, wantEval := want.Value(evalContext)
		if gotEval.HasErrors() != wantEval.HasErrors() || !gotEval.HasErrors() && !gotVal.RawEquals(wantVal) {
			t.Fatalf("value %#v (%v), want %#v (%v)\n%s", gotVal, gotEval, wantVal, wantEval, src)
		}
	})
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "evil.sysc.hcl")
	for name, text := range map[string]string{
		filepath.Join(dir, "b.sysc.hcl"):      "b {}\n",
		filepath.Join(dir, "a.sysc.hcl"):      "a {}\n",
		filepath.Join(dir, "t.test.sysc.hcl"): "not read\n",
		filepath.Join(dir, ".#a.sysc.hcl"):    "not read\n",
		filepath.Join(dir, "a.sysc.hcl~"):     "not read\n",
		filepath.Join(dir, "other.hcl"):       "not read\n",
		outside:                               "evil {}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := LoadAs(nil, dir, "mod", nil)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	var got []string
	for _, b := range m.Blocks {
		got = append(got, b.TypeRange.String()+" "+b.Type)
	}
	if diff := cmp.Diff([]string{"mod/a.sysc.hcl:1,1 a", "mod/b.sysc.hcl:1,1 b"}, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.sysc.hcl")); err != nil {
		t.Fatal(err)
	}
	if _, diags := Load(nil, dir); !diags.HasErrors() {
		t.Error("a symbolic link out of the module is read")
	}
}

// FuzzParseJSON checks that places are within the text, besides.
func FuzzParseJSON(f *testing.F) {
	f.Add(`{"locals": {"a": "é\\u00e9${upper(\\"x\\")}", "//": 1}}`)
	f.Add(`{"variable": {"a": {"type": "list(string)", "default": [1, null, true, -1.5e3]}}}`)
	f.Add(`{"config": [{"a": {"b": {"when": "${x}"}}, "dynamic": {"f": {"for_each": [1], "content": {"x": "%{if a}b%{else}c%{endif}"}}}}]}`)
	f.Add(`[{"derivation": {"d": {"assert": [{"condition": "${a[*].b}"}]}}, "function": {"f": {"params": ["a"], "result": "${{ for k, v in a : k => v... }}"}}}]`)
	f.Add(`{"a": "\\ud83d\\ude00\\ud800${"}`)
	f.Fuzz(func(t *testing.T, src string) {
		m, diags := Parse("", map[string][]byte{"a.sysc.json": []byte(src)})
		for _, d := range diags {
			if d.Subject != nil && (d.Subject.Start.Byte > d.Subject.End.Byte || d.Subject.End.Byte > len(src)) {
				t.Errorf("%v is at %+v", d, d.Subject)
			}
		}
		for _, b := range m.Blocks {
			for _, a := range b.Body.Attrs {
				for _, r := range append(a.Expr.References(), Reference{Range: a.Expr.Range()}) {
					if r.Range.Start.Byte > r.Range.End.Byte || r.Range.End.Byte > len(src) {
						t.Errorf("%s is at %+v", r, r.Range)
					}
				}
				a.Expr.Items()
				a.Expr.Bodies()
				_ = a.Expr.Text()
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("locals {\n  a = 1\n}\n")
	f.Add("a \"b\" {\n  c = <<-E\n  x ${y}\n  E\n}\n")
	f.Add("x = [for a, b in c : a => b... if d]\n")
	f.Add("x = \"%{ if a ~}b%{ else }c%{ endif }\"\n")
	f.Add("x = {a = 1, \"a\" = 2}\n")
	f.Add("x = <<E\n" + strings.Repeat("line\n", longHeredoc+1) + "${a}\nE\n")
	f.Fuzz(func(t *testing.T, src string) {
		m, _ := Parse("", map[string][]byte{"a": []byte(src)})
		for _, b := range m.Blocks {
			for _, a := range b.Body.Attrs {
				a.Expr.References()
				a.Expr.Items()
				_ = a.Expr.Text()
			}
		}
		if x, diags := ParseTemplate([]byte(src), "t"); !diags.HasErrors() && x == nil {
			t.Error("no template and no error")
		}
	})
}
