package build

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sysc/derivations"
)

// chain adds n derivations to a graph, each with the one before as its input.
func chain(t testing.TB, g *derivations.Graph, n int) (root derivations.Hash) {
	t.Helper()
	script := "begin"
	for i := range n {
		var err error
		root, err = g.Add(derivations.Derivation{
			Name: fmt.Sprintf("step-%d", i), Platform: "any", Builder: derivations.BuilderExec,
			Root: "/sysc/store/00000000000000000000000000000000-root", Args: []string{"/bin/sh", "-euc", script},
		}, derivations.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if script, err = g.Placeholder(derivations.Ref{Derivation: root, Output: derivations.DefaultOutput}); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRememberBuild(t *testing.T) {
	dir, g := t.TempDir(), derivations.NewGraph()
	if last, err := RecallBuild(dir, "a"); last != nil || err != nil {
		t.Errorf("before: %v, %v", last, err)
	}
	first := chain(t, g, 2)
	root := chain(t, g, 3)
	remember := func(target string, root derivations.Hash) {
		t.Helper()
		if err := RememberBuild(dir, target, g, root); err != nil {
			t.Fatal(err)
		}
	}
	remember("a", first)
	remember("a", root)
	remember("b", first)
	last, err := RecallBuild(dir, "a")
	if err != nil || last == nil || last.Root != root || len(last.Steps) != 3 || last.At.IsZero() {
		t.Fatalf("recalled %+v, %v", last, err)
	}
	for h, d := range last.Steps {
		if d.Hash() != h {
			t.Errorf("%s has the hash %s", d.Name, d.Hash())
		}
	}
	if last, err := RecallBuild(dir, "b"); err != nil || last.Root != first {
		t.Errorf("the other one: %+v, %v", last, err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "last", "*")); err != nil || len(list) != 2 {
		t.Errorf("left %v, %v", list, err)
	}
}

// What is damaged counts as forgotten, and is written anew.
func TestRememberedBuildDamaged(t *testing.T) {
	dir, g := t.TempDir(), derivations.NewGraph()
	root := chain(t, g, 50)
	if err := RememberBuild(dir, "a", g, root); err != nil {
		t.Fatal(err)
	}
	path := lastBuildPath(dir, "a")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if last, err := RecallBuild(dir, "a"); last != nil || err != nil {
			t.Fatalf("of %d bytes: %v, %v", n, last, err)
		}
	}
	if err := os.WriteFile(path, whole[:10], 0o600); err != nil { // as a power cut may
		t.Fatal(err)
	}
	if err := RememberBuild(dir, "a", g, root); err != nil {
		t.Fatal(err)
	}
	if last, err := RecallBuild(dir, "a"); err != nil || last == nil || last.Root != root {
		t.Errorf("afterwards: %+v, %v", last, err)
	}
}

func BenchmarkRememberBuild(b *testing.B) {
	for _, changed := range []bool{false, true} {
		b.Run(fmt.Sprintf("changed=%t", changed), func(b *testing.B) {
			dir, g := b.TempDir(), derivations.NewGraph()
			roots := []derivations.Hash{chain(b, g, 1999), chain(b, g, 2000)}
			i := 0
			for b.Loop() {
				if changed {
					i++
				}
				if err := RememberBuild(dir, "a", g, roots[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestRememberBuildAgain keeps a build that is kept already: it has to stay, and counts as
// new when it was old.
func TestRememberBuildAgain(t *testing.T) {
	dir, g := t.TempDir(), derivations.NewGraph()
	root := chain(t, g, 2)
	for _, age := range []time.Duration{0, 10 * time.Minute, 48 * time.Hour} {
		at := time.Now().Add(-age)
		if err := RememberBuild(dir, "a", g, root); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(lastBuildPath(dir, "a"), at, at); err != nil {
			t.Fatal(err)
		}
		if err := RememberBuild(dir, "a", g, root); err != nil {
			t.Fatal(err)
		}
		last, err := RecallBuild(dir, "a")
		if err != nil || last == nil || last.Root != root {
			t.Fatalf("recalled %+v, %v", last, err)
		}
		if since := time.Since(last.At); since > recently {
			t.Errorf("of %s ago, and remembered again, it is %s old", age, since)
		}
	}
}
