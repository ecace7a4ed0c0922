package localstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Leftovers returns what processes have left behind that had the store in dir
// open and were killed, as sorted paths: files of sessions, lock files, logs of steps
// that did not end, and what has a temporary name. [Store.GC] removes them. It changes
// nothing and needs no open store; where there is no store, nothing is left. What it
// may not look at counts as in use, as does what is being made this moment.
func Leftovers(dir string) ([]string, error) {
	// In this order: a name that was read belongs to a session that began before.
	temps, err := matches(dir, tempPatterns())
	if err != nil {
		return nil, err
	}
	locked, err := matches(dir, []string{"sessions/*", "log/*/*", "locks/*", downloadsDir + "/*" + lockSuffix})
	if err != nil {
		return nil, err
	}
	var left []string
	ended := make(map[string]bool)
	for _, name := range locked {
		if strings.HasPrefix(name, "log/") && strings.HasSuffix(name, logSuffix) || name == "locks/"+storeLock || name == "locks/"+collectLock {
			continue
		}
		if ended[name], err = isAbandoned(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
		if ended[name] {
			left = append(left, filepath.Join(dir, name))
		}
	}
	for _, name := range temps {
		_, owner, ok := cutTempName(filepath.Base(name))
		session := "sessions/" + owner
		if !ok || !slices.Contains(locked, session) || ended[session] {
			left = append(left, filepath.Join(dir, name))
		}
	}
	slices.Sort(left)
	return left, nil
}

// tempPatterns are for the names of what is being made.
func tempPatterns() []string {
	patterns := []string{"tmp/*"}
	for _, dir := range []string{"store", "checkouts", "blobs/*", "trees/*", "cache", "records", "realisations/*", objectSignatures, realisationSignatures + "/*"} {
		patterns = append(patterns, dir+"/"+tempPrefix+"*")
	}
	return patterns
}

// matches returns the names below dir that match a pattern, relative to it. A
// directory that cannot be read has none.
func matches(dir string, patterns []string) (names []string, err error) {
	for _, pattern := range patterns {
		found, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	return names, nil
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
