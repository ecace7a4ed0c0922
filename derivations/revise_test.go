package derivations

import (
	"fmt"
	"testing"
)

// chains is a graph of two chains of derivations. edited changes the derivation of a
// number.
func chains(t *testing.T, edited int, change string) *Graph {
	t.Helper()
	g := NewGraph()
	var paths []string
	for i := range 8 {
		d := Derivation{Name: fmt.Sprintf("d%d", i), Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"/b"}, Root: someRoot}
		if i == edited {
			d.Args = append(d.Args, change)
		}
		if i >= 2 {
			d.Args = append(d.Args, paths[i-2])
		}
		h, err := g.Add(d, Origin{Label: d.Name, Position: fmt.Sprintf("f:%d,1", i)})
		if err != nil {
			t.Fatal(err)
		}
		p, err := g.Placeholder(Ref{h, DefaultOutput})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return g
}

// revisions are those that make b of a.
func revisions(a, b *Graph) map[int]Revision {
	by := map[int]Revision{}
	for i, h := range b.Hashes() {
		if d, _ := b.Derivation(h); h != a.Hashes()[i] {
			by[i] = Revision{h, d}
		}
	}
	return by
}

func reread(t *testing.T, g *Graph) *Graph {
	t.Helper()
	read, err := ReadSnapshot(string(g.SnapshotAll()))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func stay(o Origin) (Origin, bool) { return o, true }

func TestRevise(t *testing.T) {
	for edited := range 8 {
		want := chains(t, edited, "a change that is longer than what was there")
		g := reread(t, chains(t, edited, "x"))
		by := revisions(g, want)
		if len(by) == 0 || len(by) > 4 {
			t.Fatalf("%d derivations are revised", len(by))
		}
		if !g.Revise(by, stay) {
			t.Fatal("not revised")
		}
		if string(g.SnapshotAll()) != string(want.SnapshotAll()) {
			t.Errorf("d%d: the snapshot is not that of the graph made anew", edited)
		}
		for i, h := range want.Hashes() {
			a, _ := want.Derivation(h)
			b, ok := g.Derivation(h)
			if at, known := g.Position(h); !ok || !known || at != i || fmt.Sprint(a) != fmt.Sprint(b) || g.Origin(h).Label != want.Origin(h).Label {
				t.Errorf("d%d: derivation %d is %v, want %v", edited, i, b, a)
			}
		}
		// What is added later knows what was revised, and may be written.
		last := Ref{want.Hashes()[7], DefaultOutput}
		p, _ := g.Placeholder(last)
		h, err := g.Add(Derivation{Name: "later", Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"/b", p}, Root: someRoot}, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := g.Derivation(h); len(d.Inputs) != 1 || d.Inputs[0] != last {
			t.Errorf("inputs %v, want %v", d.Inputs, last)
		}
		if again := reread(t, g); again.Len() != 9 {
			t.Errorf("%d derivations, want 9", again.Len())
		}
	}
}

func TestReviseOrigins(t *testing.T) {
	g := reread(t, chains(t, 0, "x"))
	if !g.Revise(nil, func(o Origin) (Origin, bool) { return Origin{Label: o.Label + "!", Position: "somewhere"}, true }) {
		t.Fatal("not revised")
	}
	for _, one := range []*Graph{g, reread(t, g)} {
		if o := one.Origin(g.Hashes()[3]); o.Label != "d3!" || o.Position != "somewhere" {
			t.Errorf("origin %v", o)
		}
	}
}

// TestReviseRefuses revises in ways that no evaluation could: nothing must change.
func TestReviseRefuses(t *testing.T) {
	before, after := chains(t, 2, "x"), chains(t, 2, "y")
	all := revisions(before, after)
	hashes := before.Hashes()
	derivation := func(i int) *Derivation { d, _ := before.Derivation(hashes[i]); return d }
	for name, by := range map[string]map[int]Revision{
		"input that is not there yet": {4: all[4]},
		"input that comes later":      {2: {after.Hashes()[2], &Derivation{Name: "d2", Inputs: []Ref{{hashes[5], DefaultOutput}}}}},
		"twice":                       {1: {hashes[0], derivation(0)}},
		"twice among the new":         {0: {after.Hashes()[2], derivation(0)}, 1: {after.Hashes()[2], derivation(0)}},
		"no position":                 {8: {after.Hashes()[2], derivation(0)}},
	} {
		g := reread(t, before)
		was := snapshotOf(g, Ref{hashes[7], DefaultOutput}, Ref{hashes[6], DefaultOutput})
		if g.Revise(by, stay) {
			t.Errorf("%s: revised", name)
		}
		if string(g.SnapshotAll()) != was {
			t.Errorf("%s: changed", name)
		}
	}
	g := reread(t, before)
	if g.Revise(all, func(o Origin) (Origin, bool) { return o, o.Label != "d5" }) {
		t.Error("revised although an origin is gone")
	}
	if _, err := g.Add(Derivation{Name: "later", Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"/b"}, Root: someRoot}, Origin{}); err != nil {
		t.Fatal(err)
	}
	if g.Revise(all, stay) || chains(t, 2, "x").Revise(all, stay) {
		t.Error("revised a graph that was not read")
	}
}
