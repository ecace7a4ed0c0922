package activate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/image"
	"sysc/systems/live"
	"sysc/systems/rootdir"
)

// A Machine is the machine that runs here, and boots into its generations: the root of
// each is an image, over the blobs of the store that the machine's data have, which the
// initrd mounts. In place of checkouts and links such a generation has that image; and
// what is mounted changes with the generation that is in force.
type Machine struct {
	// Boot is the directory where the boot partition is mounted.
	Boot string
	// Store is the machine's own.
	Store MachineStore
	// Live is what runs.
	Live *live.Machine
	// Firmware is [boot.EFIVariables].
	Firmware string
}

// A MachineStore is the store of a machine that boots into its generations.
type MachineStore interface {
	image.Store
	// MakeForms sees to it that the contents of all files of a tree stand where
	// composefs images look for them, durably.
	MakeForms(ctx context.Context, root store.Digest) error
}

// own reports whether an entry of a root's top directory is the machine's.
func (m *Machine) own(e tree.Entry) bool {
	return e.Type == tree.Dir && !systems.Owned(e.Name) && !systems.Volatile(e.Name) && e.Name != bootDir
}

// openPartition opens the boot partition of a machine that runs here; nil for a
// directory. One that is not mounted must not be taken for an empty one.
func openPartition(m *Machine) (*rootdir.Dir, error) {
	if m == nil {
		return nil, nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(m.Boot, &st); err != nil {
		return nil, fmt.Errorf("find boot partition at %s: %w", m.Boot, err)
	}
	if st.Type != unix.MSDOS_SUPER_MAGIC {
		return nil, fmt.Errorf("the boot partition is not mounted at %s: systemctl status efi.mount says why", m.Boot)
	}
	return rootdir.Open(m.Boot, false)
}

// checkBoots refuses a system that would not come up on a machine which boots into its
// generations.
func (m *Machine) checkBoots(system *systems.System) error {
	switch {
	case m == nil:
		return nil
	case system.Manifest.Kernel == nil:
		return fmt.Errorf("system %s has no kernel, and this machine boots into its generations: add a package such as linux-image-amd64", system.Manifest.Name)
	case system.Manifest.Boot.Initrd != systems.InitrdSysc || system.Manifest.Initrd == nil:
		return fmt.Errorf("system %s has an initrd of the distribution's, which mounts no generation: it needs boot.initrd = \"sysc\"", system.Manifest.Name)
	}
	return nil
}

// maxParams bounds the machine's words of the kernel's command line, in bytes.
const maxParams = 4 << 10

// machineParams are what the kernel is told on this machine whatever the generation.
func (s *switcher) machineParams() ([]string, error) {
	if s.Machine == nil {
		return nil, nil
	}
	data, err := s.root.ReadFile(boot.ParamsName, maxParams)
	if err != nil {
		return nil, fmt.Errorf("read what kernels are told here: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// image returns what writes the image of the system's root; nil for a directory.
func (s *switcher) image(ctx context.Context) (func(w io.Writer) error, error) {
	if s.Machine == nil {
		return nil, nil
	}
	if err := s.Machine.Store.MakeForms(ctx, s.System.Manifest.Root.Tree); err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		return image.Composefs(ctx, w, s.Machine.Store, s.System, s.Machine.Live.BlobPath)
	}, nil
}

// hasImage reports whether a generation has the image that the machine mounts.
func (s *switcher) hasImage(r *generation.Record) bool {
	if s.Machine == nil {
		return true
	}
	info, err := s.root.Root().Lstat(generation.ImageName(r.Number))
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// booting returns the generation that is to be in force after the next start and is not
// now, nil when it is the current one or there is none.
func (s *switcher) booting() *generation.Record {
	if s.Machine == nil || s.current == nil || s.last == nil || s.last.Outcome != generation.Done || s.last.To == s.current.Number {
		return nil
	}
	r, err := s.profile.Get(s.last.To)
	if err != nil {
		return nil
	}
	return r
}

// activateHere puts a prepared generation in force on the machine that runs here, as far
// as the scope says and the change can be made while it runs.
func (s *switcher) activateHere(ctx context.Context, a *generation.Activation, before []earlier, r *generation.Record) (*Result, error) {
	fail := func(err error) error { return errors.Join(err, s.profile.End(*a, err)) }
	var change *live.Change
	if s.Scope != generation.AtBoot {
		var err error
		if change, err = s.change(ctx, r); err == nil {
			a.Reboot, err = change.NeedsReboot(ctx)
		}
		if err != nil {
			return nil, fail(err)
		}
		s.result.Reboot = a.Reboot
	}
	switch {
	case s.Scope == generation.AtBoot, s.Scope == generation.Always && len(a.Reboot) > 0:
		if err := s.selectBoot(r); err != nil {
			return nil, fail(err)
		}
	case len(a.Reboot) > 0:
		if err := boot.SetOneShot(s.Machine.Firmware, int(r.Number)); err != nil {
			return nil, fail(err)
		}
	default:
		if err := s.goLive(ctx, change, r); err != nil {
			return nil, fail(errors.Join(err, s.dropEntry(a)))
		}
		if err := s.settle(ctx, before, r); err != nil {
			return s.finished(r), fail(fmt.Errorf("generation %d is current, but: %w", r.Number, err))
		}
	}
	if err := errors.Join(s.profile.SetFallback(nil), s.profile.End(*a, nil)); err != nil {
		return s.finished(r), err
	}
	return s.finished(r), nil
}

// dropEntry removes the boot entry of a generation that was made for an activation which
// failed.
func (s *switcher) dropEntry(a *generation.Activation) error {
	if !a.New {
		return nil
	}
	return s.partition(false, func(p *boot.Partition) error { return p.RemoveEntry(int(a.To)) })
}

// settle makes a generation that runs the current one, and does what follows.
func (s *switcher) settle(ctx context.Context, before []earlier, r *generation.Record) error {
	s.Events(Event{StepCurrent, r.Number.String()})
	if s.current == nil || s.current.Number != r.Number {
		if err := s.profile.SetCurrent(r.Number); err != nil {
			return err
		}
	}
	if err := s.followDeclarations(ctx, before, s.System.Manifest); err != nil {
		return err
	}
	s.current = r
	if s.Scope == generation.Once {
		return nil
	}
	if err := s.selectBoot(r); err != nil {
		return err
	}
	return s.limitBoot()
}

// sideOf returns what package live has to know of a generation.
func (s *switcher) sideOf(r *generation.Record) (*live.Side, error) {
	m, err := readManifest(s.root, r)
	if err != nil {
		return nil, err
	}
	return &live.Side{Number: int(r.Number), Image: generation.ImageName(r.Number), Manifest: m}, nil
}

// isMounted reports whether a generation is what the machine that runs here has mounted,
// current or not.
func (s *switcher) isMounted(n generation.Number) bool {
	if s.Machine == nil || s.Machine.Live == nil {
		return false
	}
	mounted, err := s.Machine.Live.Mounted()
	return err == nil && mounted == int(n)
}

// change is that from what is mounted now to a generation. What is mounted is the current
// one, unless a switch was cut off.
func (s *switcher) change(ctx context.Context, r *generation.Record) (*live.Change, error) {
	mounted, err := s.Machine.Live.Mounted()
	if err != nil {
		return nil, err
	}
	from := s.current
	if mounted != 0 {
		from, err = s.profile.Get(generation.Number(mounted))
	} else if s.Booted != 0 {
		from, err = s.profile.Get(s.Booted)
	}
	if err != nil {
		return nil, err
	}
	old, err := s.sideOf(from)
	if err != nil {
		return nil, err
	}
	next, err := s.sideOf(r)
	if err != nil {
		return nil, err
	}
	return s.Machine.Live.Change(old, next), nil
}

// goLive replaces what runs by a generation. When that fails, it is what it was.
func (s *switcher) goLive(ctx context.Context, change *live.Change, r *generation.Record) error {
	tell := func(step, name string) { s.Events(Event{Step(step), name}) }
	report, err := change.Apply(ctx, live.Options{Now: s.Now, Tell: tell})
	if report != nil {
		s.result.Failed = report.Failed
		for _, text := range report.Notes {
			s.note("%s", text)
		}
		if report.Health != nil {
			err = errors.Join(err, s.profile.SetHealth(r.Number, report.Health))
		}
	}
	return err
}

// NoteBoot is called once when a machine has started: it makes the generation that was
// booted the current one, with what follows from that, and finds out whether that is
// because another one did not work. Of req, Root, Booted, Machine, Store, Now and Wait
// are looked at.
func NoteBoot(ctx context.Context, req Request) (*generation.Fallback, error) {
	var fallback *generation.Fallback
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		r, err := s.profile.Get(s.Booted)
		if err != nil {
			return nil, err
		}
		if fallback, err = s.findFallback(); err != nil {
			return nil, err
		}
		if err := s.removeOldWork(); err != nil {
			return nil, err
		}
		if s.current != nil && s.current.Number == r.Number && s.settled() {
			return nil, nil
		}
		m, err := readManifest(s.root, r)
		if err != nil {
			return nil, err
		}
		s.System = &systems.System{Path: r.System, Manifest: m, Digest: r.Manifest}
		s.Scope = generation.Once // what boots next was decided by whoever had this one booted
		a := generation.Activation{From: s.result.Previous, To: r.Number, Scope: generation.AtBoot, Time: s.Now, Pending: s.pending()}
		if err := s.profile.Begin(a); err != nil {
			return nil, err
		}
		err = s.settle(ctx, s.before(a.Pending), r)
		return nil, errors.Join(err, s.profile.End(a, err))
	})
	return fallback, err
}

// removeOldWork removes the directories that overlays of /etc had to work in before the
// machine was started.
func (s *switcher) removeOldWork() error {
	entries, err := s.root.List(live.EtcDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), live.WorkPrefix) {
			if err := s.root.RemoveAll(live.EtcDir + "/" + e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// findFallback records that the loader has passed over the generation that was to boot,
// because it did not come up, or that it was given up.
func (s *switcher) findFallback() (*generation.Fallback, error) {
	known, err := s.profile.Fallback()
	if err != nil {
		return nil, err
	}
	if known != nil && known.From != s.Booted && known.To != s.Booted {
		known.To = s.Booted
		return known, s.profile.SetFallback(known)
	}
	var wanted int
	var tries boot.Tries
	err = s.partition(false, func(p *boot.Partition) error {
		n, ok, err := p.Wanted()
		if err != nil || !ok {
			return err
		}
		wanted = n
		tries, _, err = p.Tries(n)
		return err
	})
	if err != nil || wanted == 0 || wanted == int(s.Booted) || !tries.Exhausted() || known != nil && known.From == generation.Number(wanted) {
		return known, err
	}
	f := &generation.Fallback{
		From: generation.Number(wanted), To: s.Booted, Time: s.Now.UTC().Truncate(time.Second),
		Reason: fmt.Sprintf("it was started %d times and did not come up", tries.Done),
	}
	return f, s.profile.SetFallback(f)
}

// Bless calls the generation that was booted a good one. Of req, Root, Booted, Machine,
// Now and Wait are looked at.
func Bless(ctx context.Context, req Request) error {
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		known, err := s.profile.Fallback()
		if err == nil && known != nil && known.From == s.Booted {
			err = s.profile.SetFallback(nil) // it works after all
		}
		if err != nil {
			return nil, err
		}
		return nil, s.partition(false, func(p *boot.Partition) error { return p.Bless(int(s.Booted)) })
	})
	return err
}

// GiveUp makes the loader pass over the generation that was booted, because of what came
// out of its health checks, and records why. It returns false when there is no other one
// to come back to, or when this one was called good before. Of req, Root, Booted,
// Machine, Now and Wait are looked at.
func GiveUp(ctx context.Context, req Request) (bool, error) {
	given := false
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		report, err := s.profile.Health(s.Booted)
		if err != nil {
			return nil, err
		}
		err = s.partition(false, func(p *boot.Partition) (err error) {
			given, err = p.GiveUp(int(s.Booted))
			return err
		})
		if err != nil || !given {
			return nil, err
		}
		return nil, s.profile.SetFallback(&generation.Fallback{
			From: s.Booted, Time: s.Now.UTC().Truncate(time.Second), Reason: "required health checks failed", Health: report,
		})
	})
	return given, err
}
