package crashtest

import "golang.org/x/sys/unix"

func withOldSteps(m map[uint64]string) map[uint64]string {
	for number, name := range map[uint64]string{
		unix.SYS_RENAME:  "rename",
		unix.SYS_LINK:    "link",
		unix.SYS_SYMLINK: "symlink",
		unix.SYS_UNLINK:  "unlink",
		unix.SYS_RMDIR:   "rmdir",
		unix.SYS_MKDIR:   "mkdir",
	} {
		m[number] = name
	}
	return m
}
