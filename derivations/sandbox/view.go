package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Entries are files and directories that are shown beneath what a writable
// directory has: the builder sees both in one, reads these, and makes others.
type Entries struct {
	// Dir is the host's directory that has them.
	Dir string
	// Names say which. They are files and directories, no links; what is missing is
	// not shown.
	Names []string
	// Work is an empty directory on the same mount as the Source of the bind, for
	// the kernel's use. Source and Work then hold nothing but the builder's files
	// and empty directories of theirs afterwards. Without Work, Source also has an
	// empty file or directory for each entry, which is cheaper for a few.
	Work string
}

func (b *Bind) checkEntries() error {
	e := b.Beneath
	if e == nil {
		return nil
	}
	if !b.Writable {
		return errors.New("entries beneath a directory that is not writable")
	}
	if err := checkHostPath(e.Dir); err != nil {
		return fmt.Errorf("entries: %w", err)
	}
	if e.Work != "" {
		if err := checkHostPath(e.Work); err != nil {
			return fmt.Errorf("work directory of entries: %w", err)
		}
	}
	for _, name := range e.Names {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return fmt.Errorf("entry %q: it is no name", name)
		}
	}
	return nil
}
