package localstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// A Problem is something in a store that is not as it should be.
type Problem struct {
	// Object is the object that is damaged. Empty for a blob or tree, which may
	// belong to many.
	Object store.Path
	// File is the path in the object, or of a blob or tree in the store.
	File string
	// Err says what is wrong.
	Err error

	damage damage
}

// damage says what to do about a problem.
type damage int

const (
	// damagedObject is an object that does not stand on disk as its tree says.
	damagedObject damage = iota
	// damagedContents is an object of which a tree or blob is missing.
	damagedContents
	// damagedRow is an object that the database describes wrongly.
	damagedRow
	// damagedRecord is an object without its record.
	damagedRecord
	// damagedFile is a file that does not belong where it is.
	damagedFile
	// damagedMeta is a file with the right contents and the wrong mode or time.
	damagedMeta
	// damagedCheckout is one that is made again when it is needed.
	damagedCheckout
	// missingRealisation is a realisation without its file.
	missingRealisation
	// damagedDatabase is the database as a whole.
	damagedDatabase
)

func (p Problem) String() string {
	switch {
	case p.Object == "":
		return fmt.Sprintf("%s: %v", p.File, p.Err)
	case p.File == "":
		return fmt.Sprintf("%s: %v", p.Object, p.Err)
	}
	return fmt.Sprintf("%s: %q: %v", p.Object, p.File, p.Err)
}

// VerifyResult counts what [Store.Verify] looked at.
type VerifyResult struct {
	Objects int `json:"objects"`
	Trees   int `json:"trees"`
	Blobs   int `json:"blobs"`
	// Bytes were read from blobs.
	Bytes int64 `json:"bytes"`
	// Problems were found.
	Problems int `json:"problems"`
}

// Verify reads everything again: every blob and tree has to have the digest that
// it is named by, every valid object the id that its contents and references
// give, and a record, and on disk it has to be what its tree says; check-outs too.
// Realisations have to have their files.
// It calls report, one call at a time, for each thing that is wrong, in no
// particular order. The error is about what kept Verify from looking. Files are
// read on all cores.
func (s *Store) Verify(ctx context.Context, report func(Problem)) (VerifyResult, error) {
	v := newVerifier(s, report)
	for _, step := range []func(context.Context) error{v.database, v.shards, v.objects, v.checkouts, v.realisations, v.signatures} {
		if err := step(ctx); err != nil {
			return v.result, fmt.Errorf("verify: %w", err)
		}
	}
	return v.result, nil
}

func newVerifier(s *Store, report func(Problem)) *verifier {
	return &verifier{s: s, report: report, good: map[store.Digest]bool{}}
}

// database lets SQLite look for damage.
func (v *verifier) database(ctx context.Context) error {
	err := v.s.CheckDatabase(ctx)
	if errors.Is(err, ErrDamaged) {
		v.problem(Problem{File: v.s.db.path, Err: err, damage: damagedDatabase})
		return nil
	}
	return err
}

