package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/generation"
)

// bootDir is where the boot partition is, below a machine's root.
const bootDir = "boot"

func bootEntryName(n generation.Number) string { return boot.FileName(int(n)) }

// partition calls fn with the machine's boot partition. Without one, fn is not
// called, unless create is set.
func (s *switcher) partition(create bool, fn func(p *boot.Partition) error) error {
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

// kernelFiles returns what a system boots with, none for a container.
func kernelFiles(m *systems.Manifest) []boot.File {
	if m.Kernel == nil {
		return nil
	}
	files := []boot.File{{Name: "linux", Digest: m.Kernel.Digest, Size: m.Kernel.Size}}
	if m.Initrd != nil {
		files = append(files, boot.File{Name: "initrd", Digest: m.Initrd.Digest, Size: m.Initrd.Size})
	}
	return files
}

// bootFiles puts the kernel and initrd on the boot partition.
func (s *switcher) bootFiles(ctx context.Context) error {
	files := kernelFiles(s.System.Manifest)
	if len(files) == 0 {
		s.note("the system has no kernel: no boot entry")
		return nil
	}
	s.Events(Event{StepBoot, files[0].Path()})
	return s.partition(true, func(p *boot.Partition) error { return p.Files(ctx, files, s.Store.OpenBlob) })
}

// entryOf returns the boot entry of a generation, nil for a system without a
// kernel.
func entryOf(r *generation.Record, m *systems.Manifest) *boot.Entry {
	files := kernelFiles(m)
	if len(files) == 0 {
		return nil
	}
	params := append([]string{fmt.Sprintf("sysc.generation=%d", r.Number)}, m.KernelParams...)
	e := &boot.Entry{
		Title:   fmt.Sprintf("%s, generation %d (%s)", r.Name, r.Number, r.Created.UTC().Format("2006-01-02 15:04")),
		Version: r.Number.String(),
		SortKey: boot.OtherKey,
		Linux:   files[0].Path(),
		Options: strings.Join(params, " "),
	}
	if len(files) > 1 {
		e.Initrd = files[1].Path()
	}
	return e
}

// bootEntry writes a generation's boot entry. It does not come first yet, so that
// a crash before the generation is current boots the one that still is.
func (s *switcher) bootEntry(r *generation.Record) error {
	e := entryOf(r, s.System.Manifest)
	if e == nil {
		return nil
	}
	return s.partition(true, func(p *boot.Partition) error {
		if old, err := p.Entry(int(r.Number)); err == nil {
			e.SortKey = old.SortKey
		}
		return p.SetEntry(int(r.Number), e)
	})
}

// selectBoot makes a generation what boots next.
func (s *switcher) selectBoot(r *generation.Record) error {
	return s.partition(false, func(p *boot.Partition) error { return p.Select(int(r.Number)) })
}

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
			if _, err := s.root.Root().Lstat(bootDir + f); err != nil {
				return err
			}
		}
		n, ok, err := p.Selected()
		whole = ok && n == int(r.Number)
		return err
	})
	return err == nil && whole
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
