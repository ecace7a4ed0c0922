package localstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
	"sysc/store/sign"
)

// Signatures stand in the database, and on disk beside records, so that the
// database can be made again: signatures/objects/<path>, and
// signatures/realisations/<2>/<62>, named as the realisation's own file. The first
// line says what is signed, each other line is a signature. What a file has more
// than the database, a process that was killed has left: it is as good.

const (
	objectSignatures      = "signatures/objects"
	realisationSignatures = "signatures/realisations"
)

// maxSignatures bounds those of one object or realisation.
const maxSignatures = 1000

// maxHearsay is how many signatures a thing may have before another one that nobody
// has looked at is left out. Anybody can make them up, and must not take the room
// of those that somebody trusts.
const maxHearsay = 16

// maxSignatureFile bounds what is read as their file, in bytes.
const maxSignatureFile = 1 << 20

// signatureSchema is what version 2 of the schema has more than version 1. A key
// may have several signatures of one thing, because the name is only its word: a
// wrong one must not keep the right one out.
const signatureSchema = `
CREATE TABLE object_signature (
	object    INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
	key       TEXT NOT NULL,
	signature BLOB NOT NULL,
	PRIMARY KEY (object, key, signature)
) STRICT, WITHOUT ROWID;
CREATE TABLE realisation_signature (
	derivation BLOB NOT NULL,
	output     TEXT NOT NULL,
	key        TEXT NOT NULL,
	signature  BLOB NOT NULL,
	PRIMARY KEY (derivation, output, key, signature),
	FOREIGN KEY (derivation, output) REFERENCES realisation ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TRIGGER realisation_replaced AFTER UPDATE OF path ON realisation WHEN old.path <> new.path BEGIN
	DELETE FROM realisation_signature WHERE derivation = old.derivation AND output = old.output;
END;
`

// AddSignatures keeps signatures of valid objects and of recorded realisations,
// all of them or none; anything else is store.ErrNotExist, wrapped. Those that are
// there already stay. They should be right, and by keys that the caller trusts:
// others are for [Store.AddHearsay]. They are durable when AddSignatures returns
// nil.
//
// An object's signatures go when garbage collection takes it, those of a
// realisation when another object takes its place.
func (s *Store) AddSignatures(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error {
	if err := s.addSignatures(ctx, objects, realisations, mergeAll); err != nil {
		return fmt.Errorf("add signatures: %w", err)
	}
	return nil
}

// AddHearsay is [Store.AddSignatures] for signatures of which the caller cannot
// tell whether they are right, such as those by keys that it does not know. They
// are kept for others who can, as long as a thing has few signatures; more are left
// out.
func (s *Store) AddHearsay(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error {
	if err := s.addSignatures(ctx, objects, realisations, mergeHearsay); err != nil {
		return fmt.Errorf("add signatures: %w", err)
	}
	return nil
}

// A mergeFunc adds signatures to those that a thing has.
type mergeFunc func(have, more []sign.Signature) []sign.Signature

func mergeAll(have, more []sign.Signature) []sign.Signature { return sign.Merge(have, more) }

// mergeHearsay adds the first of more, until there are maxHearsay.
func mergeHearsay(have, more []sign.Signature) []sign.Signature {
	for _, sig := range sign.Merge(more) {
		if len(have) >= maxHearsay {
			break
		}
		have = sign.Merge(have, []sign.Signature{sig})
	}
	return have
}

func (s *Store) addSignatures(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature, merge mergeFunc) error {
	// What a file has and what is added to it must be one step.
	unlock, err := s.Lock(ctx, "signatures", s.waiter("signatures of the store "+s.dir))
	if err != nil {
		return err
	}
	defer unlock()
	subjects, err := s.subjects(ctx, objects, realisations, merge)
	if err != nil || len(subjects) == 0 {
		return err
	}
	if err := s.markDirty(); err != nil {
		return err
	}
	for i := range subjects {
		if err := s.writeSignatures(&subjects[i]); err != nil {
			return fmt.Errorf("%s: %w", subjects[i].line, err)
		}
	}
	if err := s.sync.sync(); err != nil {
		return err
	}
	return s.db.write(ctx, func(conn *sqlite.Conn) error { return insertSignatures(conn, subjects) })
}

// A subject is a thing with its signatures.
type subject struct {
	object      store.Path        // or empty
	realisation store.Realisation // when object is empty

	line       string // the first one of its file
	dir, name  string // of its file
	signatures []sign.Signature
}

func objectSubject(p store.Path, sigs []sign.Signature) subject {
	return subject{object: p, line: string(p), dir: objectSignatures, name: string(p), signatures: sigs}
}

func realisationSubject(r store.Realisation, sigs []sign.Signature) subject {
	name := realisationName(r)
	return subject{
		realisation: r, line: string(store.EncodeRealisation(r)),
		dir: realisationSignatures + "/" + shardName(name[0]), name: shardedName(name), signatures: sigs,
	}
}

// subjects checks what is to be added, and leaves out what is there. Objects stay
// valid from here on.
func (s *Store) subjects(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature, merge mergeFunc) ([]subject, error) {
	valid, err := s.Valid(ctx, slices.Collect(maps.Keys(objects)))
	if err != nil {
		return nil, err
	}
	var all []subject
	for p, sigs := range objects {
		if !valid[p] {
			return nil, fmt.Errorf("object %s: %w", p, store.ErrNotExist)
		}
		all = append(all, objectSubject(p, sigs))
	}
	for r, sigs := range realisations {
		if p, err := s.Realisation(ctx, r.Derivation, r.Output); err != nil {
			return nil, err
		} else if p != r.Path {
			return nil, fmt.Errorf("realisation of %s, output %q, as %s: %w", r.Derivation, r.Output, r.Path, store.ErrNotExist)
		}
		all = append(all, realisationSubject(r, sigs))
	}
	slices.SortFunc(all, func(a, b subject) int { return strings.Compare(a.line, b.line) })
	var fresh []subject
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		for _, one := range all {
			have, err := one.query(conn)
			if err != nil {
				return err
			}
			for _, sig := range one.signatures {
				if err := sig.Check(); err != nil {
					return fmt.Errorf("%s: %w", one.line, err)
				}
			}
			if one.signatures = merge(have, one.signatures); len(one.signatures) > len(have) {
				fresh = append(fresh, one)
			}
		}
		return nil
	})
	return fresh, err
}

