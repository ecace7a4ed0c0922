package procfd

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openIn opens a name in a directory by OpenOwn.
func openIn(t *testing.T, dir, name string, flags int) (*os.File, error) {
	t.Helper()
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	fd, err := OpenOwn(int(d.Fd()), name, flags)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { f.Close() })
	return f, nil
}

func TestOpenOwn(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0))
	must(t, os.Chmod(filepath.Join(dir, "file"), 0o011))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0))
	f, err := openIn(t, dir, "file", unix.O_RDONLY)
	must(t, err)
	text := make([]byte, 7)
	if _, err := f.Read(text); err != nil || string(text) != "content" {
		t.Errorf("read %q, %v", text, err)
	}
	sub, err := openIn(t, dir, "sub", unix.O_RDONLY|unix.O_DIRECTORY)
	must(t, err)
	must(t, unix.Mkdirat(int(sub.Fd()), "new", 0o700))
	for name, want := range map[string]fs.FileMode{"file": 0o411, "sub": 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if must(t, err); info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

// TestOpenOwnRefuses what would lead elsewhere, or block.
func TestOpenOwnRefuses(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.WriteFile(elsewhere, nil, 0o200))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0))
	for _, name := range []string{"link", "pipe"} {
		if _, err := openIn(t, dir, name, unix.O_RDONLY); err != unix.ELOOP {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if info, err := os.Stat(elsewhere); err != nil || info.Mode().Perm() != 0o200 {
		t.Errorf("what the link leads to: %v, %v", info, err)
	}
	if _, err := openIn(t, dir, "nothing", unix.O_RDONLY); err != unix.ENOENT {
		t.Errorf("nothing: got %v", err)
	}
}

// TestReopen: a file is reached that has no name any more, for what it was not opened
// for.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, os.Remove(path))
	fd, err := Reopen(int(f.Fd()), unix.O_WRONLY)
	must(t, err)
	w := os.NewFile(uintptr(fd), path)
	defer w.Close()
	_, err = w.WriteString("new")
	must(t, err)
	text, err := os.ReadFile(Path(int(f.Fd())))
	if err != nil || string(text) != "new" {
		t.Errorf("read %q, %v", text, err)
	}
}
