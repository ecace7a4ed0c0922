package localstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKeepFailed: what failed work left outlives collections for a while, and no
// longer.
func TestKeepFailed(t *testing.T) {
	s := newStore(t)
	var kept []string
	for _, content := range []string{"first", "second"} {
		dir, _, err := s.TempDir(t.Context(), "build")
		must(t, err)
		must(t, os.WriteFile(dir+"/evidence", []byte(content), 0o600))
		must(t, os.Chtimes(dir, time.Unix(1, 0), time.Unix(1, 0))) // the work took long
		path, err := s.KeepFailed(dir, "hello")
		must(t, err)
		kept = append(kept, path)
	}
	if info, err := os.Stat(filepath.Dir(kept[0])); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can reach it: %v, %v", info.Mode(), err)
	}
	must(t, s.Close())
	s = open(t, s.dir)
	must(t, os.Chtimes(kept[1], time.Time{}, time.Now().Add(-KeptFailed-time.Minute)))
	for _, dryRun := range []bool{true, false} {
		if got := gc(t, s, GCOptions{DryRun: dryRun}); got.Leftovers != 1 {
			t.Errorf("dry run %t: %+v", dryRun, got)
		}
		if text, err := os.ReadFile(kept[0] + "/evidence"); err != nil || string(text) != "first" {
			t.Errorf("dry run %t: got %q, %v", dryRun, text, err)
		}
		if _, err := os.Stat(kept[1]); errors.Is(err, fs.ErrNotExist) == dryRun {
			t.Errorf("dry run %t, of what is old: %v", dryRun, err)
		}
	}
}
