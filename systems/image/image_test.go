package image_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/earlyboot"
	"sysc/systems/image"
	"sysc/systems/mounttest"
	"sysc/systems/systemstest"
)

// entries are a root as packages make it, with a kernel and a boot loader. It has
// erofs and overlay built in.
var entries = []string{
	"f usr/bin/sh 0755 #!shell", "f usr/bin/su 4755 su", "f usr/bin/twin 0755 same", "f usr/share/twin 0644 same",
	"l bin usr/bin", "l lib usr/lib",
	"f etc/hostname 0644 host", "f etc/shadow 0640:0:42 root:*",
	"d home 0755", "f home/ada/.profile 0600:1000:1000 PATH=/bin", "d root 0700", "d tmp 1777",
	"f var/lib/app/data 0640:0:7 factory", "l var/lib/dpkg ../../usr/lib/sysc/dpkg", "f usr/lib/sysc/dpkg/status 0644 Package: test",
	"f boot/vmlinuz-6.1 0644 the kernel",
	"f usr/lib/modules/6.1/modules.dep 0644 kernel/drivers/virtio.ko:", "f usr/lib/modules/6.1/modules.alias 0644 alias virtio:* virtio",
	"f usr/lib/modules/6.1/modules.builtin 0644 kernel/fs/erofs/erofs.ko\nkernel/fs/overlayfs/overlay.ko",
	"f usr/lib/modules/6.1/kernel/drivers/virtio.ko 0644 module",
	"f usr/lib/systemd/boot/efi/systemd-bootx64.efi 0644 the loader",
}

// A lab is a store with a system.
type lab struct {
	store  *localstore.Store
	system *systems.System
}

func newLab(t *testing.T, entries []string, initrd *systems.Initrd) *lab {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	st, err := localstore.Open(t.Context(), filepath.Join(dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	g := derivations.NewGraph()
	base, err := systemstest.AddRoot(g, entries)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := systems.Compose(g, systems.Definition{
		Name: "test", Platform: "linux/amd64", Hostname: "testhost", Root: base, KernelParams: []string{"quiet"},
		Files:  []systems.File{{Path: "/etc/motd", Content: "hello\n", Mode: 0o644}},
		Initrd: initrd,
	})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := build.Realise(t.Context(), st, g, []derivations.Ref{ref}, &build.Options{Builtins: systemstest.Builtins()})
	if err != nil {
		t.Fatal(err)
	}
	system, err := systems.Load(t.Context(), st, paths[ref])
	if err != nil {
		t.Fatal(err)
	}
	return &lab{st, system}
}

// The sizes of the disk and boot partition in tests, in bytes.
const (
	diskSize = 80 << 20
	bootSize = 40 << 20
)

func options() image.Options {
	return image.Options{
		Size: diskSize, BootSize: bootSize, Params: []string{"console=ttyS0"},
	}
}

// raw makes a disk image in a file.
func (l *lab) raw(ctx context.Context, t *testing.T, opts image.Options) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opts.Store = image.MachineStore{
		BlobPath: localstore.BlobPath,
		Put: func(ctx context.Context, b *tree.Builder, at string, system store.Path, links map[string]store.Path) error {
			return l.store.Replicate(ctx, b, at, localstore.Replica{Objects: []store.Path{system}, Links: links})
		},
	}
	return path, image.Raw(ctx, f, l.store, l.system, opts)
}

func TestRawBootPartition(t *testing.T) {
	mtype, err := exec.LookPath("mtype")
	if err != nil {
		t.Skip("mtype is not installed: apt-get install mtools")
	}
	l := newLab(t, entries, systemstest.Initrd())
	disk, err := l.raw(t.Context(), t, options())
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), mtype, "-i", disk+"@@1M", "::"+name).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	for _, name := range []string{"/EFI/BOOT/BOOTX64.EFI", "/EFI/systemd/systemd-bootx64.efi"} {
		if got := read(name); got != "the loader\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := read("/loader/loader.conf"); strings.Contains(got, "default") || !strings.Contains(got, "editor no") {
		t.Errorf("loader.conf: %q", got)
	}
	entry := map[string]string{}
	for line := range strings.Lines(read("/loader/entries/sysc-1.conf")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		entry[key] = strings.TrimSpace(value)
	}
	if got := read(entry["linux"]); got != "the kernel\n" {
		t.Errorf("kernel: %q", got)
	}
	if got := read(entry["initrd"]); !strings.HasPrefix(got, "\x28\xb5\x2f\xfd") {
		t.Errorf("initrd: %q", got)
	}
	p, err := earlyboot.ParseParameters(entry["options"])
	if err != nil || p.Generation != 1 || !strings.HasPrefix(p.Data, "UUID=") {
		t.Errorf("options %q: %+v, %v", entry["options"], p, err)
	}
	if words := strings.Fields(entry["options"]); !slices.Contains(words, "console=ttyS0") || !slices.Contains(words, "quiet") {
		t.Errorf("options: %q", words)
	}
}

