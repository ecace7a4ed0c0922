package eval_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/funcs"
	"sysc/lang/syntax"
)

// asked is a resolver that remembers what it is asked for.
type asked struct {
	names []string
}

func (a *asked) Roots() []string { return []string{"config", "bad"} }

func (a *asked) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	a.names = append(a.names, ref.String())
	if ref.Root == "bad" {
		return cty.DynamicVal, 0, diag.Errorf(ref.Range, "Bad", "This is broken.")
	}
	if len(ref.Path) > 0 && ref.Path[0].Name == "list" {
		return cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}), 1, nil
	}
	return cty.StringVal(ref.String()), len(ref.Path), nil
}

func evaluate(t testing.TB, src string, resolvers ...eval.Resolver) (cty.Value, diag.List) {
	t.Helper()
	x, diags := syntax.ParseExpression([]byte(src), "test")
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	scope := eval.NewRoot(eval.NewSession(), funcs.Table(funcs.Module{}))
	for _, r := range resolvers {
		scope = eval.NewScope(scope, r)
	}
	return eval.Evaluate(x, scope)
}

// TestDemand checks that only what is needed is asked for, and exactly that.
func TestDemand(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want []string
	}{
		{`config.a.b`, []string{"config.a.b"}},
		{`config["a"].b["c d"]`, []string{`config["a"].b["c d"]`}},
		{`config.list[1]`, []string{"config.list[1]"}},
		{`config.a[config.key].c`, []string{"config.key", `config.a["config.key"].c`}},
		{`true ? config.a : bad.b`, []string{"config.a"}},
		{`false && bad.b`, nil},
		{`true || bad.b`, nil},
		{`true && config.list != null`, []string{"config.list"}},
		{`"%{ if false }${bad.b}%{ else }${config.a}%{ endif }"`, []string{"config.a"}},
		{`[for x in config.list : x == "a" ? x : config.b]`, []string{"config.list", "config.b"}},
		{`[for config in ["x"] : config]`, nil},
		{`try(config.a, bad.b)`, []string{"config.a"}},
		{`try(bad.b, config.a)`, []string{"bad.b", "config.a"}},
		{`can(bad.b)`, []string{"bad.b"}},
		{`config.list[*]`, []string{"config.list"}},
		{`(config.a).b`, []string{"config.a.b"}},
	} {
		r := &asked{}
		_, diags := evaluate(t, tt.src, r)
		if diags.HasErrors() {
			t.Errorf("%s: %v", tt.src, diags.Err())
		}
		if diff := cmp.Diff(tt.want, r.names); diff != "" {
			t.Errorf("%s asks for (-want +got):\n%s", tt.src, diff)
		}
	}
}

