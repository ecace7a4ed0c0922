package modules

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
)

// A changing is a definition of derivations that is changed at random, with all ways
// in which one may depend on another.
type changing struct {
	random *rand.Rand
	blocks []string // of the first file
	more   []string // of the second
	rest   string   // what is no derivation
	closed bool     // without what is evaluated and is no cell
}

func newChanging(random *rand.Rand, closed bool) *changing {
	c := &changing{random: random, closed: closed, rest: `
locals {
  some  = [derivation.d0.out, derivation.d3.out]
  named = try(derivation.extra.out, "none")
  file  = textfile("shared", "of ${derivation.d1.out}")
  fetch = fetchurl("https://example.org/shared", "sha256:1111111111111111111111111111111111111111111111111111111111111111")
}
function "twice" {
  params = [x]
  result = "${x} ${x} ${textfile("in-function", x)}"
}
variable "v" {
  default = "v"
}
derivation "each" {
  for_each = toset(["a", "b"])
  builder  = "/b"
  args     = [each.key, derivation.d2.out, try(derivation.d5.name, "")]
}
`}
	if !closed {
		c.rest += `
module "m" {
  source = "./m"
  from   = derivation.d4.out
}
assert {
  condition     = derivation.d0.name != "bad"
  error_message = "d0 is bad"
}
`
	}
	for i := range 12 {
		c.blocks = append(c.blocks, c.block(i))
	}
	for i := range 4 {
		c.more = append(c.more, c.block(12+i))
	}
	return c
}

func (c *changing) one(list ...string) string { return list[c.random.IntN(len(list))] }

// block is a derivation that names some before it, in one of the ways that there are.
func (c *changing) block(i int) string {
	name := func() string {
		if i == 0 {
			return "${var.v}"
		}
		return fmt.Sprintf("${derivation.d%d.%s}", c.random.IntN(i), c.one("out", "name"))
	}
	word := c.one(name(), name(), name(), "plain", "${var.v}", `${textfile("t", "text")}`, `${source("f")}`,
		`${try(derivation.d7.out, derivation.d0.out)}`,
		`${fetchurl("https://example.org/`+c.one("a", "b")+`", "sha256:2222222222222222222222222222222222222222222222222222222222222222")}`)
	if i > 5 && c.closed {
		word = c.one(word, word, word, word, word, "${local.file}", "${local.fetch}", `${twice(derivation.d1.out)}`)
	} else if i > 5 {
		word = c.one(word, word, "${local.some[0]} ${local.some[1]}", "${local.file}", "${local.fetch}", `${derivation.each["a"].out}`,
			"${module.m.out}", `${twice(derivation.d1.out)}`, `${join(" ", sort([for d in [derivation.d1, derivation.d2] : d.name]))}`)
	}
	if i == 3 && c.random.IntN(8) == 0 {
		word = c.one(`${try(derivation.extra.out, "none")}`, "${local.named}")
	}
	packages := []string{"base = input.debian", "packages = [\"git\"]", "packages = [\"vim\"]"}[i%3]
	comment := c.one("", "", "# a comment\n", "\n\n")
	version := c.one("", "", "  version = \"1\"\n", "  version = \"2\"\n")
	outputs := c.one("", "", "", "  outputs = [\"out\", \"doc\"]\n")
	if c.random.IntN(2) == 0 {
		return fmt.Sprintf("%sderivation \"d%d\" {\n%s%s  %s\n  script = <<-EOT\n    echo %d\n    echo %s\n}\n  EOT\n}\n", comment, i, version, outputs, packages, c.random.IntN(3), word)
	}
	return fmt.Sprintf("%sderivation \"d%d\" {\n%s%s  %s\n  builder = \"/b\"\n  args = [\"%s\"]\n  env = { X = \"%d\" }\n}\n", comment, i, version, outputs, packages, word, c.random.IntN(3))
}

func (c *changing) text() string {
	return strings.Join(c.blocks, "") + c.rest
}

