package localstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
	"sysc/store/tree"
)

// Object returns what the store knows of a valid object, which stays valid until
// this store is closed. Any other path is store.ErrNotExist, wrapped, whatever
// stands on disk.
func (s *Store) Object(ctx context.Context, p store.Path) (store.Object, error) {
	var o store.Object
	err := s.relyOnObjects([]store.Path{p}, func() (err error) {
		o, err = s.object(ctx, p)
		return err
	})
	if err != nil {
		return store.Object{}, fmt.Errorf("object %s: %w", p, err)
	}
	return o, nil
}

// object is Object for an object that need not stay.
func (s *Store) object(ctx context.Context, p store.Path) (o store.Object, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) (err error) {
		o, err = queryObject(conn, p)
		return err
	})
	return o, err
}

// relyOnObjects keeps objects from being collected, if look finds them.
func (s *Store) relyOnObjects(paths []store.Path, look func() error) error {
	notes := make([]note, len(paths))
	for i, p := range paths {
		if _, err := store.ParsePath(string(p)); err != nil {
			return err
		}
		notes[i].object = p
	}
	return s.session.rely(s.objectDir, look, notes...)
}

func queryObject(conn *sqlite.Conn, p store.Path) (store.Object, error) {
	const query = `SELECT id, kind, tree, size, deriver, self FROM object WHERE path = ?`
	id := int64(-1)
	o := store.Object{Path: p}
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{string(p)},
		ResultFunc: func(stmt *sqlite.Stmt) (err error) {
			id = stmt.ColumnInt64(0)
			o.Kind = store.Kind(stmt.ColumnInt(1))
			if o.Tree, err = columnDigest(stmt, 2); err != nil {
				return err
			}
			o.Size = stmt.ColumnInt64(3)
			o.Deriver = stmt.ColumnText(4)
			self := make([]byte, stmt.ColumnLen(5))
			stmt.ColumnBytes(5, self)
			o.SelfReferences, err = decodeSelf(self)
			return err
		},
	})
	if err != nil {
		return o, err
	}
	if id < 0 {
		return o, store.ErrNotExist
	}
	const references = `SELECT path FROM reference JOIN object ON id = target WHERE referrer = ? ORDER BY path`
	o.References, err = queryPaths(conn, references, id)
	return o, err
}

// treesOf returns the trees of all valid objects.
func (s *Store) treesOf(ctx context.Context) (map[store.Path]store.Digest, error) {
	out := make(map[store.Path]store.Digest)
	err := s.db.do(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, `SELECT path, tree FROM object`, &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				d, err := columnDigest(stmt, 1)
				out[store.Path(stmt.ColumnText(0))] = d
				return err
			},
		})
	})
	return out, err
}

func columnDigest(stmt *sqlite.Stmt, column int) (d store.Digest, err error) {
	if n := stmt.ColumnLen(column); n != len(d) {
		return d, fmt.Errorf("damaged database: a digest of %d bytes", n)
	}
	stmt.ColumnBytes(column, d[:])
	return d, nil
}

// queryPaths runs a query whose only column is a path.
func queryPaths(conn *sqlite.Conn, query string, args ...any) (paths []store.Path, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			paths = append(paths, store.Path(stmt.ColumnText(0)))
			return nil
		},
	})
	return paths, err
}

// Realisation returns the path of the object that an output of a resolved
// derivation is, or store.ErrNotExist, wrapped. The record outlives the object:
// look with [Store.Object] whether that is there.
func (s *Store) Realisation(ctx context.Context, d store.DerivationHash, output string) (store.Path, error) {
	key := RealisationKey{d, output}
	found, err := s.Realisations(ctx, []RealisationKey{key})
	if err != nil {
		return "", err
	}
	p, ok := found[key]
	if !ok {
		return "", fmt.Errorf("realisation of %s, output %q: %w", d, output, store.ErrNotExist)
	}
	return p, nil
}

// A RealisationKey names an output of a resolved derivation.
type RealisationKey struct {
	Derivation store.DerivationHash
	Output     string
}

