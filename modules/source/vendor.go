package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/internal/atomicfile"
	"sysc/store"
)

// VendorDir is the name of the directory beside a lock file that has copies of the
// packages of modules, each in a directory of [VendorName].
const VendorDir = "sysc.vendor"

// VendorName is what the copy of a pinned package is called: its name and version
// for people, and the beginning of its tree's digest.
func VendorName(p Package, pin Pin) string {
	const digits = 12
	at, ok := Path(p, pin)
	if !ok {
		return pin.Tree.Hex()
	}
	return strings.TrimPrefix(at.Name(), "module-") + "-" + pin.Tree.Hex()[:digits]
}

// A VendorError says that a copy is not what was locked.
type VendorError struct {
	Dir       string
	Package   Package
	Want, Got store.Digest
}

func (e *VendorError) Error() string {
	return fmt.Sprintf("the files in %s are %s, and sysc.lock has %s of %s: somebody changed them, or not all of them came here (git leaves out what .gitignore names, and empty directories). "+
		"sysc lock --vendor copies them again; --override module.NAME=DIR is for trying a change", e.Dir, e.Got, e.Want, e.Package)
}

// CheckVendored compares the copy of a pinned package in a directory with what was
// locked. ok is false when there is none; another one is a [*VendorError].
func CheckVendored(vendor string, p Package, pin Pin) (ok bool, err error) {
	dir := filepath.Join(vendor, VendorName(p, pin))
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	got, _, err := derivations.Source{Name: "vendored", Dir: dir}.Trees()
	if err != nil {
		return false, fmt.Errorf("read the copy of %s: %w", p, err)
	}
	if got != pin.Tree {
		return false, &VendorError{Dir: dir, Package: p, Want: pin.Tree, Got: got}
	}
	return true, nil
}

// vendored takes the copy of a pinned package into the store. ok is false when there
// is none.
func (f *Fetcher) vendored(ctx context.Context, st Store, p Package, pin Pin, at store.Path) (dir string, ok bool, err error) {
	dir = filepath.Join(f.Vendor, VendorName(p, pin))
	if _, err := os.Lstat(dir); f.Vendor == "" || errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	object, err := st.AddTreeDir(ctx, dir, at.Name())
	if err != nil {
		return "", false, fmt.Errorf("read the copy of %s: %w", p, err)
	}
	if object.Tree != pin.Tree {
		return "", false, &VendorError{Dir: dir, Package: p, Want: pin.Tree, Got: object.Tree}
	}
	if err := st.Register(ctx, []store.Object{object}, nil); err != nil {
		return "", false, err
	}
	return st.PhysicalPath(object.Path), true, nil
}

// A Vendored is a package to be copied, and the directory where it is.
type Vendored struct {
	Package Package
	Pin     Pin
	Dir     string
}

// Vendor makes a directory hold copies of packages, and nothing else but the
// directories of files ([VendorIndexes], [VendorFiles], [VendorTrees]): those that are
// there stay, others appear whole or not at all. It returns the names that it added
// and removed, sorted, and paths of empty directories, which git does not keep.
func Vendor(vendor string, packages []Vendored) (added, removed, empty []string, err error) {
	if err := os.MkdirAll(vendor, 0o755); err != nil {
		return nil, nil, nil, err
	}
	wanted := map[string]bool{VendorIndexes: true, VendorFiles: true, VendorTrees: true}
	for _, v := range packages {
		name := VendorName(v.Package, v.Pin)
		if wanted[name] {
			continue
		}
		wanted[name] = true
		there, err := CheckVendored(vendor, v.Package, v.Pin)
		var other *VendorError
		if err != nil && !errors.As(err, &other) {
			return nil, nil, nil, err
		}
		if there {
			continue
		}
		more, err := copyAside(v.Dir, filepath.Join(vendor, name))
		if err != nil {
			return nil, nil, nil, fmt.Errorf("copy %s: %w", v.Package, err)
		}
		added, empty = append(added, name), append(empty, more...)
	}
	entries, err := os.ReadDir(vendor)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(vendor, e.Name())); err != nil {
			return nil, nil, nil, err
		}
		if !strings.HasPrefix(e.Name(), asidePrefix) {
			removed = append(removed, e.Name())
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	return added, removed, empty, atomicfile.SyncDir(vendor)
}

// asidePrefix begins the names of copies that are not complete.
const asidePrefix = ".new-"

// copyAside copies a directory to one that appears when all of it is there, in the
// place of what was there. Files get the modes of a work tree.
func copyAside(from, to string) (empty []string, err error) {
	aside, err := os.MkdirTemp(filepath.Dir(to), asidePrefix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	content := filepath.Join(aside, "content")
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if entries, err := os.ReadDir(path); err == nil && len(entries) == 0 {
				empty = append(empty, filepath.Join(to, rel))
			}
		}
		return copyEntry(path, filepath.Join(content, rel), d)
	})
	if err != nil {
		return nil, err
	}
	if err := atomicfile.SyncFS(aside); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(to); err != nil { // what is not what was locked
		return nil, err
	}
	return empty, os.Rename(content, to)
}

func copyEntry(from, to string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		return os.Mkdir(to, 0o755)
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
