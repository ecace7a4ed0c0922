package localstore

import (
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
)

// limitDead divides dead objects, sorted, into those that go, of at least that
// many bytes together, and those that are spared for now. What goes is referred
// to by nothing that stays: an object goes before what it refers to.
func limitDead(conn *sqlite.Conn, dead []store.Path, bytes int64) (gone, spared []store.Path, err error) {
	sizes, err := querySizes(conn, dead)
	if err != nil {
		return nil, nil, err
	}
	order, err := referrersFirst(conn, dead)
	if err != nil {
		return nil, nil, err
	}
	freed := int64(0)
	n := 0
	for ; n < len(order) && freed < bytes; n++ {
		freed += sizes[order[n]]
	}
	gone, spared = order[:n], order[n:]
	slices.Sort(gone)
	return gone, spared, nil
}

func querySizes(conn *sqlite.Conn, paths []store.Path) (map[store.Path]int64, error) {
	sizes := make(map[store.Path]int64, len(paths))
	const query = `SELECT path, size FROM object WHERE path IN (SELECT value FROM json_each(?))`
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{pathList(paths)},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			sizes[store.Path(stmt.ColumnText(0))] = stmt.ColumnInt64(1)
			return nil
		},
	})
	return sizes, err
}

// referrersFirst orders paths, sorted, so that each comes before what it refers
// to; of several that may come next the first in the order of the paths.
func referrersFirst(conn *sqlite.Conn, paths []store.Path) ([]store.Path, error) {
	targets := map[store.Path][]store.Path{}
	referrers := map[store.Path]int{} // how many are left
	const query = `SELECT a.path, b.path FROM reference JOIN object a ON a.id = referrer JOIN object b ON b.id = target
		WHERE a.path IN (SELECT value FROM json_each(?)) ORDER BY a.path, b.path`
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{pathList(paths)},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			from, to := store.Path(stmt.ColumnText(0)), store.Path(stmt.ColumnText(1))
			targets[from] = append(targets[from], to)
			referrers[to]++
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	known := make(map[store.Path]bool, len(paths))
	var order []store.Path
	for _, p := range paths {
		known[p] = true
		if referrers[p] == 0 {
			order = append(order, p)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, to := range targets[order[i]] {
			if referrers[to]--; referrers[to] == 0 && known[to] {
				order = append(order, to)
			}
		}
	}
	return order, nil
}
