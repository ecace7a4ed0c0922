package localstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
	"sysc/store/tree"
)

// Register makes objects valid, all of them or none, and records realisations
// with them. When it returns nil, both are on the disk with everything that
// belongs to them: contents are synced before the transaction commits.
//
// Each object must have the id that its contents and references give, no more
// entries than tree.MaxExpanded, and refer only to objects that are valid or come
// with it. What it consists of must have been added through this store, or belong
// to objects that were looked up with it. An object that is valid already is left
// as it is; a realisation replaces an older one of the same output.
func (s *Store) Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error {
	if err := s.register(ctx, objects, realisations); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return nil
}

func (s *Store) register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error {
	fresh, err := s.notValid(ctx, objects)
	if err != nil {
		return err
	}
	unsynced, err := s.keepRealisations(ctx, realisations)
	if err != nil {
		return err
	}
	for i := range fresh {
		if err := s.checkObject(ctx, &fresh[i]); err != nil {
			return fmt.Errorf("%s: %w", fresh[i].Path, err)
		}
	}
	if len(fresh) > 0 {
		// Whoever else wants to place the same object waits until the row is
		// there; otherwise they would take ours for left over.
		unlock, err := s.lockObjects(ctx, fresh)
		if err != nil {
			return err
		}
		defer unlock()
		if fresh, err = s.notValid(ctx, fresh); err != nil {
			return err
		}
		for i := range fresh {
			if err := s.materialise(ctx, &fresh[i]); err != nil {
				return fmt.Errorf("%s: %w", fresh[i].Path, err)
			}
		}
		unsynced = true
	}
	if unsynced {
		if err := s.sync.sync(); err != nil {
			return err
		}
	}
	return s.db.write(ctx, func(conn *sqlite.Conn) error { return insert(conn, fresh, realisations) })
}

// keepRealisations writes the files of realisations. It returns whether they may
// not be on the disk yet: what the database has was synced before.
func (s *Store) keepRealisations(ctx context.Context, realisations []store.Realisation) (unsynced bool, err error) {
	keys := make([]RealisationKey, len(realisations))
	for i, r := range realisations {
		keys[i] = RealisationKey{r.Derivation, r.Output}
	}
	known, err := s.Realisations(ctx, keys)
	if err != nil {
		return false, err
	}
	for i, r := range realisations {
		if err := s.writeRealisation(r); err != nil {
			return false, fmt.Errorf("realisation of %s: %w", r.Derivation, err)
		}
		unsynced = unsynced || known[keys[i]] != r.Path
	}
	return unsynced, nil
}

// notValid returns the objects that are not valid yet, sorted by path, each
// once.
func (s *Store) notValid(ctx context.Context, objects []store.Object) ([]store.Object, error) {
	var paths []store.Path
	for _, o := range objects {
		paths = append(paths, o.Path)
		paths = append(paths, o.References...) // what they refer to has to stay, too
	}
	valid, err := s.Valid(ctx, paths)
	if err != nil {
		return nil, err
	}
	var fresh []store.Object
	for _, o := range objects {
		if !valid[o.Path] {
			valid[o.Path] = true
			fresh = append(fresh, o)
		}
	}
	slices.SortFunc(fresh, func(a, b store.Object) int { return cmp.Compare(a.Path, b.Path) })
	return fresh, nil
}

// checkObject computes the id anew: what is in the database is what its name
// says, whoever asked for it.
func (s *Store) checkObject(ctx context.Context, o *store.Object) error {
	if _, err := store.ParsePath(string(o.Path)); err != nil {
		return err
	}
	if slices.Contains(o.References, o.Path) {
		return errors.New("it refers to itself")
	}
	o.References = sortedPaths(o.References)
	t, err := s.Tree(ctx, o.Tree)
	if err != nil {
		return err
	}
	if err := checkKind(o.Kind, t); err != nil {
		return err
	}
	if err := s.checkListings(ctx, o.Tree, o.Kind != store.KindRoot); err != nil {
		return err
	}
	o.Size = t.Size()
	return s.checkID(ctx, o)
}

