// Package atomicfile makes changes of files durable and visible at once:
// written aside, synced, then renamed into place. After a crash at any instant
// a reader finds the old state or the new one, never a mixture.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WriteFile replaces the file at path by one with the contents data and the
// permissions perm, whatever the umask. When it returns nil the change is on
// the disk. The directory must exist.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	return Write(path, perm, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// Write is [WriteFile] for contents that write produces, in the file that it is given, which
// is empty. When that fails, nothing has changed.
func Write(path string, perm os.FileMode, write func(f *os.File) error) (err error) {
	dir, base := filepath.Split(path)
	f, err := os.CreateTemp(dirOrDot(dir), "."+clip(base)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return cause(err)
	}
	return SyncDir(dirOrDot(dir))
}

// cause is an error without the temporary name that it is about, which says nothing
// to anybody.
func cause(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// Symlink makes path a symbolic link to target, in place of what was there
// (a directory excepted). When it returns nil the change is on the disk.
func Symlink(target, path string) error {
	dir, base := filepath.Split(path)
	dir = dirOrDot(dir)
	tmp, err := linkAside(target, dir, base)
	if err != nil {
		return fmt.Errorf("link %s: %w", path, cause(err))
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("link %s: %w", path, cause(err))
	}
	return SyncDir(dir)
}

// linkAside makes the link under a name that nobody else has. The name comes
// from a temporary file, which makes the kernel find a free one; between its
// removal and the link somebody may take it, hence the loop.
func linkAside(target, dir, base string) (string, error) {
	const attempts = 100
	for range attempts {
		f, err := os.CreateTemp(dir, "."+clip(base)+".*")
		if err != nil {
			return "", err
		}
		tmp := f.Name()
		f.Close()
		if err := os.Remove(tmp); err != nil {
			return "", err
		}
		err = os.Symlink(target, tmp)
		if err == nil || !os.IsExist(err) {
			return tmp, err
		}
	}
	return "", fmt.Errorf("no free temporary name in %s", dir)
}

// SyncDir makes changes of the names in the directory at path durable.
func SyncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// SyncFS makes everything durable that was written to the file system that
// path is on, as syncfs(2).
func SyncFS(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync file system: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync file system of %s: %w", path, err)
	}
	return nil
}

func dirOrDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// clip leaves room in a name of at most 255 bytes for what os.CreateTemp adds.
func clip(base string) string {
	const room = 200
	if len(base) > room {
		return base[:room]
	}
	return base
}
