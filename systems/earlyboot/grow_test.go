package earlyboot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/systems/ext4"
	"sysc/systems/mounttest"
)

// A file system of sysc's own grows while it is mounted, and is whole afterwards.
func TestGrowExt4(t *testing.T) {
	mounttest.OwnMounts(t)
	w := mounttest.NewWorld(t)
	path, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const small, large = 80 << 20, 3 << 30
	if err := f.Truncate(small); err != nil {
		t.Fatal(err)
	}
	if err := ext4.Write(t.Context(), f, w, w.Root, ext4.Options{Size: small, Label: "test", UUID: [16]byte{1}, HashSeed: [16]byte{2}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(large); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	device := run("losetup", "-f", "--show", path)
	defer exec.Command("losetup", "-d", device).Run()
	run("mount", device, dir)
	defer unix.Unmount(dir, unix.MNT_DETACH)
	for range 2 { // the second time there is nothing to do
		err := growExt4(device, dir)
		if errors.Is(err, unix.EPERM) {
			t.Skip("only root with CAP_SYS_RESOURCE can grow a file system; a machine of TestVMFormats does")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || int64(st.Blocks)*st.Bsize < large*9/10 {
		t.Errorf("%d blocks of %d bytes, %v", st.Blocks, st.Bsize, err)
	}
	run("umount", dir)
	run("e2fsck", "-fn", device)
}