// Signatures returns the signatures of a valid object, in the order of
// [sign.Compare]. They may be wrong: see [sign.TrustedKeys].
func (s *Store) Signatures(ctx context.Context, p store.Path) ([]sign.Signature, error) {
	sigs, err := s.querySignatures(ctx, objectSubject(p, nil))
	if err != nil {
		return nil, fmt.Errorf("signatures of %s: %w", p, err)
	}
	return sigs, nil
}

// RealisationSignatures returns the signatures of a realisation, as
// [Store.Signatures] does. It has none when the output is another object now.
func (s *Store) RealisationSignatures(ctx context.Context, r store.Realisation) ([]sign.Signature, error) {
	sigs, err := s.querySignatures(ctx, realisationSubject(r, nil))
	if err != nil {
		return nil, fmt.Errorf("signatures of the realisation of %s, output %q: %w", r.Derivation, r.Output, err)
	}
	return sigs, nil
}

func (s *Store) querySignatures(ctx context.Context, one subject) (sigs []sign.Signature, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		sigs, err = one.query(conn)
		return err
	})
	return sigs, err
}

// query returns the signatures that the database has.
func (one *subject) query(conn *sqlite.Conn) (sigs []sign.Signature, err error) {
	query := `SELECT key, signature FROM object_signature JOIN object ON id = object
		WHERE path = ? ORDER BY key, signature`
	args := []any{string(one.object)}
	if one.object == "" {
		query = `SELECT key, signature FROM realisation_signature JOIN realisation USING (derivation, output)
			WHERE derivation = ? AND output = ? AND path = ? ORDER BY key, signature`
		args = []any{one.realisation.Derivation[:], one.realisation.Output, string(one.realisation.Path)}
	}
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			sig := sign.Signature{Key: stmt.ColumnText(0)}
			if n := stmt.ColumnLen(1); n != len(sig.Bytes) {
				return fmt.Errorf("damaged database: a signature of %d bytes", n)
			}
			stmt.ColumnBytes(1, sig.Bytes[:])
			sigs = append(sigs, sig)
			return nil
		},
	})
	return sigs, err
}