// Realisations is [Store.Realisation] for many at once. What is missing is
// missing in the result.
func (s *Store) Realisations(ctx context.Context, keys []RealisationKey) (map[RealisationKey]store.Path, error) {
	out := make(map[RealisationKey]store.Path, len(keys))
	err := s.db.read(ctx, func(conn *sqlite.Conn) error {
		for _, key := range keys {
			paths, err := queryPaths(conn, `SELECT path FROM realisation WHERE derivation = ? AND output = ?`,
				key.Derivation[:], key.Output)
			if err != nil {
				return err
			}
			if len(paths) > 0 {
				out[key] = paths[0]
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look realisations up: %w", err)
	}
	return out, nil
}

// everyRealisation is a query for [queryRealisations].
const everyRealisation = `SELECT derivation, output, path FROM realisation`

// allRealisations returns all that the database has.
func (s *Store) allRealisations(ctx context.Context) (all []store.Realisation, err error) {
	err = s.db.do(ctx, func(conn *sqlite.Conn) error {
		all, err = queryRealisations(conn, everyRealisation)
		return err
	})
	return all, err
}

// Valid returns which of paths are valid objects, in one query; these stay valid
// until this store is closed. What is not is missing in the result.
func (s *Store) Valid(ctx context.Context, paths []store.Path) (valid map[store.Path]bool, err error) {
	err = s.relyOnObjects(paths, func() (err error) {
		valid, err = s.valid(ctx, paths)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look objects up: %w", err)
	}
	return valid, nil
}

// valid is Valid for objects that need not stay.
func (s *Store) valid(ctx context.Context, paths []store.Path) (map[store.Path]bool, error) {
	out := make(map[store.Path]bool, len(paths))
	err := s.db.do(ctx, func(conn *sqlite.Conn) error {
		valid, err := queryValid(conn, paths)
		for _, p := range valid {
			out[p] = true
		}
		return err
	})
	return out, err
}

// queryValid returns those of paths that are valid.
func queryValid(conn *sqlite.Conn, paths []store.Path) ([]store.Path, error) {
	return queryPaths(conn, `SELECT path FROM object WHERE path IN (SELECT value FROM json_each(?))`, pathList(paths))
}

// MakeObject returns the object that a tree is under a name, with references
// but none to itself. Files and trees are made canonical first, so the object's
// tree may be another one; see tree.Canonical. The object becomes valid with
// [Store.Register].
func (s *Store) MakeObject(ctx context.Context, name string, kind store.Kind, root store.Digest, refs []store.Path) (store.Object, error) {
	o, err := s.makeObject(ctx, name, kind, root, refs)
	if err != nil {
		return store.Object{}, fmt.Errorf("make object %s: %w", name, err)
	}
	return o, nil
}

func (s *Store) makeObject(ctx context.Context, name string, kind store.Kind, root store.Digest, refs []store.Path) (store.Object, error) {
	if kind != store.KindRoot {
		var err error
		if root, err = tree.Canonical(ctx, s, root); err != nil {
			return store.Object{}, err
		}
	}
	t, err := s.Tree(ctx, root)
	if err != nil {
		return store.Object{}, err
	}
	o := store.Object{Kind: kind, Tree: root, References: sortedPaths(refs), Size: t.Size()}
	if err := checkKind(kind, t); err != nil {
		return store.Object{}, err
	}
	o.Path, err = store.MakePath(store.MakeID(kind, name, root, nil, o.References), name)
	return o, err
}

func checkKind(kind store.Kind, t *tree.Tree) error {
	switch kind {
	case store.KindTree, store.KindRoot:
		return nil
	case store.KindFile:
		if len(t.Entries) != 1 || t.Entries[0].Name != store.FileEntry || t.Entries[0].Type != tree.File {
			return fmt.Errorf("the tree of an object that is a file must have one file, %q", store.FileEntry)
		}
		return nil
	}
	return fmt.Errorf("unknown kind %d", kind)
}

// encodeSelf writes self references for the database: per reference the length
// of the path (4 bytes, little endian), the path, 1 for a link, the offset (8
// bytes).
func encodeSelf(self []store.SelfReference) []byte {
	out := []byte{}
	for _, r := range self {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(r.File)))
		out = append(out, r.File...)
		link := byte(0)
		if r.Link {
			link = 1
		}
		out = append(out, link)
		out = binary.LittleEndian.AppendUint64(out, uint64(r.Offset))
	}
	return out
}

func decodeSelf(data []byte) ([]store.SelfReference, error) {
	var self []store.SelfReference
	for len(data) > 0 {
		if len(data) < 4 {
			return nil, errSelf
		}
		n := int(binary.LittleEndian.Uint32(data))
		data = data[4:]
		if n < 0 || n > len(data)-9 {
			return nil, errSelf
		}
		self = append(self, store.SelfReference{
			File: string(data[:n]), Link: data[n] == 1,
			Offset: int64(binary.LittleEndian.Uint64(data[n+1:])),
		})
		data = data[n+9:]
	}
	return self, nil
}

var errSelf = errors.New("damaged database: self references cut off")
