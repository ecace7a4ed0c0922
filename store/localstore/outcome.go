package localstore

import (
	"context"
	"crypto/sha256"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// Outcomes say what a derivation as it was evaluated came to, together with all that
// is behind it: what looking up the realisation of one after the other would give,
// inputs first. They follow from the realisations, and all are forgotten in the
// transaction that replaces one of these, so they are never out of date. Losing them
// costs time and nothing else: they are not synced, and have no copy on disk.

// outcomeSchema is what version 3 of the schema has more than version 2. The age tells
// whether realisations were replaced since something was looked up.
const outcomeSchema = `
CREATE TABLE outcome (
	derivation BLOB NOT NULL,
	output     TEXT NOT NULL,
	path       TEXT NOT NULL,
	PRIMARY KEY (derivation, output)
) STRICT, WITHOUT ROWID;
CREATE TABLE outcome_age (age INTEGER NOT NULL) STRICT;
INSERT INTO outcome_age VALUES (0);
CREATE TRIGGER outcomes_outdated AFTER UPDATE OF path ON realisation WHEN old.path <> new.path BEGIN
	DELETE FROM outcome;
	UPDATE outcome_age SET age = age + 1;
END;
CREATE TRIGGER outcomes_lost AFTER DELETE ON realisation BEGIN
	DELETE FROM outcome;
	UPDATE outcome_age SET age = age + 1;
END;
`

// An OutcomeKey names an output of a derivation as it was evaluated. The hash is the
// caller's; it stands for all that the outcome follows from but for realisations.
type OutcomeKey struct {
	Derivation [sha256.Size]byte
	Output     string
}

// An OutcomeAge is a state of the realisations, as far as outcomes follow from them.
type OutcomeAge int64

// Outcomes returns those outcomes that are known, and their age. The objects need not
// be valid.
func (s *Store) Outcomes(ctx context.Context, keys []OutcomeKey) (known map[OutcomeKey]store.Path, age OutcomeAge, err error) {
	known = make(map[OutcomeKey]store.Path, len(keys))
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		if age, err = queryAge(conn); err != nil {
			return err
		}
		for _, key := range keys {
			paths, err := queryPaths(conn, `SELECT path FROM outcome WHERE derivation = ? AND output = ?`, key.Derivation[:], key.Output)
			if err != nil {
				return err
			}
			if len(paths) > 0 {
				known[key] = paths[0]
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look outcomes up: %w", err)
	}
	return known, age, nil
}

func queryAge(conn *sqlite.Conn) (age OutcomeAge, err error) {
	err = sqlitex.Execute(conn, `SELECT age FROM outcome_age`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			age = OutcomeAge(stmt.ColumnInt64(0))
			return nil
		},
	})
	return age, err
}

// KeepOutcomes keeps what was found from realisations that were looked up after
// [Store.Outcomes] had returned age. Nothing is kept when one of them was replaced
// since.
func (s *Store) KeepOutcomes(ctx context.Context, age OutcomeAge, outcomes map[OutcomeKey]store.Path) error {
	if len(outcomes) == 0 {
		return nil
	}
	if err := s.db.writeUnsynced(ctx, func(conn *sqlite.Conn) error { return insertOutcomes(conn, age, outcomes) }); err != nil {
		return fmt.Errorf("keep outcomes: %w", err)
	}
	return nil
}

func insertOutcomes(conn *sqlite.Conn, age OutcomeAge, outcomes map[OutcomeKey]store.Path) error {
	if now, err := queryAge(conn); err != nil || now != age {
		return err
	}
	for key, path := range outcomes {
		const query = `INSERT INTO outcome (derivation, output, path) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET path = excluded.path`
		err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{key.Derivation[:], key.Output, string(path)}})
		if err != nil {
			return err
		}
	}
	return nil
}
