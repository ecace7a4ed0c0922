package build

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"sysc/derivations"
)

// TestMemoryIsShared has two pairs of steps that together take what there is, between
// them one that needs more than that, and one that says nothing.
func TestMemoryIsShared(t *testing.T) {
	w := newWorld(t).withRoot()
	w.opts.Jobs, w.opts.Memory = 4, 10
	var mu sync.Mutex
	var running []string
	together := map[string]chan struct{}{"a1 a2": make(chan struct{}), "b1 b2": make(chan struct{})}
	passed := make(chan struct{})
	enter := func(name string, need int64) {
		mu.Lock()
		defer mu.Unlock()
		if need > w.opts.Memory && len(running) > 0 {
			t.Errorf("%s began beside %q", name, running)
		}
		if need == 0 {
			return
		}
		running = append(running, name)
		slices.Sort(running)
		if pair := together[strings.Join(running, " ")]; pair != nil {
			close(pair)
		} else if len(running) > 1 {
			t.Errorf("%q run at once", running)
		}
	}
	leave := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		running = slices.DeleteFunc(running, func(n string) bool { return n == name })
	}
	need := map[string]int64{"a1": 4, "a2": 6, "huge": 25, "b1": 5, "free": 0, "b2": 5}
	sandbox := &Sandbox{}
	defer sandbox.Close()
	w.opts.Exec = execFunc(func(ctx context.Context, r ExecRequest) (ExecResult, error) {
		name := strings.Fields(r.Args[1])[2]
		enter(name, need[name])
		defer leave(name)
		switch name {
		case "a1", "a2":
			<-together["a1 a2"]
			<-passed // though more waits for memory
		case "b1", "b2":
			<-together["b1 b2"]
		case "free":
			close(passed)
		}
		return sandbox.Run(ctx, r)
	})
	var want []derivations.Ref
	for _, name := range []string{"a1", "a2", "huge", "b1", "free", "b2"} {
		want = append(want, w.add(derivations.Derivation{Name: name, Builder: "exec", Root: w.root,
			Args: []string{"/bin/tool", "write $out " + name}, RunLimits: derivations.RunLimits{Memory: need[name]}}))
	}
	w.mustRealise(want...)
	equal(t, "began", w.happened(Started, false), "a1", "a2", "free", "huge", "b1", "b2")
}

// An execFunc is an Executor of one function.
type execFunc func(context.Context, ExecRequest) (ExecResult, error)

func (f execFunc) Run(ctx context.Context, r ExecRequest) (ExecResult, error) { return f(ctx, r) }

func TestAvailableMemory(t *testing.T) {
	for info, want := range map[string]int64{
		"MemTotal: 9 kB\nMemAvailable:    2048 kB\n":        2 << 20,
		"MemAvailable: 0 kB\n":                              1,
		"MemTotal: 9 kB\n":                                  math.MaxInt64,
		"MemAvailable: much kB\n":                           math.MaxInt64,
		"MemAvailable: -1 kB\n":                             math.MaxInt64,
		fmt.Sprintf("MemAvailable: %d kB\n", math.MaxInt64): math.MaxInt64,
	} {
		if got := availableMemory(fstest.MapFS{"meminfo": {Data: []byte(info)}}); got != want {
			t.Errorf("%q: got %d, want %d", info, got, want)
		}
	}
	if n := hostMemory(); n < 1<<20 || n == math.MaxInt64 {
		t.Errorf("this machine has %d bytes", n)
	}
}
