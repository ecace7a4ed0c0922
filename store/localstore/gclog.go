package localstore

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// Package build writes log/ab/<hash of the resolved derivation>.zst, and while a
// step runs a file of another name there, whose lock it holds.
const (
	logSuffix = ".zst"
	// logAge is how long a log stays whose step has no live result: because it
	// failed, or because the result was collected.
	logAge = 30 * 24 * time.Hour
)

// sweepLogs removes old logs and those of steps that were killed. Nothing depends on
// them, so a step that ends this moment may lose its log, when the same step ran
// long ago.
func (c *collector) sweepLogs(ctx context.Context) error {
	entries, err := os.ReadDir(c.s.path("log"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.IsDir() {
			continue
		}
		err := c.inDir("log/"+e.Name(), func(fd int, names []string) error {
			for _, name := range names {
				if err := c.sweepLog(ctx, fd, name); err != nil && err != unix.ENOENT {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepLog removes one file if it is of no use any more. unix.ENOENT says that
// it went, or got its name, by itself.
func (c *collector) sweepLog(ctx context.Context, dir int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	hash, err := store.ParseDerivationHash(strings.TrimSuffix(name, logSuffix))
	if err != nil || !strings.HasSuffix(name, logSuffix) {
		return c.sweepRunningLog(dir, name)
	}
	if time.Since(time.Unix(st.Mtim.Unix())) <= logAge {
		return nil
	}
	if live, err := c.realisesLive(ctx, hash); live || err != nil {
		return err
	}
	c.result.Logs++
	c.result.Bytes += roomOf(&st)
	return c.unlink(dir, name)
}

// sweepRunningLog removes a file that nobody holds the lock of.
func (c *collector) sweepRunningLog(dir int, name string) error {
	fd, err := lockAbandoned(dir, name)
	if err != nil || fd < 0 {
		return err
	}
	defer unix.Close(fd)
	c.result.Leftovers++
	return c.unlink(dir, name)
}

// realisesLive reports whether an output of a derivation is a live object.
func (c *collector) realisesLive(ctx context.Context, hash store.DerivationHash) (live bool, err error) {
	err = c.s.db.read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, `SELECT path FROM realisation WHERE derivation = ?`, &sqlitex.ExecOptions{
			Args: []any{hash[:]},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				live = live || c.live[store.Path(stmt.ColumnText(0))]
				return nil
			},
		})
	})
	return live, err
}