// insertSignatures writes the rows. What is not valid any more gets none.
func insertSignatures(conn *sqlite.Conn, subjects []subject) error {
	for _, one := range subjects {
		query := `INSERT INTO object_signature (object, key, signature)
			SELECT id, ?, ? FROM object WHERE path = ? ON CONFLICT DO NOTHING`
		args := []any{string(one.object)}
		if one.object == "" {
			query = `INSERT INTO realisation_signature (derivation, output, key, signature)
				SELECT derivation, output, ?, ? FROM realisation WHERE derivation = ? AND output = ? AND path = ?
				ON CONFLICT DO NOTHING`
			args = []any{one.realisation.Derivation[:], one.realisation.Output, string(one.realisation.Path)}
		}
		for _, sig := range one.signatures {
			err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: append([]any{sig.Key, sig.Bytes[:]}, args...)})
			if err != nil {
				return fmt.Errorf("%s: %w", one.line, err)
			}
		}
	}
	return nil
}

// writeSignatures keeps them on disk, together with what the file has, if there is
// room for that.
func (s *Store) writeSignatures(one *subject) error {
	have, err := s.readSignatures(one)
	if all := sign.Merge(have, one.signatures); err == nil && len(all) <= maxSignatures {
		one.signatures = all
	}
	if len(one.signatures) > maxSignatures {
		return fmt.Errorf("%d signatures, at most %d", len(one.signatures), maxSignatures)
	}
	for i, c := range one.dir + "/" {
		if c != '/' {
			continue
		}
		if err := makeDir(s.path(one.dir[:i]), 0o755); err != nil {
			return err
		}
	}
	return s.writeMeta(one.dir, one.name, one.text())
}

// text is what its file has.
func (one *subject) text() []byte {
	text := []byte(one.line + "\n")
	for _, sig := range one.signatures {
		text = append(text, sig.String()+"\n"...)
	}
	return text
}

// readSignatures reads a subject's file: none when there is no file, or when it is
// about another realisation of the same output.
func (s *Store) readSignatures(one *subject) ([]sign.Signature, error) {
	fd, err := openDir(unix.AT_FDCWD, s.path(one.dir))
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	line, sigs, err := readSignatureFile(fd, one.name)
	if errors.Is(err, unix.ENOENT) || err == nil && line != one.line {
		return nil, nil
	}
	return sigs, err
}

func readSignatureFile(dir int, name string) (line string, sigs []sign.Signature, err error) {
	data, err := readSmall(dir, name, maxSignatureFile)
	if err != nil {
		return "", nil, err
	}
	text, ok := strings.CutSuffix(string(data), "\n")
	if !ok {
		return "", nil, errors.New("its last line has no end")
	}
	lines := strings.Split(text, "\n")
	if len(lines)-1 > maxSignatures {
		return "", nil, fmt.Errorf("%d signatures, at most %d", len(lines)-1, maxSignatures)
	}
	for _, l := range lines[1:] {
		sig, err := sign.ParseSignature(l)
		if err != nil {
			return "", nil, err
		}
		sigs = append(sigs, sig)
	}
	return lines[0], sigs, nil
}

// restoreSignatures puts into the database what is on disk about objects and
// realisations that are in it. What cannot be read is told to bad.
func (s *Store) restoreSignatures(ctx context.Context, objects []store.Object, realisations []store.Realisation, bad func(file string, err error)) error {
	var subjects []subject
	add := func(one subject) {
		var err error
		if one.signatures, err = s.readSignatures(&one); err != nil {
			bad(one.dir+"/"+one.name, err)
		} else if len(one.signatures) > 0 {
			subjects = append(subjects, one)
		}
	}
	for i := range objects {
		add(objectSubject(objects[i].Path, nil))
	}
	for _, r := range realisations {
		add(realisationSubject(r, nil))
	}
	if len(subjects) == 0 {
		return nil
	}
	return s.db.write(ctx, func(conn *sqlite.Conn) error { return insertSignatures(conn, subjects) })
}

