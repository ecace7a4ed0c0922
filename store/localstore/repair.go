package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/internal/par"
	"sysc/store"
	"sysc/store/tree"
)

// RepairResult says what became of problems.
type RepairResult struct {
	// Found problems, of which Left are still there.
	Found int `json:"found"`
	Left  int `json:"left"`
	// Fetched trees and blobs came from elsewhere.
	Fetched int `json:"fetched"`
	// Lost objects could not be repaired, or refer to one that could not. They are
	// not valid any more. Making again what they consist of brings them back, see
	// [Store.Adopt].
	Lost []store.Path `json:"lost"`
}

// Repair is [Store.Verify] followed by what can be done: damaged files give way,
// missing trees and blobs are taken from other stores, objects are placed anew,
// by one exchange each, so that others may go on using the store. What cannot
// be repaired is made invalid, with everything that refers to it. report hears of
// each problem that is found first, and of each that is left.
//
// A damaged database cannot be repaired, only made anew: see [Rebuild].
func (s *Store) Repair(ctx context.Context, from []*Store, report func(Problem)) (RepairResult, error) {
	// A collector takes away one form of a blob because the other is there.
	unlock, err := s.lockCollector(ctx, "a collection of garbage")
	if err != nil {
		return RepairResult{}, fmt.Errorf("repair: %w", err)
	}
	r := &repairer{s: s, from: from}
	if err := errors.Join(r.run(ctx, report), unlock()); err != nil {
		return r.result, fmt.Errorf("repair: %w", err)
	}
	return r.result, nil
}

type repairer struct {
	s    *Store
	from []*Store

	result RepairResult
	trash  []string // names in tmp

	mu    sync.Mutex
	whole map[store.Digest]bool // trees of which everything is there
	lost  map[store.Path]bool
}

