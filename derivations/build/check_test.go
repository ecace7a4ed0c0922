package build

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/store"
)

// check realises with everything checked that runs a program.
func (w *world) check(want ...derivations.Ref) (map[derivations.Ref]store.Path, error) {
	w.t.Helper()
	w.opts.Check = Programs(w.graph, want, true)
	return w.realise(want...)
}

// different returns what an error says of one program that is not reproducible.
func different(t *testing.T, err error) *CheckError {
	t.Helper()
	var found *CheckError
	if !errors.As(err, &found) {
		t.Fatalf("got %v, want a difference", err)
	}
	return found
}

func TestCheckOfWhatIsReproducible(t *testing.T) {
	w := newWorld(t).withRoot()
	a := w.exec("a", "write $out/x of a", "write $out/self $out/x", "symlink $out/x $out/link")
	b, dev := w.several("b", "write $out/y "+w.placeholder(a)+"/x", "write $dev/z $out/y $dev/z")
	changed := w.add(derivations.Derivation{
		Name: "changed", Builder: "exec", Root: w.root, WritableRoot: true, Platform: "linux/amd64",
		Args: []string{"/bin/tool", "write /etc/change after", "chown 3 4 /etc/change", "write /tmp/x y"},
	})
	for _, when := range []string{"built just now", "built before"} {
		if _, err := w.check(b, dev, changed); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if got := w.happened(Finished, false); len(got) != 3 {
			t.Errorf("%s: ran %q", when, got)
		}
	}
	equal(t, "left over", w.leftovers())
}

func TestCheckFindsWhatIsNot(t *testing.T) {
	for _, what := range []string{"date", "chance", "processors", "cores", "user", "host", "order"} {
		t.Run(what, func(t *testing.T) {
			if what == "processors" && runtime.NumCPU() == 1 {
				t.Skip("there is one processor, and no other number")
			}
			w := newWorld(t).withRoot()
			ref := w.exec("impure", "write $out/same x", "tell "+what+" $out/share/"+what)
			paths, err := w.check(ref)
			found := different(t, err)
			if len(found.Outputs) != 1 || len(found.Outputs[0].Files) != 1 {
				t.Fatalf("got %+v", found)
			}
			o := found.Outputs[0]
			if got := o.Files[0]; got.Path != "share/"+what || got.What != "contents" {
				t.Errorf("got %+v", got)
			}
			if o.Usual != paths[ref] || o.Other == o.Usual {
				t.Errorf("usual %s, other %s, result %s", o.Usual, o.Other, paths[ref])
			}
			if w.content(o.Usual, "share/"+what) == w.content(o.Other, "share/"+what) {
				t.Error("both objects have the same file")
			}
			if got := w.happened(Different, false); !slices.Equal(got, []string{"impure"}) {
				t.Errorf("told of %q", got)
			}
			// The result is what it was.
			w.opts.Check = nil
			if again := w.mustRealise(ref); again[ref] != paths[ref] {
				t.Errorf("it became %s", again[ref])
			}
		})
	}
}

// TestCheckTellsOfItsOwnFilesOnly has an output that names itself, and another
// output that names it: those names differ, too, and are no news.
func TestCheckTellsOfItsOwnFilesOnly(t *testing.T) {
	w := newWorld(t).withRoot()
	out, dev := w.several("two", "write $out/self $out", "symlink $out/self $out/link", "tell chance $out/chance", "write $dev/of see $out and $dev")
	_, err := w.check(out, dev)
	found := different(t, err)
	var files []string
	for _, o := range found.Outputs {
		for _, f := range o.Files {
			files = append(files, o.Output+"/"+f.Path)
		}
	}
	if !slices.Equal(files, []string{"out/chance"}) {
		t.Errorf("differ: %q", files)
	}
	if text := found.Error(); !strings.Contains(text, "they differ in what they refer to alone") {
		t.Errorf("got %s", text)
	}
}

func TestCheckOfAProgramThatFailsElsewhere(t *testing.T) {
	w := newWorld(t).withRoot()
	ref := w.exec("fragile", "tell host /build/name", "write $out x", "show /build/name", "exit-unless-host localhost")
	paths, err := w.check(ref)
	found := different(t, err)
	var exit *ExitError
	if !errors.As(found, &exit) || exit.Code != 3 {
		t.Errorf("got %v", found)
	}
	if _, err := w.store.Object(t.Context(), paths[ref]); err != nil {
		t.Errorf("the result is lost: %v", err)
	}
	var failed *Error
	if errors.As(err, &failed); !slices.Contains(failed.Tail, "elsewhere") || failed.LogPath == "" {
		t.Errorf("got %+v", failed)
	}
}

func TestCheckOfAResultKnownBeforehand(t *testing.T) {
	w := newWorld(t).withRoot()
	ref := w.add(derivations.Derivation{
		Name: "fixed", Builder: "exec", Root: w.root, Platform: "linux/amd64", Args: []string{"/bin/tool", "tell host $out"},
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: sha256.Sum256([]byte("localhost"))},
	})
	_, err := w.check(ref)
	var mismatch *MismatchError
	if found := different(t, err); !errors.As(found, &mismatch) {
		t.Errorf("got %v", err)
	}
}