// The initrd's own way to a root works with the data partition.
func TestRawGeneration(t *testing.T) {
	mounttest.OwnMounts(t)
	l := newLab(t, entries, systemstest.Initrd())
	disk, err := l.raw(t.Context(), t, options())
	if err != nil {
		t.Fatal(err)
	}
	const start = 1<<20 + bootSize
	data, root := t.TempDir(), t.TempDir()
	for range 2 { // as it is made, and as the first boot left it
		out, err := exec.CommandContext(t.Context(), "mount", "-o", fmt.Sprintf("loop,offset=%d", start), disk, data).CombinedOutput()
		if err != nil {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		if err := earlyboot.MountGeneration(data, root, 1); err != nil {
			t.Fatal(err)
		}
		checkGeneration(t, root)
		l.checkStore(t, filepath.Join(data, "sysc"))
		for _, dir := range []string{root, data} {
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := earlyboot.MountGeneration(data, root, 2); err == nil {
		t.Error("a generation that is not there was mounted")
	}
}

// Where a machine mounts something of its own, the data partition has nothing to say.
func TestRawFstab(t *testing.T) {
	mounttest.OwnMounts(t)
	const text = "/dev/sdb /srv ext4 defaults 0 2\n/dev/sdc /var ext4 defaults 0 2\n/dev/sdd /home/a ext4 defaults 0 2\n"
	l := newLab(t, append(slices.Clone(entries), "d srv 0755", "f etc/fstab 0644 "+strings.TrimSuffix(text, "\n")), systemstest.Initrd())
	disk, err := l.raw(t.Context(), t, options())
	if err != nil {
		t.Fatal(err)
	}
	data, root := t.TempDir(), t.TempDir()
	out, err := exec.CommandContext(t.Context(), "mount", "-o", fmt.Sprintf("loop,offset=%d", 1<<20+bootSize), disk, data).CombinedOutput()
	if err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	if err := earlyboot.MountGeneration(data, root, 1); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(data, unix.MNT_DETACH)
	defer unix.Unmount(root, unix.MNT_DETACH)
	// Only this thread sees what is mounted.
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{"srv": false, "var": true, "home": true, "sysc": true} {
		if got := strings.Contains(string(mounts), " "+filepath.Join(root, dir)+" "); got != want {
			t.Errorf("/%s is mounted: %v, want %v", dir, got, want)
		}
	}
}

// checkStore: the machine's store is one, and keeps its system.
func (l *lab) checkStore(t *testing.T, dir string) {
	t.Helper()
	// The store works in many threads, and only this one sees what is mounted.
	copied := filepath.Join(t.TempDir(), "sysc")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	t.Cleanup(func() { systemstest.MakeWritable(copied) })
	st, err := localstore.Open(t.Context(), copied, &localstore.Options{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Verify(t.Context(), func(p localstore.Problem) { t.Errorf("verify: %v", p) }); err != nil {
		t.Error(err)
	}
	// The link is seen from the machine, which is not here.
	if roots, err := st.Roots(t.Context()); err != nil || len(roots) != 1 || roots[0].Path != l.system.Path || !roots[0].Unreachable {
		t.Errorf("roots: %+v, %v", roots, err)
	}
	if system, err := systems.Load(t.Context(), st, l.system.Path); err != nil || system.Digest != l.system.Digest {
		t.Errorf("system: %+v, %v", system, err)
	}
}

func checkGeneration(t *testing.T, root string) {
	t.Helper()
	for path, want := range map[string]string{
		"etc/motd": "hello\n", "etc/hostname": "testhost\n", "usr/bin/twin": "same\n", "usr/share/twin": "same\n", "bin/sh": "#!shell\n",
		"var/lib/app/data": "factory\n", "var/lib/dpkg/status": "Package: test\n", "home/ada/.profile": "PATH=/bin\n",
	} {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string][3]uint32{
		"usr/bin/su": {0o4755, 0, 0}, "etc/shadow": {0o640, 0, 42}, "var/lib/app/data": {0o640, 0, 7}, "home/ada/.profile": {0o600, 1000, 1000},
	} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, path), &st); err != nil || [3]uint32{st.Mode & 0o7777, st.Uid, st.Gid} != want {
			t.Errorf("%s: mode %o, owner %d:%d, %v", path, st.Mode, st.Uid, st.Gid, err)
		}
	}
	for _, path := range []string{"usr/new", "new", "usr/lib/sysc/dpkg/status"} {
		if err := os.WriteFile(filepath.Join(root, path), nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s: %v", path, err)
		}
	}
	for _, path := range []string{"etc/new", "etc/motd2", "var/new", "home/ada/new", "root/new"} {
		if err := os.WriteFile(filepath.Join(root, path), nil, 0o644); err != nil {
			t.Error(err)
		}
	}
	if target, err := os.Readlink(filepath.Join(root, "sysc/generations/current")); err != nil || target != "1" {
		t.Errorf("current generation %q, %v", target, err)
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "boot", "tmp"} {
		if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestRawSameBytes(t *testing.T) {
	var images [2]store.Digest
	for i := range images {
		l := newLab(t, entries, systemstest.Initrd()) // in another store, another time
		path, err := l.raw(t.Context(), t, options())
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		images[i] = store.DigestOf(data)
	}
	if images[0] != images[1] {
		t.Error("two images of one system differ")
	}
}

func TestRawRefuses(t *testing.T) {
	without := func(word string) []string {
		return slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return strings.Contains(e, word) })
	}
	initrd := systemstest.Initrd()
	for name, c := range map[string]struct {
		entries []string
		initrd  *systems.Initrd
		change  func(o *image.Options)
		want    string
	}{
		"no kernel":    {without("vmlinuz"), nil, func(*image.Options) {}, "linux-image"},
		"other initrd": {append(slices.Clone(entries), "f boot/initrd.img-6.1 0644 initramfs"), nil, func(*image.Options) {}, "boot.initrd"},
		"no loader":    {without("systemd-boot"), initrd, func(*image.Options) {}, "systemd-boot-efi"},
		"small disk":   {entries, initrd, func(o *image.Options) { o.Size = 42 << 20 }, "small"},
		"small boot":   {entries, initrd, func(o *image.Options) { o.BootSize = 1 << 20 }, "FAT"},
	} {
		l := newLab(t, c.entries, c.initrd)
		opts := options()
		c.change(&opts)
		_, err := l.raw(t.Context(), t, opts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %s", name, err, c.want)
		}
	}
}