// checkID compares an object's id with what it has to be.
func (s *Store) checkID(ctx context.Context, o *store.Object) error {
	blanked, err := s.blank(ctx, o)
	if err != nil {
		return err
	}
	want := store.MakeID(o.Kind, o.Path.Name(), blanked, o.SelfReferences, o.References)
	if want != o.Path.ID() {
		return fmt.Errorf("its contents and references give the id %s", want)
	}
	return nil
}

// lockObjects locks what is going to be placed on disk, in sorted order.
func (s *Store) lockObjects(ctx context.Context, objects []store.Object) (unlock func(), err error) {
	var unlocks []func() error
	unlock = func() {
		for _, u := range slices.Backward(unlocks) {
			u() // the lock ends in any case
		}
	}
	for _, o := range objects {
		if o.Kind == store.KindRoot {
			continue // on disk it is trees and blobs only
		}
		u, err := s.Lock(ctx, "object "+string(o.Path), s.waiter("the object "+string(o.Path)))
		if err != nil {
			unlock()
			return nil, err
		}
		unlocks = append(unlocks, u)
	}
	return unlock, nil
}

// materialise writes an object's record and places it below store/. What is there already is left over
// from a process that did not get to the transaction.
func (s *Store) materialise(ctx context.Context, o *store.Object) error {
	if err := s.markDirty(); err != nil {
		return err
	}
	if err := s.writeRecord(o); err != nil {
		return err
	}
	if o.Kind == store.KindRoot {
		return nil
	}
	path := s.PhysicalPath(o.Path)
	if err := s.discard(ctx, path); err != nil {
		return err
	}
	return s.place(ctx, path, func(tmp string) error { return s.fill(ctx, o, tmp) })
}

// fill makes what an object is at tmp.
func (s *Store) fill(ctx context.Context, o *store.Object, tmp string) error {
	if o.Kind == store.KindTree {
		return s.checkout(ctx, o.Tree, tmp, shared)
	}
	t, err := s.Tree(ctx, o.Tree)
	if err != nil {
		return err
	}
	return s.placeFile(ctx, tmp, t.Entries[0])
}

// placeFile makes a file object at path.
func (s *Store) placeFile(ctx context.Context, path string, e tree.Entry) error {
	dir, err := openDir(unix.AT_FDCWD, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	e.Name = filepath.Base(path)
	done, err := s.linkBlob(ctx, dir, e.Name, &e)
	if done || err != nil {
		return err
	}
	return s.copyBlob(ctx, dir, &e, e.Mode, nil)
}

// insert writes the rows. The foreign keys of references are checked at the
// commit, so objects may come in any order.
func insert(conn *sqlite.Conn, objects []store.Object, realisations []store.Realisation) error {
	for _, o := range objects {
		const query = `INSERT INTO object (path, kind, tree, size, deriver, self) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`
		err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{string(o.Path), int64(o.Kind), o.Tree[:], o.Size, o.Deriver, encodeSelf(o.SelfReferences)},
		})
		if err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	for _, o := range objects {
		if err := insertReferences(conn, o); err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	for _, r := range realisations {
		const query = `INSERT INTO realisation (derivation, output, path) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET path = excluded.path`
		err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{r.Derivation[:], r.Output, string(r.Path)},
		})
		if err != nil {
			return fmt.Errorf("realisation of %s: %w", r.Derivation, err)
		}
	}
	return nil
}

func insertReferences(conn *sqlite.Conn, o store.Object) error {
	for _, ref := range o.References {
		known, err := queryPaths(conn, `SELECT path FROM object WHERE path = ?`, string(ref))
		if err != nil {
			return err
		}
		if len(known) == 0 {
			return fmt.Errorf("it refers to %s: %w", ref, store.ErrNotExist)
		}
		const query = `INSERT INTO reference (referrer, target)
			SELECT a.id, b.id FROM object a, object b WHERE a.path = ? AND b.path = ?
			ON CONFLICT DO NOTHING`
		err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{string(o.Path), string(ref)}})
		if err != nil {
			return err
		}
	}
	return nil
}

func sortedPaths(paths []store.Path) []store.Path {
	out := slices.Clone(paths)
	slices.Sort(out)
	return slices.Compact(out)
}