// change makes one change, or a few, and says which.
func (c *changing) change() string {
	list, first := &c.blocks, 0
	if c.random.IntN(4) == 0 {
		list, first = &c.more, 12
	}
	at := c.random.IntN(min(len(*list), 12))
	switch c.random.IntN(12) {
	case 0:
		*list = append(*list, c.one("derivation \"extra\" {\n  builder = \"/b\"\n}\n", "# at the end", "\n"))
		return "something added at the end"
	case 1:
		for _, l := range []*[]string{&c.blocks, &c.more} {
			*l = slices.DeleteFunc(*l, func(s string) bool { return strings.Contains(s, `"extra"`) || strings.HasPrefix(s, "# at") })
		}
		return "what was added is gone"
	case 2:
		c.rest = strings.Replace(c.rest, "some  = [", c.one("some  = [", "\n  some  = ["), 1)
		return "locals moved"
	case 3:
		(*list)[at] += "\n# a line\n"
		return "a line more"
	case 4:
		i := at + first
		if i == 0 {
			return "nothing"
		}
		(*list)[at] = strings.Replace(c.block(i), "builder =", "builder =", 1)
		fallthrough
	case 5:
		other := c.random.IntN(min(len(*list), 12))
		(*list)[other] = c.block(first + other)
		return fmt.Sprint("blocks ", at, " and ", other)
	case 6:
		return "nothing"
	case 7, 8:
		number := regexp.MustCompile(`(echo|X =) "?[0-9]`)
		(*list)[at] = number.ReplaceAllStringFunc((*list)[at], func(s string) string { return s[:len(s)-1] + c.one("0", "1", "2", "3", "4", "5") })
		(*list)[at] = c.one("", "", "# more\n") + (*list)[at]
		return fmt.Sprint("a number of block ", at)
	}
	(*list)[at] = c.block(first + at)
	return fmt.Sprint("block ", at)
}

// TestNeverStaleWhateverDerivationsChange changes derivations at random. After each
// change the answer has to be the one that evaluating everything gives, origins and the
// order of the graph included.
func TestNeverStaleWhateverDerivationsChange(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed=%v", closed), func(t *testing.T) {
			t.Parallel()
			changeAtRandom(t, newChanging(rand.New(rand.NewPCG(3, 4)), closed))
		})
	}
}

func changeAtRandom(t *testing.T, c *changing) {
	b := newBench(t, stock()...)
	b.input()
	r := newRecaller(t, "")
	r.dir = filepath.Join(b.dir, "project")
	r.put("main.sysc.hcl", c.text())
	r.put("more.sysc.hcl", strings.Join(c.more, ""))
	r.put("f", "content")
	r.put("m/main.sysc.hcl", "variable \"from\" {}\noutput \"out\" {\n  value = textfile(\"inner\", \"of ${var.from}\")\n}\n")
	b.lock()
	replayed, revised, whole, remembered := 0, 0, 0, 0
	const steps = 400
	for i := range steps {
		did := c.change()
		if i%50 == 49 {
			r.put("f", fmt.Sprint("content ", i))
		}
		if i%20 == 0 {
			r.want.Names = [][]string{{"derivation.d11"}, {"derivation.d15", "derivation.d9"}, {"derivation.d10", "derivation.each"}}[c.random.IntN(3)]
		}
		r.put("main.sysc.hcl", c.text())
		r.put("more.sysc.hcl", strings.Join(c.more, ""))
		switch a := r.evaluate(); {
		case len(a.Shown) > 0:
		case a.revised:
			revised++
		case a.Partly:
			replayed++
		case a.Remembered:
			remembered++
		default:
			whole++
		}
		if t.Failed() {
			t.Fatalf("step %d, after: %s\n%s\n--\n%s", i, did, c.text(), strings.Join(c.more, ""))
		}
	}
	t.Logf("%d replayed, %d revised, %d whole, %d remembered", replayed, revised, whole, remembered)
	if replayed < steps/10 || (revised > steps/10) != c.closed || whole < steps/50 || remembered < steps/50 {
		t.Errorf("%d were replayed, %d revised, %d evaluated as a whole, %d remembered: that tests nothing", replayed, revised, whole, remembered)
	}
}

