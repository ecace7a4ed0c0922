package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// A Keeper is a reason why garbage collection leaves an object alone.
type Keeper struct {
	// Root leads to it. Its name is empty when there is none, but a process uses
	// Chain's first object: Root.Process, or if that is nil one that has the store
	// open.
	Root Root `json:"root"`
	// Chain is a shortest chain of references from the root's object to the one
	// asked for; both are in it.
	Chain []store.Path `json:"chain"`
}

// KeptBy returns what keeps an object from being collected: each root that leads
// to it, in the order of their names, then a use by another process that has the
// store open, then those of [Store.Running]. Nothing means that the next collection
// takes it.
func (s *Store) KeptBy(ctx context.Context, p store.Path) ([]Keeper, error) {
	keepers, err := s.keptBy(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("find what keeps %s: %w", p, err)
	}
	return keepers, nil
}

func (s *Store) keptBy(ctx context.Context, p store.Path) ([]Keeper, error) {
	if _, err := s.object(ctx, p); err != nil {
		return nil, err
	}
	roots, err := s.Roots(ctx)
	if err != nil {
		return nil, err
	}
	used, err := s.usedByOthers()
	if err != nil {
		return nil, err
	}
	for _, path := range used {
		roots = append(roots, Root{Path: path})
	}
	running, err := s.Running(ctx)
	if err != nil {
		return nil, err
	}
	return s.keepers(ctx, append(roots, running...), p)
}

// keepers returns those of roots that lead to an object. Of those that are just in use
// by a session one is reason enough.
func (s *Store) keepers(ctx context.Context, roots []Root, p store.Path) ([]Keeper, error) {
	var keepers []Keeper
	chains := map[store.Path][]store.Path{}
	inUse := false
	for _, r := range roots {
		isUse := r.Name == "" && r.Process == nil
		if isUse && inUse {
			continue
		}
		chain, ok := chains[r.Path]
		if !ok {
			var err error
			if chain, err = s.chain(ctx, r.Path, p); err != nil {
				return nil, err
			}
			chains[r.Path] = chain
		}
		if len(chain) == 0 {
			continue
		}
		keepers = append(keepers, Keeper{Root: r, Chain: chain})
		inUse = inUse || isUse
	}
	return keepers, nil
}

// chain is a shortest chain of references from an object, which need not be valid.
func (s *Store) chain(ctx context.Context, from, to store.Path) ([]store.Path, error) {
	valid, err := s.valid(ctx, []store.Path{from})
	if err != nil || !valid[from] {
		return nil, err
	}
	return s.shortest(ctx, from, to)
}

// usedByOthers returns the objects that other sessions have noted, sorted.
func (s *Store) usedByOthers() ([]store.Path, error) {
	entries, err := os.ReadDir(s.path("sessions"))
	if err != nil {
		return nil, err
	}
	var used []store.Path
	for _, e := range entries {
		if e.Name() == s.session.name {
			continue
		}
		data, err := readLiveNotes(s.path("sessions/" + e.Name()))
		if err != nil {
			return nil, err
		}
		_, err = parseNotes(data, func(n note) {
			if n.object != "" {
				used = append(used, n.object)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("session %s: %w", e.Name(), err)
		}
	}
	return sortedPaths(used), nil
}

// readLiveNotes reads a session's notes, or nothing when it has ended.
func readLiveNotes(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch err := flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err {
	case nil:
		return nil, nil
	case unix.EWOULDBLOCK:
		return io.ReadAll(f)
	default:
		return nil, err
	}
}
