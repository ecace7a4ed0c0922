package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sysc/derivations/sandbox"
	"sysc/store"
)

// fewInputs is up to how many a program sees without an overlay, which costs as
// much as that many empty directories.
const fewInputs = 16

// inputs returns what a program sees of the store: its closure and nothing else.
// Roots stand in no directory, and so are left out: they exist as listings only.
func (x *execution) inputs() (*sandbox.Entries, error) {
	e := &sandbox.Entries{Dir: filepath.Dir(x.store.PhysicalPath(x.root.Path))}
	for _, p := range x.job.resolved.Sources {
		if err := x.checkInput(p); err != nil {
			return nil, err
		}
	}
	if len(x.closure) > fewInputs {
		e.Work = x.workDir()
		if err := os.Mkdir(e.Work, 0o755); err != nil {
			return nil, err
		}
	}
	for _, p := range x.closure {
		e.Names = append(e.Names, string(p))
	}
	return e, nil
}

// workDir is for the kernel's use.
func (x *execution) workDir() string { return filepath.Join(x.dir, "work") }

// checkInput reports that a program could not see an input.
func (x *execution) checkInput(p store.Path) error {
	_, err := os.Lstat(x.store.PhysicalPath(p))
	if errors.Is(err, fs.ErrNotExist) && p == x.root.Path {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("input %s is a root, which a program can only run in", p)
	}
	return err
}
