package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sysc/internal/par"
	"sysc/internal/procfd"
)

// TempDir makes a directory below the store's tmp, 0700 and empty, whose name
// begins with pattern. It is on the file system of the store, so that what is
// made in it can be moved. remove deletes it with everything in it, whatever a
// builder left there; garbage collection does when nobody called it and the
// process has ended.
func (s *Store) TempDir(ctx context.Context, pattern string) (dir string, remove func() error, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	if pattern != filepath.Base(pattern) || pattern == "." || pattern == ".." {
		return "", nil, fmt.Errorf("make temporary directory: pattern %q is not one name", pattern)
	}
	name := s.session.tempName(pattern, s.sequence.Add(1))
	dir = s.path("tmp/" + name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make temporary directory: %w", err)
	}
	return dir, func() error {
		return removeTree(context.Background(), s.path("tmp"), name, s.jobs)
	}, nil
}

// discard makes what is at path vanish at once, by renaming it, and then
// deletes it. A missing path is no error.
func (s *Store) discard(ctx context.Context, path string) error {
	name := s.tempName()
	if err := moveDir(path, s.path("tmp/"+name)); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	return removeTree(ctx, s.path("tmp"), name, s.jobs)
}

// moveDir is moveDirAt by paths.
func moveDir(from, to string) error {
	return moveDirAt(unix.AT_FDCWD, from, unix.AT_FDCWD, to)
}

