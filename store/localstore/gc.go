package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
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
	// Without are links of indirect roots, by any path to them, that do not count: for
	// a dry run, to learn what their removal would set free.
	Without []string
	// Grace is how long an indirect root counts whose directory cannot be
	// reached. 0 means 30 days.
	Grace time.Duration
	// MaxFree stops when objects of so many bytes are gone, those first that
	// others do not refer to. Contents count that other objects have, too, so less
	// may become free. 0 means no limit.
	MaxFree int64
}

const defaultGrace = 30 * 24 * time.Hour

// GCResult is what [Store.GC] did, or would do.
type GCResult struct {
	// Objects are those that are valid no more, sorted.
	Objects []store.Path `json:"objects"`
	// Kept is the number of objects that stay.
	Kept int `json:"kept"`
	// Blobs, Trees, Checkouts and Leftovers count what was removed on disk.
	// Logs are those of steps, and what was remembered of builds; Leftovers are
	// temporary files, objects that never became valid, downloads that broke off, and
	// old directories of failed builds.
	Blobs     int `json:"blobs"`
	Trees     int `json:"trees"`
	Checkouts int `json:"checkouts"`
	Logs      int `json:"logs"`
	Leftovers int `json:"leftovers"`
	// Bytes is the room that removed blobs, trees, logs and downloads took.
	Bytes int64 `json:"bytes"`
}

// GC removes what no root leads to and nobody uses, who has the store open or runs
// from an object (see [Store.Running]): other processes go on meanwhile. They wait for
// moments only, when they look something up while what is behind the same gate is
// removed (see session.go). Realisations stay, so that a graph resolves without
// building anew what it only passes through.
//
// Objects become invalid in one transaction before the first file goes, so that
// a crash leaves garbage, never a valid object with a part missing.
func (s *Store) GC(ctx context.Context, opts GCOptions) (GCResult, error) {
	if opts.Grace == 0 {
		opts.Grace = defaultGrace
	}
	result, err := s.collect(ctx, opts)
	if err != nil {
		return result, fmt.Errorf("collect garbage: %w", err)
	}
	return result, nil
}

func (s *Store) collect(ctx context.Context, opts GCOptions) (GCResult, error) {
	unlock, err := s.lockCollector(ctx, "another collection of garbage")
	if err != nil {
		return GCResult{}, err
	}
	if !opts.DryRun {
		err = s.dropReserve()
	}
	c := &collector{s: s, opts: opts, trees: map[store.Digest]bool{}, blobs: map[store.Digest]forms{}}
	if err == nil {
		c.sessions, err = newSessions(s.path("sessions"))
	}
	if err == nil {
		err = c.collect(ctx)
		s.trees.clear()
		c.sessions.close()
	}
	err = errors.Join(err, unlock())
	// Whatever ctx says: it is invisible by now, and may be large.
	err = errors.Join(err, removeTrees(context.WithoutCancel(ctx), s.path("tmp"), c.trash, s.jobs, c.beginSweep(0)))
	return c.result, errors.Join(err, s.makeReserve())
}

// A collector is one collection.
type collector struct {
	s        *Store
	opts     GCOptions
	sessions *sessions
	result   GCResult
	trash    []string // names in tmp

	live  map[store.Path]bool
	roots map[store.Digest]bool // trees of live objects

	mu    sync.Mutex // of what live objects need:
	trees map[store.Digest]bool
	blobs map[store.Digest]forms
}

// collect takes stock of objects, once, and then removes what neither belongs to
// one of those that were valid then nor was noted since.
func (c *collector) collect(ctx context.Context) error {
	if err := c.decide(ctx); err != nil {
		return err
	}
	if err := c.mark(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.sweepObjects, c.sweepMeta, c.sweepCheckouts, c.sweepTemps, c.sweepFailed, c.sweepCache, c.sweepLogs, c.sweepDownloads, c.sweepLocks} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	needed := func(d store.Digest) forms {
		if c.trees[d] {
			return plain.set()
		}
		return 0
	}
	if err := c.sweepShards(ctx, c.s.treeDirs, needed, &c.result.Trees); err != nil {
		return err
	}
	return c.sweepShards(ctx, c.s.blobDirs, func(d store.Digest) forms { return c.blobs[d] }, &c.result.Blobs)
}

// behind calls fn while a gate is closed and all notes are known.
func (c *collector) behind(ctx context.Context, gate *gatedDir, fn func() error) error {
	reopen, err := gate.shut(ctx)
	if err != nil {
		return err
	}
	defer reopen()
	if err := c.sessions.refresh(); err != nil {
		return err
	}
	return fn()
}

