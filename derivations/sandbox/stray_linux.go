package sandbox

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Strays returns the ids of processes 1 of sandboxes whose caller is gone, in
// order. The kernel kills a sandbox with its caller, so there are none, unless a
// process hangs in the kernel. proc is /proc.
func Strays(proc fs.FS) ([]int, error) {
	names, err := fs.Glob(proc, "[1-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var strays []int
	for _, name := range names {
		id, _, _ := strings.Cut(name, "/")
		pid, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		// What cannot be read has ended meanwhile.
		if line, err := fs.ReadFile(proc, name); err == nil && string(line) == initName+"\x00" && orphaned(proc, pid) {
			strays = append(strays, pid)
		}
	}
	slices.Sort(strays)
	return strays, nil
}

// orphaned reports whether a process was handed to process 1, or to the one that
// stands for it in a user's session.
func orphaned(proc fs.FS, pid int) bool {
	parent, ok := statusOf(proc, pid, "PPid")
	if !ok {
		return false
	}
	id, err := strconv.Atoi(parent)
	if err != nil || id <= 1 {
		return err == nil && id == 1
	}
	name, _ := statusOf(proc, id, "Name")
	return name == "systemd"
}

func statusOf(proc fs.FS, pid int, field string) (string, bool) {
	data, err := fs.ReadFile(proc, fmt.Sprintf("%d/status", pid))
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}
