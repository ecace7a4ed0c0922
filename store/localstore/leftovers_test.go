package localstore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sysc/internal/filelock"
	"sysc/store"
)

func TestLeftovers(t *testing.T) {
	if left, err := Leftovers(filepath.Join(t.TempDir(), "none")); err != nil || len(left) > 0 {
		t.Errorf("no store: got %q, %v", left, err)
	}
	s := newStore(t)
	if _, _, err := s.TempDir(t.Context(), "used"); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock(t.Context(), "used", nil)
	must(t, err)
	defer unlock()
	add(t, s, AddOptions{Name: "used"}, "f=1")
	shard := s.path("blobs/" + shardName(s.blobDirs.existing()[0]))
	log := filepath.Join(s.LogDir(), "ab")
	must(t, os.Mkdir(log, 0o755))
	must(t, os.WriteFile(filepath.Join(log, "ended"+logSuffix), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(shard, s.tempName()), nil, 0o444))
	running, err := os.Create(filepath.Join(log, "runs.part"))
	must(t, err)
	defer running.Close()
	must(t, filelock.Hold(running))
	if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("in use: got %q, %v", left, err)
	}
	// What a process leaves that is killed while it works.
	want := []string{
		filepath.Join(shard, ".t-0123456789abcdef-4"),
		filepath.Join(log, "killed.part"),
		s.path("cache/.t-0123456789abcdef-3"),
		s.path("downloads/" + store.Digest{2}.Hex() + ".lock"),
		s.path("locks/" + store.Digest{1}.Hex()),
		s.path("records/.t-0123456789abcdef-2"),
		s.path("sessions/0123456789abcdef"),
	}
	for _, file := range want {
		must(t, os.WriteFile(file, nil, 0o600))
	}
	for _, dir := range []string{s.path("checkouts/.t-0123456789abcdef-5"), s.path("store/.t-0123456789abcdef-6"), s.path("tmp/build-0123456789abcdef-1")} {
		must(t, os.Mkdir(dir, 0o700))
		want = append(want, dir)
	}
	slices.Sort(want)
	left, err := Leftovers(s.Dir())
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("got %q, %v, want %q", left, err, want)
	}
	_, err = s.GC(t.Context(), GCOptions{})
	must(t, err)
	if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("after a collection: got %q, %v", left, err)
	}
}

// TestMovedUpIsOwned: what is being removed is nobody else's to remove, wherever it is.
func TestMovedUpIsOwned(t *testing.T) {
	s := newStore(t)
	r := &remover{prefix: s.tempName()}
	for range 2 {
		must(t, os.Mkdir(s.path("tmp/"+r.upName()), 0o700))
	}
	if left, err := Leftovers(s.Dir()); err != nil || len(left) > 0 {
		t.Errorf("got %q, %v", left, err)
	}
	if result := gc(t, s, GCOptions{}); result.Leftovers > 0 {
		t.Errorf("collected %+v", result)
	}
}
