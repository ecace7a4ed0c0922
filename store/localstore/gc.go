package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/internal/filelock"
	"sysc/internal/par"
	"sysc/store"
	"sysc/store/tree"
)

// GCOptions says what [Store.GC] does.
type GCOptions struct {
	// DryRun changes nothing and says what would go.
	DryRun bool
	// Grace is how long an indirect root counts whose directory cannot be
	// reached. 0 means 30 days.
	Grace time.Duration
}

const defaultGrace = 30 * 24 * time.Hour

// GCResult is what [Store.GC] did, or would do.
type GCResult struct {
	// Objects are those that are valid no more, sorted.
	Objects []store.Path
	// Kept is the number of objects that stay.
	Kept int
	// Blobs, Trees, Checkouts and Leftovers count what was removed on disk.
	// Leftovers are temporary files and objects that never became valid.
	Blobs, Trees, Checkouts, Leftovers int
	// Bytes is the room that removed blobs and trees took.
	Bytes int64
}

// GC removes what no root leads to. It waits until it is the only process that
// has the store open, and keeps others from opening it until what is left is
// decided; deleting objects' directories comes after that. Nothing else may be
// under way in this Store. Realisations stay, so that a graph resolves without
// building anew what it only passes through.
//
// Objects become invalid in one transaction before the first file goes, so that
// a crash leaves garbage, never a valid object with a part missing.
func (s *Store) GC(ctx context.Context, opts GCOptions) (GCResult, error) {
	if opts.Grace == 0 {
		opts.Grace = defaultGrace
	}
	if err := s.lock.Upgrade(ctx, s.waiter("other users of the store "+s.dir)); err != nil {
		return GCResult{}, fmt.Errorf("collect garbage: %w", err)
	}
	c := &collector{s: s, opts: opts, trees: map[store.Digest]bool{}, blobs: map[store.Digest]bool{}}
	err := c.collect(ctx)
	s.trees.clear()
	err = errors.Join(err, s.lock.Downgrade())
	if !opts.DryRun {
		for _, name := range c.trash {
			err = errors.Join(err, removeTree(ctx, s.path("tmp"), name, s.jobs))
		}
	}
	if err != nil {
		return c.result, fmt.Errorf("collect garbage: %w", err)
	}
	return c.result, nil
}

// A collector is one collection, while the store is locked.
type collector struct {
	s      *Store
	opts   GCOptions
	result GCResult
	trash  []string // names in tmp

	live  map[store.Path]bool
	roots map[store.Digest]bool // trees of live objects

	mu           sync.Mutex
	trees, blobs map[store.Digest]bool // what live objects need
}

func (c *collector) collect(ctx context.Context) error {
	if err := c.mark(ctx); err != nil {
		return err
	}
	if err := c.invalidate(ctx); err != nil {
		return err
	}
	for _, step := range []func() error{c.sweepObjects, c.sweepCheckouts, c.sweepTemps, c.sweepLocks} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := c.sweepShards(ctx, c.s.treeDirs, c.trees, &c.result.Trees); err != nil {
		return err
	}
	return c.sweepShards(ctx, c.s.blobDirs, c.blobs, &c.result.Blobs)
}

// mark finds what roots lead to: objects, then their trees and blobs.
func (c *collector) mark(ctx context.Context) error {
	roots, err := c.s.Roots(ctx)
	if err != nil {
		return err
	}
	var paths []store.Path
	for _, r := range roots {
		if r.Unreachable && time.Since(r.seen) > c.opts.Grace {
			continue
		}
		if r.Link != "" && !r.Unreachable && !c.opts.DryRun {
			if err := c.s.sawIndirectRoot(ctx, r); err != nil {
				return err
			}
		}
		paths = append(paths, r.Path)
	}
	valid, err := c.s.Valid(ctx, paths)
	if err != nil {
		return err
	}
	paths = slices.DeleteFunc(paths, func(p store.Path) bool { return !valid[p] })
	live, err := c.s.Closure(ctx, paths)
	if err != nil {
		return err
	}
	c.live = make(map[store.Path]bool, len(live))
	c.roots = make(map[store.Digest]bool, len(live))
	c.result.Kept = len(live)
	tops := make([]store.Digest, len(live))
	for i, p := range live {
		o, err := c.s.Object(ctx, p)
		if err != nil {
			return err
		}
		c.live[p] = true
		c.roots[o.Tree] = true
		tops[i] = o.Tree
	}
	return par.Do(ctx, len(live), c.s.jobs, func(ctx context.Context, i int) error {
		if err := c.markTree(ctx, tops[i], 0); err != nil {
			// With a listing gone nobody knows which blobs it names.
			return fmt.Errorf("%s: %w; nothing was removed, see sysc store verify", live[i], err)
		}
		return nil
	})
}

