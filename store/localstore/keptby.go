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
	// Root leads to it. Its name is empty when there is none, but a process that
	// has the store open uses Chain's first object.
	Root Root `json:"root"`
	// Chain is a shortest chain of references from the root's object to the one
	// asked for; both are in it.
	Chain []store.Path `json:"chain"`
}

// KeptBy returns what keeps an object from being collected: each root that leads
// to it, in the order of their names, then a use by another process. Nothing
// means that the next collection takes it.
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
	var keepers []Keeper
	for _, r := range roots {
		valid, err := s.valid(ctx, []store.Path{r.Path})
		if err != nil {
			return nil, err
		}
		if !valid[r.Path] {
			continue
		}
		chain, err := s.shortest(ctx, r.Path, p)
		if err != nil {
			return nil, err
		}
		if len(chain) == 0 {
			continue
		}
		keepers = append(keepers, Keeper{Root: r, Chain: chain})
		if r.Name == "" {
			break // one use is reason enough
		}
	}
	return keepers, nil
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
