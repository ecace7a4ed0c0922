// Package rootdir changes files below a machine's directory durably and without
// leaving it: whoever else can write there (a container's root, a user with a
// home) cannot make sysc, which may run as root, write anywhere else. All names
// are resolved below the directory (os.Root): a link that leads out is an error.
//
// Files and links are written under an aside name in the same directory, which
// nothing else reads, synced, and renamed. One process at a time may write; what
// a killed one left aside is overwritten by the next.
package rootdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/internal/procfd"
)

// A Dir is an open directory. It is safe for concurrent use except where two
// calls change the same name.
type Dir struct {
	root *os.Root
	self *os.File
	name string
}

// Open opens the directory at p, which it makes, with what is missing above,
// when create is set.
func Open(p string, create bool) (*Dir, error) {
	if create {
		if err := os.MkdirAll(p, 0o755); err != nil {
			return nil, fmt.Errorf("open root: %w", err)
		}
	}
	root, err := os.OpenRoot(p)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	return wrap(root, p)
}

func wrap(root *os.Root, name string) (*Dir, error) {
	self, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open directory %s: %w", name, err)
	}
	return &Dir{root: root, self: self, name: name}, nil
}

// Close closes the directory. What was opened through it stays open.
func (d *Dir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// Name returns the path that the directory was opened by, for messages.
func (d *Dir) Name() string { return d.name }

// Root returns the directory for everything that needs no durability.
func (d *Dir) Root() *os.Root { return d.root }

// Sub opens a directory below d, which may not be left through it either.
func (d *Dir) Sub(name string) (*Dir, error) {
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	return wrap(root, path.Join(d.name, name))
}

// SubInRoot is Sub for a path that may lead through links which a process in the
// machine would resolve, absolute ones included: d is "/" to them, as after
// chroot(2). It uses openat2(2) with RESOLVE_IN_ROOT.
func (d *Dir) SubInRoot(name string) (*Dir, error) {
	fd, err := unix.Openat2(int(d.self.Fd()), name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open directory", Path: path.Join(d.name, name), Err: err}
	}
	defer unix.Close(fd)
	root, err := os.OpenRoot(procfd.Path(fd))
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", path.Join(d.name, name), err)
	}
	return wrap(root, path.Join(d.name, name))
}

// Path returns a path of name in d that leads there whatever happens to the
// directories above d. It is valid in this process as long as d is open. name
// must be a single component.
func (d *Dir) Path(name string) string {
	return procfd.Path(int(d.self.Fd())) + "/" + name
}

// Device returns the number of the file system that d is on.
func (d *Dir) Device() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(d.self.Fd()), &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", d.name, err)
	}
	return st.Dev, nil
}

// Mkdir makes the directories of name that are missing, durably, with mode perm
// whatever the umask.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	made := []string{}
	for at := name; at != "."; at = path.Dir(at) {
		_, err := d.root.Lstat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make directory: %w", err)
		}
		made = append(made, at)
	}
	for i := len(made) - 1; i >= 0; i-- {
		if err := d.root.Mkdir(made[i], perm); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := d.root.Chmod(made[i], perm); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := d.Sync(path.Dir(made[i])); err != nil {
			return err
		}
	}
	return nil
}

// Aside returns the name under which name is written before it is renamed.
func Aside(name string) string {
	dir, base := path.Split(name)
	// A name may have 255 bytes; what is cut off cannot make two of them equal
	// at one time, as only one is written at a time.
	const room = 200
	if len(base) > room {
		base = base[:room]
	}
	return dir + "." + base + asideSuffix
}

const asideSuffix = ".sysc-new"

func isAside(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, asideSuffix)
}

// WriteFile replaces the file name. When it returns nil the change is on the
// disk.
func (d *Dir) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return d.Write(name, perm, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// Write replaces the file name by what fill writes. When it returns nil the
// change is on the disk; when fill fails nothing has changed. perm holds
// whatever the umask, where the file system has modes at all. fill may change
// the owner.
func (d *Dir) Write(name string, perm fs.FileMode, fill func(f *os.File) error) (err error) {
	aside := Aside(name)
	if err := d.root.RemoveAll(aside); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f, err := d.root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			d.root.Remove(aside)
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	// FAT refuses modes that its mount options do not allow.
	if err := f.Chmod(perm); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return d.rename(aside, name)
}

// Symlink makes name a symbolic link, in place of what was there, a directory
// excepted. When it returns nil the change is on the disk.
func (d *Dir) Symlink(target, name string) error {
	aside := Aside(name)
	if err := d.root.RemoveAll(aside); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := d.root.Symlink(target, aside); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	if err := d.rename(aside, name); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	return nil
}

// Rename moves a file or directory, durably. The contents must be synced before.
func (d *Dir) Rename(from, to string) error {
	if err := d.rename(from, to); err != nil {
		return fmt.Errorf("rename to %s: %w", to, err)
	}
	if path.Dir(from) == path.Dir(to) {
		return nil
	}
	return d.Sync(path.Dir(from))
}

func (d *Dir) rename(from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return err
	}
	return d.Sync(path.Dir(to))
}

// Remove deletes the file, link or empty directory name, durably. It is no error
// when there is none.
func (d *Dir) Remove(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return d.Sync(path.Dir(name))
}

// Sync makes the names in a directory durable.
func (d *Dir) Sync(name string) error {
	f := d.self
	if name != "." {
		var err error
		if f, err = d.root.Open(name); err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
		defer f.Close()
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", path.Join(d.name, name), err)
	}
	return nil
}

// SyncFS makes everything on the file system of d durable (syncfs(2)).
func (d *Dir) SyncFS() error {
	if err := unix.Syncfs(int(d.self.Fd())); err != nil {
		return fmt.Errorf("sync file system of %s: %w", d.name, err)
	}
	return nil
}

// Space returns how many bytes may still be written to the file system of d, and the
// size of its blocks: what a file takes is a multiple of it.
func (d *Dir) Space() (free, block int64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.self.Fd()), &st); err != nil {
		return 0, 0, fmt.Errorf("stat file system of %s: %w", d.name, err)
	}
	return int64(st.Bavail) * st.Bsize, max(st.Bsize, 1), nil
}

// ReadFile returns a file of at most limit bytes. A link is followed inside of d.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("read %s: not a file of at most %d bytes", name, limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: more than %d bytes", name, limit)
	}
	return data, nil
}
