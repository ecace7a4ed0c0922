package sandbox

import (
	"golang.org/x/sys/unix"
)

// devices are those of the host's that everything needs; none of them leads
// anywhere. tty is the process's own terminal, of which it has none.
var devices = []string{"full", "null", "random", "tty", "urandom", "zero"}

var deviceLinks = map[string]string{
	"fd":     "/proc/self/fd",
	"ptmx":   "pts/ptmx",
	"stderr": "/proc/self/fd/2",
	"stdin":  "/proc/self/fd/0",
	"stdout": "/proc/self/fd/1",
}

// mountDev mounts a /dev with the devices and a devpts of its own.
func mountDev(top place) error {
	// Not the usual mode 1777: opening a device with O_CREAT, as a shell's
	// redirection does, fails in a sticky directory that is writable for all when
	// the device belongs to somebody else (fs.protected_regular).
	dev, err := top.mountNew("dev", "tmpfs", plain, "mode", "0755")
	if err != nil {
		return kernelStep(err, "mount /dev")
	}
	defer dev.close()
	for _, name := range devices {
		if err := showDevice(dev, name); err != nil {
			return step(err, "show /dev/%s", name)
		}
	}
	for name, target := range deviceLinks {
		if err := unix.Symlinkat(target, dev.fd, name); err != nil {
			return step(err, "make /dev/%s", name)
		}
	}
	if err := mountIn(dev, "pts", "devpts", "mode", "0620", "ptmxmode", "0666"); err != nil {
		return kernelStep(err, "mount /dev/pts")
	}
	if err := mountIn(dev, "shm", "tmpfs", "mode", "1777"); err != nil {
		return step(err, "mount /dev/shm")
	}
	return step(dev.seal(), "make /dev read-only")
}

func mountIn(dir place, name, fstype string, options ...string) error {
	if err := dir.makeDir(name); err != nil {
		return err
	}
	attrs := plain | unix.MOUNT_ATTR_NOEXEC
	if fstype == "devpts" {
		attrs &^= unix.MOUNT_ATTR_NODEV
	}
	p, err := dir.mountNew(name, fstype, attrs, options...)
	if err != nil {
		return err
	}
	p.close()
	return nil
}

// showDevice shows a device of the host. A device can be written on a read-only
// mount; its mode, which is the host's, cannot be changed there.
func showDevice(dev place, name string) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/dev/"+name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	attr := &unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC,
		Propagation: unix.MS_PRIVATE,
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		unix.Close(fd)
		return err
	}
	if err := dev.makeFile(name); err != nil {
		unix.Close(fd)
		return err
	}
	return dev.mount(fd, name)
}

// masked are files of proc that tell of the host's memory or keys, or act on
// the host. When root builds, its id owns them inside as well.
var masked = []string{
	"kallsyms", "kcore", "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags",
	"latency_stats", "sched_debug", "slabinfo", "sysrq-trigger", "timer_list", "vmallocinfo",
}

// mountProcStep is what diagnose knows the mount of proc by.
const mountProcStep = "mount /proc"

// mountProc mounts the proc of the new pid namespace, read-only as a whole:
// host root's id owns the host's settings in it (/proc/sys, /proc/irq, …), and
// there is no telling what the next kernel puts there.
func mountProc(top place, req *request) error {
	attrs := readOnly | unix.MOUNT_ATTR_NOEXEC
	if req.lacks(readOnlyProc) {
		attrs &^= unix.MOUNT_ATTR_RDONLY
	}
	proc, err := top.mountNew("proc", "proc", attrs)
	if err != nil {
		return kernelStep(err, mountProcStep)
	}
	defer proc.close()
	if req.lacks(readOnlyProc) {
		return nil
	}
	for _, name := range masked {
		target, err := proc.open(name, 0)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return step(err, "hide /proc/%s", name)
		}
		fd, err := clone(top.fd, "dev/null", unix.MOUNT_ATTR_RDONLY)
		if err == nil {
			err = attach(fd, target)
			unix.Close(fd)
		}
		unix.Close(target)
		if err != nil {
			return step(err, "hide /proc/%s", name)
		}
	}
	return nil
}
