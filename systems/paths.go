package systems

import (
	"fmt"
	"path"
	"strings"

	"sysc/store"
)

// checkPath reports why p is not the path of something in a root: it must be
// absolute, clean and below "/".
func checkPath(p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("path %q is not absolute", p)
	case p == "/":
		return fmt.Errorf("path %q is the root itself", p)
	case path.Clean(p) != p:
		return fmt.Errorf("path %q is not clean, write %q", p, path.Clean(p))
	case strings.IndexByte(p, 0) >= 0:
		return fmt.Errorf("path %q holds a NUL byte", p)
	}
	return nil
}

// Owned reports whether the top-level directory name belongs to the generation:
// its contents are replaced as a whole when the generation changes. Every other
// one is the machine's: what a root holds there is placed where it is missing
// and not overwritten, except for declared files that nobody changed.
//
// The list is of what packages own (File Hierarchy Standard 3.0, section 3),
// not of what machines own: a declared /data must not become a part of a
// generation, where the next one would hide what programs wrote to it.
func Owned(name string) bool {
	switch name {
	case "usr", "etc", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32":
		return true
	}
	return false
}

// Volatile reports whether the top-level directory name is filled by the kernel
// or at run time, so that nothing in it can be part of a system.
func Volatile(name string) bool {
	switch name {
	case "dev", "proc", "run", "sys", "tmp", "lost+found":
		return true
	}
	return false
}

// topLevel returns the first component of an absolute path.
func topLevel(p string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return first
}

// mentionsStore reports whether text may hold a store path or a placeholder.
func mentionsStore(text string) bool { return strings.Contains(text, store.Dir+"/") }
