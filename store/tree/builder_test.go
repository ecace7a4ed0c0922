package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
	"sysc/store/tree"
	"sysc/store/tree/treetest"
)

func file(content string) tree.Entry {
	return tree.Entry{Type: tree.File, Mode: 0o644, Size: int64(len(content)), Digest: store.DigestOf([]byte(content))}
}

func link(target string) tree.Entry { return tree.Entry{Type: tree.Link, Mode: 0o777, Target: target} }

// build makes a tree of files (content), links ("->target") and directories (a
// path that ends in a slash).
func build(t testing.TB, m *treetest.Memory, paths ...string) store.Digest {
	t.Helper()
	b := tree.NewBuilder(m, store.Digest{})
	for _, p := range paths {
		name, content, _ := strings.Cut(p, "=")
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = b.Put(t.Context(), name, link(target))
		} else if strings.HasSuffix(name, "/") {
			err = b.Mkdir(t.Context(), name, tree.Entry{Mode: 0o755})
		} else {
			err = b.Put(t.Context(), name, file(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d, _, err := b.Write(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func list(t testing.TB, m *treetest.Memory, root store.Digest) []string {
	t.Helper()
	var out []string
	err := tree.Walk(t.Context(), m, root, func(path string, e tree.Entry) error {
		out = append(out, fmt.Sprintf("%s %#o %s", path, e.Mode, e.Target))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBuilderOrder(t *testing.T) {
	paths := []string{"a/b=1", "a/b.c=2", "a/b/..x", "z=3", "e/", "a-=4", "usr/bin/x=->y"}
	paths[2] = "a/d/..x=5"
	m := new(treetest.Memory)
	want := build(t, m, paths...)
	for range 20 {
		rand.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
		if got := build(t, m, paths...); got != want {
			t.Fatalf("%v: got %s, want %s", paths, got, want)
		}
	}
	if diff := cmp.Diff([]string{
		"a 0755 ", "a/b 0644 ", "a/b.c 0644 ", "a/d 0755 ", "a/d/..x 0644 ", "a- 0644 ", "e 0755 ",
		"usr 0755 ", "usr/bin 0755 ", "usr/bin/x 0777 y", "z 0644 ",
	}, list(t, m, want)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestBuilderTouchesOnlyWhatItNeeds(t *testing.T) {
	ctx := t.Context()
	m := new(treetest.Memory)
	root := build(t, m, "usr/share/doc/a=1", "usr/bin/b=2", "etc/c=3")
	share, err := tree.Find(ctx, m, root, "usr/share")
	if err != nil {
		t.Fatal(err)
	}
	before := m.Reads(share.Digest)
	trees := m.Len()
	b := tree.NewBuilder(m, root)
	if err := b.Put(ctx, "etc/new", file("new")); err != nil {
		t.Fatal(err)
	}
	changed, size, err := b.Write(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	if m.Reads(share.Digest) != before {
		t.Error("usr/share was read")
	}
	if got := m.Len() - trees; got != 2 {
		t.Errorf("%d trees were written, want 2: etc and the top", got)
	}
	if size != 6 {
		t.Errorf("size %d, want 6", size)
	}
	var changes []string
	err = tree.Diff(ctx, m, root, changed, func(c tree.Change) error {
		changes = append(changes, c.Path)
		return nil
	})
	if err != nil || !slices.Equal(changes, []string{"etc/new"}) {
		t.Errorf("changes %v, %v", changes, err)
	}
	if err := b.Remove(ctx, "etc/new"); err != nil {
		t.Fatal(err)
	}
	if back, _, err := b.Write(ctx, m); err != nil || back != root {
		t.Errorf("after removing it again: %s, %v; want %s", back, err, root)
	}
}

func TestBuilderMetadata(t *testing.T) {
	ctx := t.Context()
	m := new(treetest.Memory)
	b := tree.NewBuilder(m, build(t, m, "var/lib/x=1"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.Mkdir(ctx, "var/lib", tree.Entry{Mode: 0o2775, UID: 7, GID: 8}))
	e, ok, err := b.Get(ctx, "var/lib")
	if err != nil || !ok || e.Mode != 0o2775 || e.UID != 7 || e.GID != 8 {
		t.Errorf("got %+v, %v, %v", e, ok, err)
	}
	if _, ok, _ := b.Get(ctx, "var/lib/x"); !ok {
		t.Error("Mkdir lost what was in the directory")
	}
	if _, ok, err := b.Get(ctx, "var/lib/x/below/a/file"); ok || err != nil {
		t.Errorf("below a file: %v, %v", ok, err)
	}
	for _, err := range []error{
		b.Put(ctx, "var/lib/x/y", file("")),
		b.Mkdir(ctx, "var/lib/x", tree.Entry{Mode: 0o755}),
	} {
		if !errors.Is(err, tree.ErrNotDir) {
			t.Errorf("got %v, want ErrNotDir", err)
		}
	}
	for _, path := range []string{"", "..", "a/../b", "a\x00", strings.Repeat("a/", 300) + "b"} {
		if err := b.Put(ctx, path, file("")); err == nil {
			t.Errorf("put %q: no error", path)
		}
	}
	// A tree brought in by digest has its own size, whatever is claimed.
	sub := build(t, m, "f=12345")
	must(b.Put(ctx, "opt", tree.Entry{Type: tree.Dir, Mode: 0o755, Digest: sub, Size: 99}))
	root, size, err := b.Write(ctx, m)
	must(err)
	if size != 6 {
		t.Errorf("size %d, want 6", size)
	}
	if e, err := tree.Find(ctx, m, root, "opt"); err != nil || e.Size != 5 {
		t.Errorf("opt: %+v, %v", e, err)
	}
}

// A builder and a map of paths agree, whatever is done to both.
func TestBuilderModel(t *testing.T) {
	paths := []string{"a", "b", "a/b", "a/c", "a/b/c", "b/a", "b/a/d"}
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		m := new(treetest.Memory)
		model := map[string]string{}
		b := tree.NewBuilder(m, store.Digest{})
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			path := rapid.SampledFrom(paths).Draw(t, "path")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				err := b.Put(ctx, path, file(path))
				blocked := false
				for i := range path {
					blocked = blocked || path[i] == '/' && model[path[:i]] == "file"
				}
				if blocked != errors.Is(err, tree.ErrNotDir) {
					t.Fatalf("put %s: %v", path, err)
				}
				if blocked {
					continue
				}
				for p := range model {
					if strings.HasPrefix(p, path+"/") {
						delete(model, p)
					}
				}
				for i := range path {
					if path[i] == '/' {
						model[path[:i]] = "dir"
					}
				}
				model[path] = "file"
			case 1:
				if err := b.Remove(ctx, path); err != nil && !errors.Is(err, tree.ErrNotDir) {
					t.Fatal(err)
				}
				for p := range model {
					if p == path || strings.HasPrefix(p, path+"/") {
						delete(model, p)
					}
				}
			case 2:
				root, _, err := b.Write(ctx, m)
				if err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "reopen") {
					b = tree.NewBuilder(m, root)
				}
			case 3:
				e, ok, err := b.Get(ctx, path)
				want, wantOK := model[path]
				if err != nil || ok != wantOK || ok && (e.Type == tree.Dir) != (want == "dir") {
					t.Fatalf("get %s: %v, %v, %v; want %q", path, e, ok, err, want)
				}
			}
		}
		root, _, err := b.Write(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		tree.Walk(ctx, m, root, func(path string, e tree.Entry) error {
			got[path] = map[tree.Type]string{tree.Dir: "dir", tree.File: "file"}[e.Type]
			return nil
		})
		if diff := cmp.Diff(model, got); diff != "" {
			t.Fatalf("-model +tree\n%s", diff)
		}
	})
}

func TestFindResolve(t *testing.T) {
	ctx := t.Context()
	m := new(treetest.Memory)
	root := build(t, m, "bin=->usr/bin", "usr/bin/sh=->dash", "usr/bin/dash=1", "etc/alt=->/bin/sh",
		"up=->../../../etc/./alt", "loop=->loop", "a/b/c=->../../usr//bin/", "gone=->nowhere", "empty/", "f/x=->../etc/alt/no")
	for _, tt := range []struct {
		path, want string
		missing    bool
	}{
		{"", "", false}, {"/", "", false}, {".", "", false},
		{"usr/bin/sh", "usr/bin/dash", false},
		{"/bin/sh", "usr/bin/dash", false},
		{"etc/alt", "usr/bin/dash", false},
		{"up", "usr/bin/dash", false},
		{"a/b/c/sh", "usr/bin/dash", false},
		{"a/b/c/../..", "", false},
		{"../../usr", "usr", false},
		{"empty/", "empty", false},
		{"gone", "", true}, {"usr/bin/dash/x", "", true}, {"f/x", "", true}, {"nix", "", true},
	} {
		got, _, err := tree.Resolve(ctx, m, root, tt.path)
		if errors.Is(err, store.ErrNotExist) != tt.missing || !tt.missing && err != nil || got != tt.want {
			t.Errorf("Resolve(%q) = %q, %v; want %q", tt.path, got, err, tt.want)
		}
	}
	if _, _, err := tree.Resolve(ctx, m, root, "loop"); err == nil || !strings.Contains(err.Error(), "40 symbolic links") {
		t.Errorf("loop: %v", err)
	}
	if e, err := tree.Find(ctx, m, root, "/usr//bin/sh"); err != nil || e.Target != "dash" {
		t.Errorf("Find follows no link: %+v, %v", e, err)
	}
	for _, path := range []string{"bin/sh", "usr/bin/dash/x", "no"} {
		if _, err := tree.Find(ctx, m, root, path); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("Find(%q): %v, want ErrNotExist", path, err)
		}
	}
	for _, path := range []string{"..", "usr/../../etc", "usr/bin/.."} {
		if e, err := tree.Find(ctx, m, root, path); err == nil {
			t.Errorf("Find(%q) = %+v: upwards means nothing where links are not followed", path, e)
		}
	}
	if e, err := tree.Find(ctx, m, root, ""); err != nil || e.Type != tree.Dir || e.Digest != root {
		t.Errorf("Find(\"\") = %+v, %v", e, err)
	}
}

func TestWalkSkips(t *testing.T) {
	m := new(treetest.Memory)
	root := build(t, m, "a/x=1", "b/y=2", "c=3")
	var got []string
	err := tree.Walk(t.Context(), m, root, func(path string, e tree.Entry) error {
		got = append(got, path)
		switch path {
		case "a":
			return fs.SkipDir
		case "b/y":
			return fs.SkipAll
		}
		return nil
	})
	if want := []string{"a", "b", "b/y"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	stop := errors.New("stop")
	if err := tree.Walk(t.Context(), m, root, func(string, tree.Entry) error { return stop }); err != stop {
		t.Errorf("got %v, want the function's error", err)
	}
}

func TestDiff(t *testing.T) {
	ctx := t.Context()
	m := new(treetest.Memory)
	a := build(t, m, "same/x=1", "gone/deep/f=1", "file=1", "turn=1", "dir/a=1", "dir/b=1")
	b := tree.NewBuilder(m, build(t, m, "same/x=1", "file=2", "turn/f=1", "dir/b=1", "new/f=3"))
	if err := b.Mkdir(ctx, "dir", tree.Entry{Mode: 0o700}); err != nil {
		t.Fatal(err)
	}
	after, _, err := b.Write(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	show := func(a, b store.Digest) (out []string) {
		err := tree.Diff(ctx, m, a, b, func(c tree.Change) error {
			out = append(out, fmt.Sprintf("%s %t %t", c.Path, c.Old != nil, c.New != nil))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if diff := cmp.Diff([]string{
		"dir true true", "dir/a true false", "file true true",
		"gone true false", "gone/deep true false", "gone/deep/f true false",
		"new false true", "new/f false true", "turn true true", "turn/f false true",
	}, show(a, after)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := show(after, after); got != nil {
		t.Errorf("a tree differs from itself: %v", got)
	}
	if got, want := len(show(store.Digest{}, a)), len(list(t, m, a)); got != want {
		t.Errorf("from nothing: %d changes, want %d", got, want)
	}
}

func TestCanonical(t *testing.T) {
	ctx := t.Context()
	m := new(treetest.Memory)
	b := tree.NewBuilder(m, build(t, m, "bin/tool=1", "etc/conf=2", "l=->x"))
	tool := file("1")
	tool.Mode, tool.UID, tool.Xattrs = 0o4755, 5, []tree.Xattr{{Name: "user.a", Value: "b"}}
	if err := b.Put(ctx, "bin/tool", tool); err != nil {
		t.Fatal(err)
	}
	root, _, err := b.Write(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tree.Canonical(ctx, m, root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"bin 0555 ", "bin/tool 0555 ", "etc 0555 ", "etc/conf 0444 ", "l 0777 x",
	}, list(t, m, got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	e, err := tree.Find(ctx, m, got, "bin/tool")
	if err != nil || !e.IsCanonical() {
		t.Errorf("%+v, %v", e, err)
	}
	if again, err := tree.Canonical(ctx, m, got); err != nil || again != got {
		t.Errorf("canonical form of a canonical tree: %s, %v; want %s", again, err, got)
	}
}
