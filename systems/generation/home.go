package generation

import (
	"fmt"
	"path"
	"strings"

	"sysc/store"
)

// A Home is what a generation of a home has in the home directory. Paths are
// absolute below it, as in "/.config/git/config".
type Home struct {
	// Entries are sorted by path, none is twice there.
	Entries []HomeEntry `json:"entries"`
	// Made are directories that sysc made, for this generation or one before it, and
	// that go when nothing is in them any more. Sorted.
	Made []string `json:"made,omitempty"`
}

// What a [HomeEntry] is.
const (
	HomeFile      = "file"
	HomeLink      = "link"
	HomeDirectory = "directory"
)

// A HomeEntry is one thing in a home directory.
type HomeEntry struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	// Mode is that of a file or directory, Digest that of a file's contents, Target
	// what a link points to.
	Mode   uint32       `json:"mode,omitempty"`
	Digest store.Digest `json:"digest,omitzero"`
	Target string       `json:"target,omitempty"`
}

// check demands what [Home] says: these paths are used to find places.
func (h *Home) check() error {
	last := ""
	for _, e := range h.Entries {
		if err := checkPlace(e.Path); err != nil {
			return err
		}
		if e.Path <= last {
			return fmt.Errorf("%q after %q", e.Path, last)
		}
		last = e.Path
		switch e.Kind {
		case HomeFile, HomeLink, HomeDirectory:
		default:
			return fmt.Errorf("%s: unknown kind %q", e.Path, e.Kind)
		}
	}
	for _, dir := range h.Made {
		if err := checkPlace(dir); err != nil {
			return err
		}
	}
	return nil
}

func checkPlace(p string) error {
	if !strings.HasPrefix(p, "/") || p == "/" || path.Clean(p) != p || strings.IndexByte(p, 0) >= 0 {
		return fmt.Errorf("%q is not a path below a home", p)
	}
	return nil
}
