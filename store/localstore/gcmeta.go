package localstore

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// metaDirs returns the directories of the small files beside the database: records,
// realisations and signatures, sorted.
func (s *Store) metaDirs() ([]string, error) {
	dirs := []string{"records", objectSignatures}
	for _, dir := range []string{"realisations", realisationSignatures} {
		shards, err := os.ReadDir(s.path(dir))
		if ignoreNotExist(err) != nil {
			return nil, err
		}
		for _, shard := range shards {
			if shard.IsDir() { // else Verify names it
				dirs = append(dirs, dir+"/"+shard.Name())
			}
		}
	}
	slices.Sort(dirs)
	return dirs, nil
}

// sweepMeta removes the temporary files among records, realisations, signatures and in
// the cache that processes have left which were killed.
func (c *collector) sweepMeta(ctx context.Context) error {
	dirs, err := c.s.metaDirs()
	if err != nil {
		return err
	}
	for _, dir := range append(dirs, "cache") {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.inDir(dir, c.sweepTempFiles); err != nil {
			return err
		}
	}
	return nil
}

// sweepTempFiles removes what of names in a directory is nobody's any more.
func (c *collector) sweepTempFiles(dir int, names []string) error {
	names = slices.DeleteFunc(names, func(name string) bool { return !isTemp(name) })
	if len(names) == 0 {
		return nil
	}
	// In this order: a name that was read belongs to a session that began before.
	if err := c.sessions.refresh(); err != nil {
		return err
	}
	for _, name := range names {
		if c.sessions.owns(name) {
			continue
		}
		switch err := c.unlink(dir, name); err {
		case nil:
			c.result.Leftovers++
		case unix.ENOENT: // it got its name before its session ended
		default:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
