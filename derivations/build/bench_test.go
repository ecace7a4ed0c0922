package build

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/tree"
)

// BenchmarkExec runs a trivial program in the sandbox.
func BenchmarkExec(b *testing.B) {
	w := newWorld(b).withRoot()
	w.opts.Events = nil
	for i := 0; b.Loop(); i++ {
		w.mustRealise(w.exec("x", "write $out "+strings.Repeat("x", i)))
	}
}

// BenchmarkInputs runs a trivial program whose input has a closure of so many
// objects. The processor time is that of all processes, a step.
func BenchmarkInputs(b *testing.B) {
	for _, inputs := range []int{5, 500} {
		b.Run(strconv.Itoa(inputs), func(b *testing.B) {
			w := newWorld(b).withRoot()
			w.opts.Events = nil
			env := map[string]string{"INPUT": w.closureOf(inputs)}
			before := cpuTime()
			for i := 0; b.Loop(); i++ {
				w.mustRealise(w.add(derivations.Derivation{Name: "x", Builder: "exec", Root: w.root, Env: env,
					Args: []string{"/bin/tool", fmt.Sprint("write $out ", i)}}))
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// closureOf registers that many directories with a file, the last of which refers
// to all others, and returns its logical path.
func (w *world) closureOf(n int) string {
	w.t.Helper()
	ctx := w.t.Context()
	var objects []store.Object
	var refs []store.Path
	for i := range n {
		blob, size, err := w.store.AddBlob(ctx, strings.NewReader(strconv.Itoa(i)))
		if err != nil {
			w.t.Fatal(err)
		}
		digest, err := w.store.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{{Name: "f", Type: tree.File, Mode: tree.ModeFile, Size: size, Digest: blob}}})
		if err != nil {
			w.t.Fatal(err)
		}
		var named []store.Path
		if i == n-1 {
			named = refs
		}
		o, err := w.store.MakeObject(ctx, "input", store.KindTree, digest, named)
		if err != nil {
			w.t.Fatal(err)
		}
		objects, refs = append(objects, o), append(refs, o.Path)
	}
	if err := w.store.Register(ctx, objects, nil); err != nil {
		w.t.Fatal(err)
	}
	return refs[n-1].Logical()
}

// cpuTime is what this process and those that it waited for have used.
func cpuTime() time.Duration {
	total := int64(0)
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		unix.Getrusage(who, &used)
		total += used.Utime.Nano() + used.Stime.Nano()
	}
	return time.Duration(total)
}
