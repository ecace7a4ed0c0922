package localstore

import (
	"errors"
	"io/fs"
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
		if alive[e.Name()], err = sessionLives(path); err != nil {
			return nil, err
		}
		if !alive[e.Name()] {
			left = append(left, path)
		}
	}
	for _, e := range temps {
		if _, owner, ok := cutTempName(e.Name()); !ok || !alive[owner] {
			left = append(left, filepath.Join(dir, "tmp", e.Name()))
		}
	}
	slices.Sort(left)
	return left, nil
}

// sessionLives reports whether somebody holds the lock of a session's file. One
// that is gone by now lived a moment ago.
func sessionLives(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	return false, err
}