func (c *collector) markTree(ctx context.Context, d store.Digest, depth int) error {
	if depth > tree.MaxDepth {
		return fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	seen := c.trees[d]
	c.trees[d] = true
	c.mu.Unlock()
	if seen {
		return nil
	}
	t, _, err := c.s.readTree(d)
	if err != nil {
		return fmt.Errorf("read tree %s: %w", d, err)
	}
	c.mu.Lock()
	for _, e := range t.Entries {
		if e.Type == tree.File {
			c.blobs[e.Digest] = true
		}
	}
	c.mu.Unlock()
	for _, e := range t.Entries {
		if e.Type == tree.Dir {
			if err := c.markTree(ctx, e.Digest, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// invalidate deletes the rows of what is not live.
func (c *collector) invalidate(ctx context.Context) error {
	all, err := c.s.Objects(ctx)
	if err != nil {
		return err
	}
	c.result.Objects = slices.DeleteFunc(all, func(p store.Path) bool { return c.live[p] })
	if c.opts.DryRun || len(c.result.Objects) == 0 {
		return nil
	}
	return c.s.db.write(ctx, func(conn *sqlite.Conn) error {
		const query = `DELETE FROM object WHERE path IN (SELECT value FROM json_each(?))`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{pathList(c.result.Objects)}})
	})
}

// sweepObjects moves everything in store/ that is not live to the trash.
func (c *collector) sweepObjects() error {
	dead := make(map[string]bool, len(c.result.Objects))
	for _, p := range c.result.Objects {
		dead[string(p)] = true
	}
	return c.sweepNames("store", func(name string) bool {
		if c.live[store.Path(name)] {
			return false
		}
		if !dead[name] {
			c.result.Leftovers++
		}
		return true
	})
}

func (c *collector) sweepCheckouts() error {
	return c.sweepNames("checkouts", func(name string) bool {
		d, err := store.ParseDigest(name)
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if err == nil && c.roots[d] || c.s.uses[c.s.path("checkouts/"+name)] > 0 {
			return false
		}
		c.result.Checkouts++
		return true
	})
}

func (c *collector) sweepNames(dir string, dead func(name string) bool) error {
	entries, err := os.ReadDir(c.s.path(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !dead(e.Name()) || c.opts.DryRun {
			continue
		}
		name := c.s.tempName()
		if err := moveDir(c.s.path(dir+"/"+e.Name()), c.s.path("tmp/"+name)); err != nil {
			return err
		}
		c.trash = append(c.trash, name)
	}
	return nil
}

// sweepTemps notes what nobody uses: no other process has the store open.
func (c *collector) sweepTemps() error {
	entries, err := os.ReadDir(c.s.path("tmp"))
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, e := range entries {
		if !c.s.temps[e.Name()] && !slices.Contains(c.trash, e.Name()) {
			c.trash = append(c.trash, e.Name())
			c.result.Leftovers++
		}
	}
	return nil
}

// sweepLocks removes the lock files of processes that were killed.
func (c *collector) sweepLocks() error {
	entries, err := os.ReadDir(c.s.path("locks"))
	if err != nil || c.opts.DryRun {
		return err
	}
	for _, e := range entries {
		if e.Name() == "store" {
			continue
		}
		path := c.s.path("locks/" + e.Name())
		unlock, err := filelock.TryLock(path)
		if errors.Is(err, filelock.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(filelock.Remove(path), unlock()); err != nil {
			return err
		}
	}
	return nil
}

// sweepShards unlinks what is not live, on all cores.
func (c *collector) sweepShards(ctx context.Context, dirs *shards, live map[store.Digest]bool, count *int) error {
	var removed, leftovers, room atomic.Int64
	err := par.Do(ctx, len(dirs.fds), c.s.jobs, func(ctx context.Context, i int) error {
		fd, err := dirs.fd(store.Digest{byte(i)}, false)
		if errors.Is(err, store.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		names, err := listDir(fd)
		if err != nil {
			return err
		}
		for _, name := range names {
			d, ok := parseSharded(shardName(byte(i)), strings.TrimSuffix(name, executableSuffix))
			if ok && live[d] {
				continue
			}
			var st unix.Stat_t
			if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return fmt.Errorf("%s/%s: %w", dirs.dir, name, err)
			}
			if !ok {
				leftovers.Add(1)
			} else if !strings.HasSuffix(name, executableSuffix) {
				removed.Add(1)
			}
			const blockSize = 512 // of st_blocks, see stat(3type)
			room.Add(st.Blocks * blockSize)
			if c.opts.DryRun {
				continue
			}
			if err := unix.Unlinkat(fd, name, 0); err != nil {
				return fmt.Errorf("%s/%s: %w", dirs.dir, name, err)
			}
		}
		return ctx.Err()
	})
	*count += int(removed.Load())
	c.result.Leftovers += int(leftovers.Load())
	c.result.Bytes += room.Load()
	return err
}
