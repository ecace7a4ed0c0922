package localstore

import (
	"cmp"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// scanShare says when looking rows up one by one costs more than reading the
// whole table: when it is for more than one in so many.
const scanShare = 16

// queryClosure returns the objects of paths and all that they refer to, sorted. A
// path that is not valid is store.ErrNotExist, wrapped.
//
// A recursive query would do the same in twice the time: each row that it finds
// goes through two trees of the database's.
func queryClosure(conn *sqlite.Conn, paths []store.Path) ([]store.Path, error) {
	starts, err := queryIDs(conn, paths)
	if err != nil {
		return nil, err
	}
	most, err := queryInt(conn, `SELECT coalesce(max(id), 0) FROM object`)
	if err != nil {
		return nil, err
	}
	g := graph{conn: conn, budget: int(most / scanShare), seen: make(idSet, most/64+1)}
	if err := g.follow(starts); err != nil {
		return nil, err
	}
	closure, err := g.paths()
	slices.Sort(closure)
	return closure, err
}

// queryIDs returns the row ids of valid objects.
func queryIDs(conn *sqlite.Conn, paths []store.Path) ([]int64, error) {
	var ids []int64
	var missing store.Path
	const query = `SELECT list.value, object.id FROM json_each(?) AS list LEFT JOIN object ON object.path = list.value`
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{pathList(paths)},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			p := store.Path(stmt.ColumnText(0))
			if stmt.ColumnType(1) == sqlite.TypeNull && (missing == "" || p < missing) {
				missing = p
			}
			ids = append(ids, stmt.ColumnInt64(1))
			return nil
		},
	})
	if err == nil && missing != "" {
		err = fmt.Errorf("%s: %w", missing, store.ErrNotExist)
	}
	return ids, err
}

func queryInt(conn *sqlite.Conn, query string) (n int64, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		n = stmt.ColumnInt64(0)
		return nil
	}})
	return n, err
}

// A graph is a walk over references, by row ids.
type graph struct {
	conn   *sqlite.Conn
	budget int // how many rows to look up one by one
	seen   idSet
	found  []int64     // what seen has
	all    []reference // every one there is, sorted, once they have been read
}

type reference struct{ referrer, target int64 }

// An idSet has a bit for each row id that there may be.
type idSet []uint64

func (s idSet) has(id int64) bool { return s[id/64]&(1<<(id%64)) != 0 }

func (s idSet) add(id int64) { s[id/64] |= 1 << (id % 64) }

// follow adds what can be reached from ids, and these.
func (g *graph) follow(ids []int64) error {
	for _, id := range ids {
		g.add(id)
	}
	for i := 0; i < len(g.found); i++ {
		if i == g.budget+1 {
			if err := g.readAll(); err != nil {
				return err
			}
		}
		if err := g.addTargets(g.found[i]); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) add(id int64) {
	if !g.seen.has(id) {
		g.seen.add(id)
		g.found = append(g.found, id)
	}
}

// addTargets adds what an object refers to.
func (g *graph) addTargets(id int64) error {
	if g.all != nil {
		i, _ := slices.BinarySearchFunc(g.all, id, func(r reference, id int64) int { return cmp.Compare(r.referrer, id) })
		for ; i < len(g.all) && g.all[i].referrer == id; i++ {
			g.add(g.all[i].target)
		}
		return nil
	}
	return sqlitex.Execute(g.conn, `SELECT target FROM reference WHERE referrer = ?`, &sqlitex.ExecOptions{
		Args: []any{id},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			g.add(stmt.ColumnInt64(0))
			return nil
		},
	})
}

func (g *graph) readAll() error {
	g.all = []reference{}
	// In this order they are on the disk.
	return sqlitex.Execute(g.conn, `SELECT referrer, target FROM reference ORDER BY referrer, target`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			g.all = append(g.all, reference{stmt.ColumnInt64(0), stmt.ColumnInt64(1)})
			return nil
		},
	})
}

// paths returns the paths of what was seen, in no order.
func (g *graph) paths() ([]store.Path, error) {
	paths := make([]store.Path, 0, len(g.found))
	add := func(stmt *sqlite.Stmt) error {
		if g.seen.has(stmt.ColumnInt64(0)) {
			paths = append(paths, store.Path(stmt.ColumnText(1)))
		}
		return nil
	}
	if len(g.found) > g.budget {
		err := sqlitex.Execute(g.conn, `SELECT id, path FROM object`, &sqlitex.ExecOptions{ResultFunc: add})
		return paths, err
	}
	for _, id := range g.found {
		err := sqlitex.Execute(g.conn, `SELECT id, path FROM object WHERE id = ?`, &sqlitex.ExecOptions{Args: []any{id}, ResultFunc: add})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}
