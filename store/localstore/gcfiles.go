package localstore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// roomOf is what a file takes on the disk, in bytes.
func roomOf(st *unix.Stat_t) int64 {
	const blockSize = 512 // of st_blocks, see stat(3type)
	return st.Blocks * blockSize
}

// unlink removes a file, unless that is only to be announced.
func (c *collector) unlink(dir int, name string) error {
	if c.opts.DryRun {
		return nil
	}
	return unix.Unlinkat(dir, name, 0)
}

// inDir calls fn with an open directory of the store and the names in it. One that is
// not there has none.
func (c *collector) inDir(dir string, fn func(fd int, names []string) error) error {
	fd, err := openDir(unix.AT_FDCWD, c.s.path(dir))
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	defer unix.Close(fd)
	names, err := listDir(fd)
	if err == nil {
		err = fn(fd, names)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
