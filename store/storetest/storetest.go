// Package storetest is what every store must do, whatever it keeps things in:
// run it from the tests of an implementation.
package storetest

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/tree"
)

// A Store is the part that is tested.
type Store interface {
	tree.Source
	tree.Sink
	AddBlob(ctx context.Context, r io.Reader) (store.Digest, int64, error)
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
	MakeObject(ctx context.Context, name string, kind store.Kind, root store.Digest, refs []store.Path) (store.Object, error)
	Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error
	Object(ctx context.Context, p store.Path) (store.Object, error)
	Realisation(ctx context.Context, d store.DerivationHash, output string) (store.Path, error)
	Closure(ctx context.Context, paths []store.Path) ([]store.Path, error)
}

// Run tests a store. open returns an empty one, which open closes when its test
// ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s Store)
	}{
		{"blobs", blobs},
		{"trees", trees},
		{"objects", objects},
		{"atomic", atomic},
		{"realisations", realisations},
		{"closure", closure},
		{"cancelled", cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func missing(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotExist) {
		t.Errorf("%s: got %v, want store.ErrNotExist", what, err)
	}
}

// oneFile adds a tree with one file.
func oneFile(t *testing.T, s Store, content string) store.Digest {
	t.Helper()
	d, n, err := s.AddBlob(t.Context(), strings.NewReader(content))
	must(t, err)
	root, err := s.AddTree(t.Context(), &tree.Tree{Entries: []tree.Entry{
		{Name: "file", Type: tree.File, Mode: tree.ModeFile, Size: n, Digest: d}}})
	must(t, err)
	return root
}

func object(t *testing.T, s Store, name string, refs ...store.Path) store.Object {
	t.Helper()
	o, err := s.MakeObject(t.Context(), name, store.KindTree, oneFile(t, s, name), refs)
	must(t, err)
	return o
}

func blobs(t *testing.T, s Store) {
	for _, content := range []string{"", "x", strings.Repeat("long ", 1<<18)} {
		_, err := s.OpenBlob(t.Context(), store.DigestOf([]byte(content)))
		missing(t, "before", err)
		for range 2 {
			d, n, err := s.AddBlob(t.Context(), strings.NewReader(content))
			if err != nil || d != store.DigestOf([]byte(content)) || n != int64(len(content)) {
				t.Errorf("%s, %d, %v", d, n, err)
			}
		}
		f, err := s.OpenBlob(t.Context(), store.DigestOf([]byte(content)))
		must(t, err)
		got, err := io.ReadAll(f)
		if err != nil || string(got) != content {
			t.Errorf("%d bytes came back as %d, %v", len(content), len(got), err)
		}
		must(t, f.Close())
	}
}

func trees(t *testing.T, s Store) {
	want := &tree.Tree{Entries: []tree.Entry{
		{Name: "\n\xff", Type: tree.Link, Mode: 0o777, UID: 1, Target: "x"},
		{Name: "f", Type: tree.File, Mode: 0o4755, Size: 1, Digest: store.DigestOf([]byte("1")), Xattrs: []tree.Xattr{{Name: "user.a", Value: "\x00"}}},
	}}
	digest, err := want.Digest()
	must(t, err)
	_, err = s.Tree(t.Context(), digest)
	missing(t, "before", err)
	got, err := s.AddTree(t.Context(), want)
	if err != nil || got != digest {
		t.Fatalf("%s, %v; want %s", got, err, digest)
	}
	back, err := s.Tree(t.Context(), digest)
	must(t, err)
	if !slices.EqualFunc(back.Entries, want.Entries, tree.Entry.Equal) {
		t.Errorf("got %+v, want %+v", back, want)
	}
	if _, err := s.AddTree(t.Context(), &tree.Tree{Entries: []tree.Entry{{Name: ".."}}}); err == nil {
		t.Error("took a tree that cannot be encoded")
	}
}

func objects(t *testing.T, s Store) {
	a := object(t, s, "a")
	_, err := s.Object(t.Context(), a.Path)
	missing(t, "before", err)
	b := object(t, s, "b", a.Path)
	if b.Path == object(t, s, "b").Path {
		t.Error("references are not part of the identity")
	}
	must(t, s.Register(t.Context(), []store.Object{b, a}, nil))
	got, err := s.Object(t.Context(), b.Path)
	must(t, err)
	if got.Path != b.Path || got.Tree != b.Tree || got.Size != 1 || !slices.Equal(got.References, []store.Path{a.Path}) {
		t.Errorf("got %+v, want %+v", got, b)
	}
	must(t, s.Register(t.Context(), []store.Object{b, a}, nil))
}

// All or nothing, and nobody may lie about an id.
func atomic(t *testing.T, s Store) {
	a, b := object(t, s, "a"), object(t, s, "b")
	lie := a
	lie.Tree = b.Tree
	hash := store.DerivationHash{9}
	err := s.Register(t.Context(), []store.Object{b, lie}, []store.Realisation{{Derivation: hash, Output: "out", Path: b.Path}})
	if err == nil {
		t.Fatal("an object with another one's id was accepted")
	}
	_, err = s.Object(t.Context(), b.Path)
	missing(t, "the other object", err)
	_, err = s.Realisation(t.Context(), hash, "out")
	missing(t, "the realisation", err)
	dangling := object(t, s, "c", a.Path)
	missing(t, "dangling reference", s.Register(t.Context(), []store.Object{dangling}, nil))
}

func realisations(t *testing.T, s Store) {
	a, b := object(t, s, "a"), object(t, s, "b")
	hash := store.DerivationHash{1}
	for _, p := range []store.Path{a.Path, b.Path} { // the later one counts
		must(t, s.Register(t.Context(), []store.Object{a, b}, []store.Realisation{{Derivation: hash, Output: "out", Path: p}}))
		if got, err := s.Realisation(t.Context(), hash, "out"); err != nil || got != p {
			t.Errorf("got %s, %v; want %s", got, err, p)
		}
	}
	_, err := s.Realisation(t.Context(), hash, "doc")
	missing(t, "other output", err)
	_, err = s.Realisation(t.Context(), store.DerivationHash{2}, "out")
	missing(t, "other derivation", err)
}

func closure(t *testing.T, s Store) {
	base := object(t, s, "base")
	left, right := object(t, s, "left", base.Path), object(t, s, "right", base.Path)
	top := object(t, s, "top", left.Path, right.Path)
	other := object(t, s, "other")
	must(t, s.Register(t.Context(), []store.Object{top, left, right, base, other}, nil))
	want := []store.Path{base.Path, left.Path, right.Path, top.Path}
	slices.Sort(want)
	if got, err := s.Closure(t.Context(), []store.Path{top.Path}); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := s.Closure(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	_, err := s.Closure(t.Context(), []store.Path{top.Path, object(t, s, "new").Path})
	missing(t, "of an object that is not valid", err)
}

func cancelled(t *testing.T, s Store) {
	a := object(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Register(ctx, []store.Object{a}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, err := s.Object(t.Context(), a.Path)
	missing(t, "what was cancelled", err)
}
