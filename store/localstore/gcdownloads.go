package localstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sysc/internal/filelock"
)

// Package builtin downloads a file to downloads/<digest>, whose lock is <digest>.lock.
// What has arrived when it breaks off is <digest>.part, for the next time.
const (
	downloadsDir = "downloads"
	partSuffix   = ".part"
	lockSuffix   = ".lock"
	// partAge is how long a part stays that nothing was added to.
	partAge = 7 * 24 * time.Hour
)

// sweepDownloads removes what is left of downloads that nobody goes on with.
func (c *collector) sweepDownloads(ctx context.Context) error {
	return c.inDir(downloadsDir, func(fd int, names []string) error {
		for i, name := range names {
			names[i], _, _ = strings.Cut(name, ".")
		}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.sweepDownload(fd, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// sweepDownload removes what is left of one download, unless somebody is at it.
func (c *collector) sweepDownload(dir int, name string) (err error) {
	unlock, err := c.lockDownload(dir, name+lockSuffix)
	if errors.Is(err, filelock.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// A whole one was not added before its process was killed.
	if err := c.sweepPart(dir, name, 0); err != nil {
		return err
	}
	return c.sweepPart(dir, name+partSuffix, partAge)
}

// lockDownload takes a lock whose file is removed afterwards, or only looks, when
// nothing shall change.
func (c *collector) lockDownload(dir int, lock string) (unlock func() error, err error) {
	if c.opts.DryRun {
		fd, err := lockAbandoned(dir, lock)
		switch {
		case err == unix.ENOENT:
			return func() error { return nil }, nil
		case err == nil && fd < 0:
			return nil, filelock.ErrLocked
		}
		return func() error { return unix.Close(fd) }, err
	}
	path := c.s.path(downloadsDir + "/" + lock)
	release, err := filelock.TryLock(path)
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(filelock.Remove(path), release()) }, nil
}

// sweepPart removes a file that is older than that.
func (c *collector) sweepPart(dir int, name string, age time.Duration) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || time.Since(time.Unix(st.Mtim.Unix())) < age {
		return ignore(err, unix.ENOENT)
	}
	c.result.Leftovers++
	c.result.Bytes += roomOf(&st)
	return c.unlink(dir, name)
}
