package localstore

import (
	"errors"
	"os"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/tree"
)

// formsOf says in which forms a blob is there.
func formsOf(s *Store, content string) string {
	there := ""
	for suffix, name := range map[string]string{"": "p", executableSuffix: "x"} {
		if _, err := os.Lstat(s.blobPath(content) + suffix); err == nil {
			there += name
		}
	}
	return strings.ReplaceAll(there, "xp", "px")
}

func checkForms(t *testing.T, s *Store, want map[string]string) {
	t.Helper()
	for content, forms := range want {
		if got := formsOf(s, content); got != forms {
			t.Errorf("%.10s: forms %q, want %q", content, got, forms)
		}
	}
}

// A blob has the inodes that trees need, and no more.
func TestForms(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	large := strings.Repeat("large", smallBlob)
	program := add(t, s, AddOptions{}, "run*=program", "large*="+large, "data=data")
	register(t, s, program)
	want := map[string]string{"program": "x", large: "x", "data": "p"}
	checkForms(t, s, want)
	verify(t, s)

	// The same content in another mode.
	text := add(t, s, AddOptions{}, "text=program", "large="+large, "data*=data")
	register(t, s, text)
	checkForms(t, s, map[string]string{"program": "px", large: "px", "data": "px"})
	for name, content := range map[string]string{"text": "program", "large": large} {
		path := s.PhysicalPath(text.Path) + "/" + name
		if lstat(t, path).Ino != lstat(t, s.blobPath(content)).Ino {
			t.Errorf("%s is no link", name)
		}
	}
	verify(t, s)

	// What asks by digest does not care.
	for content := range want {
		f, err := s.OpenBlob(ctx, store.DigestOf([]byte(content)))
		must(t, err)
		must(t, f.Close())
	}

	// Garbage collection takes the form that only the other object needed.
	must(t, s.AddRoot(ctx, "keep", program.Path))
	s = reopen(t, s)
	result := gc(t, s, GCOptions{})
	checkForms(t, s, want)
	if result.Blobs != 0 || result.Bytes < int64(len(large)) {
		t.Errorf("%d blobs and %d bytes gone, want 0 and the room of one large file", result.Blobs, result.Bytes)
	}
	verify(t, s)
	must(t, s.RemoveRoot(ctx, "keep"))
	s = reopen(t, s)
	if result := gc(t, s, GCOptions{}); result.Blobs != len(want) {
		t.Errorf("%d blobs gone, want %d", result.Blobs, len(want))
	}
}

// A root tree is laid out with what is there, whatever its form.
func TestFormsOfRoot(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	x, n, err := s.AddFile(ctx, strings.NewReader("program"), true)
	must(t, err)
	checkForms(t, s, map[string]string{"program": "x"})
	root, err := s.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: "a", Type: tree.File, Mode: 0o755, Size: n, Digest: x},
		{Name: "b", Type: tree.File, Mode: 0o4755, Size: n, Digest: x},
		{Name: "c", Type: tree.File, Mode: 0o600, Size: n, Digest: x},
	}})
	must(t, err)
	dst := t.TempDir() + "/out"
	must(t, s.Checkout(ctx, root, dst, store.CheckoutOptions{}))
	for _, name := range []string{"a", "b", "c"} {
		if got, err := os.ReadFile(dst + "/" + name); err != nil || string(got) != "program" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	checkForms(t, s, map[string]string{"program": "x"})
}

// What a tree needs in a form is there afterwards, and stays when garbage is collected.
func TestMakeForms(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	// A tree of its own, as the root of a system is: adding a directory makes the forms that
	// its files have.
	same, n, err := s.AddFile(ctx, strings.NewReader("same"), true)
	must(t, err)
	empty, _, err := s.AddBlob(ctx, strings.NewReader(""))
	must(t, err)
	root, err := s.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: "copy", Type: tree.File, Mode: 0o644, Size: n, Digest: same},
		{Name: "empty", Type: tree.File, Mode: 0o644, Digest: empty},
		{Name: "tool", Type: tree.File, Mode: 0o755, Size: n, Digest: same},
	}})
	must(t, err)
	o, err := s.MakeObject(ctx, "root", store.KindRoot, root, nil)
	must(t, err)
	must(t, s.Register(ctx, []store.Object{o}, nil))
	must(t, s.AddRoot(ctx, "keep", o.Path))
	forms := func() (names []string) {
		must(t, tree.Walk(ctx, s, o.Tree, func(name string, e tree.Entry) error {
			if e.Type == tree.File && e.Size > 0 {
				if info, err := os.Lstat(s.path(BlobsDir + "/" + BlobPath(&e))); err == nil && info.Mode().Perm() == os.FileMode(formOf(&e).mode()) {
					names = append(names, name)
				}
			}
			return nil
		}))
		return names
	}
	if got := forms(); len(got) != 1 {
		t.Fatalf("before, forms of %v", got) // of all, this would try nothing
	}
	must(t, s.MakeForms(ctx, o.Tree))
	if got := forms(); len(got) != 2 {
		t.Errorf("forms of %v", got)
	}
	must(t, s.MakeForms(ctx, o.Tree))
	verify(t, s)
	_, err = s.GC(ctx, GCOptions{})
	must(t, err)
	if got := forms(); len(got) != 2 {
		t.Errorf("after garbage collection, forms of %v", got)
	}
	if err := s.MakeForms(ctx, store.Digest{1}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("of no tree: %v", err)
	}
}
