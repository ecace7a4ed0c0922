package localstore

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"sysc/internal/crashtest"
	"sysc/store"
)

// killedHelper is a process of this test binary that is killed before one of its
// steps.
func killedHelper(t *testing.T, what, dir string) *exec.Cmd {
	cmd := crashtest.Self(t, "SYSC_HELPER="+what, "-test.run=^TestHelperProcess$")
	cmd.Env = append(cmd.Env, "SYSC_STORE="+dir)
	return cmd
}

// Killed before any of its steps, a collection has left garbage at most: what roots
// lead to is whole, nothing is valid and damaged, and the next one ends it.
func TestGCKilled(t *testing.T) {
	t.Parallel()
	var s *Store
	var kept []store.Path
	before, between, after := 0, 0, 0
	start := func() *exec.Cmd {
		s = newStore(t)
		lib := add(t, s, AddOptions{Name: "lib"}, "lib=1", "shared=s")
		app := add(t, s, AddOptions{Name: "app", Candidates: []store.Path{lib.Path}}, "app*="+lib.Path.ID())
		dead := add(t, s, AddOptions{Name: "dead"}, "d/dead=2", "shared=s", "app="+lib.Path.ID())
		deader := add(t, s, AddOptions{Name: "deader", Candidates: []store.Path{dead.Path}}, "x="+dead.Path.ID())
		root := add(t, s, AddOptions{Name: "root", Kind: store.KindRoot}, "etc/f=3")
		register(t, s, lib, app, dead, deader, root)
		must(t, s.AddRoot(t.Context(), "app", app.Path))
		_, err := s.CheckoutDir(t.Context(), root.Tree)
		must(t, err)
		kept = slices.Sorted(slices.Values([]store.Path{app.Path, lib.Path}))
		must(t, s.Close())
		return killedHelper(t, "gc", s.Dir())
	}
	crashtest.Run(t, start, func(n int) {
		s = open(t, s.Dir())
		found := verify(t, s)
		objects, err := s.Objects(t.Context())
		must(t, err)
		for _, p := range kept {
			if !slices.Contains(objects, p) {
				t.Errorf("step %d: %s is gone", n, p)
			}
		}
		switch {
		case len(objects) > len(kept):
			before++
		case found.Blobs > 3:
			between++
		default:
			after++
		}
		gc(t, s, GCOptions{})
		if objects, err := s.Objects(t.Context()); err != nil || !slices.Equal(objects, kept) {
			t.Errorf("step %d: collected again: %v, %v; want %v", n, objects, err, kept)
		}
		if result := verify(t, s); result.Blobs != 3 || result.Trees != 2 {
			t.Errorf("step %d: left %+v", n, result)
		}
		must(t, s.Close())
		if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
			t.Errorf("step %d: left over: %q, %v", n, left, err)
		}
	})
	if before == 0 || between == 0 || after == 0 {
		t.Errorf("killed %d times before anything went, %d times in between, %d times after it", before, between, after)
	}
}

// Killed before any of its steps, a repair has taken no object away: what is placed
// anew is exchanged for what was there (the two renames of NixOS/nix are not that).
func TestRepairKilled(t *testing.T) {
	t.Parallel()
	var d *damaged
	start := func() *exec.Cmd {
		d = newDamaged(t)
		path := d.PhysicalPath(d.lib.Path) + "/doc"
		must(t, os.Chmod(path, 0o755))
		must(t, os.Remove(path+"/readme"))
		must(t, os.WriteFile(path+"/readme", []byte("texT"), 0o444))
		must(t, d.Close())
		return killedHelper(t, "repair", d.Dir())
	}
	mended := 0
	crashtest.Run(t, start, func(n int) {
		d.Store = open(t, d.Dir())
		text, err := os.ReadFile(d.PhysicalPath(d.lib.Path) + "/doc/readme")
		if err != nil || string(text) != "text" && string(text) != "texT" {
			t.Errorf("step %d: %q, %v", n, text, err)
		}
		if string(text) == "text" {
			mended++
		}
		if got := d.repair(t); got.Left != 0 || len(got.Lost) > 0 {
			t.Errorf("step %d: repaired again: %+v", n, got)
		}
		verify(t, d.expectObjects(t, 4))
		gc(t, d.Store, GCOptions{DryRun: true})
		must(t, d.Close())
	})
	if mended < 2 {
		t.Errorf("%d times it was killed after it had mended something", mended-1)
	}
}