func (r *repairer) run(ctx context.Context, report func(Problem)) (err error) {
	problems, err := r.find(ctx, report, (*Store).Verify)
	if err != nil || len(problems) == 0 {
		return err
	}
	r.result.Found = len(problems)
	defer func() {
		err = errors.Join(err, removeTrees(ctx, r.s.path("tmp"), r.trash, r.s.jobs, &work{}))
	}()
	if err := r.s.markDirty(); err != nil {
		return err
	}
	for _, p := range problems {
		if err := r.clear(p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := r.complete(ctx); err != nil {
		return err
	}
	// With everything replaced that was wrong, what is linked to it is wrong now.
	again, err := r.find(ctx, nil, func(s *Store, ctx context.Context, report func(Problem)) (VerifyResult, error) {
		v := newVerifier(s, report)
		return v.result, v.objects(ctx)
	})
	if err != nil {
		return err
	}
	if err := r.objects(ctx, again); err != nil {
		return err
	}
	if err := r.realisations(ctx); err != nil {
		return err
	}
	if err := r.signatures(ctx); err != nil {
		return err
	}
	if err := r.s.sync.sync(); err != nil {
		return err
	}
	left, err := r.find(ctx, report, (*Store).Verify)
	r.result.Left = len(left)
	return err
}

// find collects problems.
func (r *repairer) find(ctx context.Context, report func(Problem), look func(*Store, context.Context, func(Problem)) (VerifyResult, error)) ([]Problem, error) {
	var problems []Problem
	_, err := look(r.s, ctx, func(p Problem) {
		problems = append(problems, p)
		if report != nil {
			report(p)
		}
	})
	return problems, err
}

// clear takes away what is wrong on disk, or corrects what stat says of it.
func (r *repairer) clear(p Problem) error {
	switch p.damage {
	case damagedFile:
		return r.remove(p.File)
	case damagedCheckout:
		below := strings.TrimPrefix(p.File, r.s.path("checkouts")+"/")
		top, _, _ := strings.Cut(below, "/")
		return r.remove(r.s.path("checkouts/" + top))
	case damagedMeta:
		return setMeta(p.File)
	}
	return nil
}

// remove moves a file or directory to the trash.
func (r *repairer) remove(path string) error {
	name := r.s.tempName()
	err := moveDir(path, r.s.path("tmp/"+name))
	if errors.Is(err, unix.ENOENT) {
		return nil // it belongs to a problem before this one
	}
	r.trash = append(r.trash, name)
	return err
}

// setMeta gives a file of blobs or trees its mode and time.
func setMeta(path string) error {
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, as := cutForm(path)
	return errors.Join(unix.Fchmod(fd, as.mode()), futimens(fd))
}

// complete fetches what objects lack, and notes which it cannot help.
func (r *repairer) complete(ctx context.Context) error {
	r.s.trees.clear()
	r.whole, r.lost = map[store.Digest]bool{}, map[store.Path]bool{}
	tops, err := r.s.treesOf(ctx)
	if err != nil {
		return err
	}
	var paths []store.Path
	for p := range tops {
		paths = append(paths, p)
	}
	w := r.s.opts.Progress.begin(&work{name: "Mending objects", total: int64(len(paths))})
	return par.Do(ctx, len(paths), r.s.jobs, func(ctx context.Context, i int) error {
		defer w.done.Add(1)
		ok, err := r.tree(ctx, tops[paths[i]], 0, map[store.Digest]bool{})
		if !ok && err == nil {
			r.mu.Lock()
			r.lost[paths[i]] = true
			r.mu.Unlock()
		}
		return err
	})
}

// tree makes sure that a tree is there with everything below it. It returns false
// when that cannot be had, and remembers that in lost, for one object: a tree that
// is too deep in one may not be in another.
func (r *repairer) tree(ctx context.Context, d store.Digest, depth int, lost map[store.Digest]bool) (bool, error) {
	r.mu.Lock()
	whole := r.whole[d]
	r.mu.Unlock()
	if whole || lost[d] || depth > tree.MaxDepth {
		return whole, ctx.Err()
	}
	lost[d] = true // as long as it is not known to be whole
	t, err := r.s.Tree(ctx, d)
	if err != nil {
		if t, err = r.fetchTree(ctx, d); t == nil {
			return false, err
		}
	}
	whole = true
	for i := range t.Entries {
		e := &t.Entries[i]
		ok := true
		var err error
		switch e.Type {
		case tree.Dir:
			ok, err = r.tree(ctx, e.Digest, depth+1, lost)
		case tree.File:
			ok, err = r.blob(ctx, e)
		}
		if err != nil {
			return false, err
		}
		whole = whole && ok
	}
	if whole {
		delete(lost, d)
		r.mu.Lock()
		r.whole[d] = true
		r.mu.Unlock()
	}
	return whole, nil
}

// fetchTree takes a tree from another store; nil when none has it.
func (r *repairer) fetchTree(ctx context.Context, d store.Digest) (*tree.Tree, error) {
	for _, from := range r.from {
		t, err := from.Tree(ctx, d)
		if err != nil {
			continue // it is damaged or missing there as well
		}
		r.fetched()
		_, err = r.s.AddTree(ctx, t)
		return t, err
	}
	return nil, ctx.Err()
}

// blob makes sure that a file's contents are there.
func (r *repairer) blob(ctx context.Context, e *tree.Entry) (bool, error) {
	dir, err := r.s.blobDirs.fd(e.Digest, true)
	if err != nil {
		return false, err
	}
	if presentBlob(dir, e.Digest, e.Size, formOf(e)) {
		return true, nil
	}
	for _, from := range r.from {
		f, err := from.OpenBlob(ctx, e.Digest)
		if err != nil {
			continue
		}
		got, _, err := r.s.addBlob(ctx, f, formOf(e))
		f.Close()
		if err != nil {
			return false, err
		}
		if got == e.Digest {
			r.fetched()
			return true, nil
		}
	}
	return false, ctx.Err()
}

func (r *repairer) fetched() {
	r.mu.Lock()
	r.result.Fetched++
	r.mu.Unlock()
}

// objects repairs those objects whose contents are all there, and invalidates
// the others.
func (r *repairer) objects(ctx context.Context, problems []Problem) error {
	damages := map[store.Path][]damage{}
	for _, p := range problems {
		if p.damage == damagedContents {
			r.lost[p.Object] = true
		}
		damages[p.Object] = append(damages[p.Object], p.damage)
	}
	for path, kinds := range damages {
		if r.lost[path] {
			continue
		}
		ok, err := r.object(ctx, path, kinds)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !ok {
			r.lost[path] = true
		}
	}
	return r.invalidate(ctx)
}

// object repairs one object. It returns false when nobody can tell what it is.
func (r *repairer) object(ctx context.Context, p store.Path, kinds []damage) (bool, error) {
	o, err := r.s.object(ctx, p)
	if err != nil {
		if errors.Is(err, store.ErrNotExist) {
			return true, nil // collected meanwhile
		}
		return false, err
	}
	if slices.Contains(kinds, damagedRow) {
		if o, err = r.s.readRecord(p); err != nil || r.s.checkObject(ctx, &o) != nil {
			return false, nil
		}
		if err := r.s.replaceRow(ctx, o); err != nil {
			return false, err
		}
	}
	if err := r.s.writeRecord(&o); err != nil {
		return false, err
	}
	if !slices.Contains(kinds, damagedObject) {
		return true, nil
	}
	return true, r.s.replace(ctx, &o)
}

// realisations writes those again whose files were damaged.
func (r *repairer) realisations(ctx context.Context) error {
	all, err := r.s.allRealisations(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := r.s.writeRealisation(one); err != nil {
			return err
		}
	}
	return nil
}

// replace places an object anew, in exchange for what stands there.
func (s *Store) replace(ctx context.Context, o *store.Object) error {
	unlock, err := s.lockObjects(ctx, []store.Object{*o})
	if err != nil {
		return err
	}
	defer unlock()
	aside := s.tempName()
	tmp, place := s.path("store/"+aside), s.PhysicalPath(o.Path)
	err = s.fill(ctx, o, tmp)
	if err == nil {
		err = exchange(tmp, place)
	}
	// What is aside now is what stood there, if anything did.
	return errors.Join(err, removeTree(context.WithoutCancel(ctx), s.path("store"), aside, s.jobs))
}

// exchange puts what is at from in the place of what is at to, in the same
// directory.
func exchange(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if err == unix.ENOENT {
		return moveDir(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: from, New: to, Err: err}
	}
	return nil
}

// replaceRow corrects what the database says of an object.
func (s *Store) replaceRow(ctx context.Context, o store.Object) error {
	return s.db.write(ctx, func(conn *sqlite.Conn) error {
		const object = `UPDATE object SET kind = ?, tree = ?, size = ?, deriver = ?, self = ? WHERE path = ?`
		err := sqlitex.Execute(conn, object, &sqlitex.ExecOptions{
			Args: []any{int64(o.Kind), o.Tree[:], o.Size, o.Deriver, encodeSelf(o.SelfReferences), string(o.Path)},
		})
		if err != nil {
			return err
		}
		const references = `DELETE FROM reference WHERE referrer = (SELECT id FROM object WHERE path = ?)`
		if err := sqlitex.Execute(conn, references, &sqlitex.ExecOptions{Args: []any{string(o.Path)}}); err != nil {
			return err
		}
		return insertReferences(conn, o)
	})
}

// invalidate removes the rows of what is lost and of what refers to it. Records
// stay, for Adopt.
func (r *repairer) invalidate(ctx context.Context) error {
	var lost []store.Path
	for p := range r.lost {
		lost = append(lost, p)
	}
	if len(lost) == 0 {
		return nil
	}
	return r.s.db.write(ctx, func(conn *sqlite.Conn) (err error) {
		r.result.Lost, err = queryPaths(conn, `
			WITH RECURSIVE lost (id) AS (
				SELECT id FROM object WHERE path IN (SELECT value FROM json_each(?))
				UNION
				SELECT referrer FROM reference JOIN lost ON target = lost.id
			)
			SELECT path FROM object JOIN lost USING (id) ORDER BY path`, pathList(lost))
		if err != nil {
			return err
		}
		const query = `DELETE FROM object WHERE path IN (SELECT value FROM json_each(?))`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{pathList(r.result.Lost)}})
	})
}