// moveDirAt renames, also a directory that its owner cannot write to: moving one
// to another parent changes its "..".
func moveDirAt(fromDir int, from string, toDir int, to string) error {
	err := renameNew(fromDir, from, toDir, to)
	if err == unix.EACCES {
		if err := chmodDir(fromDir, from, 0o755); err != nil {
			return err
		}
		err = renameNew(fromDir, from, toDir, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// chmodDir changes the mode of a directory, never that of what a link in its
// place leads to.
func chmodDir(dir int, name string, mode uint32) error {
	fd, err := openDir(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode)
}

// removeTree deletes parent/name and everything below it. Whoever made it may
// be hostile, and may still be running: it goes from directory descriptor to
// directory descriptor and follows no link (CVE-2025-46415). Directories that
// are too deep to hold open all the way are moved up first. Several cores work
// at it.
func removeTree(ctx context.Context, parent, name string, jobs int) error {
	return removeTrees(ctx, parent, []string{name}, jobs, &work{})
}

// removeTrees is removeTree for many names in parent. The files are counted in w.
func removeTrees(ctx context.Context, parent string, names []string, jobs int, w *work) error {
	if len(names) == 0 {
		return nil
	}
	top, err := openDir(unix.AT_FDCWD, parent)
	if err != nil {
		return fmt.Errorf("remove %s: %w", filepath.Join(parent, names[0]), err)
	}
	defer unix.Close(top)
	r := &remover{top: top, prefix: names[0], jobs: jobs, work: w}
	defer r.open.closeAll()
	err = par.Run(ctx, jobs, func(ctx context.Context, q *par.Queue) error {
		for _, name := range names[1:] {
			q.Add(r.task(nil, name, 0, false))
		}
		return r.task(nil, names[0], 0, false)(ctx, q)
	})
	if err != nil {
		return fmt.Errorf("remove from %s: %w", parent, err)
	}
	return nil
}

type remover struct {
	top    int    // where too deep directories are moved to
	prefix string // of their names there
	jobs   int
	moved  atomic.Int64
	open   fdSet
	work   *work
}

// removeDepth is how many nested directories are held open, per core.
const removeDepth = 100

// A removeDir is a directory that is being emptied. It is removed itself when
// nothing is left in it.
type removeDir struct {
	parent *removeDir // nil: in remover.top
	name   string
	fd     int
	left   atomic.Int64 // sub-directories that are not gone yet, and the scan
}

// task removes name in parent. likelyDir is set for what was a directory when it was
// listed: anything else is unlinked, and a directory refuses that.
func (r *remover) task(parent *removeDir, name string, depth int, likelyDir bool) par.Task {
	return func(ctx context.Context, q *par.Queue) error {
		if !likelyDir {
			gone, err := r.unlinkFile(parent, name)
			if err != nil {
				return err
			}
			if gone {
				return r.release(parent)
			}
		}
		fd, err := openForRemoval(r.fdOf(parent), name)
		if likelyDir && err == unix.ENOTDIR {
			return r.task(parent, name, depth, false)(ctx, q)
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		r.open.add(fd)
		d := &removeDir{parent: parent, name: name, fd: fd}
		d.left.Store(1)
		if err := r.empty(ctx, q, d, depth); err != nil {
			return err
		}
		return r.release(d)
	}
}

// empty unlinks what it can in d and queues the directories.
func (r *remover) empty(ctx context.Context, q *par.Queue, d *removeDir, depth int) error {
	names, dirs, err := readSorts(d.fd)
	if err != nil {
		return &os.PathError{Op: "read", Path: d.name, Err: err}
	}
	const checkEvery = 1000
	for i, name := range names {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !dirs[i] {
			gone, err := r.unlinkFile(d, name)
			if err != nil {
				return err
			}
			if gone {
				continue
			}
		}
		if depth < removeDepth {
			d.left.Add(1)
			if err := r.share(ctx, q, r.task(d, name, depth+1, dirs[i])); err != nil {
				return err
			}
			continue
		}
		up := r.upName()
		if err := r.moveUp(d.fd, name, up); err != nil {
			return &os.PathError{Op: "move up", Path: name, Err: err}
		}
		q.Add(r.task(nil, up, 0, true))
	}
	return nil
}

// share leaves a task to others when they have nothing to do, and else does it: two
// that remove from the same directory wait for one another.
func (r *remover) share(ctx context.Context, q *par.Queue, task par.Task) error {
	if q.Len() < r.jobs {
		q.Add(task)
		return nil
	}
	return task(ctx, q)
}

// upName returns a name for what is moved up, whose owner is that of the prefix.
func (r *remover) upName() string {
	return r.prefix + "." + strconv.FormatInt(r.moved.Add(1), 10)
}

func (r *remover) moveUp(at int, name, up string) error {
	err := unix.Renameat(at, name, r.top, up)
	if err != unix.EACCES {
		return err
	}
	// Its mode keeps its ".." from changing.
	fd, err := openForRemoval(at, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fchmod(fd, 0o700); err != nil {
		return err
	}
	return unix.Renameat(at, name, r.top, up)
}

// release counts one thing in d as done and removes what has become empty.
func (r *remover) release(d *removeDir) error {
	for d != nil && d.left.Add(-1) == 0 {
		r.open.close(d.fd)
		if err := r.unlink(d.parent, d.name, unix.AT_REMOVEDIR); err != nil {
			return &os.PathError{Op: "remove directory", Path: d.name, Err: err}
		}
		d = d.parent
	}
	return nil
}

// unlinkFile removes a name in d that is no directory, and reports whether it was
// none.
func (r *remover) unlinkFile(d *removeDir, name string) (gone bool, err error) {
	switch err := r.unlink(d, name, 0); err {
	case nil:
		r.work.files.Add(1)
		return true, nil
	case unix.EISDIR, unix.EPERM:
		return false, nil
	default:
		return false, &os.PathError{Op: "unlink", Path: name, Err: err}
	}
}

// unlink removes a name in d, which is made writable if that is what it takes.
func (r *remover) unlink(d *removeDir, name string, flags int) error {
	at := r.fdOf(d)
	err := unix.Unlinkat(at, name, flags)
	if err == unix.EACCES && d != nil {
		if err := unix.Fchmod(at, 0o700); err != nil {
			return err
		}
		err = unix.Unlinkat(at, name, flags)
	}
	return ignore(err, unix.ENOENT)
}

func (r *remover) fdOf(d *removeDir) int {
	if d == nil {
		return r.top
	}
	return d.fd
}

// openForRemoval opens a directory, which is made readable for its owner if that
// is what it takes.
func openForRemoval(at int, name string) (int, error) {
	fd, err := openDir(at, name)
	if errors.Is(err, unix.EACCES) {
		fd, err = procfd.OpenOwn(at, name, unix.O_RDONLY|unix.O_DIRECTORY)
	}
	return fd, err
}