// FuzzParts reads what nobody has written.
func FuzzParts(f *testing.F) {
	dir := writeText(f, "-- main.sysc.hcl --\nlocals {\n  x = textfile(\"x\", \"x\")\n}\n\nderivation \"d\" {\n  output_hash = \"sha256:"+strings.Repeat("1", 64)+"\"\n  builder = \"/b\"\n}\n")
	p, diags := Load(f.Context(), dir, &Options{Platform: "linux/amd64", trace: eval.NewTrace(false)})
	if diags.HasErrors() {
		f.Fatal(diags.Err())
	}
	if _, diags := p.module.Local("x", diag.Range{}); diags.HasErrors() {
		f.Fatal(diags.Err())
	}
	none := func(derivations.Hash) (int, bool) { return 0, false }
	f.Add(string(p.parts().encode(none)), "text")
	f.Fuzz(func(t *testing.T, data, text string) {
		old, err := decodeParts(data, make([]derivations.Hash, 3))
		if err != nil {
			return
		}
		q := &patch{old: old, affected: old.affected([]string{"d"}), lines: map[string][]lineRun{}}
		v := &revision{patch: q, origins: map[blockPlace]derivations.Origin{}}
		for _, file := range old.files {
			var one patchedText
			if one.compare(file, []byte(text)) {
				one.blocks(q, q.neighbours())
				q.texts = append(q.texts, one)
			}
			for i := range file.parts {
				old.record(&file.parts[i], file.name)
			}
		}
		if v.cut() {
			v.find()
			v.encode()
		}
	})
}

