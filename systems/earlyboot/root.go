package earlyboot

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/systems/composefs"
	"sysc/systems/fstab"
)

// Where things are on the data partition.
const (
	blobsDir       = "sysc/blobs"
	generationsDir = "sysc/generations"
	etcWorkDir     = "sysc/state/etc/work"
	// EtcDir has what the machine changed in /etc.
	EtcDir = "sysc/state/etc/upper"
	// imageName is the name of a generation's root, as composefs metadata, in the
	// generation's directory (generation.ImageName).
	imageName = "root.cfs"
)

// MountGeneration mounts a generation of the data partition at data as a whole root at
// root, a directory; see the package's comment for what is mounted where.
func MountGeneration(data, root string, generation int) error {
	image := filepath.Join(data, generationsDir, fmt.Sprint(generation), imageName)
	if err := composefs.Mount(image, filepath.Join(data, blobsDir), root); err != nil {
		return err
	}
	if err := mountEtc(data, root); err != nil {
		return err
	}
	return mountState(data, root)
}

// mountEtc lays what the machine changed in /etc over what the generation has.
func mountEtc(data, root string) error {
	upper, work := filepath.Join(data, EtcDir), filepath.Join(data, etcWorkDir)
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("mount /etc: %w", err)
		}
	}
	etc := filepath.Join(root, "etc")
	// The layer below changes with the generation, which an index would notice.
	options := "lowerdir=" + etc + ",upperdir=" + upper + ",workdir=" + work + ",index=off,metacopy=off"
	if err := unix.Mount("etc", etc, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount /etc: overlay of %s: %w", etc, err)
	}
	return nil
}

// mountState mounts each directory of the data partition that the root has, too, but for
// those at which the machine's own init mounts something: it takes a directory where
// something is mounted for one where it has nothing left to do.
func mountState(data, root string) error {
	entries, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("mount directories of the machine: %w", err)
	}
	others := mountedLater(root)
	for _, e := range entries {
		target := filepath.Join(root, e.Name())
		info, err := os.Lstat(target)
		if !e.IsDir() || err != nil || !info.IsDir() || others[e.Name()] {
			continue
		}
		if err := unix.Mount(filepath.Join(data, e.Name()), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount /%s: %w", e.Name(), err)
		}
	}
	return nil
}

// mountedLater returns the top-level directories at which /etc/fstab of a root mounts
// something, without those that no generation can be without. A file that cannot be read
// mounts nothing, for systemd neither.
func mountedLater(root string) map[string]bool {
	points := map[string]bool{}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return points
	}
	defer dir.Close()
	f, err := dir.OpenFile(strings.TrimPrefix(fstab.Path, "/"), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return points
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fstab.MaxSize))
	if err != nil {
		return points
	}
	for _, p := range fstab.MountPoints(string(text)) {
		points[p[1:]] = true
	}
	delete(points, "sysc")
	delete(points, "var")
	return points
}

// kernelMounts are the file systems that the kernel fills, in the order in which
// they are mounted.
var kernelMounts = []struct{ kind, dir, options string }{
	{"devtmpfs", "/dev", "mode=0755"},
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"tmpfs", "/run", "mode=0755"},
}

func mountKernelFiles() error {
	for _, m := range kernelMounts {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		err := unix.Mount(m.kind, m.dir, m.kind, unix.MS_NOSUID, m.options)
		if err != nil && !(err == unix.EBUSY && m.kind == "devtmpfs") { // the kernel may have mounted it
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// enter makes root the root directory of everything, and the files of the initrd
// go.
func enter(root string) error {
	for _, m := range kernelMounts {
		if err := unix.Mount(m.dir, root+m.dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", m.dir, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	removeInitrd()
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	return os.Chdir("/")
}

// removeInitrd gives the memory back that the files of the initrd take. Nothing
// depends on it.
func removeInitrd() {
	os.RemoveAll(ModulesDir)
	os.Remove("/init")
}
