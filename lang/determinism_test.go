package lang

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/derivations"
)

// drawBlocks makes a random definition of build steps, as blocks whose order says
// nothing: what they need of one another is named.
func drawBlocks(t *rapid.T) []string {
	blocks := []string{
		"input \"debian\" {\n  type = \"debian\"\n}\n",
		"function \"shout\" {\n  params = [x]\n  result = upper(\"${x}!\")\n}\n",
		"variable \"level\" {\n  default = 2\n}\n",
	}
	n := rapid.IntRange(1, 8).Draw(t, "steps")
	var expressions []string // that later blocks may use
	value := func() string {
		known := []string{`"text"`, "var.level * 3", `shout("a")`, "1 / 3", "[1, \"b\", null, { z = true }]"}
		return rapid.SampledFrom(append(known, expressions...)).Draw(t, "value")
	}
	for i := range n {
		blocks = append(blocks, fmt.Sprintf("locals {\n  l%d = %s\n}\n", i, value()))
		expressions = append(expressions, fmt.Sprintf("local.l%d", i))
		env := "{}"
		if keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C", "LONG_NAME"}), 0, 3, rapid.ID[string]).Draw(t, "env"); len(keys) > 0 {
			var parts []string
			for _, k := range keys {
				parts = append(parts, fmt.Sprintf("%s = jsonencode(%s)", k, value()))
			}
			env = "{ " + strings.Join(parts, ", ") + " }"
		}
		block := fmt.Sprintf("derivation \"d%d\" {\n  packages = [\"gcc\"]\n  env      = %s\n", i, env)
		if rapid.Bool().Draw(t, "family") {
			block += "  for_each = { x = 1, y = 2 }\n  script   = \"make ${each.key} ${each.value}\"\n}\n"
			expressions = append(expressions, fmt.Sprintf(`derivation.d%d["x"].out`, i), fmt.Sprintf("[for k, d in derivation.d%d : d.out]", i))
		} else {
			block += "  script   = \"make > $out\"\n}\n"
			expressions = append(expressions, fmt.Sprintf("derivation.d%d.out", i))
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// graphOf returns the hashes of all derivations of files, sorted.
func graphOf(t *rapid.T, files map[string][]byte) []string {
	def, diags := Parse("", files, "0.3.0")
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags.Err(), files)
	}
	g := derivations.NewGraph()
	m, diags := Evaluate(def, Options{Graph: g, Host: graphHost{g}, Platform: "linux/amd64"})
	if diags = append(diags, m.Force()...); diags.HasErrors() {
		t.Fatalf("%v\n%s", diags.Err(), files)
	}
	var out []string
	for _, h := range g.Hashes() {
		d, _ := g.Derivation(h)
		out = append(out, d.Name+" "+h.String())
	}
	slices.Sort(out)
	return out
}

// TestDeterministicGraphs: the same blocks in other files, in another order, on
// another number of processors, give the same derivations; another text gives others.
func TestDeterministicGraphs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	names := []string{"a.sysc.hcl", "Z.sysc.hcl", "10.sysc.hcl", "9.sysc.hcl", "é.sysc.hcl"}
	rapid.Check(t, func(t *rapid.T) {
		blocks := drawBlocks(t)
		runtime.GOMAXPROCS(1)
		want := graphOf(t, map[string][]byte{"main.sysc.hcl": []byte(strings.Join(blocks, ""))})
		files := map[string][]byte{}
		for _, b := range rapid.Permutation(blocks).Draw(t, "order") {
			name := rapid.SampledFrom(names).Draw(t, "file")
			files[name] = append(files[name], b...)
		}
		runtime.GOMAXPROCS(8)
		if got := graphOf(t, files); !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v\n%s", got, want, files)
		}
		other := strings.Replace(strings.Join(blocks, ""), "make", "nmake", 1)
		if got := graphOf(t, map[string][]byte{"main.sysc.hcl": []byte(other)}); slices.Equal(got, want) {
			t.Fatalf("another script, and the same derivations: %v\n%s", got, other)
		}
	})
}
