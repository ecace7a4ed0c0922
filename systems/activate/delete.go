package activate

import (
	"context"
	"fmt"
	"io/fs"

	"sysc/store"
	"sysc/systems/boot"
	"sysc/systems/generation"
)

// Delete removes generations, except the current one, the one that runs, pinned ones and,
// of a machine that runs here, the last one that is known to be good; and then what no
// other generation uses: checkouts, store objects, boot entries, kernels. The links that
// kept their systems in the store are gone with them. Nothing is removed when one of them
// may not be. Of req, Root, Booted, Machine, Wait and Now are looked at.
func Delete(ctx context.Context, req Request, numbers []generation.Number) error {
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		for _, n := range numbers {
			if _, err := s.profile.Get(n); err != nil {
				return nil, fmt.Errorf("delete generation %d: %w", n, err)
			}
			if n == s.Booted {
				return nil, fmt.Errorf("delete generation %d: it is the one that runs", n)
			}
			if s.Machine != nil && n == s.lastGood() {
				return nil, fmt.Errorf("delete generation %d: it is the last one that is known to be good", n)
			}
			if err := s.profile.CheckDelete(n); err != nil {
				return nil, err
			}
		}
		for _, n := range numbers {
			if err := s.discard(n); err != nil {
				return nil, err
			}
		}
		return nil, s.prune()
	})
	return err
}

// Pin sets whether generations are not to be deleted, whatever policy or space asks
// for it. Of req, Root, Wait and Now are looked at.
func Pin(ctx context.Context, req Request, numbers []generation.Number, pinned bool) error {
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		for _, n := range numbers {
			if _, err := s.profile.Get(n); err != nil {
				return nil, err
			}
		}
		for _, n := range numbers {
			if err := s.profile.Pin(n, pinned); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return err
}

// discard removes a generation that is not current, its boot entry first: an
// entry without a generation would not boot.
func (s *switcher) discard(n generation.Number) error {
	err := s.partition(false, func(p *boot.Partition) error { return p.RemoveEntry(int(n)) })
	if err != nil {
		return err
	}
	if !s.isDir(generation.Dir + "/" + n.String()) {
		return nil
	}
	return s.profile.Delete(n)
}

// Prune removes what no generation uses, as [Delete] does; it is how room is made
// after an interrupted switch. Of req, Root, Wait and Now are looked at.
func Prune(ctx context.Context, req Request) error {
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) { return nil, s.prune() })
	return err
}

func (s *switcher) prune() error {
	records, err := s.profile.List()
	if err != nil {
		return err
	}
	// What a generation with an unreadable record uses is not known.
	if broken, err := s.profile.Broken(); err != nil {
		return err
	} else if len(broken) > 0 {
		return fmt.Errorf("remove what no generation uses: the record of generation %d cannot be read; delete %s/%d", broken[0], generation.Dir, broken[0])
	}
	places, objects, numbers := map[string]bool{}, map[string]bool{}, map[int]bool{}
	for _, r := range records {
		numbers[int(r.Number)] = true
		for _, place := range r.Places {
			places[place] = true
		}
		for _, p := range r.AllObjects() {
			objects[string(p)] = true
		}
	}
	err = s.partition(false, func(p *boot.Partition) error {
		return p.Retain(func(n int) bool { return numbers[n] })
	})
	if err != nil {
		return err
	}
	isCheckout := func(e fs.DirEntry) bool { return e.IsDir() }
	if err := s.removeOthers(generation.CheckoutsDir, places, isCheckout); err != nil {
		return err
	}
	// A machine that keeps its store there has objects that are nobody's business
	// here.
	if s.isDir("sysc/blobs") {
		return nil
	}
	return s.removeOthers(objectsDir, objects, func(e fs.DirEntry) bool {
		_, err := store.ParsePath(e.Name())
		return err == nil
	})
}

// removeOthers removes the entries of a directory that are not used and that
// mine says are sysc's. They are renamed aside first: a name never
// stands for half of what it was.
func (s *switcher) removeOthers(dir string, used map[string]bool, mine func(e fs.DirEntry) bool) error {
	entries, err := s.root.List(dir)
	if err != nil {
		return err
	}
	g, err := s.newStage()
	if err != nil {
		return err
	}
	defer g.close()
	for i, e := range entries {
		if used[e.Name()] || !mine(e) {
			continue
		}
		aside := fmt.Sprintf("%s/pruned-%d", generation.StagingDir, i)
		from := dir + "/" + e.Name()
		if e.IsDir() {
			// An ordinary user cannot move a directory without the right to write to it.
			if err := s.root.Root().Chmod(from, 0o755); err != nil {
				return err
			}
		}
		if err := s.root.Rename(from, aside); err != nil {
			return err
		}
		if err := s.root.RemoveAll(aside); err != nil {
			return err
		}
	}
	return nil
}
