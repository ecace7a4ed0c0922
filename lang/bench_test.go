package lang

import (
	"fmt"
	"strings"
	"testing"

	"sysc/derivations"
)

// benchFiles are n derivations, each of which needs the one before it, a
// thousand to a file.
func benchFiles(n int) map[string][]byte {
	files := map[string][]byte{"input.sysc.hcl": []byte("input \"debian\" {\n  type = \"debian\"\n}\n")}
	const each = 1000
	for from := 0; from < n; from += each {
		var b strings.Builder
		for i := from; i < min(from+each, n); i++ {
			fmt.Fprintf(&b, "derivation \"d%d\" {\n  packages = [\"gcc\", \"make\"]\n  script = <<-EOT\n    echo step %d > $out\n", i, i)
			if i > 0 {
				fmt.Fprintf(&b, "    echo ${derivation.d%d.out} >> $out\n", i-1)
			}
			b.WriteString("  EOT\n}\n")
		}
		files[fmt.Sprintf("f%03d.sysc.hcl", from/each)] = []byte(b.String())
	}
	return files
}

// BenchmarkParse reads 10,000 derivations and evaluates none.
func BenchmarkParse(b *testing.B) {
	files := benchFiles(10_000)
	size := 0
	for _, text := range files {
		size += len(text)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := Parse("", files, ""); diags.HasErrors() {
			b.Fatal(diags.Err())
		}
	}
}

// BenchmarkDerivations evaluates 10,000 derivations that are parsed.
func BenchmarkDerivations(b *testing.B) {
	def, diags := Parse("", benchFiles(10_000), "")
	if diags.HasErrors() {
		b.Fatal(diags.Err())
	}
	b.ReportAllocs()
	for b.Loop() {
		g := derivations.NewGraph()
		m, diags := Evaluate(def, Options{Graph: g, Host: graphHost{g}})
		if diags = append(diags, m.Force()...); diags.HasErrors() {
			b.Fatal(diags.Err())
		}
	}
}
