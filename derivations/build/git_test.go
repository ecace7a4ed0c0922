package build

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/download"
	"sysc/internal/gitfetch/gittest"
	"sysc/store"
	"sysc/store/tree"
)

// TestFixedTree: a tree that is known beforehand is compared with what a step
// makes, kind and references too, and found without a record.
func TestFixedTree(t *testing.T) {
	w := newWorld(t)
	empty, err := w.store.AddTree(t.Context(), &tree.Tree{})
	if err != nil {
		t.Fatal(err)
	}
	known := w.builtin("known", "builtin:file", map[string]any{"content": "x"})
	dep := w.mustRealise(known)[known]
	var kind store.Kind
	var refs []store.Path
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": func(_ context.Context, s *builtin.Step) error {
		s.SetTree("out", kind, empty, refs)
		return nil
	}}
	fixed := func(d store.Digest) derivations.Ref {
		return w.add(derivations.Derivation{Name: "t", Builder: "builtin:test", Fixed: &derivations.Fixed{Kind: store.KindTree, Digest: d}})
	}
	right, wrong := fixed(empty), fixed(store.DigestOf([]byte("other")))
	kind = store.KindRoot
	if _, err := w.realise(right); err == nil || err.Error() != "build t (derivation.t): output \"out\": want a tree, got a root" {
		t.Errorf("got %v", err)
	}
	kind, refs = store.KindTree, []store.Path{dep}
	if _, err := w.realise(right); err == nil {
		t.Error("a tree with references is accepted")
	}
	refs = nil
	var mismatch *MismatchError
	if _, err := w.realise(wrong); !errors.As(err, &mismatch) || mismatch.Got.Digest != empty || mismatch.Want.Kind != store.KindTree {
		t.Errorf("got %v", err)
	}
	path, _ := derivations.FixedPath(&derivations.Derivation{Name: "t", Fixed: &derivations.Fixed{Kind: store.KindTree, Digest: empty}})
	if _, err := w.store.Object(t.Context(), path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a wrong result is there: %v", err)
	}
	if got := w.mustRealise(right)[right]; got != path {
		t.Errorf("got %s, want %s", got, path)
	}
	w.store = w.open()
	if w.mustRealise(right); len(w.events) != 0 {
		t.Errorf("made again: %v", w.events)
	}
}

// TestGit fetches a commit: without its hash, with a wrong one, with the right
// one, and once more when there is no server any more.
func TestGit(t *testing.T) {
	dir := t.TempDir()
	handler, err := gittest.Handler(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	r := gittest.New(t, filepath.Join(dir, "r.git"), "sha1")
	commit := r.Commit(r.Tree(gittest.Named("100644", "file", r.Blob("content"))))
	r.Branch("main", commit)

	w := newWorld(t)
	fetch := func(digest store.Digest, unknown bool) derivations.Ref {
		attrs, err := derivations.MakeAttrs(map[string]any{"url": server.URL + "/r.git", "commit": commit, "unknown": unknown})
		if err != nil {
			t.Fatal(err)
		}
		return w.add(derivations.Derivation{Name: "r", Builder: "builtin:git", Attrs: attrs, Fixed: &derivations.Fixed{Kind: store.KindTree, Digest: digest}})
	}
	var told *builtin.UnknownHashError
	if _, err := w.realise(fetch(store.Digest{1}, true)); !errors.As(err, &told) {
		t.Fatalf("got %v", err)
	}
	var wrong *download.HashError
	if _, err := w.realise(fetch(store.Digest{2}, false)); !errors.As(err, &wrong) || wrong.Got != told.Got {
		t.Errorf("got %v", err)
	}
	right := fetch(told.Got, false)
	d, _ := w.graph.Derivation(right.Derivation)
	path, _ := derivations.FixedPath(d)
	if _, err := w.store.Object(t.Context(), path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("what nobody asked for is there: %v", err)
	}
	equal(t, "left over", w.leftovers())
	if got := w.mustRealise(right)[right]; got != path || w.content(got, "file") != "content" {
		t.Errorf("got %s, want %s", got, path)
	}
	equal(t, "left over", w.leftovers())
	server.Close()
	w.store = w.open()
	if got := w.mustRealise(right)[right]; got != path || len(w.events) != 0 {
		t.Errorf("got %s, %v", got, w.events)
	}
}