// CheckDatabase lets SQLite look for damage. What it finds is an error that wraps
// [ErrDamaged]; [Rebuild] is the remedy.
func (s *Store) CheckDatabase(ctx context.Context) error {
	s.opts.Progress.begin(&work{name: "Verifying the database"})
	err := s.db.do(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, "PRAGMA integrity_check(1)", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if text := stmt.ColumnText(0); text != "ok" {
					return fmt.Errorf("%w: %s", ErrDamaged, text)
				}
				return nil
			},
		})
	})
	if isCorrupt(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

func (v *verifier) shards(ctx context.Context) error {
	for _, dirs := range []*shards{v.s.blobDirs, v.s.treeDirs} {
		existing := dirs.existing()
		v.begin(filepath.Base(dirs.dir), len(existing))
		err := par.Do(ctx, len(existing), v.s.jobs, func(ctx context.Context, i int) error {
			defer v.work.done.Add(1)
			return v.shard(ctx, dirs, existing[i])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) objects(ctx context.Context) error {
	// What was decoded earlier says nothing about the disk.
	v.s.trees.clear()
	objects, err := v.s.Objects(ctx)
	if err != nil {
		return err
	}
	v.result.Objects = len(objects)
	v.begin("objects", len(objects))
	return par.Do(ctx, len(objects), v.s.jobs, func(ctx context.Context, i int) error {
		defer v.work.done.Add(1)
		return v.object(ctx, objects[i])
	})
}

// checkouts compares check-outs with their trees.
func (v *verifier) checkouts(ctx context.Context) error {
	names, err := listDir(v.s.checkoutDir.fd)
	if err != nil {
		return err
	}
	v.begin("check-outs", len(names))
	return par.Do(ctx, len(names), v.s.jobs, func(ctx context.Context, i int) error {
		defer v.work.done.Add(1)
		name := names[i]
		problem := func(file string, err error) {
			v.problem(Problem{File: join(v.s.path("checkouts/"+name), file), Err: err, damage: damagedCheckout})
		}
		if isTemp(name) {
			return nil // somebody is making it
		}
		d, err := store.ParseDigest(name)
		if err != nil {
			problem("", errors.New("it does not belong here"))
			return nil
		}
		fd, err := openDir(v.s.checkoutDir.fd, name)
		if err == unix.ENOENT {
			return nil // collected meanwhile
		}
		if err != nil {
			problem("", err)
			return nil
		}
		defer unix.Close(fd)
		return v.checkout(ctx, fd, name, d, problem)
	})
}

// checkout compares the check-out open as fd with its tree.
func (v *verifier) checkout(ctx context.Context, fd int, name string, d store.Digest, problem func(file string, err error)) error {
	var reports []func()
	c := dirCheck{verifier: v, problem: func(file string, err error) {
		reports = append(reports, func() { problem(file, err) })
	}}
	c.dir(ctx, fd, d, "", 0)
	if len(reports) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	// It may have been collected while it was read. Check-outs go before the trees
	// that they were made from.
	if there, err := sameDir(v.s.checkoutDir.fd, name, fd); !there || err != nil {
		return err
	}
	for _, report := range reports {
		report()
	}
	return nil
}

// sameDir reports whether name in dir is the directory open as fd.
func sameDir(dir int, name string, fd int) (bool, error) {
	var there, open unix.Stat_t
	if err := unix.Fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, ignore(err, unix.ENOENT)
	}
	if err := unix.Fstat(fd, &open); err != nil {
		return false, err
	}
	return there.Dev == open.Dev && there.Ino == open.Ino, nil
}

// realisations looks whether what is on disk can be read, and whether all that the
// database has is there. A file that the database knows nothing of is no problem: a
// process leaves one that is killed before its transaction.
func (v *verifier) realisations(ctx context.Context) error {
	// In this order: files are written before rows.
	all, err := v.s.allRealisations(ctx)
	if err != nil {
		return err
	}
	there := make(map[store.Digest]bool, len(all))
	err = v.s.readRealisations(func(r store.Realisation) { there[realisationName(r)] = true }, func(file string, err error) {
		v.problem(Problem{File: v.s.path(file), Err: err, damage: damagedFile})
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		name := realisationName(r)
		if there[name] {
			continue
		}
		file := v.s.path("realisations/" + shardName(name[0]) + "/" + shardedName(name))
		// What cannot be read is there, and was reported.
		if _, err := os.Lstat(file); errors.Is(err, os.ErrNotExist) {
			v.problem(Problem{File: file, Err: errors.New("it is missing"), damage: missingRealisation})
		}
	}
	return nil
}

type verifier struct {
	s    *Store
	work *work // the present step

	mu     sync.Mutex
	report func(Problem)
	result VerifyResult
	good   map[store.Digest]bool // trees of which everything is there
}

// begin begins a step of so many things.
func (v *verifier) begin(what string, total int) {
	v.work = v.s.opts.Progress.begin(&work{name: "Verifying " + what, total: int64(total)})
}

func (v *verifier) problem(p Problem) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Problems++
	v.report(p)
}

// shard re-hashes one directory of blobs or trees.
func (v *verifier) shard(ctx context.Context, dirs *shards, shard byte) error {
	fd, err := dirs.fd(store.Digest{shard}, false)
	if err != nil {
		return err
	}
	names, err := listDir(fd)
	if err != nil {
		return err
	}
	blobs := dirs == v.s.blobDirs
	slices.Sort(names) // forms of one blob are neighbours
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if isTemp(name) {
			continue // somebody is writing it
		}
		n, err := v.sharded(ctx, fd, shard, name, blobs)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			what := damagedFile
			if isMeta(err) {
				what = damagedMeta
			}
			v.problem(Problem{File: dirs.dir + "/" + shardName(shard) + "/" + name, Err: err, damage: what})
		}
		v.mu.Lock()
		switch {
		case !blobs:
			v.result.Trees++
		case i == 0 || names[i-1] != strings.TrimSuffix(name, executableSuffix):
			v.result.Blobs++
			fallthrough
		default:
			v.result.Bytes += n
		}
		v.mu.Unlock()
	}
	return nil
}

// sharded reads one file, of a blob or a tree, and returns its size.
func (v *verifier) sharded(ctx context.Context, dir int, shard byte, name string, blob bool) (int64, error) {
	base, as := name, plain
	if blob {
		base, as = cutForm(name)
	}
	want, ok := parseSharded(shardName(shard), base)
	if !ok {
		return 0, errors.New("it does not belong here")
	}
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == unix.ENOENT {
		return 0, nil // collected meanwhile; if an object needs it, listing says so
	}
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	meta := checkFile(fd, as.mode())
	if meta != nil && !isMeta(meta) {
		return 0, meta
	}
	got, n, err := hashFile(ctx, v.work.reader(f))
	v.work.files.Add(1)
	if err == nil && got != want {
		err = fmt.Errorf("its contents have digest %s", got)
	}
	return n, cmp.Or(err, meta)
}

// A metaError is about a mode or time.
type metaError string

func (e metaError) Error() string { return string(e) }

func isMeta(err error) bool { return errors.As(err, new(metaError)) }

// checkFile compares what stat(2) says about a file with what a store gives its
// files.
func checkFile(fd int, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		return fmt.Errorf("it is a %s", fileType(st.Mode))
	}
	return checkStat(&st, mode)
}

