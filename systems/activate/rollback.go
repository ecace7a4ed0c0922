package activate

import (
	"context"
	"fmt"

	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/generation"
)

// Rollback makes an existing generation current: to, or, when that is 0, the one
// that was current before the present one. It writes nothing but the link that
// names the current generation, what follows from it, and what of the generation
// is missing. req.System is not looked at; req.Store is asked only for what is
// missing and for declared files in the machine's directories that differ. An
// unknown generation is generation.ErrNotExist, wrapped.
func Rollback(ctx context.Context, req Request, to generation.Number) (*Result, error) {
	return locked(ctx, req, false, func(s *switcher) (*Result, error) {
		target, err := s.target(to)
		if err != nil {
			return nil, err
		}
		if s.settled() && target.Number == s.current.Number && s.whole(target) {
			s.result.Unchanged = true
			return s.finished(target), nil
		}
		m, err := readManifest(s.root, target)
		if err != nil {
			return nil, err
		}
		if err := s.checkKind(m); err != nil {
			return nil, err
		}
		s.System = &systems.System{Path: target.System, Manifest: m, Digest: target.Manifest}
		if s.home != nil {
			if err := s.checkHome(target.Places[homeTop], target.HomeEntries()); err != nil {
				return nil, err
			}
		}
		return s.activate(ctx, target, false, func() error { return s.restore(ctx, target) })
	})
}

// target returns the generation to go back to.
func (s *switcher) target(to generation.Number) (*generation.Record, error) {
	if to != 0 {
		return s.profile.Get(to)
	}
	if s.current == nil {
		return nil, fmt.Errorf("roll back %s: there is no current generation", s.Root)
	}
	if s.booting() != nil {
		return s.current, nil // the last change is one of what boots next
	}
	return s.profile.Previous(s.current)
}

// restore makes sure that a generation has all that it needs. Usually it has.
func (s *switcher) restore(ctx context.Context, r *generation.Record) error {
	if s.present(r) {
		return s.restoreBoot(ctx, r)
	}
	s.note("parts of generation %d were missing; they are taken from the store again", r.Number)
	top, err := s.readTop(ctx, s.System.Manifest)
	if err != nil {
		return err
	}
	// The record says which checkouts the generation has, whoever asks now.
	top.places = r.Places
	return s.prepare(ctx, r, top, false)
}

// restoreBoot gives a generation its boot files and entry again, which it may have
// lost to the limit.
func (s *switcher) restoreBoot(ctx context.Context, r *generation.Record) error {
	if r.Kernel == "" || s.bootPresent(r) {
		return nil
	}
	if err := s.bootFiles(ctx); err != nil {
		return err
	}
	return s.bootEntry(r)
}

// present reports whether a generation's checkouts and objects stand. What boots and
// where links lead are other questions ([switcher.bootPresent], [switcher.whole]).
func (s *switcher) present(r *generation.Record) bool {
	for _, place := range r.Places {
		if !s.isDir(generation.CheckoutsDir + "/" + place) {
			return false
		}
	}
	for _, p := range r.AllObjects() {
		if _, err := s.root.Root().Lstat(objectsDir + "/" + string(p)); err != nil {
			return false
		}
	}
	return s.hasImage(r)
}

// bootPresent reports whether a generation has its boot files and its entry.
func (s *switcher) bootPresent(r *generation.Record) bool {
	for _, f := range boot.FilesOf(s.System.Manifest) {
		if err := s.hasBootFile(f.Path()); err != nil {
			return false
		}
	}
	return s.hasEntry(r.Number)
}
