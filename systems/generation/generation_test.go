package generation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/health"
)

func open(t *testing.T) (*generation.Profile, string) {
	t.Helper()
	root := t.TempDir()
	p, err := generation.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, root
}

func record(n, previous generation.Number) *generation.Record {
	return &generation.Record{
		Number: n, Previous: previous, Name: "test", System: store.Path(strings.Repeat("0", 32) + "-system-test"),
		Manifest: store.DigestOf([]byte("m")), Created: time.Date(2026, 5, 1, 10, 0, 0, 7, time.FixedZone("x", 3600)),
		Provenance: systems.Provenance{Revision: "abc", Version: "1"},
		Places:     map[string]string{"usr": "usr-1", "etc": "etc-1"}, Links: map[string]string{"bin": "usr/bin"},
	}
}

func commit(t *testing.T, p *generation.Profile, r *generation.Record) {
	t.Helper()
	if err := p.Commit(r, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCommitAndRead(t *testing.T) {
	p, root := open(t)
	if cur, err := p.Current(); cur != nil || err != nil {
		t.Errorf("current of an empty profile: %v, %v", cur, err)
	}
	want := record(1, 0)
	commit(t, p, want)
	if cur, err := p.Current(); cur != nil || err != nil {
		t.Errorf("current before the flip: %v, %v", cur, err)
	}
	if err := p.SetCurrent(1); err != nil {
		t.Fatal(err)
	}
	got, err := p.Current()
	if err != nil {
		t.Fatal(err)
	}
	want.Created = time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	dir := filepath.Join(root, "sysc/generations")
	for link, want := range map[string]string{
		"1/root/usr": "../../trees/usr-1", "1/system": want.System.Logical(), "current": "1",
	} {
		if got, err := os.Readlink(filepath.Join(dir, link)); err != nil || got != want {
			t.Errorf("%s -> %q (%v), want %q", link, got, err, want)
		}
	}
}

func TestPreviousFollowsHistory(t *testing.T) {
	p, _ := open(t)
	for _, r := range []*generation.Record{record(1, 0), record(2, 1), record(3, 1)} {
		commit(t, p, r)
	}
	for of, want := range map[generation.Number]generation.Number{3: 1, 2: 1} {
		r, err := p.Get(of)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Previous(r); err != nil || got.Number != want {
			t.Errorf("previous of %d is %v (%v), want %d", of, got, err, want)
		}
	}
	first, _ := p.Get(1)
	if _, err := p.Previous(first); !errors.Is(err, generation.ErrNotExist) {
		t.Errorf("previous of the first: %v", err)
	}
	// When it is deleted, the newest older one takes its place.
	third, _ := p.Get(3)
	if err := p.Delete(1); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Previous(third); err != nil || got.Number != 2 {
		t.Errorf("previous of 3 without 1: %v, %v", got, err)
	}
}

func TestNumbersAreUsedOnce(t *testing.T) {
	p, root := open(t)
	next := func() generation.Number {
		t.Helper()
		n, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := next(); n != 1 {
		t.Errorf("first number %d", n)
	}
	if err := os.MkdirAll(filepath.Join(root, "sysc/generations"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Begin(generation.Activation{To: 4, New: true, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	commit(t, p, record(4, 0))
	if err := p.Delete(4); err != nil {
		t.Fatal(err)
	}
	if n := next(); n != 5 {
		t.Errorf("number %d after 4 was deleted", n)
	}
	// A directory without a record takes its number too.
	if err := os.MkdirAll(filepath.Join(root, "sysc/generations/9"), 0o755); err != nil {
		t.Fatal(err)
	}
	if n := next(); n != 10 {
		t.Errorf("number %d after a broken 9", n)
	}
	if broken, err := p.Broken(); err != nil || len(broken) != 1 || broken[0] != 9 {
		t.Errorf("broken %v, %v", broken, err)
	}
}

func TestCurrentIsNotDeleted(t *testing.T) {
	p, _ := open(t)
	commit(t, p, record(1, 0))
	if err := p.SetCurrent(1); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(1); err == nil {
		t.Error("deleted the current generation")
	}
	if err := p.Delete(2); !errors.Is(err, generation.ErrNotExist) {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := p.SetCurrent(2); !errors.Is(err, generation.ErrNotExist) {
		t.Errorf("made nothing current: %v", err)
	}
}

func TestPin(t *testing.T) {
	p, _ := open(t)
	for n := generation.Number(1); n <= 3; n++ {
		commit(t, p, record(n, n-1))
	}
	for _, n := range []generation.Number{3, 1, 3} {
		if err := p.Pin(n, true); err != nil {
			t.Fatal(err)
		}
	}
	// Activations leave it alone.
	if err := p.Begin(generation.Activation{To: 2}); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Pinned(); err != nil || !slices.Equal(got, []generation.Number{1, 3}) {
		t.Errorf("pinned %v, %v", got, err)
	}
	if err := p.Delete(3); err == nil {
		t.Error("deleted a pinned generation")
	}
	if err := errors.Join(p.Pin(3, false), p.Pin(2, false), p.Delete(3)); err != nil {
		t.Error(err)
	}
	if err := p.Pin(3, true); !errors.Is(err, generation.ErrNotExist) {
		t.Errorf("pinned nothing: %v", err)
	}
}

func TestHealth(t *testing.T) {
	p, dir := open(t)
	commit(t, p, record(1, 0))
	if got, err := p.Health(1); got != nil || err != nil {
		t.Errorf("before any check: %+v, %v", got, err)
	}
	want := &health.Report{Time: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Results: []health.Result{{Name: "x", Asks: "true", Attempts: 2, Problem: "no", Log: []string{"a", "b"}}}}
	if err := p.SetHealth(1, want); err != nil {
		t.Fatal(err)
	}
	got, err := p.Health(1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{"", "{}", `{"format":2,"time":"2026-05-01T00:00:00Z","results":null}`, `{"format":1,"more":1}`} {
		if err := os.WriteFile(filepath.Join(dir, generation.Dir, "health/1.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Health(1); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
	if err := p.Delete(1); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Health(1); got != nil || err != nil {
		t.Errorf("after deletion: %+v, %v", got, err)
	}
}

func TestActivationIsRemembered(t *testing.T) {
	p, root := open(t)
	if err := os.MkdirAll(filepath.Join(root, "sysc/generations"), 0o755); err != nil {
		t.Fatal(err)
	}
	if a, err := p.LastActivation(); a != nil || err != nil {
		t.Errorf("activation of an empty profile: %v, %v", a, err)
	}
	want := generation.Activation{Outcome: generation.Started, From: 1, To: 2, New: true, Time: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)}
	if err := p.Begin(want); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got, err := p.LastActivation()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("activation (-want +got):\n%s", diff)
		}
	}
	check()
	if err := p.End(want, errors.New("no space")); err != nil {
		t.Fatal(err)
	}
	want.Outcome, want.Error = generation.Failed, "no space"
	check()
}

// A record comes from a directory that others may write to.
func TestHostileRecords(t *testing.T) {
	p, root := open(t)
	commit(t, p, record(1, 0))
	name := filepath.Join(root, "sysc/generations/1/record.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for what, bad := range map[string]string{
		"another number": strings.Replace(good, `"number": 1`, `"number": 2`, 1),
		"another format": strings.Replace(good, `"format": 1`, `"format": 9`, 1),
		"place outside":  strings.Replace(good, `"usr-1"`, `"../../../.."`, 1),
		"name outside":   strings.Replace(good, `"usr":`, `"../usr":`, 1),
		"system":         strings.Replace(good, "-system-test", "/../x", 1),
		"no JSON":        "x",
		"unknown field":  strings.Replace(good, `"number"`, `"more": 1, "number"`, 1),
		"huge":           strings.Repeat(" ", 2<<20) + good,
	} {
		if bad == good {
			t.Fatalf("%s: nothing changed", what)
		}
		if err := os.WriteFile(name, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := p.Get(1); err == nil {
			t.Errorf("%s: read as %+v", what, r)
		}
	}
	if list, err := p.List(); err != nil || len(list) != 0 {
		t.Errorf("list %v, %v", list, err)
	}
}

func TestLockIsExclusive(t *testing.T) {
	p, _ := open(t)
	unlock, err := p.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told := ""
	_, err = p.Lock(ctx, func(holder string) { told = holder; cancel() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(told, "pid") {
		t.Errorf("second lock: %v, holder %q", err, told)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := p.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func FuzzParseNumber(f *testing.F) {
	f.Add("1")
	f.Add("01")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := generation.ParseNumber(s)
		if err == nil && (n < 1 || n.String() != s) {
			t.Errorf("%q read as %d", s, n)
		}
	})
}