// decide finds the objects that stay and invalidates the others, in one
// transaction: what is registered before it is noted, what is registered after it
// refers to nothing that has gone.
func (c *collector) decide(ctx context.Context) error {
	// Before the gate is closed, because it takes a while: a program that a session
	// has started since is noted, even when that session ends.
	running, err := c.s.Running(ctx)
	if err != nil {
		return err
	}
	return c.behind(ctx, c.s.objectDir, func() error {
		starts, err := c.starts(ctx)
		if err != nil {
			return err
		}
		for _, r := range running {
			starts = append(starts, r.Path)
		}
		transaction := c.s.db.write
		if c.opts.DryRun {
			transaction = c.s.db.read
		}
		return transaction(ctx, func(conn *sqlite.Conn) error {
			if err := c.findLive(conn, starts); err != nil || c.opts.DryRun || len(c.result.Objects) == 0 {
				return err
			}
			// Most outcomes are those of definitions that are not so any more.
			if err := sqlitex.Execute(conn, `DELETE FROM outcome`, nil); err != nil {
				return err
			}
			const query = `DELETE FROM object WHERE path IN (SELECT value FROM json_each(?))`
			return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{pathList(c.result.Objects)}})
		})
	})
}

// starts returns the objects that roots lead to or that somebody uses, valid or
// not.
func (c *collector) starts(ctx context.Context) ([]store.Path, error) {
	roots, err := c.s.Roots(ctx)
	if err != nil {
		return nil, err
	}
	without, err := lstatAll(c.opts.Without)
	if err != nil {
		return nil, err
	}
	paths := c.sessions.notedObjects()
	for _, r := range roots {
		if isOneOf(r.Link, without) {
			continue
		}
		if r.Unreachable && time.Since(r.seen) > c.opts.Grace {
			continue
		}
		if r.Link != "" && !r.Unreachable && !c.opts.DryRun {
			if err := c.s.sawIndirectRoot(ctx, r); err != nil {
				return nil, err
			}
		}
		paths = append(paths, r.Path)
	}
	return paths, nil
}

// findLive divides the valid objects into those that stay and those that go.
func (c *collector) findLive(conn *sqlite.Conn, starts []store.Path) error {
	valid, err := queryValid(conn, starts)
	if err != nil {
		return err
	}
	live, err := queryClosure(conn, valid)
	if err != nil {
		return err
	}
	c.live = make(map[store.Path]bool, len(live))
	for _, p := range live {
		c.live[p] = true
	}
	all, err := queryPaths(conn, `SELECT path FROM object ORDER BY path`)
	if err != nil {
		return err
	}
	dead := slices.DeleteFunc(all, func(p store.Path) bool { return c.live[p] })
	if c.opts.MaxFree > 0 {
		var spared []store.Path
		if dead, spared, err = limitDead(conn, dead, c.opts.MaxFree); err != nil {
			return err
		}
		for _, p := range spared {
			c.live[p] = true
		}
	}
	c.result.Kept = len(c.live)
	c.result.Objects = dead
	return nil
}

