package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sysc/internal/atomicfile"
	"sysc/store"
	"sysc/store/localstore"
)

// checkOutLink says before there is anything to lead to why --out-link cannot make a
// link: it replaces links to objects, and nothing that a user may want to keep.
func checkOutLink(link string) error {
	if link == "" {
		return nil
	}
	info, err := os.Lstat(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(link)); err != nil {
			return fmt.Errorf("make link %s: %w", link, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("make link: %w", err)
	case info.Mode().Type() != fs.ModeSymlink:
		return fmt.Errorf("make link %s: something else is there, which would be lost; remove it, or choose another name", link)
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if _, err := store.ParsePath(filepath.Base(target)); err != nil {
		return fmt.Errorf("make link %s: it is a link to %s, which is no store object; remove it, or choose another name", link, target)
	}
	return nil
}

// makeOutLink makes a link that keeps an object, in place of one that was there.
func makeOutLink(ctx context.Context, st *localstore.Store, p store.Path, link string) error {
	link, err := filepath.Abs(link)
	if err != nil {
		return err
	}
	if err := atomicfile.Symlink(st.PhysicalPath(p), link); err != nil {
		return err
	}
	return st.AddIndirectRoots(ctx, link)
}
