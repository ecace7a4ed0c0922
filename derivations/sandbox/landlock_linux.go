package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// leastLandlock is the version of Landlock from which on it is used. The first
// one refuses every rename and link between directories.
const leastLandlock = 2

// Rights of Landlock. The kernel knows some only from a version on.
const (
	landlockRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// landlockChange is what a directory allows that the builder may change. It
	// does not have MAKE_CHAR and MAKE_BLOCK: nobody makes devices.
	landlockChange = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landlockDevices = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	landlockNever   = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	// landlockFile are the rights that a rule about a file can give.
	landlockFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | landlockDevices
)

// LandlockVersion returns the version of Landlock that the kernel has; 0 if it
// has none, or whatever sysc runs in forbids it.
func LandlockVersion() int {
	version, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// landlockRights returns the rights that a version knows.
func landlockRights(version int) uint64 {
	rights := uint64(landlockRead | landlockChange | landlockNever)
	if version < 3 {
		rights &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

// restrict puts Landlock on the calling thread, where the kernel has it: a
// second opinion on what mounts, namespaces and modes say already, for the day
// when one of them is wrong. The builder may read everything, write where the
// request says, and neither signal a process outside nor connect to an abstract
// socket of one.
func restrict(req *request) error {
	version := LandlockVersion()
	if version < leastLandlock {
		return nil
	}
	handled := landlockRights(version)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	// Older kernels know a shorter structure, and take a longer one if the rest
	// is zero.
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return errno
	}
	rules := int(fd)
	defer unix.Close(rules)
	for _, p := range landlockPlaces(req) {
		if err := allowBelow(rules, p.path, p.rights&handled); err != nil {
			return step(err, "allow use of %s", p.path)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

type landlockPlace struct {
	path   string
	rights uint64
}

// landlockPlaces returns what the builder may do where. Rights of a directory
// hold for all below.
func landlockPlaces(req *request) []landlockPlace {
	if req.WritableRoot {
		// It changes whatever is there and makes new entries at the top. What is
		// mounted read-only there is left to the mounts.
		return []landlockPlace{{"/", landlockRead | landlockChange | landlockDevices}}
	}
	places := []landlockPlace{{"/", landlockRead}, {"/dev", landlockDevices}, {"/dev/shm", landlockChange}}
	for _, t := range temporaryDirs {
		places = append(places, landlockPlace{"/" + t.path, landlockChange})
	}
	for _, b := range req.Binds {
		if b.Writable {
			places = append(places, landlockPlace{string(b.Target), landlockChange})
		}
	}
	return places
}

// allowBelow adds a rule. What is not there needs none.
func allowBelow(rules int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= landlockFile
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
