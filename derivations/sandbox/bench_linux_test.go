package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkRun measures a whole sandbox around the host's /bin/true: the
// shortest and the middle time by the clock, and processor time of all
// processes, in milliseconds.
func BenchmarkRun(b *testing.B) {
	for _, inputs := range []int{5, 500} {
		b.Run(fmt.Sprintf("inputs=%d", inputs), func(b *testing.B) { benchmark(b, inputs, false) })
	}
	b.Run("writable", func(b *testing.B) { benchmark(b, 5, true) })
}

func benchmark(b *testing.B, inputs int, writable bool) {
	dir := b.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	spec := Spec{Root: root, WritableRoot: writable, Argv: []string{"/usr/bin/true"}}
	add := func(source, target string, writable bool) {
		if err := os.MkdirAll(source, 0o755); err != nil {
			b.Fatal(err)
		}
		spec.Binds = append(spec.Binds, Bind{Source: source, Target: target, Writable: writable})
	}
	for _, d := range []string{"usr", "etc", "var", "opt", "home", "root", "srv", "boot", "mnt", "media"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for _, l := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.Symlink("usr/"+l, filepath.Join(root, l)); err != nil {
			b.Fatal(err)
		}
	}
	add("/usr", "/usr", false)
	add(filepath.Join(dir, "build"), "/build", true)
	for i := range inputs {
		add(filepath.Join(dir, fmt.Sprint("input", i)), fmt.Sprint("/sysc/store/input", i), false)
	}
	cpu := func() time.Duration {
		var self, children unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &self)
		unix.Getrusage(unix.RUSAGE_CHILDREN, &children)
		return time.Duration(self.Utime.Nano() + self.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano())
	}
	var times []time.Duration
	before := cpu()
	for b.Loop() {
		start := time.Now()
		if res, err := Run(b.Context(), spec); err != nil || res.ExitCode != 0 {
			b.Fatalf("got %+v, error %v", res, err)
		}
		times = append(times, time.Since(start))
	}
	used := cpu() - before
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(times[0]), "min-ms")
	b.ReportMetric(ms(times[len(times)/2]), "median-ms")
	b.ReportMetric(ms(used)/float64(len(times)), "cpu-ms")
}
