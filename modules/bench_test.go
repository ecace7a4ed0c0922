package modules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the time that this process has used, which other load on the machine
// does not change much.
func cpu() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// large is a definition with many options, each of which reads another.
func large(options, files int) string {
	var b strings.Builder
	for i := range options {
		fmt.Fprintf(&b, "option \"group%d.o%d\" {\n  type    = string\n  default = \"d\"\n}\n", i%50, i)
		fmt.Fprintf(&b, "config {\n  when = config.hostname == \"large\"\n  group%d {\n    o%d = \"${config.hostname}-%d\"\n  }\n}\n", i%50, i, i)
	}
	b.WriteString("system \"large\" {\n  hostname = \"large\"\n")
	for i := range files {
		fmt.Fprintf(&b, "  file \"/etc/f%d\" {\n    content = \"${self.path} on ${config.hostname}\"\n  }\n", i)
	}
	b.WriteString("}\n")
	return b.String()
}

// BenchmarkForce parses and evaluates everything.
func BenchmarkForce(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		text := map[string]string{"a.sysc.hcl": large(n, n/5)}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			began := cpu()
			for b.Loop() {
				e, _ := evaluate(b, text)
				e.options.CheckNames()
				e.options.Root().Force()
				if diags := e.diagnostics(); diags.HasErrors() {
					b.Fatal(diags.Err())
				}
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N)/float64(n), "cpu-µs/option")
		})
	}
}

// BenchmarkSystem loads and reads a system of 300 packages, all in the lock file.
func BenchmarkSystem(b *testing.B) {
	w := workstation(b)
	b.ReportAllocs()
	began := cpu()
	for b.Loop() {
		w.system(w.load(), "large")
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}