func checkStat(st *unix.Stat_t, mode uint32) error {
	if got := st.Mode & 0o7777; got != mode {
		return metaError(fmt.Sprintf("mode %#o, want %#o", got, mode))
	}
	if sec, nsec := st.Mtim.Unix(); sec != mtime || nsec != 0 {
		return metaError(fmt.Sprintf("modified at %d.%09d, want %d", sec, nsec, mtime))
	}
	return nil
}

// object checks one valid object: id, listings, and what stands on disk.
func (v *verifier) object(ctx context.Context, p store.Path) error {
	problems, err := v.objectProblems(ctx, p)
	if err != nil || len(problems) == 0 {
		return err
	}
	// It may have been collected while it was read, and even made anew. What this
	// session relies on is not.
	var valid map[store.Path]bool
	err = v.s.relyOnObjects([]store.Path{p}, func() (err error) {
		valid, err = v.s.valid(ctx, []store.Path{p})
		return err
	})
	if err != nil || !valid[p] {
		return err
	}
	if problems, err = v.objectProblems(ctx, p); err != nil {
		return err
	}
	for _, problem := range problems {
		v.problem(problem)
	}
	return nil
}

func (v *verifier) objectProblems(ctx context.Context, p store.Path) ([]Problem, error) {
	check := objectCheck{verifier: v, path: p, bad: map[store.Digest]bool{}}
	err := check.run(ctx)
	return check.problems, err
}

// An objectCheck is the check of one object.
type objectCheck struct {
	*verifier
	path     store.Path
	bad      map[store.Digest]bool // trees that were reported, where they occur first
	problems []Problem
}

func (c *objectCheck) problem(file string, what damage, err error) {
	c.problems = append(c.problems, Problem{Object: c.path, File: file, Err: err, damage: what})
}

func (c *objectCheck) run(ctx context.Context) error {
	o, err := c.s.object(ctx, c.path)
	if errors.Is(err, store.ErrNotExist) {
		return nil // collected meanwhile
	}
	if err != nil {
		return err
	}
	if !c.listing(ctx, o.Tree, "", 0) {
		return ctx.Err() // nothing else can be compared
	}
	if err := c.s.checkID(ctx, &o); err != nil {
		c.problem("", damagedRow, err)
	}
	if record, err := c.s.readRecord(c.path); err != nil {
		c.problem("", damagedRecord, fmt.Errorf("record: %w", err))
	} else if !bytes.Equal(store.EncodeRecord(&record), store.EncodeRecord(&o)) {
		c.problem("", damagedRecord, errors.New("its record says something else"))
	}
	on := dirCheck{verifier: c.verifier, problem: func(file string, err error) { c.problem(file, damagedObject, err) }}
	switch o.Kind {
	case store.KindTree:
		fd, err := openDir(c.s.objectDir.fd, string(c.path))
		if err != nil {
			c.problem("", damagedObject, err)
			return nil
		}
		defer unix.Close(fd)
		on.dir(ctx, fd, o.Tree, "", 0)
	case store.KindFile:
		t, err := c.s.Tree(ctx, o.Tree)
		if err != nil {
			return err
		}
		if err := on.file(ctx, c.s.objectDir.fd, string(c.path), &t.Entries[0]); err != nil {
			c.problem("", damagedObject, err)
		}
	}
	return ctx.Err()
}