func TestCheckGoesOnAfterADifference(t *testing.T) {
	w := newWorld(t).withRoot()
	w.opts.Jobs = 1
	first := w.exec("first", "tell chance $out")
	second := w.exec("second", "write $out "+w.placeholder(first))
	third := w.exec("third", "tell chance $out")
	_, err := w.check(first, second, third)
	if got := w.happened(Different, false); !slices.Equal(got, []string{"first", "third"}) {
		t.Errorf("told of %q: %v", got, err)
	}
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestCheckOfABuiltinIsRefused(t *testing.T) {
	w := newWorld(t).withRoot()
	ref := w.builtin("file", "builtin:file", map[string]any{"text": "x"})
	w.opts.Check = []derivations.Hash{ref.Derivation}
	if _, err := w.realise(ref); err == nil {
		t.Error("no error")
	}
}

func TestRebuild(t *testing.T) {
	w := newWorld(t).withRoot()
	a := w.exec("a", "tell chance $out/a", "show $out/a")
	b := w.exec("b", "copy "+w.placeholder(a)+"/a $out")
	same := w.exec("same", "write $out same")
	c := w.exec("c", "copy "+w.placeholder(same)+" $out")
	before := w.mustRealise(a, b, c)
	w.opts.Rebuild = []derivations.Hash{a.Derivation, same.Derivation}
	after := w.mustRealise(b, c)
	if got := w.happened(Finished, false); len(got) != 3 || slices.Contains(got, "c") {
		t.Errorf("ran %q", got)
	}
	if got := w.happened(Planned, false); len(got) != 4 {
		t.Errorf("planned %q", got)
	}
	if after[b] == before[b] || after[c] != before[c] {
		t.Errorf("b: %s, then %s; c: %s, then %s", before[b], after[b], before[c], after[c])
	}
	w.opts.Rebuild = nil
	if got := w.mustRealise(a, b); got[b] != after[b] || got[a] == before[a] {
		t.Errorf("later: %v", got)
	}
}

func TestPrograms(t *testing.T) {
	w := newWorld(t).withRoot()
	inner := w.exec("inner", "write $out x")
	outer := w.exec("outer", "copy "+w.placeholder(inner)+" $out")
	side := w.exec("side", "write $out y")
	top := w.builtin("top", "builtin:file", map[string]any{"text": w.placeholder(outer) + w.placeholder(side)})
	names := func(all bool) string {
		var out []string
		for _, h := range Programs(w.graph, []derivations.Ref{top}, all) {
			d, _ := w.graph.Derivation(h)
			out = append(out, d.Name)
		}
		return fmt.Sprint(out)
	}
	if got := names(false); got != "[outer side]" {
		t.Errorf("nearest: %s", got)
	}
	if got := names(true); got != "[inner outer side]" {
		t.Errorf("all: %s", got)
	}
}

func TestFirstDifference(t *testing.T) {
	id := strings.Repeat("a", store.IDLen)
	other := strings.Repeat("b", store.IDLen)
	ids := map[string]string{other: id}
	long := strings.Repeat("0123456789", 2*chunk/10)
	for _, c := range []struct {
		name, usual, other string
		want               int64 // -1: the same
	}{
		{"nothing", "", "", -1},
		{"same", "abc", "abc", -1},
		{"begin", "xbc", "abc", 0},
		{"end", "abc", "abcd", 3},
		{"empty", "", "x", 0},
		{"long and same", long, long, -1},
		{"long and longer", long, long + "x", int64(len(long))},
		{"in the second window", long + "x", long + "y", int64(len(long))},
		{"own id", "see " + id + ".", "see " + other + ".", -1},
		{"own id and more", "see " + id + ".", "see " + other + "!", 4 + store.IDLen},
		{"no id", "see " + id[:8], "see " + other[:8], 4},
		{"whole chunk", long[:chunk], long[:chunk], -1},
		{"one beyond a chunk", long[:chunk], long[:chunk+1], chunk},
	} {
		d, err := firstDifference(strings.NewReader(c.usual), strings.NewReader(c.other), ids)
		if err != nil {
			t.Fatal(err)
		}
		got := int64(-1)
		if d != nil {
			got = d.At
		}
		if got != c.want {
			t.Errorf("%s: at %d, want %d", c.name, got, c.want)
		}
	}
	for cut := chunk - store.IDLen - 1; cut <= chunk+1; cut++ { // an id across two windows
		d, err := firstDifference(strings.NewReader(long[:cut]+id+"end"), strings.NewReader(long[:cut]+other+"end"), ids)
		if err != nil || d != nil {
			t.Fatalf("an id at %d: %+v, %v", cut, d, err)
		}
	}
}
