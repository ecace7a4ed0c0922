package composefs_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store/localstore"
	"sysc/systems/composefs"
	"sysc/systems/erofs"
	"sysc/systems/mounttest"
)

// image writes an image to a file.
func image(t *testing.T, dir string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMount(t *testing.T) {
	mounttest.OwnMounts(t)
	w := mounttest.NewWorld(t)
	img := image(t, t.TempDir(), func(to io.Writer) error {
		return erofs.WriteComposefs(t.Context(), to, w, w.Root, localstore.BlobPath)
	})
	dir := t.TempDir()
	if err := composefs.Mount(img, filepath.Join(w.Dir, localstore.BlobsDir), dir); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	w.Compare(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "etc/hostname"), nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing: %v", err)
	}
}

func TestMountImage(t *testing.T) {
	mounttest.OwnMounts(t)
	w := mounttest.NewWorld(t)
	full := func(to io.Writer) error { return erofs.Write(t.Context(), to, w, w.Root) }
	memory := t.TempDir()
	if err := unix.Mount("tmpfs", memory, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	// In memory a file can be mounted by a loop device only.
	for _, where := range []string{t.TempDir(), memory} {
		dir := t.TempDir()
		if err := composefs.MountImage("erofs", image(t, where, full), dir); err != nil {
			t.Fatal(err)
		}
		w.Compare(t, dir)
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Unmount(memory, 0); err != nil {
		t.Fatal(err)
	}
}

func TestMountFails(t *testing.T) {
	mounttest.OwnMounts(t)
	dir := t.TempDir()
	garbage := image(t, t.TempDir(), func(to io.Writer) error {
		_, err := to.Write(make([]byte, 1<<16))
		return err
	})
	for name, path := range map[string]string{"garbage": garbage, "nothing": garbage + "2"} {
		if err := composefs.Mount(path, dir, dir); err == nil {
			t.Errorf("%s was mounted", name)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}
