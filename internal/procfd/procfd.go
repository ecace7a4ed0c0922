// Package procfd reaches what a descriptor is open at by its link in /proc, which
// leads to that inode whatever has happened to names since.
package procfd

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Path returns the link of a descriptor of this process.
func Path(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Reopen opens once more what a descriptor is open at, which may be O_PATH.
func Reopen(fd, flags int) (again int, err error) {
	for {
		if again, err = unix.Open(Path(fd), flags|unix.O_CLOEXEC, 0); err != unix.EINTR {
			return again, err
		}
	}
}

// OpenOwn opens a file to read it, or a directory to change it too, of which the
// owner, who is this process's user or who that may act for, has not the permissions
// that takes: it gets them. Whoever made it may be hostile: nothing else is changed or
// opened than what dir has by that name at one moment, no link is followed, and what
// is neither a file nor a directory is unix.ELOOP.
func OpenOwn(dir int, name string, flags int) (fd int, err error) {
	handle, err := openHandle(dir, name)
	if err != nil {
		return -1, err
	}
	defer unix.Close(handle)
	var st unix.Stat_t
	if err := unix.Fstat(handle, &st); err != nil {
		return -1, err
	}
	need := uint32(0o400)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		need = 0o700
	default:
		return -1, unix.ELOOP
	}
	if st.Mode&need != need {
		if err := unix.Chmod(Path(handle), (st.Mode|need)&0o7777); err != nil {
			return -1, err
		}
	}
	return Reopen(handle, flags)
}

// openHandle needs no permission on the inode itself.
func openHandle(dir int, name string) (fd int, err error) {
	for {
		if fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != unix.EINTR {
			return fd, err
		}
	}
}