// listing looks whether the trees and blobs below d are there. Damaged ones were
// found by shard. It returns whether all is well.
func (c *objectCheck) listing(ctx context.Context, d store.Digest, at string, depth int) bool {
	c.mu.Lock()
	good := c.good[d]
	c.mu.Unlock()
	if good || c.bad[d] || ctx.Err() != nil {
		return good
	}
	fail := func(file string, err error) bool {
		c.problem(file, damagedContents, err)
		return false
	}
	if depth > tree.MaxDepth {
		return fail(at, fmt.Errorf("deeper than %d directories", tree.MaxDepth))
	}
	c.bad[d] = true // as long as it is not known to be good
	t, err := c.s.Tree(ctx, d)
	if err != nil {
		return fail(at, err)
	}
	good = true
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.Dir:
			good = c.listing(ctx, e.Digest, join(at, e.Name), depth+1) && good
		case tree.File:
			shard, err := c.s.blobDirs.fd(e.Digest, false)
			if err != nil || !presentBlob(shard, e.Digest, e.Size, formOf(e)) {
				good = fail(join(at, e.Name), fmt.Errorf("blob %s of %d bytes is missing", e.Digest, e.Size))
			}
		}
	}
	if good {
		delete(c.bad, d)
		c.mu.Lock()
		c.good[d] = true
		c.mu.Unlock()
	}
	return good
}

// A dirCheck compares what stands on disk with a tree.
type dirCheck struct {
	*verifier
	problem func(file string, err error)
}

// dir compares a directory with its listing. The walk is by descriptors, as
// everywhere.
func (c *dirCheck) dir(ctx context.Context, fd int, d store.Digest, at string, depth int) {
	fail := func(name string, err error) {
		file := at
		if name != "" {
			file = join(at, name)
		}
		c.problem(file, err)
	}
	if ctx.Err() != nil || depth > tree.MaxDepth {
		return // listing has found that out
	}
	t, err := c.s.Tree(ctx, d)
	if err != nil {
		fail("", err)
		return
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		fail("", err)
	} else if err := checkStat(&st, tree.ModeDir); err != nil {
		fail("", err)
	}
	names, err := readNames(fd)
	if err != nil {
		fail("", err)
		return
	}
	slices.Sort(names)
	for _, name := range names {
		if _, ok := t.Lookup(name); !ok {
			fail(name, errors.New("it does not belong here"))
		}
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		var err error
		switch e.Type {
		case tree.Dir:
			var sub int
			if sub, err = openDir(fd, e.Name); err == nil {
				c.dir(ctx, sub, e.Digest, join(at, e.Name), depth+1)
				unix.Close(sub)
			}
		case tree.Link:
			err = checkLink(fd, e)
		case tree.File:
			err = c.file(ctx, fd, e.Name, e)
			c.work.files.Add(1)
		}
		if err != nil {
			fail(e.Name, err)
		}
	}
}

func checkLink(dir int, e *tree.Entry) error {
	buf := make([]byte, tree.MaxTarget+1)
	n, err := unix.Readlinkat(dir, e.Name, buf)
	if err != nil {
		return err
	}
	if got := string(buf[:n]); got != e.Target {
		return fmt.Errorf("it leads to %q, want %q", got, e.Target)
	}
	return nil
}

// file compares a file of an object with its entry. One that is a link to its
// blob was read already.
func (c *dirCheck) file(ctx context.Context, dir int, name string, e *tree.Entry) error {
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := checkFile(fd, formOf(e).mode()); err != nil {
		return err
	}
	if linked, err := c.s.isLinked(dir, &tree.Entry{Name: name, Digest: e.Digest, Mode: e.Mode}); linked || err != nil {
		return err
	}
	got, _, err := hashFile(ctx, c.work.reader(rawFile(fd)))
	if err == nil && got != e.Digest {
		err = fmt.Errorf("its contents have digest %s, want %s", got, e.Digest)
	}
	return err
}
