package localstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"zombiezen.com/go/sqlite"

	"sysc/internal/atomicfile"
	"sysc/internal/filelock"
	"sysc/store"
)

// RebuildResult counts what a new database has.
type RebuildResult struct {
	Objects, Realisations int
	// Left are problems of what is not in it.
	Left []Problem
}

// Rebuild makes the database of the store in dir anew, from the records on disk:
// what is whole is valid afterwards. That contents are there is looked at, not
// what they are, so [Store.Repair] should follow. It waits until nobody has the
// store open. The damaged database stays, as db.sqlite.damaged. When Rebuild is
// interrupted, the old one is still in place.
func Rebuild(ctx context.Context, dir string, opts *Options) (RebuildResult, error) {
	result, err := rebuild(ctx, dir, opts)
	if err != nil {
		return result, fmt.Errorf("rebuild database of store %s: %w", dir, err)
	}
	return result, nil
}

func rebuild(ctx context.Context, dir string, opts *Options) (result RebuildResult, err error) {
	s, err := prepare(dir, opts)
	if err != nil {
		return result, err
	}
	if s.unlock, err = filelock.Lock(ctx, s.path("locks/"+storeLock), s.waiter("users of the store "+s.dir)); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	const fresh = databaseName + ".new"
	if err := removeDatabase(s.path(fresh)); err != nil {
		return result, err
	}
	if err := s.openLocked(ctx, fresh); err != nil {
		return result, err
	}
	if err := s.tellAgain(ctx, &result); err != nil {
		return result, err
	}
	return result, s.install(fresh)
}

// tellAgain fills an empty database.
func (s *Store) tellAgain(ctx context.Context, result *RebuildResult) error {
	entries, err := os.ReadDir(s.path("records"))
	if err != nil {
		return err
	}
	w := s.opts.Progress.begin(&work{name: "Reading records", total: int64(len(entries))})
	a := newAdopter(s)
	for _, e := range entries {
		w.done.Add(1)
		p, err := store.ParsePath(e.Name())
		if err != nil {
			continue // being made
		}
		if err := a.add(ctx, p); ctx.Err() != nil {
			return err
		} else if err != nil {
			result.Left = append(result.Left, Problem{Object: p, Err: err, damage: damagedContents})
		}
	}
	var realisations []store.Realisation
	bad := func(file string, err error) {
		result.Left = append(result.Left, Problem{File: s.path(file), Err: err, damage: damagedFile})
	}
	err = s.readRealisations(func(r store.Realisation) { realisations = append(realisations, r) }, bad)
	if err != nil {
		return err
	}
	result.Objects, result.Realisations = len(a.objects), len(realisations)
	err = s.db.write(ctx, func(conn *sqlite.Conn) error { return insert(conn, a.objects, realisations) })
	if err != nil {
		return err
	}
	return s.restoreSignatures(ctx, a.objects, realisations, bad)
}

// install puts the new database in place of the old one.
func (s *Store) install(fresh string) error {
	if err := s.db.close(); err != nil {
		return err
	}
	s.db = nil
	if err := atomicfile.SyncFS(s.dir); err != nil {
		return err
	}
	// The old journal must not be applied to the new database. Without it the old
	// one is still what it was: damaged.
	if err := removeJournal(s.path(databaseName)); err != nil {
		return err
	}
	err := os.Link(s.path(databaseName), s.path(databaseName+".damaged"))
	if errors.Is(err, fs.ErrExist) {
		err = nil // one from before
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(s.path(fresh), s.path(databaseName)); err != nil {
		return err
	}
	return atomicfile.SyncDir(s.dir)
}

func removeDatabase(path string) error {
	return errors.Join(removeJournal(path), ignoreNotExist(os.Remove(path)))
}

func removeJournal(path string) error {
	return errors.Join(ignoreNotExist(os.Remove(path+"-wal")), ignoreNotExist(os.Remove(path+"-shm")))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
