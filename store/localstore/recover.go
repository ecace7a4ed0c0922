package localstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sysc/internal/atomicfile"
	"sysc/internal/filelock"
	"sysc/internal/par"
	"sysc/store"
)

// A blob or tree is renamed to its name before its bytes are on the disk; they
// are synced when an object is registered. After a power cut there may hence be
// blobs of the right name and the right size that are full of zeros. No valid
// object has one, but AddBlob would take them for present.
//
// So the first write of a process leaves a file dirty/<boot id>, durably. Its
// time says since when content may be unsynced: that of its making, later that
// of the last sync. Whoever opens the store in another boot re-hashes what is
// younger, removes what is wrong, and then the mark.

// dirtySlack is what a file's time may be behind the clock: the kernel stamps
// files with the time of the last tick.
const dirtySlack = time.Second

// A dirtyMark is this process's knowledge of the mark of this boot.
type dirtyMark struct {
	set  atomic.Bool
	mu   sync.Mutex
	path string
}

// markDirty has to come before anything is written. It costs a sync once.
func (s *Store) markDirty() error {
	if s.dirty.set.Load() {
		return nil
	}
	s.dirty.mu.Lock()
	defer s.dirty.mu.Unlock()
	if s.dirty.set.Load() {
		return nil
	}
	path := s.path("dirty/" + bootID())
	// One that is there keeps its time, but may not be on the disk yet.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close(), atomicfile.SyncDir(s.path("dirty"))); err != nil {
		return err
	}
	s.dirty.path = path
	s.dirty.set.Store(true)
	return nil
}

// advanceDirty records that all that was written before t is on the disk. It
// may get lost in a crash: then more is looked at than need be.
func (s *Store) advanceDirty(t time.Time) error {
	if !s.dirty.set.Load() {
		return nil
	}
	t = t.Add(-dirtySlack)
	return os.Chtimes(s.dirty.path, t, t)
}

// bootID is different after each start of the machine. Without /proc there is
// none, and content left by a power cut is found by Verify only.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}

// recover removes what an earlier boot of the machine left half written.
func (s *Store) recover(ctx context.Context) error {
	marks, err := s.oldMarks()
	if err != nil || len(marks) == 0 {
		return err
	}
	unlock, err := filelock.Lock(ctx, s.path("locks/recover"), s.waiter("recovery after a power cut"))
	if err != nil {
		return err
	}
	defer unlock()
	if marks, err = s.oldMarks(); err != nil || len(marks) == 0 {
		return err
	}
	since := marks[0].ModTime()
	for _, m := range marks {
		if m.ModTime().Before(since) {
			since = m.ModTime()
		}
	}
	if err := s.recheck(ctx, since); err != nil {
		return fmt.Errorf("look for what a power cut left: %w", err)
	}
	// The removals have to be on the disk before the marks are gone.
	if err := s.syncNow(); err != nil {
		return err
	}
	for _, m := range marks {
		if err := os.Remove(s.path("dirty/" + m.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) oldMarks() ([]fs.FileInfo, error) {
	entries, err := os.ReadDir(s.path("dirty"))
	if err != nil {
		return nil, err
	}
	var old []fs.FileInfo
	current := bootID()
	for _, e := range entries {
		if e.Name() == current {
			continue
		}
		info, err := e.Info()
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue // another process was quicker
			}
			return nil, err
		}
		old = append(old, info)
	}
	return old, nil
}

// recheck looks at everything that changed at since or later.
func (s *Store) recheck(ctx context.Context, since time.Time) error {
	for _, dirs := range []*shards{s.blobDirs, s.treeDirs} {
		existing := dirs.existing()
		w := s.opts.Progress.begin(&work{name: "Looking for what a power cut left", total: int64(len(existing))})
		err := par.Do(ctx, len(existing), s.jobs, func(ctx context.Context, i int) error {
			defer w.done.Add(1)
			return s.recheckShard(ctx, dirs, existing[i], since, w)
		})
		if err != nil {
			return err
		}
	}
	if err := s.recheckRecords(since); err != nil {
		return err
	}
	if err := s.recheckRealisations(ctx, since); err != nil {
		return err
	}
	if err := s.recheckSignatures(ctx); err != nil {
		return err
	}
	// Checkouts are cheap to make again.
	entries, err := os.ReadDir(s.path("checkouts"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := s.path("checkouts/" + e.Name())
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err == nil && changedSince(&st, since) {
			if err := s.discard(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) recheckShard(ctx context.Context, dirs *shards, shard byte, since time.Time, w *work) error {
	fd, err := dirs.fd(store.Digest{shard}, false)
	if err != nil {
		return err
	}
	names, err := listDir(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || !changedSince(&st, since) {
			continue
		}
		base, _ := cutForm(name)
		want, ok := parseSharded(shardName(shard), base)
		if ok {
			got, err := hashAt(ctx, fd, name, w)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if err == nil && got == want {
				continue
			}
		}
		// Wrong, unreadable, or a temporary file.
		if err := unix.Unlinkat(fd, name, 0); err != nil {
			return fmt.Errorf("remove %s: %w", filepath.Join(dirs.dir, shardName(shard), name), err)
		}
	}
	return nil
}

// recheckRecords removes records that cannot be read. Those that can are compared
// with the contents when they are used, see Adopt.
func (s *Store) recheckRecords(since time.Time) error {
	fd, err := openDir(unix.AT_FDCWD, s.path("records"))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = removeChanged(fd, since, func(name string) bool {
		_, err := s.readRecord(store.Path(name))
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	return nil
}

// recheckRealisations removes the files of realisations that cannot be read. The
// database may know what one of them replaced.
func (s *Store) recheckRealisations(ctx context.Context, since time.Time) error {
	shards, err := os.ReadDir(s.path("realisations"))
	if err != nil {
		return err
	}
	removed := 0
	for _, shard := range shards {
		fd, err := openDir(unix.AT_FDCWD, s.path("realisations/"+shard.Name()))
		if err != nil {
			continue // no directory: Verify names what does not belong here
		}
		n, err := removeChanged(fd, since, func(name string) bool {
			_, err := readRealisation(fd, shard.Name(), name)
			return err == nil
		})
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("realisations/%s: %w", shard.Name(), err)
		}
		removed += n
	}
	if removed == 0 {
		return nil
	}
	all, err := s.allRealisations(ctx)
	if err != nil {
		return err
	}
	_, err = s.keepRealisations(ctx, all)
	return err
}

// removeChanged removes the regular files in dir that changed at since or later
// and that are not good, and counts them.
func removeChanged(dir int, since time.Time, good func(name string) bool) (removed int, err error) {
	names, err := listDir(dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG ||
			!changedSince(&st, since) || good(name) {
			continue
		}
		if err := unix.Unlinkat(dir, name, 0); err != nil {
			return removed, fmt.Errorf("remove %s: %w", name, err)
		}
		removed++
	}
	return removed, nil
}

func changedSince(st *unix.Stat_t, since time.Time) bool {
	return !time.Unix(st.Ctim.Unix()).Before(since)
}

// hashAt reads a file of the store. The bytes are counted in w.
func hashAt(ctx context.Context, dir int, name string, w *work) (store.Digest, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return store.Digest{}, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	d, _, err := hashFile(ctx, w.reader(f))
	return d, err
}