// TestValues holds expressions against JSON, which is what Terraform answers
// unless a comment says otherwise.
func TestValues(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{`0.1 + 0.2 == 0.3`, `true`},
		{`9007199254740993`, `9007199254740993`},
		{`"a${1}b${true}"`, `"a1btrue"`},
		{`"${[1]}"`, `[1]`},
		{`-5 % 3`, `-2`},
		{`!true || 1 < 2 && 2 <= 2`, `true`},
		{`{ a = 1, "b c" = [true, null] }`, `{"a":1,"b c":[true,null]}`},
		{`[for i, v in ["a", "b"] : "${i}${v}"]`, `["0a","1b"]`},
		{`{ for k, v in { x = 1, y = 2 } : v => k if v > 1 }`, `{"2":"y"}`},
		{`{ for v in ["ab", "ac", "b"] : substr(v, 0, 1) => v... }`, `{"a":["ab","ac"],"b":["b"]}`},
		{`[{ n = 1 }, { n = 2 }][*].n`, `[1,2]`},
		{`null[*]`, `[]`},
		{`"x"[*]`, `["x"]`},
		{`tolist([{ a = [1] }, { a = [2] }]).*.a`, `[[1],[2]]`},
		{`true ? 1 : "a"`, `1`}, // Terraform: "1"
		{`join("-", ["a", "b"]...)`, `error`},
		{`max([1, 3, 2]...)`, `3`},
		{`format("%s-%03d", "x", 7)`, `"x-007"`},
		{`length("äöü")`, `3`},
		{`merge({ a = 1 }, { b = 2 }, { a = 3 })`, `{"a":3,"b":2}`},
		{`lookup({ a = 1 }, "b", 2)`, `2`},
		{`lookup({ a = 1 }, "a")`, `1`},
		{`coalesce("", null, "x")`, `"x"`},
		{`flatten([[1], [[2]], 3])`, `[1,2,3]`},
		{`replace("aXbX", "X", "-")`, `"a-b-"`},
		{`replace("a1b22", "/[0-9]+/", "<$0>")`, `"a\u003c1\u003eb\u003c22\u003e"`},
		{`regex("(\\d+)-(\\d+)", "10-20")`, `["10","20"]`},
		{`cidrhost("10.0.0.0/24", 5)`, `"10.0.0.5"`},
		{`cidrhost("10.0.0.0/24", -1)`, `"10.0.0.255"`},
		{`cidrsubnet("10.0.0.0/16", 8, 2)`, `"10.0.2.0/24"`},
		{`cidrsubnet("fd00::/48", 16, 65535)`, `"fd00:0:0:ffff::/64"`},
		{`cidrnetmask("172.16.0.0/12")`, `"255.240.0.0"`},
		{`cidrhost("10.0.0.0/30", 4)`, `error`},
		{`sha256("")`, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
		{`jsondecode("{\"a\":[1]}")`, `{"a":[1]}`},
		{`jsonencode({ b = 1, a = [null] })`, `"{\"a\":[null],\"b\":1}"`},
		{`transpose({ a = ["x", "y"], b = ["y"] })`, `{"x":["a"],"y":["a","b"]}`},
		{`matchkeys(["a", "b", "c"], [1, 2, 1], [1])`, `["a","c"]`},
		{`one([])`, `null`},
		{`sum([1, "2", 3.5])`, `6.5`},
		{`alltrue([true, false])`, `false`},
		{`anytrue([])`, `false`},
		{`distinct(["a", "b", "a"])`, `["a","b"]`},
		{`startswith("hello", "he") && endswith("hello", "lo") && strcontains("hello", "ell")`, `true`},
		{`basename("/a/b.c")`, `"b.c"`},
		{`try(1 / 0, "none")`, `"none"`},
		{`can({}.x)`, `false`},
		{`base64decode("/w==")`, `error`},
		{`{ (null) = 1 }`, `error`},
		{`{ a.b = 1 }`, `error`},
		{`[1][5]`, `error`},
		{`"a${null}"`, `error`},
		{`null ? 1 : 2`, `error`},
		{`upper()`, `error`},
		{`upper("a", "b")`, `error`},
		{`source("x")`, `error`},
		{`templatefile("x")`, `error`},
	} {
		v, diags := evaluate(t, tt.src)
		got := "error"
		if !diags.HasErrors() {
			text, more := evaluate(t, "jsonencode(v)", eval.Values{"v": v})
			if more.HasErrors() {
				t.Errorf("%s: %v", tt.src, more.Err())
				continue
			}
			got = text.AsString()
		}
		if got != tt.want {
			t.Errorf("%s = %s, want %s (%v)", tt.src, got, tt.want, diags.Err())
		}
	}
}

func TestMarks(t *testing.T) {
	values := eval.Values{
		"secret": cty.StringVal("x").Mark(eval.Sensitive),
		"path":   eval.MarkPath("/sysc/store/xyz-hello", "derivation.hello"),
	}
	for _, tt := range []struct {
		src       string
		paths     int
		sensitive bool
	}{
		{`"a${path}b"`, 1, false},
		{`[path, "x"]`, 1, false},
		{`true ? "x" : path`, 0, false},
		{`{ a = { b = path } }.a.b`, 1, false},
		{`merge({ a = path }, { b = 1 })`, 1, false},
		{`upper(secret)`, 0, true},
		{`secret == "x" ? 1 : 2`, 0, true},
		{`[for x in [secret] : x]`, 0, true},
		{`"${path}${secret}"`, 1, true},
		{`nonsensitive(secret)`, 0, false},
		{`nonsensitive("${path}${secret}")`, 1, false},
		{`sensitive(path)`, 1, true},
	} {
		v, diags := evaluate(t, tt.src, values)
		if diags.HasErrors() {
			t.Errorf("%s: %v", tt.src, diags.Err())
			continue
		}
		_, m := eval.Plain(v)
		if len(m.Paths) != tt.paths || m.Sensitive != tt.sensitive {
			t.Errorf("%s has marks %+v, want %d path(s), sensitive %v", tt.src, m, tt.paths, tt.sensitive)
		}
		if tt.sensitive && strings.Contains(eval.Describe(v), `"x"`) {
			t.Errorf("%s is described as %s", tt.src, eval.Describe(v))
		}
	}
}