// mark finds the trees and blobs of live objects.
func (c *collector) mark(ctx context.Context) error {
	tops, err := c.s.treesOf(ctx)
	if err != nil {
		return err
	}
	c.roots = make(map[store.Digest]bool, len(tops))
	var live []store.Path
	for p, top := range tops {
		if c.live[p] {
			c.roots[top] = true
			live = append(live, p)
		}
	}
	w := c.s.opts.Progress.begin(&work{name: "Looking for garbage", total: int64(len(live))})
	return par.Do(ctx, len(live), c.s.jobs, func(ctx context.Context, i int) error {
		defer w.done.Add(1)
		if err := c.markTree(ctx, tops[live[i]], 0); err != nil {
			// With a listing gone nobody knows which blobs it names.
			return fmt.Errorf("%s: %w; no blob was removed, see sysc store verify", live[i], err)
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
			c.blobs[e.Digest] |= formOf(&e).set()
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

// sweepEvery is how many names are moved while a gate is closed.
const sweepEvery = 256

// sweepObjects moves what is not valid in store/ to the trash, of objects that
// were invalidated and left over from processes that were killed, and removes the
// records.
func (c *collector) sweepObjects(ctx context.Context) error {
	dead := make(map[store.Path]bool, len(c.result.Objects))
	for _, p := range c.result.Objects {
		dead[p] = true
	}
	choose := func(names []string) ([]string, error) {
		paths := make([]store.Path, len(names))
		for i, name := range names {
			paths[i] = store.Path(name)
		}
		// What was registered since decide is valid, and may not be noted any
		// more.
		valid, err := c.s.valid(ctx, paths)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(names, func(name string) bool {
			p := store.Path(name)
			return c.sessions.hasObject(p) || c.sessions.owns(name) || valid[p] && !(c.opts.DryRun && dead[p])
		}), nil
	}
	err := c.sweepNames(ctx, c.s.objectDir, "store", func(names []string) ([]string, error) {
		names, err := choose(names)
		for _, name := range names {
			if !dead[store.Path(name)] {
				c.result.Leftovers++
			}
		}
		return names, err
	})
	if err != nil {
		return err
	}
	for _, dir := range []string{"records", objectSignatures} {
		if err := c.sweepRecords(ctx, dir, choose); err != nil {
			return err
		}
	}
	return nil
}

// sweepRecords removes from dir the records, or signatures, that choose takes. They
// are behind the gate of the objects.
func (c *collector) sweepRecords(ctx context.Context, dir string, choose func([]string) ([]string, error)) error {
	return c.inDir(dir, func(fd int, names []string) error {
		names = slices.DeleteFunc(names, isTemp) // see sweepMeta
		for some := range slices.Chunk(names, sweepEvery) {
			err := c.behind(ctx, c.s.objectDir, func() error {
				chosen, err := choose(some)
				if err != nil {
					return err
				}
				for _, name := range chosen {
					if err := c.unlink(fd, name); err != nil && err != unix.ENOENT {
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
	})
}

func (c *collector) sweepCheckouts(ctx context.Context) error {
	return c.sweepNames(ctx, c.s.checkoutDir, "checkouts", func(names []string) ([]string, error) {
		names = slices.DeleteFunc(names, func(name string) bool {
			d, err := store.ParseDigest(name)
			return err == nil && (c.roots[d] || c.sessions.hasDigest(d)) || c.sessions.owns(name)
		})
		c.result.Checkouts += len(names)
		return names, nil
	})
}

// sweepNames makes what choose takes of the names in a directory vanish: files are
// unlinked, directories moved to the trash.
func (c *collector) sweepNames(ctx context.Context, gate *gatedDir, dir string, choose func(names []string) ([]string, error)) error {
	names, err := listDir(gate.fd)
	if err != nil {
		return err
	}
	tmp, err := openDir(unix.AT_FDCWD, c.s.path("tmp"))
	if err != nil {
		return err
	}
	defer unix.Close(tmp)
	w := c.beginSweep(len(names))
	for some := range slices.Chunk(names, sweepEvery) {
		err := c.behind(ctx, gate, func() error {
			defer w.done.Add(int64(len(some)))
			chosen, err := choose(some)
			if err != nil || c.opts.DryRun {
				return err
			}
			if err := c.throwAway(gate.fd, chosen, tmp, w); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// throwAway makes names vanish at once. Files, which mostly are one more link to a
// blob, cost less to unlink than to move. Directories are moved into a new one in tmp:
// if all were in one, those who delete them would wait for one another.
func (c *collector) throwAway(from int, names []string, tmp int, w *work) error {
	var dirs []string
	for _, name := range names {
		switch err := unix.Unlinkat(from, name, 0); err {
		case nil:
			w.files.Add(1)
		case unix.EISDIR:
			dirs = append(dirs, name)
		default:
			return &os.PathError{Op: "unlink", Path: name, Err: err}
		}
	}
	if len(dirs) == 0 {
		return nil
	}
	trash := c.s.tempName()
	if err := unix.Mkdirat(tmp, trash, 0o700); err != nil {
		return err
	}
	c.trash = append(c.trash, trash)
	into, err := openDir(tmp, trash)
	if err != nil {
		return err
	}
	defer unix.Close(into)
	for _, name := range dirs {
		if err := moveDirAt(from, name, into, name); err != nil {
			return err
		}
	}
	return nil
}

// sweepTemps takes what sessions have left that ended.
func (c *collector) sweepTemps(context.Context) error {
	entries, err := os.ReadDir(c.s.path("tmp"))
	if err != nil {
		return err
	}
	// In this order: a name that was read belongs to a session that began before.
	if err := c.sessions.refresh(); err != nil {
		return err
	}
	for _, e := range entries {
		if c.sessions.owns(e.Name()) {
			continue
		}
		if err := c.takeLeftover("tmp/" + e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// sweepCache forgets what files looked like that were added: most of what is known
// of them went now.
func (c *collector) sweepCache(context.Context) error {
	return c.inDir("cache", func(fd int, names []string) error {
		for _, name := range slices.DeleteFunc(names, isTemp) { // see sweepMeta
			if err := c.unlink(fd, name); err != nil && err != unix.ENOENT {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// sweepLocks removes the lock files of processes that were killed.
func (c *collector) sweepLocks(context.Context) error {
	entries, err := os.ReadDir(c.s.path("locks"))
	if err != nil || c.opts.DryRun {
		return err
	}
	for _, e := range entries {
		if e.Name() == storeLock || e.Name() == collectLock {
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

// beginSweep begins a step that goes through so many directories, or names in one, 0
// if that is not known.
func (c *collector) beginSweep(total int) *work {
	name := "Removing garbage"
	if c.opts.DryRun {
		name = "Measuring garbage"
	}
	return c.s.opts.Progress.begin(&work{name: name, total: int64(total)})
}

// sweepShards unlinks what is not needed: of some shards at a time, on all cores.
func (c *collector) sweepShards(ctx context.Context, dirs *shards, needed func(store.Digest) forms, count *int) error {
	existing := dirs.existing()
	w := c.beginSweep(len(existing))
	for some := range slices.Chunk(existing, c.s.jobs) {
		sweeps, err := c.openSweeps(ctx, dirs, some, needed)
		if err != nil {
			return err
		}
		for slices.ContainsFunc(sweeps, func(s *shardSweep) bool { return len(s.victims) > 0 }) {
			err := c.behind(ctx, dirs.gate, func() error {
				return par.Do(ctx, len(sweeps), c.s.jobs, func(_ context.Context, i int) error { return sweeps[i].some() })
			})
			if err != nil {
				return err
			}
		}
		for _, s := range sweeps {
			*count += s.removed
			c.result.Leftovers += s.leftovers
			c.result.Bytes += s.room
			w.files.Add(int64(s.removed + s.leftovers))
			w.bytes.Add(s.room)
		}
		w.done.Add(int64(len(sweeps)))
	}
	return nil
}

// openSweeps finds out what goes from some shards.
func (c *collector) openSweeps(ctx context.Context, dirs *shards, some []byte, needed func(store.Digest) forms) ([]*shardSweep, error) {
	sweeps := make([]*shardSweep, len(some))
	return sweeps, par.Do(ctx, len(sweeps), c.s.jobs, func(_ context.Context, i int) (err error) {
		s := &shardSweep{c: c, dir: dirs.dir, name: shardName(some[i]), needed: needed}
		sweeps[i] = s
		if s.fd, err = dirs.fd(store.Digest{some[i]}, false); err != nil {
			return err
		}
		return s.list()
	})
}

// A shardSweep is that of one directory of blobs or trees.
type shardSweep struct {
	c         *collector
	fd        int
	dir, name string
	needed    func(store.Digest) forms

	victims            []victim
	removed, leftovers int
	room               int64
}

// A victim is a file that goes, unless somebody uses it.
type victim struct {
	name string
	// spare is set when the same blob stays in its other form, or goes with it.
	spare bool
}

func (s *shardSweep) list() error {
	names, err := listDir(s.fd)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", s.dir, s.name, err)
	}
	s.victims = s.choose(names)
	return nil
}

// some removes as many victims as may go while a gate is closed.
func (s *shardSweep) some() error {
	n := min(sweepEvery, len(s.victims))
	for _, v := range s.victims[:n] {
		if err := s.remove(v); err != nil {
			return fmt.Errorf("%s/%s/%s: %w", s.dir, s.name, v.name, err)
		}
	}
	s.victims = s.victims[n:]
	return nil
}

// choose returns what nothing live needs. Of a blob that is needed in one form and
// there in both, the other goes.
func (s *shardSweep) choose(names []string) []victim {
	slices.Sort(names) // forms of one blob are neighbours
	var victims []victim
	for i, name := range names {
		d, f, ok := s.parse(name)
		twin := f.other().shardedName(d)
		both := ok && (i > 0 && names[i-1] == twin || i+1 < len(names) && names[i+1] == twin)
		needed := forms(0)
		if ok {
			needed = s.needed(d)
		}
		if needed == 0 || both && !needed.has(f) {
			victims = append(victims, victim{name: name, spare: both && (needed != 0 || f == executable)})
		}
	}
	return victims
}

func (s *shardSweep) parse(name string) (store.Digest, form, bool) {
	name, f := cutForm(name)
	d, ok := parseSharded(s.name, name)
	return d, f, ok
}

// remove unlinks one file unless somebody uses it.
func (s *shardSweep) remove(v victim) error {
	name := v.name
	d, _, ok := s.parse(name)
	if ok && s.c.sessions.hasDigest(d) || !ok && s.c.sessions.owns(name) {
		return nil
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(s.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT && !ok:
		return nil // a temporary file that got its name
	case err != nil:
		return err
	}
	if !ok {
		s.leftovers++
	} else if !v.spare {
		s.removed++
	}
	s.room += roomOf(&st)
	return s.c.unlink(s.fd, name)
}
