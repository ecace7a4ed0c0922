package crashtest

import "golang.org/x/sys/unix"

// stepNames are the system calls that count as steps on every architecture;
// steps_linux_amd64.go has those that only old ones know.
var stepNames = withOldSteps(map[uint64]string{
	unix.SYS_RENAMEAT2: "renameat2",
	unix.SYS_RENAMEAT:  "renameat",
	unix.SYS_LINKAT:    "linkat",
	unix.SYS_SYMLINKAT: "symlinkat",
	unix.SYS_UNLINKAT:  "unlinkat",
	unix.SYS_MKDIRAT:   "mkdirat",
	unix.SYS_FSYNC:     "fsync",
	unix.SYS_FDATASYNC: "fdatasync",
	unix.SYS_SYNCFS:    "syncfs",
	unix.SYS_SYNC:      "sync",
})
