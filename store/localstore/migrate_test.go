package localstore

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/internal/crashtest"
	"sysc/store"
	"sysc/store/sign"
)

// version1 is what the first version of sysc made: one object that refers to
// another, and a realisation. The tables are written out here so that a change of
// the schema cannot change them.
const version1 = `
CREATE TABLE object (
	id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, tree BLOB NOT NULL,
	size INTEGER NOT NULL, deriver TEXT NOT NULL, self BLOB NOT NULL
) STRICT;
CREATE TABLE reference (
	referrer INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
	target INTEGER NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
	PRIMARY KEY (referrer, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_target ON reference (target);
CREATE TABLE realisation (
	derivation BLOB NOT NULL, output TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (derivation, output)
) STRICT, WITHOUT ROWID;
INSERT INTO object SELECT id, path, kind, tree, size, deriver, self FROM old.object;
INSERT INTO reference SELECT * FROM old.reference;
INSERT INTO realisation SELECT * FROM old.realisation;
PRAGMA application_id = 0x73797363;
PRAGMA user_version = 1;
`

// downgrade makes a closed store one of version 1 with the same objects.
func downgrade(t testing.TB, s *Store) {
	t.Helper()
	path := s.path(databaseName)
	conn, err := sqlite.OpenConn(path+".1", sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	must(t, err)
	must(t, sqlitex.ExecuteTransient(conn, "ATTACH ? AS old", &sqlitex.ExecOptions{Args: []any{path}}))
	must(t, sqlitex.ExecuteScript(conn, version1, nil))
	must(t, conn.Close())
	must(t, removeDatabase(path))
	must(t, os.Rename(path+".1", path))
	for _, dir := range []string{"records", "realisations", "signatures"} {
		must(t, os.RemoveAll(s.path(dir)))
	}
}

func TestMigrate(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	must(t, g.Close())
	downgrade(t, g.Store)
	// Several processes may come at once.
	stores := make([]*Store, 4)
	var wait sync.WaitGroup
	for i := range stores {
		wait.Go(func() {
			var err error
			if stores[i], err = Open(ctx, g.Dir(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, s := range stores[1:] {
		must(t, s.Close())
	}
	g.Store = stores[0]
	t.Cleanup(func() { g.Close() })
	verify(t, g.expectObjects(t, 4))
	g.expectRealisationFiles(t)
	for _, want := range []store.Object{g.lib, g.app, g.root, g.file} {
		if got, err := g.Object(ctx, want.Path); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if p, err := g.Realisation(ctx, g.realisation.Derivation, "out"); err != nil || p != g.app.Path {
		t.Errorf("%s, %v", p, err)
	}
	g.expect(t, nil, nil)
	must(t, g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.lib.Path: g.onObject},
		map[store.Realisation][]sign.Signature{g.realisation: g.onResult}))
	g.expect(t, g.onObject, g.onResult)
	must(t, g.db.do(ctx, func(conn *sqlite.Conn) error {
		version, err := userVersion(conn)
		if version != schemaVersion {
			t.Errorf("version %d", version)
		}
		return err
	}))
}

// A migration that fails half-way leaves version 1 as it was.
func TestMigrateAtomic(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	must(t, g.Close())
	downgrade(t, g.Store)
	change := func(script string) {
		conn, err := sqlite.OpenConn(g.path(databaseName), sqlite.OpenReadWrite)
		must(t, err)
		must(t, sqlitex.ExecuteScript(conn, script, nil))
		must(t, conn.Close())
	}
	change("CREATE TABLE realisation_signature (x)") // the second one that it makes
	if _, err := Open(ctx, g.Dir(), nil); err == nil {
		t.Fatal("opened")
	}
	change("DROP TABLE realisation_signature")
	g.Store = open(t, g.Dir())
	verify(t, g.expectObjects(t, 4))
}

// expectRealisationFiles looks for the copies of realisations, which Verify does
// not miss.
func (g *signed) expectRealisationFiles(t testing.TB) {
	t.Helper()
	var got []store.Realisation
	must(t, g.readRealisations(func(r store.Realisation) { got = append(got, r) }, func(file string, err error) { t.Errorf("%s: %v", file, err) }))
	want := []store.Realisation{g.realisation, {Derivation: store.DerivationHash{2}, Output: "doc", Path: g.lib.Path}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("realisations on disk: %v, want %v", got, want)
	}
}

// Killed at any step, a migration has raised the version only if every copy is
// there, and the next process to open the store ends it.
func TestMigrateKilled(t *testing.T) {
	var g *signed
	start := func() *exec.Cmd {
		g = newSigned(t)
		must(t, g.Close())
		downgrade(t, g.Store)
		return crashtest.Self(t, "SYSC_MIGRATE="+g.Dir(), "-test.run=^TestMigrateProcess$")
	}
	begun, raised := 0, 0
	crashtest.Run(t, start, func(n int) {
		records, err := os.ReadDir(g.path("records"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		switch version := versionOf(t, g.path(databaseName)); {
		case version == schemaVersion:
			raised++
			if len(records) != 4 {
				t.Errorf("step %d: the version was raised with %d records", n, len(records))
			}
			g.expectRealisationFiles(t)
		case len(records) > 0:
			begun++
		}
		g.Store = open(t, g.Dir())
		verify(t, g.expectObjects(t, 4))
		g.expectRealisationFiles(t)
		must(t, g.Close())
	})
	if begun == 0 || raised == 0 {
		t.Errorf("killed %d times in between and %d times after it", begun, raised)
	}
}

// TestMigrateProcess is the process that is killed. By itself it has nothing to
// do.
func TestMigrateProcess(t *testing.T) {
	dir := os.Getenv("SYSC_MIGRATE")
	if dir == "" {
		return
	}
	s, err := Open(t.Context(), dir, nil)
	must(t, err)
	must(t, s.Close())
}

func versionOf(t testing.TB, path string) int {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	must(t, err)
	version, err := userVersion(conn)
	must(t, errors.Join(err, conn.Close()))
	return version
}
