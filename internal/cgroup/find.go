package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/internal/mountinfo"
)

// Why there can be no groups. ErrVersion means that those of version 2 are not
// mounted.
var ErrVersion = errors.New("control groups of version 2 are not mounted")

// A ControllerError says that a group has not what limits need.
type ControllerError struct{ Dir, Controller string }

func (e *ControllerError) Error() string {
	return fmt.Sprintf("control group %s has no %s controller", e.Dir, e.Controller)
}

// A DelegationError says that a group is not this process's to divide.
type DelegationError struct {
	Dir string
	// Others is how many other processes are in it, 0 if that is not the matter.
	Others int
}

func (e *DelegationError) Error() string {
	if e.Others > 0 {
		return fmt.Sprintf("control group %s has other processes, too", e.Dir)
	}
	return fmt.Sprintf("control group %s is not delegated to this user", e.Dir)
}

// Find returns the directory of this process's control group if others can be made in
// it, or why not. proc is /proc. It changes nothing.
func Find(proc fs.FS) (string, error) {
	dir, err := group(proc)
	if err != nil {
		return "", err
	}
	list, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return "", fmt.Errorf("read control group: %w", err)
	}
	if name, ok := missing(string(list)); ok {
		return "", &ControllerError{dir, name}
	}
	for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if unix.Access(filepath.Join(dir, file), unix.W_OK) != nil {
			return "", &DelegationError{Dir: dir}
		}
	}
	if managed(proc) && !delegated(dir) {
		return "", &DelegationError{Dir: dir}
	}
	others, err := others(dir, os.Getpid())
	if err != nil {
		return "", err
	}
	if others > 0 {
		return "", &DelegationError{Dir: dir, Others: others}
	}
	return dir, nil
}

// managed reports whether systemd has control groups in its hands. It is process 1
// then.
func managed(proc fs.FS) bool {
	name, err := fs.ReadFile(proc, "1/comm")
	return err == nil && strings.TrimSpace(string(name)) == "systemd"
}

// delegated reports whether systemd lets others divide a group. Root could do it with
// any, and would have it against itself.
func delegated(dir string) bool {
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

// others counts the processes of a group besides one.
func others(dir string, self int) (int, error) {
	list, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return 0, fmt.Errorf("read control group: %w", err)
	}
	n := 0
	for pid := range strings.FieldsSeq(string(list)) {
		if pid != strconv.Itoa(self) {
			n++
		}
	}
	return n, nil
}

// group returns the directory of this process's control group of version 2, or
// [ErrVersion].
func group(proc fs.FS) (string, error) {
	groups, err := fs.ReadFile(proc, "self/cgroup")
	if err != nil {
		return "", ErrVersion
	}
	own := ""
	for line := range strings.Lines(string(groups)) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			own = p
		}
	}
	mounts, err := mountinfo.Read(proc)
	if err != nil || own == "" {
		return "", ErrVersion
	}
	for _, m := range mounts {
		if rest, ok := strings.CutPrefix(own, strings.TrimSuffix(m.Root, "/")); m.Type == "cgroup2" && ok {
			return path.Join(m.Point, rest), nil
		}
	}
	return "", ErrVersion
}
