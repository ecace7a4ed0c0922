package localstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// schemaVersion is kept in the database's user_version. A change of the tables,
// or of the layout of the directory, means another one and a migration.
const schemaVersion = 3

// applicationID marks the file as ours, for file(1): "sysc".
const applicationID = 0x73797363

// Realisations have no foreign key: they outlive their object, so that a graph
// resolves without building what garbage collection took.
//
// These are the tables of version 1; version 2 has signatureSchema, too, and a copy
// of every row on disk (see record.go), version 3 outcomeSchema.
const schema = `
CREATE TABLE object (
	id      INTEGER PRIMARY KEY,
	path    TEXT NOT NULL UNIQUE,
	kind    INTEGER NOT NULL,
	tree    BLOB NOT NULL,
	size    INTEGER NOT NULL,
	deriver TEXT NOT NULL,
	self    BLOB NOT NULL -- self references, see encodeSelf
) STRICT;
CREATE TABLE reference (
	referrer INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
	target   INTEGER NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
	PRIMARY KEY (referrer, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_target ON reference (target);
CREATE TABLE realisation (
	derivation BLOB NOT NULL,
	output     TEXT NOT NULL,
	path       TEXT NOT NULL,
	PRIMARY KEY (derivation, output)
) STRICT, WITHOUT ROWID;
`

// A VersionError says that a store was written by a newer version of sysc than
// this one.
type VersionError struct {
	Have, Want int // schema versions
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("a newer sysc made it (format %d, this one knows %d); update sysc, or choose another store with --store",
		e.Have, e.Want)
}

// database hands out connections, which it opens when they are needed.
type database struct {
	path  string
	slots chan struct{} // one token per connection that is out
	mu    sync.Mutex
	idle  []*sqlite.Conn
}

// openDatabase opens the database at path and lets migrate bring it to this
// version's schema.
func openDatabase(ctx context.Context, path string, migrate func(*sqlite.Conn) error) (*database, error) {
	db := &database{path: path, slots: make(chan struct{}, runtime.GOMAXPROCS(0)+1)}
	if err := db.do(ctx, migrate); err != nil {
		db.close()
		if isCorrupt(err) {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if isFull(err) {
			err = fmt.Errorf("%w: sysc gc makes room: %w", unix.ENOSPC, err)
		}
		return nil, fmt.Errorf("database: %w", err)
	}
	return db, nil
}

func isCorrupt(err error) bool {
	code := sqlite.ErrCode(err).ToPrimary()
	return code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB
}

// ErrDamaged says that a store's database cannot be read. [Rebuild] makes it
// anew.
var ErrDamaged = errors.New("its database is damaged")

func userVersion(conn *sqlite.Conn) (version int, err error) {
	err = sqlitex.Execute(conn, "PRAGMA user_version", &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			version = stmt.ColumnInt(0)
			return nil
		},
	})
	return version, err
}

// do runs fn with a connection of its own. When ctx is done, fn's statements
// are interrupted.
func (db *database) do(ctx context.Context, fn func(*sqlite.Conn) error) error {
	select {
	case db.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.slots }()
	conn, err := db.take()
	if err != nil {
		return err
	}
	conn.SetInterrupt(ctx.Done())
	err = fn(conn)
	conn.SetInterrupt(nil)
	db.mu.Lock()
	db.idle = append(db.idle, conn)
	db.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// write runs fn in a transaction that is durable when write returns nil, and
// that never was when it returns an error.
func (db *database) write(ctx context.Context, fn func(*sqlite.Conn) error) error {
	return db.do(ctx, func(conn *sqlite.Conn) (err error) {
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer end(&err)
		return fn(conn)
	})
}

// writeUnsynced runs fn in a transaction that a power cut may undo, as a whole.
func (db *database) writeUnsynced(ctx context.Context, fn func(*sqlite.Conn) error) error {
	return db.do(ctx, func(conn *sqlite.Conn) (err error) {
		if err := sqlitex.Execute(conn, "PRAGMA synchronous = NORMAL", nil); err != nil {
			return err
		}
		// The connection is used for other transactions, too.
		defer func() { err = errors.Join(err, sqlitex.Execute(conn, durable, nil)) }()
		end, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer end(&err)
		return fn(conn)
	})
}

// durable makes that a committed transaction survives a power cut. WAL's default in
// this driver, NORMAL, would only be consistent.
const durable = "PRAGMA synchronous = FULL"

// read runs fn in a transaction, so that its queries see one state.
func (db *database) read(ctx context.Context, fn func(*sqlite.Conn) error) error {
	return db.do(ctx, func(conn *sqlite.Conn) (err error) {
		defer sqlitex.Transaction(conn)(&err)
		return fn(conn)
	})
}

func (db *database) take() (*sqlite.Conn, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if n := len(db.idle); n > 0 {
		conn := db.idle[n-1]
		db.idle = db.idle[:n-1]
		return conn, nil
	}
	conn, err := sqlite.OpenConn(db.path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	conn.SetBlockOnBusy()
	for _, pragma := range []string{durable, "PRAGMA foreign_keys = ON"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

func (db *database) close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, conn := range db.idle {
		errs = append(errs, conn.Close())
	}
	db.idle = nil
	return errors.Join(errs...)
}
