package rootdir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/systems/rootdir"
)

func open(t *testing.T) (*rootdir.Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := rootdir.Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

func TestWriteReplacesWhole(t *testing.T) {
	d, path := open(t)
	name := filepath.Join(path, "f")
	for _, text := range []string{"one", "two"} {
		if err := d.WriteFile("f", []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != text {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	broken := errors.New("broken")
	err := d.Write("f", 0o600, func(f *os.File) error { f.WriteString("half"); return broken })
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(name); string(got) != "two" {
		t.Errorf("a failed write left %q", got)
	}
	if entries, _ := os.ReadDir(path); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestNothingLeadsOut(t *testing.T) {
	d, path := open(t)
	outside := t.TempDir()
	for name, target := range map[string]string{"absolute": outside, "relative": "../" + filepath.Base(outside), "up": ".."} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"write":   d.WriteFile(name+"/f", nil, 0o600),
			"mkdir":   d.Mkdir(name+"/d", 0o755),
			"symlink": d.Symlink("x", name+"/l"),
			"remove":  d.RemoveAll(name + "/x"),
			"rename":  d.Rename(name+"/a", "b"),
		} {
			if err == nil {
				t.Errorf("%s through the %s link succeeded", what, name)
			}
		}
		if _, err := d.Sub(name); err == nil {
			t.Errorf("opened the %s link", name)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("written outside: %v, %v", entries, err)
	}
}

func TestSubInRootResolvesAsTheMachineDoes(t *testing.T) {
	d, path := open(t)
	if err := os.MkdirAll(filepath.Join(path, "run/lock"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, "var"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"var/run": "/run", "var/up": "../../../../run"} {
		if err := os.Symlink(target, filepath.Join(path, link)); err != nil {
			t.Fatal(err)
		}
		sub, err := d.SubInRoot("/" + link + "/lock")
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.WriteFile("f", []byte("x"), 0o600); err != nil {
			t.Error(err)
		}
		sub.Close()
		if err := os.Remove(filepath.Join(path, "run/lock/f")); err != nil {
			t.Errorf("through %s: %v", link, err)
		}
	}
	if _, err := d.SubInRoot("/var/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

func TestPathSurvivesASwap(t *testing.T) {
	d, path := open(t)
	outside := t.TempDir()
	if err := d.Mkdir("a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	sub, err := d.Sub("a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if err := os.Rename(filepath.Join(path, "a"), filepath.Join(path, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(path, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sub.Path("f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(path, "moved/b/f")); err != nil {
		t.Error(err)
	}
}

func TestRemoveAllEntersSealedDirectories(t *testing.T) {
	d, path := open(t)
	if err := os.MkdirAll(filepath.Join(path, "a/b/c"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"a/b/c", "a/b", "a"} {
		if err := os.Chmod(filepath.Join(path, dir), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.RemoveAll("a"); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveAll("a"); err != nil {
		t.Errorf("second time: %v", err)
	}
}

func TestCleanRemovesAsideOnly(t *testing.T) {
	d, path := open(t)
	long := strings.Repeat("x", 255)
	for _, name := range []string{rootdir.Aside("f"), rootdir.Aside(long), "f", ".hidden", "f.sysc-new"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Clean("."); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := ".hidden f f.sysc-new"; strings.Join(got, " ") != want {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestReadFileIsBounded(t *testing.T) {
	d, path := open(t)
	if err := os.WriteFile(filepath.Join(path, "f"), make([]byte, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadFile("f", 10); err == nil {
		t.Error("read more than the limit")
	}
	if got, err := d.ReadFile("f", 11); err != nil || len(got) != 11 {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if _, err := d.ReadFile(".", 10); err == nil {
		t.Error("read a directory")
	}
}
