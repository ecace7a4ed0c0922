package cgroup

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available returns how many bytes of memory this process's control group, and those
// that it is in, let it and its children still take; ok is false when nothing limits
// them, or when that cannot be told. What the kernel would give up for others, the
// contents of files that nobody has used lately, counts as free. proc is /proc. See
// memory in the kernel's admin-guide/cgroup-v2.
func Available(proc fs.FS) (n int64, ok bool) {
	dir, err := group(proc)
	if err != nil {
		return 0, false
	}
	// A group at the top of the mount has no such files, or those of a container.
	for ; ; dir = filepath.Dir(dir) {
		limit, err := os.ReadFile(filepath.Join(dir, "memory.max"))
		if err != nil {
			return n, ok
		}
		free, limited := availableIn(dir, strings.TrimSpace(string(limit)))
		if limited && (!ok || free < n) {
			n, ok = free, true
		}
	}
}

// availableIn is Available for one group with a limit.
func availableIn(dir, limit string) (n int64, ok bool) {
	most, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return 0, false // "max"
	}
	current, err := os.ReadFile(filepath.Join(dir, "memory.current"))
	if err != nil {
		return 0, false
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(current)), 10, 64)
	if err != nil {
		return 0, false
	}
	if stat, err := os.ReadFile(filepath.Join(dir, "memory.stat")); err == nil {
		if files, err := field(string(stat), "inactive_file"); err == nil {
			used -= files
		}
	}
	return max(0, most-used), true
}
