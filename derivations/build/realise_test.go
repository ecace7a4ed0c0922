package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/localstore"
)

func TestRealiseBuiltins(t *testing.T) {
	w := newWorld(t)
	a := w.builtin("a", "builtin:file", map[string]any{"content": "hello"})
	b := w.builtin("b", "builtin:compose", map[string]any{"layers": []any{map[string]any{"object": w.placeholder(a), "path": "etc/a"}}})
	w.builtin("unused", "builtin:file", map[string]any{"content": "x"})
	paths := w.mustRealise(b)
	if got := w.content(paths[b], "etc/a"); got != "hello" {
		t.Errorf("got %q", got)
	}
	equal(t, "planned", w.happened(Planned, false), "a", "b")
	equal(t, "finished", w.happened(Finished, false), "a", "b")
	equal(t, "left over", w.leftovers())
	for _, again := range []string{"again", "in a new process"} {
		if again != "again" {
			w.store = w.open()
		}
		if second := w.mustRealise(b); second[b] != paths[b] || len(w.events) != 0 {
			t.Errorf("%s: got %s, %d events", again, second[b], len(w.events))
		}
	}
}

func TestDryRun(t *testing.T) {
	w := newWorld(t)
	a := w.builtin("a", "builtin:file", map[string]any{"content": "hello"})
	fixed := w.add(derivations.Derivation{Name: "f", Builder: "builtin:fetch", Attrs: derivations.Attrs(`{"url":"http://127.0.0.1:1/"}`),
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("x")), Size: 1}})
	w.opts.DryRun = true
	paths, err := w.realise(a, fixed)
	if err != nil || len(paths) != 1 || paths[fixed] == "" {
		t.Errorf("got %v, %v", paths, err)
	}
	equal(t, "planned", w.happened(Planned, false), "a", "f")
	equal(t, "started", w.happened(Started, false))
}

// TestEarlyCutoff changes a step so that its result remains the same: what needs
// it must be found in the records.
func TestEarlyCutoff(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	chain := func(variant string) derivations.Ref {
		a := w.builtin("a", "builtin:test", map[string]any{"text": "same", "needs": []string{variant}})
		b := w.builtin("b", "builtin:test", map[string]any{"text": "uses " + w.placeholder(a)})
		return w.builtin("c", "builtin:test", map[string]any{"text": "uses " + w.placeholder(b)})
	}
	first, second := chain("1"), chain("2")
	want := w.mustRealise(first)[first]
	got := w.mustRealise(second)[second]
	if got != want || first == second {
		t.Errorf("got %s, want %s", got, want)
	}
	equal(t, "ran", w.happened(Finished, false), "a")
	equal(t, "found", w.happened(Finished, true), "b", "c")
}