// TestPartly changes one derivation in the ways in which others may depend on it, on
// whether there is one, or on which of them comes first.
func TestPartly(t *testing.T) {
	plain := func(name, more string) string {
		return "derivation \"" + name + "\" {\n  builder = \"/b\"\n" + more + "}\n"
	}
	of := func(list ...string) string { return "  args = [" + strings.Join(list, ", ") + "]\n" }
	fetch := func(url string) string {
		return of("fetchurl(\"https://example.org/" + url + "/x\", \"sha256:" + strings.Repeat("2", 64) + "\")")
	}
	top := func(list ...string) string { return plain("top", of(list...)) }
	const a, b = "derivation.a.out", "derivation.b.out"
	for _, tt := range []struct {
		name, before, after string
		whole, revised      bool // everything has to be evaluated, or nothing replayed
	}{
		{name: "comment", before: plain("a", "") + top(a), after: plain("a", "  # a comment\n") + top(a), revised: true},
		{name: "lines between", before: plain("a", "") + top(a), after: "\n# a\n\n" + plain("a", "") + "\n\n" + top(a), revised: true},
		{name: "name", before: plain("a", "") + plain("b", of("derivation.a.name")) + top(b), after: plain("a", "  version = \"1\"\n") + plain("b", of("derivation.a.name")) + top(b), revised: true},
		{name: "name by a local value", before: "locals {\n  x = derivation.a.name\n}\n" + plain("a", "") + plain("b", of("local.x")) + top(b),
			after: "locals {\n  x = derivation.a.name\n}\n" + plain("a", "  version = \"1\"\n") + plain("b", of("local.x")) + top(b)},
		{name: "there is one now", before: plain("b", of("try(derivation.x.out, \"none\")")) + top(b), after: plain("b", of("try(derivation.x.out, \"none\")")) + plain("x", "") + top(b), whole: true},
		{name: "there is none any more", before: plain("b", of("try(derivation.x.out, \"none\")")) + plain("x", "") + top(b), after: plain("b", of("try(derivation.x.out, \"none\")")) + top(b)},
		{name: "the same result as another", before: plain("a", fetch("a")) + plain("b", fetch("b")) + top(a, b),
			after: plain("a", fetch("c")) + plain("b", fetch("b")) + top(a, b), whole: true},
		{name: "a result of its own", before: plain("a", fetch("a")) + plain("b", "") + top(a, b), after: plain("a", fetch("c")) + plain("b", "") + top(a, b), revised: true},
		{name: "like another one", before: plain("a", "  version = \"1\"\n") + plain("a-1", "  env = { X = \"1\" }\n") + top("derivation.a.out", "derivation.a-1.out"),
			after: plain("a", "  version = \"1\"\n") + plain("a-1", "") + top("derivation.a.out", "derivation.a-1.out")},
		{name: "unlike another one", before: plain("a", "  version = \"1\"\n") + plain("a-1", "") + top("derivation.a.out", "derivation.a-1.out"),
			after: plain("a", "  version = \"1\"\n") + plain("a-1", "  env = { X = \"1\" }\n") + top("derivation.a.out", "derivation.a-1.out")},
		{name: "by an assertion", before: plain("a", "") + top(a) + "assert {\n  condition = derivation.a.name == \"a\"\n  error_message = \"it is not\"\n}\n",
			after: plain("a", "  # a comment\n") + top(a) + "assert {\n  condition = derivation.a.name == \"a\"\n  error_message = \"it is not\"\n}\n"},
		{name: "more than before", before: plain("a", "") + plain("b", "") + top(a, b), after: plain("a", "") + plain("b", of(a)) + top(a, b)},
		{name: "first of a root", before: plain("a", "") + plain("b", "") + top(a, b), after: plain("a", "") + plain("b", "") + top(b, a)},
		{name: "first of a result known beforehand", before: plain("a", fetch("a")) + plain("b", fetch("b")) + top(a, b), after: plain("a", fetch("a")) + plain("b", fetch("b")) + top(b, a), whole: true},
		{name: "never asked for", before: plain("a", "") + plain("b", "") + top(a), after: plain("a", "") + plain("b", "") + top(b), whole: true},
		{name: "another block", before: "locals {\n  x = \"1\"\n}\n" + top("local.x"), after: "locals {\n  x = \"2\"\n}\n" + top("local.x"), whole: true},
		{name: "a family", before: plain("a", "  for_each = toset([\"1\"])\n") + top("derivation.a[\"1\"].out"), after: plain("a", "  for_each = toset([\"1\", \"2\"])\n") + top("derivation.a[\"1\"].out"), whole: true},
		{name: "out of a text", before: plain("a", "  env = { X = <<E\n}\nE\n }\n") + top(a), after: plain("a", "  env = { X = <<E\n}\nderivation \"x\" {\nE\n }\n") + top(a), revised: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bench := newBench(t, stock()...)
			bench.input()
			bench.write("main.sysc.hcl", tt.before)
			bench.lock()
			r := newRecaller(t, "")
			r.dir, r.want.Names = filepath.Join(bench.dir, "project"), []string{"derivation.top"}
			r.evaluate()
			r.put("main.sysc.hcl", tt.after)
			if got := r.evaluate(); got.Partly == tt.whole || got.revised != tt.revised || len(got.Shown) > 0 {
				t.Errorf("evaluated partly: %v, revised: %v, with %d things to say", got.Partly, got.revised, len(got.Shown))
			}
			if got := r.evaluate(); !got.Remembered {
				t.Error("it was not remembered")
			}
		})
	}
}

// TestPartlyReads changes what only a derivation read that was not evaluated again.
func TestPartlyReads(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	text := func(more string) string {
		return "derivation \"a\" {\n  builder = \"/b\"\n  args = [file(\"f\"), source(\"f\")]\n}\nderivation \"top\" {\n  builder = \"/b\"\n  args = [derivation.a.out" + more + "]\n}\n"
	}
	b.write("main.sysc.hcl", text(""))
	b.write("f", "1")
	b.lock()
	r := newRecaller(t, "")
	r.dir, r.want.Names = filepath.Join(b.dir, "project"), []string{"derivation.top"}
	r.evaluate()
	r.put("main.sysc.hcl", text(", \"x\""))
	if a := r.evaluate(); !a.Partly {
		t.Error("everything was evaluated")
	}
	r.put("f", "2")
	if a := r.evaluate(); a.Remembered || a.Partly {
		t.Error("what another derivation has read does not count")
	}
}
