package localstore

import (
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Leftovers returns what processes have left behind that had the store in dir
// open and were killed: temporary files and files of sessions, as sorted paths.
// [Store.GC] removes them. It changes nothing and needs no open store; where
// there is no store, nothing is left. Sessions of others that it may not look at
// count as alive.
func Leftovers(dir string) ([]string, error) {
	// In this order: a name that was read belongs to a session that began before.
	temps, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if ignoreNotExist(err) != nil {
		return nil, err
	}
	sessions, err := os.ReadDir(filepath.Join(dir, "sessions"))
	if ignoreNotExist(err) != nil {
		return nil, err
	}
	var left []string
	alive := make(map[string]bool)
	for _, e := range sessions {
		path := filepath.Join(dir, "sessions", e.Name())
		abandoned, err := isAbandoned(path)
		if err != nil {
			return nil, err
		}
		if abandoned {
			left = append(left, path)
		}
		alive[e.Name()] = !abandoned
	}
	for _, e := range temps {
		if _, owner, ok := cutTempName(e.Name()); !ok || !alive[owner] {
			left = append(left, filepath.Join(dir, "tmp", e.Name()))
		}
	}
	slices.Sort(left)
	return left, nil
}

// isAbandoned reports whether a file that its maker keeps locked is there and nobody
// holds the lock.
func isAbandoned(path string) (bool, error) {
	fd, err := lockAbandoned(unix.AT_FDCWD, path)
	if fd >= 0 {
		return true, unix.Close(fd)
	}
	if err == unix.ENOENT || err == unix.EACCES {
		err = nil
	}
	return false, err
}

// lockAbandoned locks a file that its maker keeps locked for as long as it is needed.
// fd is -1 when somebody holds the lock. Who makes such a file looks whether it is
// still there when it is locked.
func lockAbandoned(dir int, name string) (fd int, err error) {
	fd, err = openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err = flock(fd, unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return fd, nil
	}
	unix.Close(fd)
	return -1, ignore(err, unix.EWOULDBLOCK)
}
