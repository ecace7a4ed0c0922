// Package fsmount makes file systems that are mounted nowhere yet (fsopen(2), fsmount(2)).
package fsmount

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// An Option is a parameter of a file system, with its value.
type Option [2]string

// New returns a descriptor of a new, detached mount of a file system, which is the
// caller's to close. With readOnly set, both the file system and the mount are.
func New(fstype string, readOnly bool, options ...Option) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, o := range options {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return -1, fmt.Errorf("option %s: %w", o[0], err)
		}
	}
	attributes := 0
	if readOnly {
		if err := unix.FsconfigSetFlag(fs, "ro"); err != nil {
			return -1, err
		}
		attributes = unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
}
