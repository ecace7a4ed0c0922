package localstore

import (
	"reflect"
	"testing"

	"sysc/store"
)

// TestOutcomesAreForgotten replaces realisations, by others and by themselves.
func TestOutcomesAreForgotten(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a, b := add(t, s, AddOptions{Name: "a"}, "f=1"), add(t, s, AddOptions{Name: "a"}, "f=2")
	key := OutcomeKey{Derivation: [32]byte{1}, Output: "out"}
	realise := func(derivation byte, o store.Object) {
		t.Helper()
		must(t, s.Register(ctx, []store.Object{o}, []store.Realisation{{Derivation: store.DerivationHash{derivation}, Output: "out", Path: o.Path}}))
	}
	look := func(want map[OutcomeKey]store.Path) OutcomeAge {
		t.Helper()
		got, age, err := s.Outcomes(ctx, []OutcomeKey{key, {Derivation: key.Derivation, Output: "doc"}, {Output: "out"}})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		return age
	}
	none, known := map[OutcomeKey]store.Path{}, map[OutcomeKey]store.Path{key: a.Path}
	realise(1, a)
	age := look(none)
	must(t, s.KeepOutcomes(ctx, age, known))
	look(known)
	realise(1, a) // as it was
	realise(2, b) // of which nothing was known
	look(known)
	realise(1, b)
	look(none)
	must(t, s.KeepOutcomes(ctx, age, known)) // found before that
	age = look(none)
	must(t, s.KeepOutcomes(ctx, age, known))
	s = reopen(t, s)
	look(known)
	if _, err := s.GC(ctx, GCOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	look(known)
	if _, err := s.GC(ctx, GCOptions{}); err != nil {
		t.Error(err)
	}
	look(none)
}
