package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sysc/internal/atomicfile"
	"sysc/store"
)

// Directories of files in [VendorDir], each named by the digest of its bytes in
// hexadecimal. They are kept where they are there.
const (
	// VendorIndexes has the indexes of archives.
	VendorIndexes = "indexes"
	// VendorFiles has what builds fetch.
	VendorFiles = "files"
	// VendorTrees has what builds fetch that is no file: each has a directory.
	VendorTrees = "trees"
)

// A VendorFile is a file to be copied.
type VendorFile struct {
	SHA256 store.Digest
	Open   func(ctx context.Context) (io.ReadCloser, error)
}

// A VendorFileError says that a copy of a file is not what its name says.
type VendorFileError struct {
	Path string
	Got  store.Digest
}

func (e *VendorFileError) Error() string {
	return fmt.Sprintf("%s is sha256:%s: somebody changed it. Remove it; sysc lock copies it again", e.Path, e.Got.Hex())
}

// CopyFiles makes a directory hold copies of files, and nothing else: those that are
// there stay, the others are there together or not at all. It returns how many it
// added and removed.
func CopyFiles(ctx context.Context, dir string, files []VendorFile) (added, removed int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	aside, err := os.MkdirTemp(dir, asidePrefix)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	wanted := map[string]bool{}
	var fresh []string
	for _, f := range files {
		name := f.SHA256.Hex()
		if wanted[name] {
			continue
		}
		wanted[name] = true
		if ok, err := CheckFile(dir, f.SHA256); ok && err == nil {
			continue
		}
		if err := f.copy(ctx, filepath.Join(aside, name)); err != nil {
			return 0, 0, fmt.Errorf("copy %s: %w", name, err)
		}
		fresh = append(fresh, name)
	}
	if err := atomicfile.SyncFS(aside); err != nil {
		return 0, 0, err
	}
	for _, name := range fresh {
		if err := os.Rename(filepath.Join(aside, name), filepath.Join(dir, name)); err != nil {
			return 0, 0, err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return 0, 0, err
		}
		if !strings.HasPrefix(e.Name(), asidePrefix) {
			removed++
		}
	}
	return len(fresh), removed, atomicfile.SyncDir(dir)
}

// copy writes the file, whose bytes have to be those of its digest.
func (f VendorFile) copy(ctx context.Context, to string) (err error) {
	in, err := f.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if got := sum(h); got != f.SHA256 {
		return &VendorFileError{Path: to, Got: got}
	}
	return nil
}

func sum(h hash.Hash) store.Digest { return store.Digest(h.Sum(nil)) }

// CheckFile compares the copy of a file in a directory with its name. ok is false when
// there is none; another one is a [*VendorFileError].
func CheckFile(dir string, digest store.Digest) (ok bool, err error) {
	name := filepath.Join(dir, digest.Hex())
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return false, err
	}
	if got := sum(h); got != digest {
		return true, &VendorFileError{Path: name, Got: got}
	}
	return true, nil
}
