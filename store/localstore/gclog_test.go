package localstore

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sysc/internal/filelock"
	"sysc/store"
)

// Logs go that are old and of nothing that is there, and what killed builds have
// left; a build that runs keeps its log.
func TestGCLogs(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	kept, gone := add(t, s, AddOptions{Name: "kept"}, "f=1"), add(t, s, AddOptions{Name: "gone"}, "f=2")
	hashes := []store.DerivationHash{{1}, {2}, {3}, {4}}
	must(t, s.Register(ctx, []store.Object{kept, gone}, []store.Realisation{
		{Derivation: hashes[0], Output: "out", Path: kept.Path}, {Derivation: hashes[1], Output: "out", Path: gone.Path},
	}))
	must(t, s.AddRoot(ctx, "r", kept.Path))
	s = reopen(t, s)

	old := time.Now().Add(-logAge - time.Hour)
	file := func(name string, at time.Time) string {
		path := filepath.Join(s.LogDir(), name[:2], name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte("log"), 0o600))
		must(t, os.Chtimes(path, at, at))
		return path
	}
	stay := []string{
		file(hashes[0].String()+".zst", old),        // of a live object
		file(hashes[2].String()+".zst", time.Now()), // failed, but a short while ago
	}
	running := file(hashes[0].String()+".part", old)
	f, err := os.Open(running)
	must(t, err)
	must(t, filelock.Hold(f))
	stay = append(stay, running)
	last := filepath.Join(s.LogDir(), "last") // what builds consisted of is kept like logs
	must(t, os.Mkdir(last, 0o755))
	for i, at := range []time.Time{time.Now(), old} {
		path := filepath.Join(last, hashes[i].String()+".zst")
		must(t, os.WriteFile(path, []byte("last"), 0o600))
		must(t, os.Chtimes(path, at, at))
		if i == 0 {
			stay = append(stay, path)
		}
	}
	file(hashes[1].String()+".zst", old)
	file(hashes[3].String()+".zst", old)
	file(hashes[2].String()+".part", time.Now()) // its process was killed
	must(t, os.WriteFile(filepath.Join(s.LogDir(), "01", ".log-123"), nil, 0o600))

	logs := func() (names []string) {
		names, err := filepath.Glob(s.LogDir() + "/*/*")
		must(t, err)
		hidden, err := filepath.Glob(s.LogDir() + "/*/.*")
		must(t, err)
		return slices.Sorted(slices.Values(append(names, hidden...)))
	}
	before := logs()
	dry := gc(t, s, GCOptions{DryRun: true})
	if got := logs(); !slices.Equal(got, before) {
		t.Errorf("a dry run left %v", got)
	}
	result := gc(t, s, GCOptions{})
	slices.Sort(stay)
	if got := logs(); !slices.Equal(got, stay) {
		t.Errorf("got %v, want %v", got, stay)
	}
	if result.Logs != 3 || result.Leftovers != 2 || result.Bytes == 0 || result.Logs != dry.Logs || result.Leftovers != dry.Leftovers || result.Bytes != dry.Bytes {
		t.Errorf("did %+v, announced %+v", result, dry)
	}
	must(t, f.Close())
	if result := gc(t, s, GCOptions{}); result.Leftovers != 1 || result.Logs != 0 {
		t.Errorf("after the build ended: %+v", result)
	}
}

// Downloads go that nobody goes on with: parts that are old, whole files whose process
// was killed before it added them, and locks.
func TestGCDownloads(t *testing.T) {
	s := newStore(t)
	old := time.Now().Add(-partAge - time.Hour)
	file := func(name string, at time.Time) string {
		path := filepath.Join(s.DownloadDir(), name)
		must(t, os.WriteFile(path, []byte("some"), 0o600))
		must(t, os.Chtimes(path, at, at))
		return path
	}
	digest := func(n byte) string { return store.Digest{n}.Hex() }
	stay := []string{
		file(digest(1)+".part", time.Now()), // to be gone on with
		file(digest(2)+".part", old),        // somebody does
	}
	unlock, err := filelock.Lock(t.Context(), filepath.Join(s.DownloadDir(), digest(2)+".lock"), nil)
	must(t, err)
	defer unlock()
	stay = append(stay, filepath.Join(s.DownloadDir(), digest(2)+".lock"))
	file(digest(1)+".lock", time.Now())
	file(digest(3)+".part", old)
	file(digest(3)+".lock", old)
	file(digest(4), time.Now())

	dry := gc(t, s, GCOptions{DryRun: true})
	result := gc(t, s, GCOptions{})
	got, err := filepath.Glob(s.DownloadDir() + "/*")
	must(t, err)
	if slices.Sort(stay); !slices.Equal(got, stay) {
		t.Errorf("got %q, want %q", got, stay)
	}
	if result.Leftovers != 2 || result.Bytes == 0 || dry.Leftovers != 2 || dry.Bytes != result.Bytes {
		t.Errorf("did %+v, announced %+v", result, dry)
	}
}