func TestFailureStopsTheRest(t *testing.T) {
	for _, keepGoing := range []bool{false, true} {
		w := newWorld(t)
		w.opts.KeepGoing, w.opts.Jobs = keepGoing, 1
		w.opts.Builtins = builtin.Standard()
		w.opts.Builtins["builtin:bad"] = func(_ context.Context, s *builtin.Step) error {
			fmt.Fprintln(s.Log, "what happened")
			return os.ErrInvalid
		}
		bad := w.builtin("bad", "builtin:bad", nil)
		needs := w.builtin("needs", "builtin:file", map[string]any{"content": w.placeholder(bad)})
		more := w.builtin("more", "builtin:file", map[string]any{"content": w.placeholder(needs)})
		good := w.builtin("good", "builtin:file", map[string]any{"content": "x"})
		paths, err := w.realise(more, good)
		var failed *Error
		if !errors.As(err, &failed) || !errors.Is(err, os.ErrInvalid) {
			t.Fatalf("got %v", err)
		}
		if failed.Derivation.Name != "bad" || failed.Origin.Label != "derivation.bad" || len(failed.Tail) != 1 {
			t.Errorf("got %+v", failed)
		}
		if want := "build bad (derivation.bad): invalid argument"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
		if (paths[good] != "") != keepGoing || paths[more] != "" {
			t.Errorf("keep going %t: got %v", keepGoing, paths)
		}
		if slices.Contains(w.happened(Started, false), "needs") {
			t.Error("a step ran whose input failed")
		}
		log, err := OpenLog(failed.LogPath)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(log)
		if err != nil || string(text) != "what happened\n" {
			t.Errorf("log: got %q, %v", text, err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		equal(t, "left over", w.leftovers())
	}
}

func TestMissingThings(t *testing.T) {
	w := newWorld(t)
	for want, ref := range map[string]derivations.Ref{
		`no builder "builtin:none"`: w.builtin("a", "builtin:none", nil),
		"not in the store":          w.builtin("b", "builtin:file", map[string]any{"content": store.Dir + "/00000000000000000000000000000000-x"}),
		"made nothing":              w.builtin("c", "builtin:empty", nil),
		"no such derivation":        {Output: "out"},
	} {
		w.opts.Builtins = builtin.Standard()
		w.opts.Builtins["builtin:empty"] = func(context.Context, *builtin.Step) error { return nil }
		if _, err := w.realise(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

// A mirror that there is not is told of before anything runs.
func TestMisspeltMirror(t *testing.T) {
	w := newWorld(t)
	runs := 0
	w.opts.Builtins = builtin.Standard()
	w.opts.Builtins["builtin:test"] = counting(func(string) { runs++ })
	w.opts.Mirrors = builtin.Mirrors{"debian": {"https://deb.example"}, "debian-security": {"https://security.example"}}
	fine := w.builtin("fine", "builtin:test", map[string]any{"text": "x"})
	bad := w.builtin("bad", builtin.BuilderFetch, map[string]any{"urls": []string{"https://example.org/x", "mirror://debain/x"}})
	_, err := w.realise(fine, bad)
	want := `build bad (derivation.bad): address "mirror://debain/x": no mirror is called "debain"; there are debian, debian-security`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if runs != 0 {
		t.Errorf("%d steps ran", runs)
	}
}

func TestFixedOutputs(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	fixed := func(text string, digest store.Digest, size int64, executable bool) derivations.Ref {
		attrs, err := derivations.MakeAttrs(map[string]any{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		return w.add(derivations.Derivation{Name: "f", Builder: "builtin:test", Attrs: attrs,
			Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: digest, Size: size, Executable: executable}})
	}
	wrong := store.DigestOf([]byte("other"))
	_, err := w.realise(fixed("hello", wrong, 5, false))
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Want.Digest != wrong || mismatch.Got.Digest != store.DigestOf([]byte("hello")) {
		t.Errorf("got %v", err)
	}
	if _, err := w.realise(fixed("yes", store.DigestOf([]byte("yes")), 0, true)); err == nil || !strings.Contains(err.Error(), "executable") {
		t.Errorf("got %v", err)
	}
	if _, err := w.realise(fixed("size", store.DigestOf([]byte("size")), 5, false)); err == nil || !strings.Contains(err.Error(), "4 bytes, want 5") {
		t.Errorf("got %v", err)
	}
	unknown := w.mustRealise(fixed("good", store.DigestOf([]byte("good")), 0, false))
	if w.mustRealise(fixed("elsewhere", store.DigestOf([]byte("good")), 0, false)); len(w.events) != 0 {
		t.Errorf("the same result from elsewhere was made again: %v", unknown)
	}
}

// TestSources copies the graph's sources in, and notices when they change.
func TestSources(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var refs []derivations.Ref
	for name, s := range map[string]derivations.Source{
		"text": {Name: "text", Content: []byte("text")},
		"file": {Name: "file", File: filepath.Join(dir, "f"), Executable: true},
		"dir":  {Name: "dir", Dir: dir},
	} {
		p, err := w.graph.AddSource(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		object := p.Logical()
		if name == "dir" {
			object += "/f"
		}
		refs = append(refs, w.builtin("uses-"+name, "builtin:compose", map[string]any{"layers": []any{map[string]any{"object": object, "path": "x"}}}))
	}
	for ref, p := range w.mustRealise(refs...) {
		d, _ := w.graph.Derivation(ref.Derivation)
		want := strings.TrimPrefix(strings.Replace(d.Name, "dir", "file", 1), "uses-")
		if got := w.content(p, "x"); got != want {
			t.Errorf("%s: got %q, want %q", d.Name, got, want)
		}
	}
	p, err := w.graph.AddSource(nil, derivations.Source{Name: "changing", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	uses := w.builtin("uses", "builtin:file", map[string]any{"content": p.Logical()})
	if _, err := w.realise(uses); err == nil || !strings.Contains(err.Error(), "changed since it was evaluated") {
		t.Errorf("got %v", err)
	}
}

// TestOrderBySize: with one slot what leads to the largest file goes first.
func TestOrderBySize(t *testing.T) {
	w := newWorld(t)
	w.opts.Jobs = 1
	var want []derivations.Ref
	for name, size := range map[string]int{"small": 1, "large": 1 << 20, "middle": 1 << 19} {
		content := strings.Repeat("x", size)
		attrs, err := derivations.MakeAttrs(map[string]any{"content": content})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, w.add(derivations.Derivation{Name: name, Builder: "builtin:file", Attrs: attrs,
			Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte(content)), Size: int64(size)}}))
	}
	w.mustRealise(want...)
	if got := w.happened(Started, false); !slices.Equal(got, []string{"large", "middle", "small"}) {
		t.Errorf("started in the order %v", got)
	}
}

// TestOrder: with one slot the longest chain goes first, and otherwise the order
// is that of the graph.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	w.opts.Jobs = 1
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	var want []derivations.Ref
	for _, name := range []string{"short1", "short2"} {
		want = append(want, w.builtin(name, "builtin:test", map[string]any{"text": name}))
	}
	last := w.builtin("long1", "builtin:test", map[string]any{"text": "x"})
	for _, name := range []string{"long2", "long3"} {
		last = w.builtin(name, "builtin:test", map[string]any{"text": w.placeholder(last)})
	}
	w.mustRealise(append(want, last)...)
	started := w.happened(Started, false)
	if started[0] != "long1" || slices.Index(started, "short1") > slices.Index(started, "short2") {
		t.Errorf("got %v", started)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.opts.Jobs, w.opts.Downloads = 2, 3
	var running, most [2]atomic.Int32
	gate := func(class int, limit int32) builtin.Func {
		full := make(chan struct{})
		var once sync.Once
		return func(ctx context.Context, s *builtin.Step) error {
			n := running[class].Add(1)
			defer running[class].Add(-1)
			for old := most[class].Load(); n > old && !most[class].CompareAndSwap(old, n); old = most[class].Load() {
			}
			if n == limit {
				once.Do(func() { close(full) })
			}
			<-full // until as many run as may
			runtime.Gosched()
			return counting(nil)(ctx, s)
		}
	}
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": gate(0, 2), builtin.BuilderFetch: gate(1, 3)}
	var want []derivations.Ref
	for i := range 10 {
		want = append(want, w.builtin("work", "builtin:test", map[string]any{"text": fmt.Sprint(i)}),
			w.builtin("load", builtin.BuilderFetch, map[string]any{"text": fmt.Sprint(i)}))
	}
	w.mustRealise(want...)
	if most[0].Load() != 2 || most[1].Load() != 3 {
		t.Errorf("%d and %d at once, want 2 and 3", most[0].Load(), most[1].Load())
	}
}

// TestTwoProcessesBuildOnce realises one thing through two stores in one
// directory at once.
func TestTwoProcessesBuildOnce(t *testing.T) {
	w := newWorld(t)
	var count atomic.Int32
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(func(string) { count.Add(1) })}
	var want []derivations.Ref
	for i := range 20 {
		want = append(want, w.builtin("x", "builtin:test", map[string]any{"text": fmt.Sprint(i)}))
	}
	var wg sync.WaitGroup
	for range 3 {
		st := w.open()
		wg.Go(func() {
			if _, err := Realise(t.Context(), st, w.graph, want, &w.opts); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if count.Load() != 20 {
		t.Errorf("%d steps ran, want 20", count.Load())
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user said so")
	w.opts.Builtins = builtin.Standard()
	w.opts.Builtins["builtin:hang"] = func(ctx context.Context, s *builtin.Step) error {
		cancel(why)
		<-ctx.Done()
		return ctx.Err()
	}
	done := w.builtin("done", "builtin:file", map[string]any{"content": "x"})
	hang := w.builtin("hang", "builtin:hang", map[string]any{"after": w.placeholder(done)})
	_, err := Realise(ctx, w.store, w.graph, []derivations.Ref{hang}, &w.opts)
	var failed *Error
	if !errors.Is(err, why) || errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
	equal(t, "left over", w.leftovers())
	equal(t, "failed", w.happened(Failed, false))
	w.opts.Builtins["builtin:hang"] = func(ctx context.Context, s *builtin.Step) error {
		return s.SetFile(ctx, "out", store.DigestOf([]byte("x")), 1, false, nil)
	}
	w.mustRealise(hang) // no lock is left, and what had finished is there
	equal(t, "ran", w.happened(Finished, false), "hang")
}

// TestDrain: what runs finishes and is recorded, nothing more begins, and what
// waits for another process waits no more.
func TestDrain(t *testing.T) {
	w := newWorld(t)
	w.opts.Jobs = 2
	drain, running, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.opts.Drain = drain
	w.opts.Builtins = builtin.Standard()
	w.opts.Builtins["builtin:slow"] = func(ctx context.Context, s *builtin.Step) error {
		close(running)
		<-release
		return counting(nil)(ctx, s)
	}
	slow := w.builtin("slow", "builtin:slow", map[string]any{"text": "slow"})
	locked := w.builtin("locked", "builtin:file", map[string]any{"content": "locked"})
	next := w.builtin("next", "builtin:file", map[string]any{"content": w.placeholder(slow)})
	after := w.builtin("after", "builtin:file", map[string]any{"content": w.placeholder(locked)})
	queued := w.builtin("queued", "builtin:file", map[string]any{"content": "queued"})
	unlock, err := w.open().Lock(t.Context(), "build "+resolvedHash(w, locked).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	listen := w.opts.Events
	w.opts.Events = func(e Event) {
		listen(e)
		switch e.Kind {
		case Waiting:
			<-running // it began first
			close(drain)
		case Draining:
			close(release)
		}
	}
	paths, err := w.realise(next, after, queued, slow)
	if !errors.Is(err, ErrDrained) || !errors.Is(err, context.Canceled) || len(paths) != 1 || paths[slow] == "" {
		t.Errorf("got %v, %v", paths, err)
	}
	var failed *Error
	if errors.As(err, &failed) {
		t.Errorf("got a failure: %v", failed)
	}
	equal(t, "failed", w.happened(Failed, false))
	equal(t, "finished", w.happened(Finished, false), "slow")
	if started := w.happened(Started, false); len(started) != 2 {
		t.Errorf("started: %q", started)
	}
	for _, e := range w.events {
		if e.Kind == Draining && e.Done != 2 {
			t.Errorf("%d were running", e.Done)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	equal(t, "left over", w.leftovers())
	// Asked before it began, nothing begins.
	if paths, err := w.realise(next); !errors.Is(err, ErrDrained) || len(paths) != 0 {
		t.Errorf("got %v, %v", paths, err)
	}
	equal(t, "started", w.happened(Started, false))
	w.opts.Drain = nil
	w.mustRealise(next, after, queued, slow)
	equal(t, "finished afterwards", slices.Sorted(slices.Values(w.happened(Finished, false))), "after", "locked", "next", "queued")
}

// TestDrainComplete: when the last step runs already, nothing was left undone.
func TestDrainComplete(t *testing.T) {
	w := newWorld(t)
	drain := make(chan struct{})
	w.opts.Drain = drain
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(func(string) { close(drain) })}
	w.mustRealise(w.builtin("last", "builtin:test", map[string]any{"text": "x"}))
}

// resolvedHash returns the key of a step without inputs.
func resolvedHash(w *world, r derivations.Ref) store.DerivationHash {
	d, _ := w.graph.Derivation(r.Derivation)
	return d.ResolvedHash()
}

// TestOnlyWhatIsNeeded: an input that is gone is made again only when something
// runs that needs it.
func TestOnlyWhatIsNeeded(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	a := w.builtin("a", "builtin:test", map[string]any{"text": "1"})
	b := w.builtin("b", "builtin:test", map[string]any{"text": "2", "needs": []string{w.placeholder(a)}})
	paths := w.mustRealise(a, b)
	if err := w.store.AddRoot(t.Context(), "b", paths[b]); err != nil {
		t.Fatal(err)
	}
	w.collect()
	if _, err := w.store.Object(t.Context(), paths[a]); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("the input is still there: %v", err)
	}
	w.mustRealise(b)
	equal(t, "started for what is there", w.happened(Started, false))
	c := w.builtin("c", "builtin:test", map[string]any{"text": "3", "needs": []string{w.placeholder(a), w.placeholder(b)}})
	w.mustRealise(c)
	equal(t, "started for something new", w.happened(Started, false), "a", "c")
}

// TestDamageIsMadeAgain: with a blob lost, what it came from runs again, and the
// step after that, which has it too, does not.
func TestDamageIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	var ran []string
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(func(name string) { ran = append(ran, name) })}
	a := w.builtin("a", "builtin:test", map[string]any{"text": "shared"})
	b := w.builtin("b", "builtin:test", map[string]any{"text": "shared", "needs": []string{w.placeholder(a)}})
	paths := w.mustRealise(a, b)
	d := store.DigestOf([]byte("shared")).Hex()
	if err := os.Remove(filepath.Join(w.dir, "blobs", d[:2], d[2:])); err != nil {
		t.Fatal(err)
	}
	result, err := w.store.Repair(t.Context(), nil, func(p localstore.Problem) { t.Log(p) })
	if err != nil || len(result.Lost) != 2 || result.Left > 0 {
		t.Fatalf("repair: %+v, %v", result, err)
	}
	ran = nil
	if again := w.mustRealise(b); again[b] != paths[b] {
		t.Errorf("got %s, want %s", again[b], paths[b])
	}
	equal(t, "ran", ran, "a")
}

// TestNegativeOptions: with less than no slot nothing would run, and nothing fail.
func TestNegativeOptions(t *testing.T) {
	for want, set := range map[string]func(*Options){
		"-1 jobs":      func(o *Options) { o.Jobs = -1 },
		"-2 downloads": func(o *Options) { o.Downloads = -2 },
		"-3 cores":     func(o *Options) { o.Cores = -3 },
		"limit of -4s": func(o *Options) { o.Timeout = -4 * time.Second },
		"limit of -5s": func(o *Options) { o.MaxSilence = -5 * time.Second },
	} {
		w := newWorld(t)
		set(&w.opts)
		paths, err := w.realise(w.builtin("a", "builtin:file", map[string]any{"content": "hello"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v, want error with %q", paths, err, want)
		}
	}
}

// wide adds n steps without inputs and one that needs them all.
func wide(w *world, n int) derivations.Ref {
	var needs []string
	for i := range n {
		needs = append(needs, w.placeholder(w.builtin(fmt.Sprintf("step-%d", i), "builtin:test", map[string]any{"text": fmt.Sprint(i)})))
	}
	return w.builtin("all", "builtin:test", map[string]any{"text": "all", "needs": needs})
}

// BenchmarkTrivialSteps realises 300 steps that do next to nothing.
func BenchmarkTrivialSteps(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
		w.mustRealise(wide(w, 300))
	}
}

// BenchmarkNoOp realises 1,000 steps that are all valid.
func BenchmarkNoOp(b *testing.B) {
	w := newWorld(b)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	want := wide(w, 1000)
	w.mustRealise(want)
	for b.Loop() {
		w.mustRealise(want)
	}
}

// A builtin's wrong result is shown with where it came from, without passwords.
func TestMismatchNamesItsSource(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": func(ctx context.Context, s *builtin.Step) error {
		blob, size, err := s.Store.AddBlob(ctx, strings.NewReader("other"))
		if err != nil {
			return err
		}
		return s.SetFile(ctx, "out", blob, size, false, nil)
	}}
	attrs, err := derivations.MakeAttrs(map[string]any{"url": "https://user:secret@a.example/f", "urls": []string{"mirror://b/f"}})
	if err != nil {
		t.Fatal(err)
	}
	ref := w.add(derivations.Derivation{Name: "f", Builder: "builtin:test", Attrs: attrs,
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("right")), Size: 5}})
	_, err = w.realise(ref)
	if err == nil || !strings.HasSuffix(err.Error(), "\n  from     https://user:xxxxx@a.example/f\n  from     mirror://b/f") {
		t.Errorf("got %v", err)
	}
	w.hasNothingOf(ref)
}
