package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Attributes of every mount inside.
const (
	plain    = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	readOnly = plain | unix.MOUNT_ATTR_RDONLY
)

// clone returns a detached copy of what is mounted at path in the directory
// dir, with everything below it, under attrs. The last element of path is not
// followed if it is a symbolic link.
func clone(dir int, path string, attrs uint64) (int, error) {
	fd, err := unix.OpenTree(dir, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|
		unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return -1, err
	}
	attr := &unix.MountAttr{Attr_set: attrs, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// newMount returns a new, detached file system of a type with options
// (name, value, name, value…).
func newMount(fstype string, attrs int, options ...string) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for i := 0; i < len(options); i += 2 {
		if err := unix.FsconfigSetString(fs, options[i], options[i+1]); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
}

// attach puts the detached mount at the place that target is open at.
func attach(mount, target int) error {
	return unix.MoveMount(mount, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// A place is a directory of the file system under construction. Paths in it are
// relative, and no symbolic link is followed in them: the root may be what a
// former builder left.
type place struct{ fd int }

func (p place) close() { unix.Close(p.fd) }

func (p place) open(path string, flags uint64) (int, error) {
	return unix.Openat2(p.fd, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

// directory opens the directory at path.
func (p place) directory(path string) (place, error) {
	fd, err := p.open(path, unix.O_DIRECTORY)
	return place{fd}, err
}

// mount attaches mount at path, and closes it.
func (p place) mount(mount int, path string) error {
	defer unix.Close(mount)
	target, err := p.open(path, 0)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return attach(mount, target)
}

// mountNew mounts a new file system at path and returns its top.
func (p place) mountNew(path, fstype string, attrs int, options ...string) (place, error) {
	fd, err := newMount(fstype, attrs, options...)
	if err != nil {
		return place{}, err
	}
	target, err := p.open(path, unix.O_DIRECTORY)
	if err != nil {
		unix.Close(fd)
		return place{}, err
	}
	defer unix.Close(target)
	if err := attach(fd, target); err != nil {
		unix.Close(fd)
		return place{}, err
	}
	return place{fd}, nil
}

// makeFile makes an empty file to mount over, unless there is one.
func (p place) makeFile(name string) error {
	if err := unix.Mknodat(p.fd, name, unix.S_IFREG|0o444, 0); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// makeDir makes a directory, unless there is one.
func (p place) makeDir(name string) error {
	if err := unix.Mkdirat(p.fd, name, 0o755); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// seal makes the mount that p is the top of read-only.
func (p place) seal() error {
	return unix.MountSetattr(p.fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// step names what was being done when err came up; nil remains nil.
func step(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return makeStepError(err, false, fmt.Sprintf(format, args...))
}

// kernelStep is step for what only fails if the machine lacks something.
func kernelStep(err error, op string) error {
	if err == nil {
		return nil
	}
	return makeStepError(err, true, op)
}

func makeStepError(err error, kernel bool, op string) error {
	switch err := err.(type) {
	case *stepError:
		return err // the innermost step says best what it was
	case unix.Errno:
		return &stepError{op: op, errno: err, kernel: kernel}
	}
	return &stepError{op: op + ": " + err.Error(), kernel: kernel}
}
