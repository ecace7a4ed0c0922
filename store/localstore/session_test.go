package localstore

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
)

func TestNotes(t *testing.T) {
	want := []note{{digest: store.Digest{1}}, {object: fakePath(t, 'a')}, {digest: store.Digest{2}}}
	var data []byte
	for _, n := range want {
		data = n.append(data)
	}
	// Read at any moment while it is written: what is whole comes, the rest waits.
	for cut := range len(data) + 1 {
		var got []note
		add := func(n note) { got = append(got, n) }
		rest, err := parseNotes(data[:cut], add)
		must(t, err)
		rest, err = parseNotes(append(bytes.Clone(rest), data[cut:]...), add)
		if err != nil || len(rest) > 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %+v, rest %x, %v", cut, got, rest, err)
		}
	}
	// A note of a newer version may keep anything: collecting must not go on.
	if _, err := parseNotes([]byte{'?'}, func(note) {}); err == nil {
		t.Error("an unknown note was accepted")
	}
}

func TestSessionRefused(t *testing.T) {
	s := newStore(t)
	must(t, os.WriteFile(s.path("sessions/newer"), []byte("?"), 0o600))
	f, err := os.Open(s.path("sessions/newer"))
	must(t, err)
	must(t, flock(int(f.Fd()), unix.LOCK_EX))
	if _, err := s.GC(t.Context(), GCOptions{}); err == nil {
		t.Error("collected beside a session that nobody understands")
	}
	must(t, f.Close())
	gc(t, s, GCOptions{})
}

// TestSessionsEndBesideCollection: whoever ends last removes the file of a session that
// ended while garbage was collected, or the store was repaired.
func TestSessionsEndBesideCollection(t *testing.T) {
	s := newStore(t)
	for range 100 {
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				other, err := Open(t.Context(), s.Dir(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				switch i {
				case 0, 1:
					_, err = other.GC(t.Context(), GCOptions{})
				case 2:
					_, err = other.Repair(t.Context(), nil, nil)
				}
				if err := errors.Join(err, other.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
			t.Fatalf("got %q, %v", left, err)
		}
	}
}

func FuzzParseNotes(f *testing.F) {
	f.Add(note{object: "x"}.append(note{digest: store.Digest{3}}.append(nil)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		rest, err := parseNotes(data, func(n note) { again = n.append(again) })
		if err == nil && !bytes.Equal(append(again, rest...), data) {
			t.Errorf("%x becomes %x and %x", data, again, rest)
		}
	})
}
