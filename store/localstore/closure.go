package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"zombiezen.com/go/sqlite"

	"sysc/store"
)

// Objects returns the paths of all valid objects, sorted.
func (s *Store) Objects(ctx context.Context) (paths []store.Path, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		paths, err = queryPaths(conn, `SELECT path FROM object ORDER BY path`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	return paths, nil
}

// Closure returns the objects of paths and all that they refer to, directly or
// not, sorted; they stay valid until this store is closed. A path that is not
// valid is store.ErrNotExist, wrapped.
func (s *Store) Closure(ctx context.Context, paths []store.Path) (closure []store.Path, err error) {
	err = s.relyOnObjects(paths, func() (err error) {
		closure, err = s.closure(ctx, paths)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("closure: %w", err)
	}
	return closure, nil
}

// closure is Closure for objects that need not stay.
func (s *Store) closure(ctx context.Context, paths []store.Path) (closure []store.Path, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		closure, err = queryClosure(conn, paths)
		return err
	})
	return closure, err
}

// pathList is how a list of paths goes into a query: as a JSON array. A path has
// no character that would need an escape.
func pathList(paths []store.Path) string {
	if len(paths) == 0 {
		return "[]"
	}
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = string(p)
	}
	return `["` + strings.Join(list, `","`) + `"]`
}

// Referrers returns the objects that refer to p directly, sorted.
func (s *Store) Referrers(ctx context.Context, p store.Path) (referrers []store.Path, err error) {
	const query = `SELECT a.path FROM reference JOIN object a ON a.id = referrer JOIN object b ON b.id = target
		WHERE b.path = ? ORDER BY a.path`
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		referrers, err = queryPaths(conn, query, string(p))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("referrers of %s: %w", p, err)
	}
	return referrers, nil
}

// An Edge says that From refers to To, and shows one place where it does.
type Edge struct {
	From store.Path `json:"from"`
	To   store.Path `json:"to"`
	// File is a path in From whose content, target or name has To's id. Empty
	// when there is none: the maker of From added the reference by hand.
	File string `json:"file,omitempty"`
	// Link is true when the id is in the target of the symbolic link File, Name
	// when it is in the name itself.
	Link bool `json:"link,omitempty"`
	Name bool `json:"name,omitempty"`
}

// WhyDepends returns a shortest chain of references that leads from one object
// to another, or nil when there is none. Of equally short ones it is the first
// in the order of the paths. A path that is not valid is store.ErrNotExist,
// wrapped.
func (s *Store) WhyDepends(ctx context.Context, from, to store.Path) ([]Edge, error) {
	chain, err := s.shortest(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("why %s depends on %s: %w", from, to, err)
	}
	var edges []Edge
	for i := 1; i < len(chain); i++ {
		edge, err := s.evidence(ctx, chain[i-1], chain[i])
		if err != nil {
			return nil, fmt.Errorf("why %s depends on %s: %w", from, to, err)
		}
		edges = append(edges, edge)
	}
	return edges, nil
}

// shortest is a breadth-first search.
func (s *Store) shortest(ctx context.Context, from, to store.Path) (chain []store.Path, err error) {
	err = s.db.read(ctx, func(conn *sqlite.Conn) error {
		if _, err := queryObject(conn, to); err != nil {
			return err
		}
		cameFrom := map[store.Path]store.Path{from: ""}
		for queue := []store.Path{from}; len(queue) > 0; queue = queue[1:] {
			o, err := queryObject(conn, queue[0])
			if err != nil {
				return err
			}
			if o.Path == to {
				for p := to; p != ""; p = cameFrom[p] {
					chain = append([]store.Path{p}, chain...)
				}
				return nil
			}
			for _, ref := range o.References {
				if _, ok := cameFrom[ref]; !ok {
					cameFrom[ref] = o.Path
					queue = append(queue, ref)
				}
			}
		}
		return nil
	})
	return chain, err
}

// blobRefers reports whether a blob has one of the ids in it.
func (s *Store) blobRefers(ctx context.Context, ids *scanner, d store.Digest) (bool, error) {
	f, err := s.OpenBlob(ctx, d)
	if err != nil {
		return false, err
	}
	defer f.Close()
	bufp := buffers.Get().(*[]byte)
	defer buffers.Put(bufp)
	buf := *bufp
	hit := false
	for have := 0; !hit; {
		n, err := f.Read(buf[have:])
		have += n
		ids.scan(buf[:have], func(int, int) { hit = true })
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		rest := min(have, store.IDLen-1)
		have = copy(buf, buf[have-rest:have])
	}
	return hit, nil
}
