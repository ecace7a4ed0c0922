package builtin

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// addRoot registers a root from a tar.
func addRoot(t testing.TB, st *localstore.Store, name string, entries ...entry) store.Path {
	t.Helper()
	return register(t, st, name, store.KindRoot, makeTree(t, st, entries...))
}

func makeTree(t testing.TB, st *localstore.Store, entries ...entry) store.Digest {
	t.Helper()
	u := newUntar(st)
	if err := u.read(t.Context(), strings.NewReader(string(makeTar(t, entries...)))); err != nil {
		t.Fatal(err)
	}
	e, err := u.top.write(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return e.Digest
}

func TestCompose(t *testing.T) {
	st := openStore(t)
	private := dir0755("./var/")
	private.Mode = 0o700
	base := addRoot(t, st, "base", dir0755("./usr/lib/"), symlink("./lib", "usr/lib"), symlink("./abs", "/lib/.."),
		file0644("./etc/motd", "old"), dir0755("./var/"), file0644("./usr/lib/a", "a"))
	extra := addRoot(t, st, "extra", file0644("./etc/motd", "newer"), dir0755("./lib/"), file0644("./lib/b", "bb"), private,
		file0644("./abs/share/c", "ccc"), file0644("./only/here", "x"))
	single := addFile(t, st, "single", []byte("four"), base)
	layers := []map[string]string{
		{"object": base.Logical()}, {"object": extra.Logical()}, {"object": single.Logical(), "path": "/opt/x/file"},
		{"object": extra.Logical() + "/only", "path": "lib/sub"},
	}
	s, err := runStep(t, st, compose, nil, map[string]any{"layers": layers})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := s.Result("out")
	want := `l 0777 0:0 abs -> /lib/..
d 0755 0:0 etc
f 0644 0:0 etc/motd (5)
l 0777 0:0 lib -> usr/lib
d 0755 0:0 only
f 0644 0:0 only/here (1)
d 0755 0:0 opt
d 0755 0:0 opt/x
f 0444 0:0 opt/x/file (4)
d 0755 0:0 usr
d 0755 0:0 usr/lib
f 0644 0:0 usr/lib/a (1)
f 0644 0:0 usr/lib/b (2)
d 0755 0:0 usr/lib/sub
f 0644 0:0 usr/lib/sub/here (1)
d 0755 0:0 usr/share
f 0644 0:0 usr/share/c (3)
d 0700 0:0 var`
	if text := list(t, st, got.Tree); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if fmt.Sprint(got.References) != fmt.Sprint([]store.Path{base}) {
		t.Errorf("references: got %v", got.References)
	}
}

func TestMergeConflicts(t *testing.T) {
	st := openStore(t)
	for _, test := range []struct {
		name, want string
		old, new   entry
	}{
		{"file over directory", "merge a: a directory in one, but a file in two", dir0755("./a/"), file0644("./a", "x")},
		{"directory over file", "merge a: a file in one, but a directory in two", file0644("./a", "x"), dir0755("./a/")},
		{"link over directory", "merge a: a directory in one, but a link in two", dir0755("./a/"), symlink("./a", "x")},
		{"directory over dangling link", "merge a: a link in one, but a directory in two", symlink("./a", "x"), dir0755("./a/")},
		{"directory over circle", "merge a: a link in one, but a directory in two", symlink("./a", "a"), dir0755("./a/")},
		{"file over file", "", file0644("./a", "x"), file0644("./a", "y")},
		{"file over link", "", symlink("./a", "x"), file0644("./a", "y")},
		{"link over file", "", file0644("./a", "x"), symlink("./a", "y")},
	} {
		m := NewMerger(st)
		if err := m.Add(t.Context(), "", tree.Entry{Type: tree.Dir, Digest: makeTree(t, st, test.old)}, "one"); err != nil {
			t.Fatal(err)
		}
		second := makeTree(t, st, test.new)
		err := m.Add(t.Context(), "", tree.Entry{Type: tree.Dir, Digest: second}, "two")
		if test.want != "" {
			var conflict *ConflictError
			if !errors.As(err, &conflict) || err.Error() != test.want {
				t.Errorf("%s: got %v, want %s", test.name, err, test.want)
			}
			continue
		}
		got, _, writeErr := m.Write(t.Context(), st)
		if err != nil || writeErr != nil || got != second {
			t.Errorf("%s: %v, %v, got\n%s", test.name, err, writeErr, list(t, st, got))
		}
	}
}

// TestMergeConflictFunc keeps the first of everything, as dpkg keeps the owner and
// mode of a directory that is there.
func TestMergeConflictFunc(t *testing.T) {
	st := openStore(t)
	private := dir0755("./d/")
	private.Mode = 0o700
	one := makeTree(t, st, private, file0644("./f", "one"), dir0755("./both/"), file0644("./both/x", "x"))
	two := makeTree(t, st, dir0755("./d/"), file0644("./d/new", "n"), file0644("./f", "two"), symlink("./both", "d"))
	m := NewMerger(st)
	var met []string
	m.Conflict = func(c Meeting) (tree.Entry, error) {
		met = append(met, c.OldLayer+c.NewLayer+":"+c.Path)
		return c.Old, nil
	}
	for i, d := range []store.Digest{one, two} {
		if err := m.Add(t.Context(), "", tree.Entry{Type: tree.Dir, Digest: d}, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	got, size, err := m.Write(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	want := "d 0755 0:0 both\nf 0644 0:0 both/x (1)\nd 0700 0:0 d\nf 0644 0:0 d/new (1)\nf 0644 0:0 f (3)"
	if text := list(t, st, got); text != want || size != 5 {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if strings.Join(met, " ") != "01:both 01:d 01:f" {
		t.Errorf("asked about %v", met)
	}
}

// TestMergeAlone: one layer alone is the layer, and nothing of it is looked at.
func TestMergeAlone(t *testing.T) {
	st := openStore(t)
	d := makeTree(t, st, file0644("./a/b/c", "x"), file0644("./a/d", "y"))
	m := NewMerger(st)
	if err := m.Add(t.Context(), "", tree.Entry{Type: tree.Dir, Digest: d}, "one"); err != nil {
		t.Fatal(err)
	}
	if m.top.children["a"].children != nil {
		t.Error("the only layer's directory was read")
	}
	if got, size, err := m.Write(t.Context(), st); err != nil || got != d || size != 2 {
		t.Errorf("got %s of %d bytes, %v; want %s", got, size, err, d)
	}
}

// BenchmarkMerge merges 400 layers as packages are: 30 files each in directories
// of their own, and some in ones that all have.
func BenchmarkMerge(b *testing.B) {
	st := openStore(b)
	var layers []store.Digest
	for i := range 400 {
		entries := []entry{dir0755("./usr/"), dir0755("./usr/bin/"), dir0755("./usr/share/doc/")}
		for k := range 30 {
			entries = append(entries, file0644(fmt.Sprintf("./usr/share/p%d/%d", i, k), "x"))
		}
		entries = append(entries, file0644(fmt.Sprintf("./usr/bin/p%d", i), "b"), file0644(fmt.Sprintf("./usr/share/doc/p%d/copyright", i), "c"))
		layers = append(layers, makeTree(b, st, entries...))
	}
	for b.Loop() {
		m := NewMerger(st)
		for i, d := range layers {
			if err := m.Add(b.Context(), "", tree.Entry{Type: tree.Dir, Digest: d}, fmt.Sprint(i)); err != nil {
				b.Fatal(err)
			}
		}
		if _, _, err := m.Write(b.Context(), st); err != nil {
			b.Fatal(err)
		}
	}
}
