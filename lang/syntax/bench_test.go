package syntax

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/sys/unix"
)

// benchTexts are the derivations that evaluation is measured with (BenchmarkEval in
// cmd/sysc): 10,000 in files of a thousand.
func benchTexts() map[string][]byte {
	files := map[string][]byte{}
	const each = 1000
	for from := 0; from < 10_000; from += each {
		var b strings.Builder
		for i := from; i < from+each; i++ {
			fmt.Fprintf(&b, "\nderivation \"d%d\" {\n  base = input.debian\n  script = <<-EOT\n    echo step %d > $out\n", i, i)
			if i >= each {
				fmt.Fprintf(&b, "    echo ${derivation.d%d.out} >> $out\n    echo ${derivation.d%d.out} >> $out\n", i-each, i-each+1)
			}
			b.WriteString("  EOT\n}\n")
		}
		files[fmt.Sprintf("part-%03d.sysc.hcl", from/each)] = []byte(b.String())
	}
	return files
}

// BenchmarkTexts reads them here, BenchmarkParser gives them to HCL's parser as they
// are: what it takes is the floor of whoever does that.
func BenchmarkTexts(b *testing.B) {
	texts := benchTexts()
	measureCPU(b, func() {
		if _, diags := Parse("", texts); diags.HasErrors() {
			b.Fatal(diags.Err())
		}
	})
}

func BenchmarkParser(b *testing.B) {
	texts := benchTexts()
	measureCPU(b, func() {
		for name, text := range texts {
			if _, diags := hclsyntax.ParseConfig(text, name, startPos); diags.HasErrors() {
				b.Fatal(diags)
			}
		}
	})
}

func measureCPU(b *testing.B, fn func()) {
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.ReportAllocs()
	begin := used()
	for b.Loop() {
		fn()
	}
	b.ReportMetric((used()-begin).Seconds()*1000/float64(b.N), "cpu-ms")
}
