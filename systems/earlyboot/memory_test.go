package earlyboot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/systems/earlyboot"
	"sysc/systems/erofs"
	"sysc/systems/mounttest"
	"sysc/systems/squashfs"
)

// A root from an image is the tree that the image was made of, and can be changed; the
// image stays as it is.
func TestMountMemory(t *testing.T) {
	mounttest.OwnMounts(t)
	w := mounttest.NewWorld(t)
	for _, kind := range []string{"squashfs", "erofs"} {
		image, root := filepath.Join(t.TempDir(), "image"), t.TempDir()
		f, err := os.Create(image)
		if err != nil {
			t.Fatal(err)
		}
		mounted := w
		if kind == "squashfs" {
			err = squashfs.Write(t.Context(), f, w, w.Root)
			mounted = w.WithoutACL(t)
		} else {
			err = erofs.Write(t.Context(), f, w, w.Root)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		state := filepath.Join(t.TempDir(), "state")
		if err := unix.Mount("memory", filepath.Dir(state), "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		if err := earlyboot.MountMemory(image, state, root); err != nil {
			t.Fatal(err)
		}
		mounted.Compare(t, root)
		for _, name := range []string{"new", "etc/hostname", "usr/bin/su"} {
			if err := os.WriteFile(filepath.Join(root, name), []byte("x"), 0o644); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		if text, err := os.ReadFile(filepath.Join(root, "etc/hostname")); err != nil || string(text) != "x" {
			t.Errorf("%s: %q, %v", kind, text, err)
		}
		for _, dir := range []string{root, filepath.Join(state, "changes"), filepath.Join(state, "image"), filepath.Dir(state)} {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
	odd := filepath.Join(t.TempDir(), "odd")
	if err := os.WriteFile(odd, []byte("no file system"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := earlyboot.MountMemory(odd, t.TempDir(), t.TempDir()); err == nil {
		t.Error("a file without a file system was mounted")
	}
}
