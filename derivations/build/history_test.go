package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"sysc/derivations"
	"sysc/derivations/builtin"
)

func TestHistory(t *testing.T) {
	logDir := t.TempDir()
	add := func(took time.Duration) {
		t.Helper()
		if err := addHistory(logDir, []run{{"exec", "hello", took}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ took, want time.Duration }{
		{historyLeast - 1, 0}, // not worth it
		{3 * time.Second, 3 * time.Second},
		{time.Hour, time.Hour}, // of two, the longer
		{time.Second, 3 * time.Second},
		{time.Millisecond, 3 * time.Second},
		{4 * time.Second, 3 * time.Second},
		{5 * time.Second, 4 * time.Second}, // the first is forgotten
		{6 * time.Second, 4 * time.Second},
		{7 * time.Second, 5 * time.Second},
	} {
		add(test.took)
		if got := readHistory(logDir).expected("exec", "hello"); got != test.want {
			t.Errorf("after %v: got %v, want %v", test.took, got, test.want)
		}
	}
	h := readHistory(logDir)
	if h.expected("exec", "other") != 0 || h.expected("builtin:file", "hello") != 0 {
		t.Error("others have that history, too")
	}
	if got := h.Steps[stepKey("exec", "hello")]; len(got) != historyRuns {
		t.Errorf("remembered: %v", got)
	}
}

// TestHistoryDamaged reads what no history is, and writes over it.
func TestHistoryDamaged(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", `{"steps":null}`, `{"steps":{"exec hello":[]}}`, `{"steps":{"exec hello":["x"]}}`, `{"steps":{"exec hello":[-5]}}`,
	} {
		logDir := t.TempDir()
		if err := os.WriteFile(historyPath(logDir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readHistory(logDir).expected("exec", "hello"); got != 0 {
			t.Errorf("%s: got %v", text, got)
		}
		err := addHistory(logDir, []run{{"exec", "hello", time.Minute}})
		if got := readHistory(logDir).expected("exec", "hello"); got != time.Minute || err != nil {
			t.Errorf("%s: then got %v, %v", text, got, err)
		}
	}
	logDir := t.TempDir()
	if err := os.WriteFile(historyPath(logDir), []byte(`{"steps":{"exec hello":[9223372036854775807]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readHistory(logDir).expected("exec", "hello"); got <= 0 || got > 366*24*time.Hour {
		t.Errorf("got %v", got)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	logDir := t.TempDir()
	var runs []run
	for i := range historySteps + 10 {
		runs = append(runs, run{"exec", fmt.Sprint(i), time.Duration(i+1) * time.Second})
	}
	if err := addHistory(logDir, runs); err != nil {
		t.Fatal(err)
	}
	h := readHistory(logDir)
	if len(h.Steps) != historySteps || h.expected("exec", "9") != 0 || h.expected("exec", "10") == 0 {
		t.Errorf("%d steps are remembered, the shortest %v", len(h.Steps), h.expected("exec", "10"))
	}
}

// writeHistory says how long steps took, in milliseconds.
func (w *world) writeHistory(steps map[string][]int64) {
	w.t.Helper()
	text, err := json.Marshal(history{Steps: steps})
	if err == nil {
		err = os.WriteFile(historyPath(w.store.LogDir()), text, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestOrderByHistory: what took long before goes first, and how long it takes now
// is remembered.
func TestOrderByHistory(t *testing.T) {
	w := newWorld(t)
	w.opts.Jobs = 1
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil), "builtin:bad": func(context.Context, *builtin.Step) error { return os.ErrInvalid }}
	var want []derivations.Ref
	for _, name := range []string{"quick", "new", "slow"} {
		want = append(want, w.builtin(name, "builtin:test", map[string]any{"text": name}))
	}
	w.writeHistory(map[string][]int64{"builtin:test quick": {1}, "builtin:test slow": {60_000}, "builtin:bad bad": {5}})
	w.mustRealise(want...)
	if got := w.happened(Started, false); !slices.Equal(got, []string{"slow", "quick", "new"}) && !slices.Equal(got, []string{"slow", "new", "quick"}) {
		t.Errorf("started in the order %v", got)
	}
	expected := map[string]time.Duration{"quick": time.Millisecond, "slow": time.Minute}
	for _, e := range w.events {
		if (e.Kind == Planned || e.Kind == Started) && e.Expected != expected[e.Name] {
			t.Errorf("%v %s: expected to take %v", e.Kind, e.Name, e.Expected)
		}
	}
	if _, err := w.realise(w.builtin("bad", "builtin:bad", nil)); err == nil {
		t.Error("it did not fail")
	}
	w.collect() // the history is no garbage
	h := readHistory(w.store.LogDir())
	for name, runs := range map[string]int{"builtin:test quick": 2, "builtin:test slow": 2, "builtin:bad bad": 1} {
		if got := h.Steps[name]; len(got) != runs {
			t.Errorf("%s: got %v, want %d runs", name, got, runs)
		}
	}
}

// TestBehind: what will run behind a step is the longest chain of those that need it,
// and have to run.
func TestBehind(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	uses := func(name string, inputs ...derivations.Ref) derivations.Ref {
		needs := []string{}
		for _, in := range inputs {
			needs = append(needs, w.placeholder(in))
		}
		return w.builtin(name, "builtin:test", map[string]any{"text": name, "needs": needs})
	}
	a := uses("a")
	b := uses("b", a)
	short := uses("short", a)
	unknown := uses("unknown", b)
	last := uses("last", unknown, short)
	there := uses("there", a)
	if err := w.store.AddRoot(t.Context(), "there", w.mustRealise(there)[there]); err != nil {
		t.Fatal(err)
	}
	w.collect() // what it was made from
	w.writeHistory(map[string][]int64{
		"builtin:test a": {1000}, "builtin:test b": {2000}, "builtin:test short": {500},
		"builtin:test last": {4000}, "builtin:test there": {3_600_000},
	})
	w.mustRealise(last, there)
	want := map[string]time.Duration{"a": 6 * time.Second, "b": 4 * time.Second, "short": 4 * time.Second, "unknown": 4 * time.Second, "last": 0}
	seen := make(map[string]bool)
	for _, e := range w.events {
		if e.Kind != Planned && e.Kind != Started {
			continue
		}
		seen[e.Name] = true
		if behind, ok := want[e.Name]; !ok || e.Behind != behind {
			t.Errorf("%v %s: %v behind it, want %v", e.Kind, e.Name, e.Behind, behind)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("saw %v", seen)
	}
}
