package build

import (
	"path/filepath"
	"slices"
	"testing"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/localstore"
)

// What is known is enough for another store: with the objects of one step it has nothing
// to do for that one, and only the next to do for what needs it.
func TestFindKnown(t *testing.T) {
	w := newWorld(t)
	var ran []string
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(func(name string) { ran = append(ran, name) })}
	first := w.builtin("first", "builtin:test", map[string]any{"text": "one"})
	second := w.builtin("second", "builtin:test", map[string]any{"text": "two", "needs": []string{w.placeholder(first)}})
	third := w.builtin("third", "builtin:test", map[string]any{"text": "three", "needs": []string{w.placeholder(second)}})
	paths := w.mustRealise(second)
	known, err := FindKnown(t.Context(), w.store, w.graph, []derivations.Ref{third})
	if err != nil {
		t.Fatal(err)
	}
	if len(known.Realisations) != 2 || len(known.Outcomes) != 2 { // nobody knows what third comes to
		t.Errorf("%+v", known)
	}
	// The object without what it was made from: that store has never seen it.
	object, err := w.store.Object(t.Context(), paths[second])
	if err != nil {
		t.Fatal(err)
	}
	listing, err := w.store.Tree(t.Context(), object.Tree)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := w.store.OpenBlob(t.Context(), listing.Entries[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	other, err := localstore.Open(t.Context(), filepath.Join(w.dir, "other"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, _, err := other.AddBlob(t.Context(), blob); err != nil {
		t.Fatal(err)
	}
	if _, err := other.AddTree(t.Context(), listing); err != nil {
		t.Fatal(err)
	}
	if object, err = other.MakeObject(t.Context(), object.Path.Name(), object.Kind, object.Tree, nil); err != nil || object.Path != paths[second] {
		t.Fatalf("%s, %v, want %s", object.Path, err, paths[second])
	}
	if err := other.Register(t.Context(), []store.Object{object}, known.Realisations); err != nil {
		t.Fatal(err)
	}
	ran = nil
	opts := w.opts
	got, err := Realise(t.Context(), other, w.graph, []derivations.Ref{third}, &opts)
	if err != nil || got[third] == "" {
		t.Fatalf("%v, %v", got, err)
	}
	if !slices.Equal(ran, []string{"third"}) {
		t.Errorf("ran %v", ran)
	}
}
