package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/modules"
	"sysc/modules/source"
	"sysc/store"
	"sysc/store/export"
	"sysc/store/localstore"
)

// Trees from git and images are no files. The copy of one is the directory
// trees/<id>-<name>, with the object as store/export writes it, in zstd, in a file that
// is named by its digest.

// vendoredTree is the directory of the copy of an object.
func (a *app) vendoredTree(p store.Path) string {
	return filepath.Join(a.vendorDir(), source.VendorTrees, string(p))
}

// treeFile returns the file of a copy, "" when there is none. One that is not what its
// name says is an error.
func (a *app) treeFile(p store.Path) (string, error) {
	dir := a.vendoredTree(p)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		digest, err := store.ParseDigest(e.Name())
		if err != nil {
			continue // left by a copy that was killed
		}
		if ok, err := source.CheckFile(dir, digest); !ok || err != nil {
			return "", err
		}
		return filepath.Join(dir, e.Name()), nil
	}
	return "", nil
}

// fixedPath is where the result of a step is that is known beforehand.
func fixedPath(project *modules.Project, h derivations.Hash) (store.Path, bool) {
	d, _ := project.Graph().Derivation(h)
	return derivations.FixedPath(d)
}

// vendorTrees copies what steps fetch that is no file.
func (a *app) vendorTrees(ctx context.Context, st *localstore.Store, project *modules.Project, steps []derivations.Hash) error {
	wanted := map[string]bool{}
	var missing []store.Path
	var want []derivations.Ref
	for _, h := range steps {
		p, ok := fixedPath(project, h)
		if !ok || wanted[string(p)] {
			continue
		}
		wanted[string(p)] = true
		if file, err := a.treeFile(p); err != nil || file == "" {
			missing = append(missing, p)
			want = append(want, derivations.Ref{Derivation: h, Output: derivations.DefaultOutput})
		}
	}
	if len(want) > 0 {
		if _, err := a.realise(ctx, st, project, want, buildFlags{}); err != nil {
			return err
		}
	}
	for _, p := range missing {
		if err := a.vendorTree(ctx, st, p); err != nil {
			return fmt.Errorf("copy %s: %w", p, err)
		}
	}
	gone, err := a.removeTrees(wanted)
	if err != nil {
		return err
	}
	a.countCopies(source.VendorTrees, len(missing), gone, "tree", "trees")
	return nil
}

// vendorTree copies one object.
func (a *app) vendorTree(ctx context.Context, st *localstore.Store, p store.Path) (err error) {
	f, err := os.CreateTemp("", "sysc-tree-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	hash := sha256.New()
	packed, err := zstd.NewWriter(io.MultiWriter(f, hash))
	if err != nil {
		return err
	}
	_, err = export.Export(ctx, packed, st, []store.Path{p}, export.ExportOptions{})
	if err := errors.Join(err, packed.Close()); err != nil {
		return err
	}
	copied := source.VendorFile{SHA256: store.Digest(hash.Sum(nil)), Open: func(context.Context) (io.ReadCloser, error) { return os.Open(f.Name()) }}
	_, _, err = source.CopyFiles(ctx, a.vendoredTree(p), []source.VendorFile{copied})
	return err
}

// removeTrees removes copies that nobody needs any more.
func (a *app) removeTrees(wanted map[string]bool) (n int, err error) {
	dir := filepath.Join(a.vendorDir(), source.VendorTrees)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !wanted[e.Name()] {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// checkTrees compares the copies with what they should be.
func (a *app) checkTrees(project *modules.Project, steps []derivations.Hash) error {
	wanted := map[string]bool{}
	for _, h := range steps {
		p, ok := fixedPath(project, h)
		if !ok {
			continue
		}
		wanted[string(p)] = true
		file, err := a.treeFile(p)
		if err != nil {
			return err
		}
		if file == "" {
			return &exitCode{code: exitChanges, cause: fmt.Errorf("%s has no %s: run sysc lock", filepath.Join(a.vendorName(), source.VendorTrees), p)}
		}
	}
	return a.checkEntries(source.VendorTrees, wanted)
}

// A vendorCache takes objects from the copies beside a definition.
type vendorCache struct {
	app   *app
	store *localstore.Store
}

// Learn knows nothing: only what is known beforehand is copied.
func (c *vendorCache) Learn(context.Context, []store.DerivationHash) error { return nil }

// Fetch takes an object, whose path says what is in it.
func (c *vendorCache) Fetch(ctx context.Context, p store.Path, progress func(done, total int64)) error {
	file, err := c.app.treeFile(p)
	if err != nil {
		return err
	}
	if file == "" {
		return fmt.Errorf("take a copy of %s: %w", p, store.ErrNotExist)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer unpacked.Close()
	result, err := export.Import(ctx, unpacked, c.store, export.ImportOptions{Known: map[store.Path]bool{p: true}, Progress: progress})
	if err == nil && !slices.Contains(result.Objects, p) {
		err = errors.New("it is another object")
	}
	if err != nil {
		return &exitCode{code: exitVerification, cause: fmt.Errorf("%s is no copy of %s: %w. Remove it; sysc lock copies it again", file, p, err)}
	}
	return nil
}

// severalCaches are asked in order.
type severalCaches []build.Cache

func (s severalCaches) Learn(ctx context.Context, derivations []store.DerivationHash) error {
	for _, c := range s {
		if err := c.Learn(ctx, derivations); err != nil {
			return err
		}
	}
	return nil
}

func (s severalCaches) Fetch(ctx context.Context, p store.Path, progress func(done, total int64)) (err error) {
	for _, c := range s {
		if err = c.Fetch(ctx, p, progress); !errors.Is(err, store.ErrNotExist) {
			return err
		}
	}
	return err
}
