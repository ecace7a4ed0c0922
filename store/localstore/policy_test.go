package localstore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sysc/store"
)

// chain registers n objects of 10 bytes and more, each referring to the one
// before it.
func chain(t testing.TB, s *Store, n int) []store.Path {
	t.Helper()
	var paths []store.Path
	for i := range n {
		content := fmt.Sprintf("object %3d", i)
		opts := AddOptions{Name: fmt.Sprintf("o%d", i), Candidates: paths}
		if i > 0 {
			content += paths[i-1].ID()
		}
		o := add(t, s, opts, "f="+content)
		register(t, s, o)
		paths = append(paths, o.Path)
	}
	return paths
}

func TestGCMaxFree(t *testing.T) {
	s := newStore(t)
	paths := chain(t, s, 5)
	s = reopen(t, s)
	for _, c := range []struct {
		free int64
		gone int
	}{{1, 1}, {43, 2}, {1 << 40, 2}} {
		want := slices.Sorted(slices.Values(paths[len(paths)-c.gone:]))
		dry := gc(t, s, GCOptions{MaxFree: c.free, DryRun: true})
		got := gc(t, s, GCOptions{MaxFree: c.free})
		if !slices.Equal(got.Objects, want) || !slices.Equal(dry.Objects, want) || got.Bytes != dry.Bytes {
			t.Errorf("at most %d bytes: %v, announced %v, want %v", c.free, got.Objects, dry.Objects, want)
		}
		paths = paths[:len(paths)-c.gone]
		verify(t, s.expectObjects(t, len(paths)))
	}
}

func TestKeptBy(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	paths := chain(t, s, 3)
	must(t, s.AddRoot(ctx, "system", paths[2]))
	must(t, s.AddRoot(ctx, "direct", paths[0]))
	link := filepath.Join(t.TempDir(), "result")
	must(t, os.Symlink(s.PhysicalPath(paths[1]), link))
	must(t, s.AddIndirectRoots(ctx, link))
	describe := func(p store.Path) (out []string) {
		keepers, err := s.KeptBy(ctx, p)
		must(t, err)
		for _, k := range keepers {
			name := k.Root.Name
			if k.Root.Link != "" {
				name = filepath.Base(k.Root.Link)
			}
			out = append(out, fmt.Sprintf("%q %d", name, len(k.Chain)))
		}
		return out
	}
	if got, want := describe(paths[0]), []string{`"result" 2`, `"direct" 1`, `"system" 3`}; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := describe(paths[2]), []string{`"system" 1`}; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	must(t, s.RemoveRoot(ctx, "system"))
	if got := describe(paths[2]); got != nil {
		t.Errorf("got %s of nothing", got)
	}
	user := open(t, s.Dir())
	_, err := user.Object(ctx, paths[2])
	must(t, err)
	if got, want := describe(paths[2]), []string{`"" 1`}; !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOptimise: a store that was copied without its hard links gets them again.
func TestOptimise(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	o := add(t, s, AddOptions{Name: "o"}, "d/file=content", "d/tool*=tool", "empty=", "link->x")
	register(t, s, o)
	if got, err := s.Optimise(ctx); err != nil || got.Files != 0 {
		t.Errorf("fresh: %+v, %v", got, err)
	}
	for name, content := range map[string]string{"file": "content", "tool": "tool"} {
		path := s.PhysicalPath(o.Path) + "/d/" + name
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.Chmod(filepath.Dir(path), 0o755))
		must(t, os.Remove(path))
		must(t, os.WriteFile(path, []byte(content), 0o644))
		must(t, os.Chmod(path, info.Mode()))
		overwrite(t, path, content)
	}
	if got, err := s.Optimise(ctx); err != nil || got != (OptimiseResult{Files: 2, Bytes: 11}) {
		t.Errorf("got %+v, %v", got, err)
	}
	verify(t, s)
	if got, err := s.Optimise(ctx); err != nil || got.Files != 0 {
		t.Errorf("again: %+v, %v", got, err)
	}
}
