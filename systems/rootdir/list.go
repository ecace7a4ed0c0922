package rootdir

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// List returns the entries of a directory sorted by name, none for one that does
// not exist.
func (d *Dir) List(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(d.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list directory: %w", err)
	}
	return entries, nil
}

// Clean removes what a killed process left aside in a directory, one that does
// not exist included.
func (d *Dir) Clean(name string) error {
	entries, err := d.List(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isAside(e.Name()) {
			continue
		}
		if err := d.RemoveAll(path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// RemoveAll deletes name and everything below it, directories that their owner
// may not write included. It is no error when there is nothing.
func (d *Dir) RemoveAll(name string) error {
	err := d.root.RemoveAll(name)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("remove: %w", err)
	}
	sub, err := d.Sub(name)
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	err = sub.makeWritable()
	sub.Close()
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if err := d.root.RemoveAll(name); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// makeWritable lets the owner empty d and every directory below it.
func (d *Dir) makeWritable() error {
	return d.walk(".", 0)
}

// maxDepth bounds how deep a directory that is removed may be.
const maxDepth = 1024

func (d *Dir) walk(at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("deeper than %d directories", maxDepth)
	}
	if err := d.root.Chmod(at, 0o700); err != nil {
		return err
	}
	entries, err := fs.ReadDir(d.root.FS(), at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		child := e.Name()
		if at != "." {
			child = at + "/" + child
		}
		if err := d.walk(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}