func TestCellOnce(t *testing.T) {
	s := eval.NewSession()
	runs := 0
	c := eval.NewCell(s, "local.a", diag.Range{}, func() (int, diag.List) {
		runs++
		return 42, diag.Warningf(diag.Range{}, "Odd", "Looked at.")
	})
	for range 3 {
		v, diags := c.Get(diag.Range{})
		if v != 42 || len(diags) != 1 {
			t.Errorf("Get() = %d, %v", v, diags)
		}
	}
	if runs != 1 {
		t.Errorf("computed %d times", runs)
	}
}

// TestCycle checks that a cycle reads the same wherever it is entered, and that
// what is not part of it is not named.
func TestCycle(t *testing.T) {
	build := func() []*eval.Cell[int] {
		s := eval.NewSession()
		cells := make([]*eval.Cell[int], 5)
		for i := range cells {
			at := diag.Range{Filename: "f", Start: diag.Pos{Line: i + 1, Column: 1, Byte: i * 10}}
			next := map[int]int{0: 1, 1: 2, 2: 3, 3: 1, 4: 2}[i] // 1 -> 2 -> 3 -> 1
			cells[i] = eval.NewCell(s, fmt.Sprintf("c%d", i), at, func() (int, diag.List) {
				return cells[next].Get(diag.Range{Filename: "f", Start: diag.Pos{Line: i + 1, Column: 7, Byte: i*10 + 6}})
			})
		}
		return cells
	}
	var want string
	for entry := range 5 {
		cells := build()
		_, diags := cells[entry].Get(diag.Range{})
		for _, c := range cells {
			_, more := c.Get(diag.Range{})
			diags = append(diags, more...)
		}
		sorted := diags.Sort()
		if len(sorted) != 1 {
			t.Fatalf("entered at %d: %d problems: %v", entry, len(sorted), sorted.Err())
		}
		got := sorted[0].Error()
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("entered at %d:\n%s\nwant\n%s", entry, got, want)
		}
		if strings.Contains(got, "c0") || strings.Contains(got, "c4") || !strings.Contains(got, "c3 (f:4,7) needs c1") {
			t.Errorf("wrong chain: %s", got)
		}
	}
}

// TestDepth checks that a long chain of names works, and a longer one is an
// error and no stack overflow.
func TestDepth(t *testing.T) {
	chain := func(n int) diag.List {
		s := eval.NewSession()
		cells := make([]*eval.Cell[int], n)
		for i := range cells {
			cells[i] = eval.NewCell(s, "c", diag.Range{}, func() (int, diag.List) {
				if i+1 == n {
					return 0, nil
				}
				return cells[i+1].Get(diag.Range{})
			})
		}
		_, diags := cells[0].Get(diag.Range{})
		return diags
	}
	if diags := chain(10_000); diags.HasErrors() {
		t.Errorf("10,000: %v", diags.Err())
	}
	if diags := chain(50_000); !diags.HasErrors() {
		t.Error("50,000 are accepted")
	}
}

func FuzzEvaluate(f *testing.F) {
	for _, src := range []string{
		`1 + "2"`, `[for x in [1] : x ? path : secret]`, `{ (path) = 1 }`, `format("%d%s%v", 1, path, null)`, `secret[*]`,
		`regex("(a|b)*", path)`, `setproduct([1], [path])`, `formatlist("%s", [1, null])`, `toset([path, secret])`, `tomap({ a = 1, b = "x" })`,
		`merge(null, {})`, `element([], 1)`, `slice([1, 2], 1, 0)`, `range(1, 5, 0)`, `try(path.x, secret["a"])`, `chunklist([1], 0)`,
		`zipmap(["a"], [])`, `csvdecode("a\n1\n")`, `formatdate("YYYY", "2020-01-01T00:00:00Z")`, `timeadd("2020-01-01T00:00:00Z", "1h")`,
		`"%{ for k, v in { a = path } }${k}${v}%{ endfor }"`, `sum([null])`, `keys(path)`, `[null][0][*].a[0]`, `substr("é", -1, 5)`,
		`templatefile("x", { a = path })`, `index([path], "x")`, `coalescelist([], [secret])`, `parseint("zz", 36)`, `indent(2, "a\nb")`,
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		v, diags := evaluate(t, src, eval.Values{
			"path":   eval.MarkPath("/sysc/store/xyz-hello", "derivation.hello"),
			"secret": cty.StringVal("x").Mark(eval.Sensitive),
			"list":   cty.ListVal([]cty.Value{cty.Zero, cty.NumberIntVal(1)}),
			"null":   cty.NullVal(cty.String),
		})
		if !diags.HasErrors() && !v.IsWhollyKnown() {
			t.Errorf("%s: no error and an unknown value %#v", src, v)
		}
		eval.Describe(v)
		eval.Plain(v)
	})
}
