package tarball

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/mounttest"
)

func archiveOf(t *testing.T, w *mounttest.World, root store.Digest, c Compression) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, w, root, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// GNU tar makes of an archive what the tree has, however it is compressed.
func TestUnpackedByTar(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	w := mounttest.NewWorld(t)
	for _, c := range []Compression{None, Gzip, Zstd} {
		dir := t.TempDir()
		path := filepath.Join(t.TempDir(), "root.tar")
		if err := os.WriteFile(path, archiveOf(t, w, w.Root, c), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", dir, "-f", path}
		if c != None {
			args = append(args, "--"+string(c))
		}
		if out, err := exec.CommandContext(t.Context(), "tar", args...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%s: tar: %v\n%s", c, err, out)
		}
		w.Compare(t, dir)
	}
}

func TestSameBytes(t *testing.T) {
	w, again := mounttest.NewWorld(t), mounttest.NewWorld(t)
	for _, c := range []Compression{None, Gzip, Zstd} {
		if !bytes.Equal(archiveOf(t, w, w.Root, c), archiveOf(t, again, again.Root, c)) {
			t.Errorf("%s: two archives of one tree differ", c)
		}
	}
}

// Equal files are linked where nobody writes to them, and nowhere else.
func TestHardLinks(t *testing.T) {
	w := mounttest.NewWorld(t)
	b := tree.NewBuilder(w, store.Digest{})
	put := func(path, content string, mode uint32) {
		t.Helper()
		e := tree.Entry{Type: tree.File, Mode: mode}
		var err error
		if e.Digest, e.Size, err = w.AddBlob(t.Context(), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), path, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"usr/a", "usr/b", "etc/a", "etc/b"} {
		put(path, "same", 0o644)
	}
	put("usr/c", "same", 0o600)
	put("usr/d", "", 0o644)
	put("usr/e", "", 0o644)
	root, _, err := b.Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tar", "-x", "--no-same-owner", "-C", dir)
	cmd.Stdin = bytes.NewReader(archiveOf(t, w, root, None))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	for path, want := range map[string]uint64{"usr/a": 2, "usr/b": 2, "usr/c": 1, "usr/d": 1, "usr/e": 1, "etc/a": 1, "etc/b": 1} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, path), &st); err != nil || uint64(st.Nlink) != want {
			t.Errorf("%s: %d links, %v, want %d", path, st.Nlink, err, want)
		}
	}
}

func TestDamagedBlob(t *testing.T) {
	w := mounttest.NewWorld(t)
	b := tree.NewBuilder(w, w.Root)
	e, ok, err := b.Get(t.Context(), "usr/large")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, size := range []int64{e.Size - 1, e.Size + 1} {
		e.Size = size
		if err := b.Put(t.Context(), "usr/large", e); err != nil {
			t.Fatal(err)
		}
		root, _, err := b.Write(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		err = Write(t.Context(), &bytes.Buffer{}, w, root, None)
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("a file of %d bytes whose entry says %d: %v", e.Size, size, err)
		}
	}
}

func TestCompressionOf(t *testing.T) {
	for name, want := range map[string]Compression{"x": None, "x.tar": None, "x.tar.gz": Gzip, "x.tgz": Gzip, "x.tar.zst": Zstd, "gz": None} {
		if got := CompressionOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if err := Write(t.Context(), &bytes.Buffer{}, nil, store.Digest{}, "xz"); err == nil || !strings.Contains(err.Error(), "gzip") {
		t.Errorf("unknown compression: %v", err)
	}
}
