package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// KeptFailed is for how long [Store.GC] leaves alone what [Store.KeepFailed] kept.
const KeptFailed = 7 * 24 * time.Hour

// FailedDir is the directory that has what [Store.KeepFailed] kept.
func (s *Store) FailedDir() string { return s.path("failed") }

// KeepFailed moves a directory of [Store.TempDir], which failed work has left, to
// where its user may look at it for a while, and returns where that is. name is for
// people. Nobody else can reach it: it may hold whatever a builder wrote.
func (s *Store) KeepFailed(dir, name string) (kept string, err error) {
	// Its age counts from now. After the move somebody else may own its name.
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return "", fmt.Errorf("keep failed: %w", err)
	}
	for i := 1; ; i++ {
		kept = filepath.Join(s.FailedDir(), name+"-"+strconv.Itoa(i))
		if err := moveDir(dir, kept); !errors.Is(err, unix.EEXIST) {
			if err != nil {
				return "", fmt.Errorf("keep failed: %w", err)
			}
			return kept, nil
		}
	}
}

// sweepFailed takes the directories of failed work that were kept for long enough.
func (c *collector) sweepFailed(context.Context) error {
	entries, err := os.ReadDir(c.s.FailedDir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // its user has removed it
		case err != nil:
			return err
		case time.Since(info.ModTime()) < KeptFailed:
			continue
		}
		if err := c.takeLeftover("failed/" + e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// takeLeftover moves a directory to the trash, by a name of this session, because
// the next collector may come before it is deleted.
func (c *collector) takeLeftover(path string) error {
	c.result.Leftovers++
	if c.opts.DryRun {
		return nil
	}
	trash := c.s.tempName()
	if err := moveDir(c.s.path(path), c.s.path("tmp/"+trash)); err != nil {
		return err
	}
	c.trash = append(c.trash, trash)
	return nil
}
