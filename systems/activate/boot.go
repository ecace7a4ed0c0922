package activate

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// bootDir is where the boot partition is, below a machine's root.
const bootDir = "boot"

func bootEntryName(n generation.Number) string { return boot.FileName(int(n)) }

// partition calls fn with the machine's boot partition. Without one, fn is not
// called, unless create is set.
func (s *switcher) partition(create bool, fn func(p *boot.Partition) error) error {
	if s.bootPartition != nil {
		return fn(boot.NewPartition(s.bootPartition))
	}
	if create {
		if err := s.root.Mkdir(bootDir, 0o755); err != nil {
			return err
		}
	}
	dir, err := s.root.Sub(bootDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(boot.NewPartition(dir))
}

// bootFiles puts the kernel and initrd on the boot partition.
func (s *switcher) bootFiles(ctx context.Context) error {
	files := boot.FilesOf(s.System.Manifest)
	if len(files) == 0 {
		s.note("the system has no kernel: no boot entry")
		return nil
	}
	s.Events(Event{StepBoot, files[0].Path()})
	return s.partition(true, func(p *boot.Partition) error { return p.Files(ctx, files, s.Store.OpenBlob) })
}

// BootNeed returns what a new generation of a system takes on the boot partition of the
// machine at dir, or of the one that runs here, if that is not nil, without changing
// anything; nil for a system that does not boot. A machine that is not there yet has
// nothing.
func BootNeed(dir string, machine *Machine, m *systems.Manifest) (*boot.Need, error) {
	files := boot.FilesOf(m)
	if len(files) == 0 {
		return nil, nil
	}
	mounted, err := openPartition(machine)
	if err != nil {
		return nil, err
	}
	if mounted != nil {
		defer mounted.Close()
	}
	root, err := rootdir.Open(dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var need boot.Need
	err = atPartition(root, mounted, func(p *boot.Partition) error {
		need, err = p.Need(files, noGeneration)
		return err
	})
	return &need, err
}

// noGeneration stands for one that has no entry yet.
const noGeneration = 0

// checkBoot refuses a generation that the boot partition has no room for, before
// anything is written.
func (s *switcher) checkBoot(n generation.Number) error {
	files := boot.FilesOf(s.System.Manifest)
	if len(files) == 0 {
		return nil
	}
	return atPartition(s.root, s.bootPartition, func(p *boot.Partition) error {
		need, err := p.Need(files, int(n))
		if err != nil || need.Fits() {
			return err
		}
		removable, err := s.removable()
		if err != nil {
			return err
		}
		return p.CheckSpace(need, removable)
	})
}

// atPartition calls fn with a machine's boot partition: the one that is mounted, if that is
// not nil, or where it is below the root, or is going to be. fn is to change nothing.
func atPartition(root, mounted *rootdir.Dir, fn func(p *boot.Partition) error) error {
	if mounted != nil {
		return fn(boot.NewPartition(mounted))
	}
	dir, err := root.Sub(bootDir)
	if errors.Is(err, fs.ErrNotExist) {
		return fn(boot.NewPartition(root))
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(boot.NewPartition(dir))
}

// removable returns the generations that can be done without, the oldest first.
func (s *switcher) removable() ([]int, error) {
	records, err := s.profile.List()
	if err != nil {
		return nil, err
	}
	var list []int
	for _, r := range records {
		if !slices.Contains(s.indispensable(), r.Number) {
			list = append(list, int(r.Number))
		}
	}
	return list, nil
}

// indispensable returns the generations that keep their boot entries whatever the
// limit is: the current one, the one that was current before it, the one that runs, the
// last one that is known to be good, and pinned ones.
func (s *switcher) indispensable() []generation.Number {
	list := append([]generation.Number{s.result.Previous, s.Booted, s.lastGood()}, s.pinned...)
	if s.current != nil {
		list = append(list, s.current.Number)
		if back, err := s.profile.Previous(s.current); err == nil {
			list = append(list, back.Number)
		}
	}
	return slices.DeleteFunc(list, func(n generation.Number) bool { return n == 0 })
}

// lastGood returns the newest generation whose boot entry is not counted, 0 for none.
func (s *switcher) lastGood() (good generation.Number) {
	// What cannot be read cannot be removed either.
	_ = s.partition(false, func(p *boot.Partition) error {
		n, _, err := p.LastGood()
		good = generation.Number(n)
		return err
	})
	return good
}

// limitBoot removes the boot entries that are more than the system's limit, and what
// only they name, once a generation is current and boots. Their generations stay.
func (s *switcher) limitBoot() error {
	limit := s.System.Manifest.Boot.Limit
	if limit == 0 {
		return nil
	}
	records, err := s.profile.List()
	if err != nil {
		return err
	}
	keep := map[int]bool{}
	for _, n := range s.indispensable() {
		keep[int(n)] = true
	}
	for _, r := range slices.Backward(records) {
		if len(keep) < limit {
			keep[int(r.Number)] = true
		}
	}
	return s.partition(false, func(p *boot.Partition) error { return p.Retain(func(n int) bool { return keep[n] }) })
}

// bootEntry writes a generation's boot entry. It does not come first yet, so that
// a crash before the generation is current boots the one that still is.
func (s *switcher) bootEntry(r *generation.Record) error {
	params, err := s.machineParams()
	if err != nil {
		return err
	}
	e := boot.EntryOf(r, s.System.Manifest, boot.FilesOf(s.System.Manifest), params...)
	if e == nil {
		return nil
	}
	return s.partition(true, func(p *boot.Partition) error {
		if old, err := p.Entry(int(r.Number)); err == nil {
			e.SortKey = old.SortKey
		}
		return p.SetEntry(int(r.Number), e, s.tries())
	})
}

// selectBoot makes a generation what boots next.
func (s *switcher) selectBoot(r *generation.Record) error {
	return s.partition(false, func(p *boot.Partition) error { return p.Select(int(r.Number), s.tries()) })
}

// tries is the counter of an entry that nobody has called good.
func (s *switcher) tries() boot.Tries { return boot.NewTries(s.System.Manifest.Boot.Tries) }

// bootWhole reports whether a generation has its boot entry, and boots.
func (s *switcher) bootWhole(r *generation.Record) bool {
	if r.Kernel == "" {
		return true
	}
	whole := false
	err := s.partition(false, func(p *boot.Partition) error {
		e, err := p.Entry(int(r.Number))
		if err != nil {
			return err
		}
		for _, f := range []string{e.Linux, e.Initrd} {
			if f == "" {
				continue
			}
			if err := s.hasBootFile(f); err != nil {
				return err
			}
		}
		n, _, ok, err := p.Selected()
		whole = ok && n == int(r.Number)
		return err
	})
	return err == nil && whole
}

// hasBootFile looks for a file on the boot partition.
func (s *switcher) hasBootFile(path string) error {
	root, name := s.root, bootDir+path
	if s.bootPartition != nil {
		root, name = s.bootPartition, path[1:]
	}
	_, err := root.Root().Lstat(name)
	return err
}

// hasEntry reports whether a generation has a boot entry.
func (s *switcher) hasEntry(n generation.Number) bool {
	found := false
	err := s.partition(false, func(p *boot.Partition) error {
		_, err := p.Entry(int(n))
		found = err == nil
		return nil
	})
	return err == nil && found
}
