package earlyboot

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Directories of the initrd that things are mounted at.
const (
	dataMount   = "/run/sysc/data"
	memoryMount = "/run/sysc/memory"
	rootMount   = "/sysroot"
)

// initPath is the program of a generation that becomes process 1.
const initPath = "/sbin/init"

// failurePause is for how long a message stays on the screen before the machine is
// reset.
const failurePause = 5 * time.Second

// Run boots. It does not return: what it starts takes its place, or the machine is
// reset. It refuses to run as anything but process 1.
func Run() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "sysc-init: runs in an initrd, as process 1")
		os.Exit(1)
	}
	err := boot()
	say(errorLevel, "%v", err)
	say(errorLevel, "resetting in %v", failurePause)
	unix.Sync()
	time.Sleep(failurePause)
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	// The kernel panics when process 1 ends, and may be told to reset then.
	os.Exit(1)
}

// boot goes all the way to the generation's init. It returns only when something
// failed.
func boot() error {
	if err := mountKernelFiles(); err != nil {
		return err
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	p, err := ParseParameters(string(line))
	if err != nil {
		return err
	}
	modules, err := openLoader()
	if err != nil {
		return err
	}
	modules.loadFor(deviceAliases("/sys"))
	if p.Watchdog > 0 {
		if err := armWatchdog("/dev/watchdog", p.Watchdog); err != nil {
			notice("%v", err) // a machine may have none
		}
	}
	if p.Image != "" {
		err = bootMemory(p.Image, modules)
	} else {
		err = bootGeneration(p, modules)
	}
	if err != nil {
		return err
	}
	if err := enter(rootMount); err != nil {
		return err
	}
	return fmt.Errorf("start %s: %w", initPath, unix.Exec(initPath, []string{initPath}, os.Environ()))
}

// bootGeneration waits for the disk and mounts a generation of it as the root.
func bootGeneration(p *Parameters, modules *loader) error {
	dev, err := waitForDevice(p.Data, func() { modules.loadFor(deviceAliases("/sys")) })
	if err != nil {
		return err
	}
	for _, dir := range []string{dataMount, rootMount} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{dev.kind, "erofs", "overlay", "loop", "efivarfs"} {
		modules.load(name)
	}
	if p.Grow {
		grown, err := growPartition("/sys/class/block", "/dev", dev.path)
		switch {
		case err != nil:
			notice("grow partition %s: %v", dev.path, err) // it holds what it held
		case grown:
			notice("partition %s takes the rest of its disk now", dev.path)
		}
	}
	if err := unix.Mount(dev.path, dataMount, dev.kind, 0, ""); err != nil {
		return fmt.Errorf("mount data partition %s (%s): %w", dev.path, dev.kind, err)
	}
	if p.Grow && dev.kind == "ext4" {
		if err := growExt4(dev.path, dataMount); err != nil {
			notice("%v", err)
		}
	}
	if err := MountGeneration(dataMount, rootMount, p.Generation); err != nil {
		return err
	}
	if err := mountBoot("/sys/firmware/efi/efivars", "/run/systemd/system"); err != nil {
		notice("%v", err) // the system runs without
	}
	notice("booting generation %d from %s", p.Generation, dev.path)
	return nil
}

// bootMemory mounts an image of the initrd as the root.
func bootMemory(image string, modules *loader) error {
	for _, name := range []string{"squashfs", "erofs", "overlay", "loop"} {
		modules.load(name)
	}
	if err := os.MkdirAll(rootMount, 0o755); err != nil {
		return err
	}
	if err := MountMemory(image, memoryMount, rootMount); err != nil {
		return err
	}
	notice("booting %s from memory", image)
	return nil
}

// Levels of the kernel's log, see syslog(2).
const (
	errorLevel  = 3
	noticeLevel = 5
)

func notice(format string, args ...any) { say(noticeLevel, format, args...) }

// say writes to the kernel's log, which goes to the console and later to the
// journal.
func say(level int, format string, args ...any) {
	text := fmt.Sprintf("<%d>sysc: %s\n", level, fmt.Sprintf(format, args...))
	log, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprint(os.Stderr, text)
		return
	}
	defer log.Close()
	log.WriteString(text)
}