// signedSubjects returns everything that the database has signatures of.
func (s *Store) signedSubjects(ctx context.Context) (all []subject, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		paths, err := queryPaths(conn, `SELECT DISTINCT path FROM object_signature JOIN object ON id = object ORDER BY path`)
		if err != nil {
			return err
		}
		for _, p := range paths {
			all = append(all, objectSubject(p, nil))
		}
		const query = `SELECT DISTINCT derivation, output, path
			FROM realisation_signature JOIN realisation USING (derivation, output) ORDER BY derivation, output`
		realisations, err := queryRealisations(conn, query)
		if err != nil {
			return err
		}
		for _, r := range realisations {
			all = append(all, realisationSubject(r, nil))
		}
		for i := range all {
			if all[i].signatures, err = all[i].query(conn); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// signatures looks whether each file can be read, and has what the database has.
func (v *verifier) signatures(ctx context.Context) error {
	problem := func(file string, err error) {
		v.problem(Problem{File: v.s.path(file), Err: err, damage: damagedFile})
	}
	unreadable := map[string]bool{}
	err := v.s.signatureFiles(func(file string, err error) {
		unreadable[file] = true
		problem(file, err)
	})
	if err != nil {
		return err
	}
	all, err := v.s.signedSubjects(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		one := &all[i]
		file := one.dir + "/" + one.name
		have, err := v.s.readSignatures(one)
		if err == nil && len(sign.Merge(have, one.signatures)) > len(have) {
			problem(file, errors.New("it lacks signatures that the database has"))
		} else if err != nil && !unreadable[file] {
			problem(file, err)
		}
	}
	return nil
}

// recheckSignatures removes files that a power cut left unreadable, and writes
// them again.
func (s *Store) recheckSignatures(ctx context.Context) error {
	var bad []string
	err := s.signatureFiles(func(file string, _ error) { bad = append(bad, file) })
	if err != nil || len(bad) == 0 {
		return err
	}
	for _, file := range bad {
		if err := ignoreNotExist(os.Remove(s.path(file))); err != nil {
			return err
		}
	}
	return (&repairer{s: s}).signatures(ctx)
}

// signatures writes those files again that are damaged or gone.
func (r *repairer) signatures(ctx context.Context) error {
	all, err := r.s.signedSubjects(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if err := r.s.writeSignatures(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// signatureFiles tells bad which files of signatures cannot be read.
func (s *Store) signatureFiles(bad func(file string, err error)) error {
	dirs := []string{objectSignatures}
	shards, err := os.ReadDir(s.path(realisationSignatures))
	if err := ignoreNotExist(err); err != nil {
		return err
	}
	for _, shard := range shards {
		dirs = append(dirs, realisationSignatures+"/"+shard.Name())
	}
	for _, dir := range dirs {
		if err := s.signatureDir(dir, bad); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) signatureDir(dir string, bad func(file string, err error)) error {
	fd, err := openDir(unix.AT_FDCWD, s.path(dir))
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		bad(dir, err)
		return nil
	}
	defer unix.Close(fd)
	names, err := listDir(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if isTemp(name) {
			continue // somebody is writing it
		}
		line, _, err := readSignatureFile(fd, name)
		if err == unix.ENOENT {
			continue // collected meanwhile
		}
		if err == nil && !belongs(line, dir, name) {
			err = errors.New("it does not belong here")
		}
		if err != nil {
			bad(dir+"/"+name, err)
		}
	}
	return nil
}

// belongs reports whether a file of signatures that begins with line stands in
// its place.
func belongs(line, dir, name string) bool {
	if dir == objectSignatures {
		return line == name
	}
	fields := strings.Split(line, " ")
	if len(fields) != 3 {
		return false
	}
	want := store.DigestOf([]byte(fields[0] + " " + fields[1]))
	return dir == realisationSignatures+"/"+shardName(want[0]) && name == shardedName(want)
}

// RealisationsOf returns the realisations that lead to one of paths, in the order
// of derivation and output.
func (s *Store) RealisationsOf(ctx context.Context, paths []store.Path) (all []store.Realisation, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `SELECT derivation, output, path FROM realisation
			WHERE path IN (SELECT value FROM json_each(?)) ORDER BY derivation, output`
		all, err = queryRealisations(conn, query, pathList(paths))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look realisations up: %w", err)
	}
	return all, nil
}

// queryRealisations runs a query whose columns are derivation, output and path.
func queryRealisations(conn *sqlite.Conn, query string, args ...any) (all []store.Realisation, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			d, err := columnDigest(stmt, 0)
			all = append(all, store.Realisation{
				Derivation: store.DerivationHash(d), Output: stmt.ColumnText(1), Path: store.Path(stmt.ColumnText(2)),
			})
			return err
		},
	})
	return all, err
}
