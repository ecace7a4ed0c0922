package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	path := filepath.Join(dir, name)
	for _, tt := range []struct {
		data string
		perm os.FileMode
	}{{"one", 0o600}, {"", 0o444}, {"three", 0o666}} {
		if err := WriteFile(path, []byte(tt.data), tt.perm); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		info, _ := os.Stat(path)
		if err != nil || string(data) != tt.data || info.Mode() != tt.perm {
			t.Errorf("got %q, %v, %v; want %q, %v", data, info.Mode(), err, tt.data, tt.perm)
		}
	}
	only(t, dir, name)
}

// When it cannot be put in its place, nothing is left and nothing is changed.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/taken/by", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(dir+"/taken", []byte("x"), 0o644); err == nil {
		t.Error("replaced a directory")
	}
	if err := Symlink("x", dir+"/taken"); err == nil {
		t.Error("replaced a directory by a link")
	}
	err := WriteFile(dir+"/no/such", nil, 0o644)
	if want := "write " + dir + "/no/such: no such file or directory"; err == nil || err.Error() != want || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %s", err, want)
	}
	only(t, dir, "taken")
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "current")
	for _, target := range []string{"generations/1", "generations/2", "/sysc/store"} {
		if err := Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != target {
			t.Errorf("got %q, %v; want %q", got, err, target)
		}
	}
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Symlink("x", dir+"/file"); err != nil {
		t.Error(err)
	}
	only(t, dir, "current", "file")
}

func TestSync(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := SyncFS(dir); err != nil {
		t.Error(err)
	}
	if err := SyncDir(dir + "/none"); err == nil {
		t.Error("synced what is not there")
	}
	if err := SyncFS(dir + "/none"); err == nil {
		t.Error("synced what is not there")
	}
}
