package localstore

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futimens sets the store's time on an open file. x/sys/unix has utimensat(2)
// only with a path; with none it works on the descriptor.
func futimens(fd int) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&storeTimes[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// utimensat sets the store's time on name itself, also when it is a link.
func utimensat(dir int, name string) error {
	return unix.UtimesNanoAt(dir, name, storeTimes, unix.AT_SYMLINK_NOFOLLOW)
}

// processUmask reads the umask without changing it, as umask(2) would, for a
// moment, for every thread. When /proc does not tell, it is all bits, which
// costs a chmod per file.
func processUmask() uint32 {
	const everything = 0o777
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return everything
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "Umask:"); ok {
			if mask, err := strconv.ParseUint(strings.TrimSpace(text), 8, 32); err == nil {
				return uint32(mask)
			}
		}
	}
	return everything
}
