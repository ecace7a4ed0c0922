package localstore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLeftovers(t *testing.T) {
	if left, err := Leftovers(filepath.Join(t.TempDir(), "none")); err != nil || len(left) > 0 {
		t.Errorf("no store: got %q, %v", left, err)
	}
	s := newStore(t)
	if _, _, err := s.TempDir(t.Context(), "used"); err != nil {
		t.Fatal(err)
	}
	if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("in use: got %q, %v", left, err)
	}
	// What a process leaves that is killed while it works.
	ended, temp := s.path("sessions/0123456789abcdef"), s.path("tmp/build-0123456789abcdef-1")
	must(t, os.WriteFile(ended, nil, 0o600))
	must(t, os.Mkdir(temp, 0o700))
	left, err := Leftovers(s.Dir())
	if err != nil || !slices.Equal(left, []string{ended, temp}) {
		t.Errorf("got %q, %v, want %q", left, err, []string{ended, temp})
	}
	_, err = s.GC(t.Context(), GCOptions{})
	must(t, err)
	if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("after a collection: got %q, %v", left, err)
	}
}
