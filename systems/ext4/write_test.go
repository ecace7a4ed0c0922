package ext4

import (
	"bytes"
	"fmt"
	"io"
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

var testOptions = Options{
	Size: 300 << 20, Label: "data",
	UUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, HashSeed: [16]byte{7},
}

func newImage(t *testing.T, src Source, root store.Digest, opts Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(opts.Size); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), f, src, root, opts); err != nil {
		t.Fatal(err)
	}
	return path
}

// check lets e2fsck look at an image, of which it finds nothing to repair.
func check(t *testing.T, image string) {
	t.Helper()
	program, err := exec.LookPath("e2fsck")
	if err != nil {
		t.Skip("e2fsck is not installed: apt-get install e2fsprogs")
	}
	out, err := exec.CommandContext(t.Context(), program, "-fn", image).CombinedOutput()
	if err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}

// loop mounts an image that may be written to.
func loop(t *testing.T, image, dir string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
}

func TestMount(t *testing.T) {
	mounttest.OwnMounts(t)
	w := mounttest.NewWorld(t)
	image := newImage(t, w, w.Root, testOptions)
	check(t, image)
	dir := t.TempDir()
	loop(t, image, dir)
	if err := os.Remove(filepath.Join(dir, lostFound)); err != nil { // not in the tree
		t.Error(err)
	}
	w.Compare(t, dir)
	// It is a file system to work with: what is written is there after another
	// mount, and nothing broke.
	large := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	if err := os.WriteFile(filepath.Join(dir, "usr/new"), large, 0o644); err != nil {
		t.Error(err)
	}
	for i := range 2000 {
		if err := os.WriteFile(fmt.Sprintf("%s/usr/many/new-%d-%s", dir, i, strings.Repeat("n", 200)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	check(t, image)
	loop(t, image, dir)
	if got, err := os.ReadFile(filepath.Join(dir, "usr/new")); err != nil || !bytes.Equal(got, large) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
}

// A file larger than a group has several extents, one larger than four groups has
// them in a block of their own.
func TestLargeFiles(t *testing.T) {
	w := mounttest.NewWorld(t)
	b := tree.NewBuilder(w, store.Digest{})
	for name, size := range map[string]int64{"one": 130 << 20, "two": 530 << 20} {
		// All zeros: the store's file is a hole.
		d, n, err := w.AddBlob(t.Context(), io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), name, tree.Entry{Type: tree.File, Mode: 0o644, Size: n, Digest: d}); err != nil {
			t.Fatal(err)
		}
	}
	root, _, err := b.Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	opts := testOptions
	opts.Size = 1 << 30
	check(t, newImage(t, w, root, opts))
	opts.Size = 640 << 20
	if err := Write(t.Context(), discard{}, w, root, opts); err == nil {
		t.Error("660 MiB fit into 640 MiB")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// Sizes around those of groups give whole file systems.
func TestSizes(t *testing.T) {
	w := mounttest.NewWorld(t)
	for _, blocks := range []int64{4096, 32768, 32769, 32768 + 514, 32768 + 515, 32768 + 516, 65536, 65537 + 700, 3 * 32768} {
		opts := testOptions
		opts.Size = blocks*blockSize + 1000
		check(t, newImage(t, w, w.Root, opts))
	}
}

func TestSameBytes(t *testing.T) {
	w := mounttest.NewWorld(t)
	var images [2][]byte
	for i := range images {
		data, err := os.ReadFile(newImage(t, w, w.Root, testOptions))
		if err != nil {
			t.Fatal(err)
		}
		images[i] = data
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of one tree differ")
	}
}
