package localstore

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// scanShare says when looking rows up one by one costs more than reading the
// whole table: when it is for more than one in so many.
const scanShare = 8

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
	g := graph{conn: conn, budget: int(most / scanShare), seen: make(map[int64]bool, len(starts))}
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
	seen   map[int64]bool
	all    map[int64][]int64 // every reference there is, once it has been read
}

// follow adds what can be reached from ids, and these.
func (g *graph) follow(ids []int64) error {
	var queue []int64
	add := func(id int64) {
		if !g.seen[id] {
			g.seen[id] = true
			queue = append(queue, id)
		}
	}
	for _, id := range ids {
		add(id)
	}
	for i := 0; i < len(queue); i++ {
		targets, err := g.targets(queue[i], i)
		if err != nil {
			return err
		}
		for _, id := range targets {
			add(id)
		}
	}
	return nil
}

// targets returns what the done-th object refers to.
func (g *graph) targets(id int64, done int) ([]int64, error) {
	if g.all == nil && done > g.budget {
		if err := g.readAll(); err != nil {
			return nil, err
		}
	}
	if g.all != nil {
		return g.all[id], nil
	}
	var targets []int64
	err := sqlitex.Execute(g.conn, `SELECT target FROM reference WHERE referrer = ?`, &sqlitex.ExecOptions{
		Args: []any{id},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			targets = append(targets, stmt.ColumnInt64(0))
			return nil
		},
	})
	return targets, err
}

func (g *graph) readAll() error {
	g.all = map[int64][]int64{}
	return sqlitex.Execute(g.conn, `SELECT referrer, target FROM reference`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			referrer := stmt.ColumnInt64(0)
			g.all[referrer] = append(g.all[referrer], stmt.ColumnInt64(1))
			return nil
		},
	})
}

// paths returns the paths of what was seen, in no order.
func (g *graph) paths() ([]store.Path, error) {
	paths := make([]store.Path, 0, len(g.seen))
	add := func(stmt *sqlite.Stmt) error {
		if g.seen[stmt.ColumnInt64(0)] {
			paths = append(paths, store.Path(stmt.ColumnText(1)))
		}
		return nil
	}
	if len(g.seen) > g.budget {
		err := sqlitex.Execute(g.conn, `SELECT id, path FROM object`, &sqlitex.ExecOptions{ResultFunc: add})
		return paths, err
	}
	for id := range g.seen {
		err := sqlitex.Execute(g.conn, `SELECT id, path FROM object WHERE id = ?`, &sqlitex.ExecOptions{Args: []any{id}, ResultFunc: add})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}
