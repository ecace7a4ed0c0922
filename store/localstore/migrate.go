package localstore

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// migrate brings a database to this version's schema. An empty one, also one
// that a crash left empty, gets the tables.
func (s *Store) migrate(conn *sqlite.Conn) (err error) {
	version, err := userVersion(conn)
	if err != nil || version == schemaVersion {
		return err
	}
	if version > schemaVersion {
		return &VersionError{version, schemaVersion}
	}
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	// Another process may have been quicker.
	if version, err = userVersion(conn); err != nil || version == schemaVersion {
		return err
	}
	if version == 1 {
		if err := s.keepRows(conn); err != nil {
			return err
		}
	}
	script := strings.Join([]string{schema, signatureSchema, outcomeSchema}[version:], "")
	script += fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	return sqlitex.ExecuteScript(conn, script, nil)
}

// keepRows writes the copies of all rows, which a store of version 1 may lack. They
// are on the disk before the version says that they are there; when this is
// interrupted, the next process to open the store does it again.
func (s *Store) keepRows(conn *sqlite.Conn) error {
	paths, err := queryPaths(conn, `SELECT path FROM object ORDER BY path`)
	if err != nil {
		return err
	}
	for _, p := range paths {
		o, err := queryObject(conn, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := s.writeRecord(&o); err != nil {
			return err
		}
	}
	realisations, err := queryRealisations(conn, everyRealisation)
	if err != nil {
		return err
	}
	for _, r := range realisations {
		if err := s.writeRealisation(r); err != nil {
			return fmt.Errorf("realisation of %s: %w", r.Derivation, err)
		}
	}
	return s.sync.sync()
}
