// Package livemount replaces directories of a running system by those of another
// generation. A reader of the directory sees the old one or the new one, whole, and at
// no time neither: the new mount is put in place beneath the old one, which is then
// taken off (move_mount(2), MOVE_MOUNT_BENEATH, since Linux 6.5). Whoever has something
// of the old one open, or runs from it, keeps it; it goes with its last user.
//
// It needs the rights to mount. What a kernel can do is found out by asking it.
package livemount

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/internal/fsmount"
)

// moveMountBeneath is MOVE_MOUNT_BENEATH of <linux/mount.h>.
const moveMountBeneath = 0x200

// A Tree is a file system, or a part of one, that is mounted nowhere yet.
type Tree struct{ fd int }

// Clone returns what is seen below a directory, mounts in it included.
func Clone(dir string) (*Tree, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return nil, fmt.Errorf("clone mount %s: %w", dir, err)
	}
	return &Tree{fd}, nil
}

// Overlay returns the directory lower with what is in upper on top, where changes go.
// work is an empty directory on the file system of upper, for the kernel. The same
// upper may be in use by the overlay that this one is going to replace: so nothing may
// be remembered of lower in it (no index, no metacopy). See the kernel's
// Documentation/filesystems/overlayfs.rst, "Sharing and copying layers".
func Overlay(lower, upper, work string) (*Tree, error) {
	for _, dir := range []string{lower, upper, work} {
		if !filepath.IsAbs(dir) || strings.ContainsAny(dir, ":\\,") {
			return nil, fmt.Errorf("overlay of %q: not an absolute path without colon, comma and backslash", dir)
		}
	}
	fd, err := fsmount.New("overlay", false,
		fsmount.Option{"source", "overlay"}, fsmount.Option{"lowerdir", lower}, fsmount.Option{"upperdir", upper}, fsmount.Option{"workdir", work},
		fsmount.Option{"index", "off"}, fsmount.Option{"metacopy", "off"})
	if err != nil {
		return nil, fmt.Errorf("overlay %s on %s: %w", upper, lower, err)
	}
	return &Tree{fd}, nil
}

// Close lets go of the tree. What it replaced stays replaced.
func (t *Tree) Close() error { return unix.Close(t.fd) }

// A Way is how something was replaced.
type Way string

// The ways.
const (
	// Attached: nothing was mounted there.
	Attached Way = "attached"
	// Swapped: the mount that was there is gone.
	Swapped Way = "swapped"
	// Covered: the mount that was there is below, and stays until the system is
	// started again, because the kernel is older than 6.5 or does not do it there.
	Covered Way = "covered"
)

// Replace puts the tree in place of what is seen at a directory, which must not be the
// root of the system. A tree is used once.
func (t *Tree) Replace(target string) (Way, error) {
	way, err := t.replace(target)
	if err != nil {
		return "", fmt.Errorf("replace mount %s: %w", target, err)
	}
	return way, nil
}

func (t *Tree) replace(target string) (Way, error) {
	mounted, err := isMountPoint(target)
	if err != nil {
		return "", err
	}
	if !mounted {
		return Attached, t.move(target, 0)
	}
	switch err := t.move(target, moveMountBeneath); {
	case err == nil:
		return Swapped, unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	case errors.Is(err, unix.EINVAL):
		return Covered, t.move(target, 0)
	default:
		return "", err
	}
}

func (t *Tree) move(target string, flags int) error {
	return unix.MoveMount(t.fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH|flags)
}

// isMountPoint reports whether something is mounted at a directory (statx(2),
// STATX_ATTR_MOUNT_ROOT, since Linux 5.8).
func isMountPoint(dir string) (bool, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return false, unix.ENOTDIR
	}
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false, errors.New("the kernel does not tell whether something is mounted there")
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}
