// Package activate makes a system the current one of a machine, below a
// directory: [Switch] to a new generation, [Rollback] to an old one, [Delete]
// generations and what only they used. It needs no privileges and runs no unit.
//
// Everything that a generation needs is put beside what is there and made
// durable; then one rename of a link (generation.Profile.SetCurrent) makes it
// current. Killed before that, the old generation stands as it was; killed
// after it, the new one does, and the next switch completes what follows: the
// boot loader's choice, and declared files in the machine's own directories.
//
// # What is where
//
// A top-level directory that packages own (systems.Owned) is checked out once
// for each content, below sysc/generations/trees; /usr is a link through the current
// generation to its checkout. Beside the checkouts stand links to the machine's
// top-level directories, so that relative links in a checkout lead where they
// should: on the disk, ".." of /usr is not the root.
//
// Of a home, its whole tree is checked out like one such directory, and each declared
// file stands in the home directory as a link into it through the current generation.
//
// Every other top-level directory is the machine's. What the root holds there
// is placed where it is missing, and never overwritten; only a declared file
// that still is what an earlier generation made it follows its declaration.
package activate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// A Store is where a system's objects and files are.
type Store interface {
	systems.Source
	// Checkout writes a tree into the new directory dst.
	Checkout(ctx context.Context, tree store.Digest, dst string, opts store.CheckoutOptions) error
	// Closure returns the objects that are needed for some, themselves included.
	Closure(ctx context.Context, of []store.Path) ([]store.Path, error)
}

// A Request says what to make current, and where.
type Request struct {
	// Root is the machine's directory, or with Home the one in which the state of the
	// user's programs is kept (XDG Base Directory Specification). It is made if it is
	// missing.
	Root string
	// Home is the home directory that a home is for, "" for a machine's system. MakeHome
	// makes it if it is missing.
	Home     string
	MakeHome bool
	// Backup keeps what stands in the way in a home under another name. Without it that
	// is refused with [*ConflictError].
	Backup bool
	System *systems.System
	Store  Store
	// Provenance is what the system was made from, for the record.
	Provenance systems.Provenance
	// From, if not nil, is what has to be current: a change that was planned for
	// something else is refused with [*ChangedError].
	From *State
	// Booted is the generation that runs, 0 when none of this machine does, see [Booted].
	Booted generation.Number
	// Machine is the machine that runs here, whose data are in Root, nil for a directory.
	Machine *Machine
	// Scope is when the system is to be in force; for a directory it is always.
	Scope generation.Scope
	// Now is the time for the record.
	Now time.Time
	// Events is told what happens; nil for nobody.
	Events func(Event)
	// Wait is told who else holds the machine's lock, once; nil for nobody.
	Wait func(holder string)
}

// A State is what is current on a machine. The zero State is nothing.
type State struct {
	Number generation.Number
	System store.Path
}

// A ChangedError says that something else is current than was expected. Nothing was
// changed.
type ChangedError struct{ Want, Have State }

// Error names both.
func (e *ChangedError) Error() string {
	switch {
	case e.Want.Number == 0:
		return fmt.Sprintf("%s is current, and there was none", e.Have)
	case e.Have.Number == 0:
		return fmt.Sprintf("there is no generation, and %s was current", e.Want)
	}
	return fmt.Sprintf("%s is current, and %s was", e.Have, e.Want)
}

// String names the generation and its system.
func (s State) String() string {
	if s.Number == 0 {
		return "no generation"
	}
	return fmt.Sprintf("generation %d (%s)", s.Number, s.System)
}

// StateOf returns what a record, or nil for nothing, makes current.
func StateOf(current *generation.Record) State {
	if current == nil {
		return State{}
	}
	return State{current.Number, current.System}
}

// A Step is a stage of a switch.
type Step string

// The steps, in their order.
const (
	StepCheckout Step = "checkout" // of a top-level directory
	StepObject   Step = "object"   // a store object below the machine's store directory
	StepPlace    Step = "place"    // something that was missing in a directory of the machine
	StepBoot     Step = "boot"     // kernel, initrd, entry
	StepSync     Step = "sync"     // everything is made durable
	StepStop     Step = "stop"     // a unit
	StepReplace  Step = "replace"  // a mounted directory
	StepStart    Step = "start"    // a unit
	StepHealth   Step = "health"   // the checks of the machine that runs
	StepCurrent  Step = "current"  // the generation is the current one
)

// An Event tells that a step begins with something.
type Event struct {
	Step Step
	Name string
}

// A Result is what a switch did.
type Result struct {
	// Generation is the one that is current now.
	Generation *generation.Record
	// Previous is the number of the one that was current before, 0 for none.
	Previous generation.Number
	// Unchanged is set when the system was current already, and whole.
	Unchanged bool
	// BootEntry is the name of the generation's boot entry, empty for a system
	// without a kernel.
	BootEntry string
	// Kept are the paths of declared files in the machine's own directories that
	// were left alone, because somebody changed them.
	Kept []string
	// Notes are remarks for the user.
	Notes []string
	// Scope is when the generation is in force, as the request had it.
	Scope generation.Scope
	// Reboot says why the generation, which boots next, is not in force before the machine
	// is started again; empty when it is.
	Reboot []string
	// Failed are units that do not run and should, although the generation is in force.
	Failed []string
	// Roots are the links that keep the machine's systems in the store: to be
	// registered as indirect roots.
	Roots []string
}

// A ForeignError says that something stands where sysc has to put a link.
type ForeignError struct {
	Path string
	What string // "directory" or "file"
}

// Error says what to do about it.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is a %s that sysc did not make: move it away, or choose another --root", e.Path, e.What)
}

// Switch makes a system current: as a new generation, unless it is what is
// current and nothing of it is missing. One process at a time changes a machine;
// others wait. An error before the generation became current leaves the machine
// as it was. After an error the result is nil, except when the generation is
// current and what follows failed; the next Switch tries that again.
func Switch(ctx context.Context, req Request) (*Result, error) {
	return locked(ctx, req, true, func(s *switcher) (*Result, error) {
		if have := StateOf(s.current); req.From != nil && *req.From != have {
			return nil, &ChangedError{*req.From, have}
		}
		if err := s.checkKind(req.System.Manifest); err != nil {
			return nil, err
		}
		top, err := s.readTop(ctx, req.System.Manifest)
		if err != nil {
			return nil, err
		}
		number, isNew, err := s.choose(top)
		if err != nil {
			return nil, err
		}
		if !isNew && s.settled() && number == s.current.Number && s.whole(s.current) {
			s.result.Unchanged = true
			return s.finished(s.current), nil
		}
		if err := s.checkForeign(top); err != nil {
			return nil, err
		}
		var record *generation.Record
		if isNew {
			record, err = s.record(ctx, number, top)
		} else {
			record, err = s.profile.Get(number)
		}
		if err != nil {
			return nil, err
		}
		if s.home != nil {
			if err := s.checkHome(top.places[homeTop], record.HomeEntries()); err != nil {
				return nil, err
			}
		}
		return s.activate(ctx, record, isNew, func() error { return s.prepare(ctx, record, top, isNew) })
	})
}

// locked opens the machine, takes its lock and calls fn.
func locked(ctx context.Context, req Request, create bool, fn func(s *switcher) (*Result, error)) (*Result, error) {
	h, err := openHome(&req)
	if err != nil {
		return nil, err
	}
	if h != nil {
		defer h.dir.Close()
	}
	root, err := rootdir.Open(req.Root, create)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	partition, err := openPartition(req.Machine)
	if err != nil {
		return nil, err
	}
	if partition != nil {
		defer partition.Close()
	}
	// All of a home belongs to its user, so that no owner has to be set in it.
	s := &switcher{Request: req, root: root, bootPartition: partition, home: h, profile: generation.New(root), privileged: h == nil && privileged(), result: &Result{Scope: req.Scope}}
	if s.Events == nil {
		s.Events = func(Event) {}
	}
	unlock, err := s.profile.Lock(ctx, req.Wait)
	if err != nil {
		return nil, err
	}
	result, err := s.begin(fn)
	return result, errors.Join(err, unlock())
}

// A switcher is one change of one machine, under its lock.
type switcher struct {
	Request
	root       *rootdir.Dir
	home       *home // nil for a machine
	profile    *generation.Profile
	privileged bool
	current    *generation.Record     // nil when there is none
	last       *generation.Activation // nil when there is none
	pinned     []generation.Number
	result     *Result
	// bootPartition is that of the machine that runs here, nil for a directory.
	bootPartition *rootdir.Dir
}

func (s *switcher) begin(fn func(s *switcher) (*Result, error)) (*Result, error) {
	var err error
	// A current generation that cannot be read must not keep the next one out.
	if s.current, err = s.profile.Current(); err != nil {
		s.note("%v", err)
	}
	if s.last, err = s.profile.LastActivation(); err == nil {
		s.pinned, err = s.profile.Pinned() // of the same file
	}
	if err != nil {
		s.note("%v", err)
	}
	if s.current != nil {
		s.result.Previous = s.current.Number
	}
	return fn(s)
}

func (s *switcher) note(format string, args ...any) {
	s.result.Notes = append(s.result.Notes, fmt.Sprintf(format, args...))
}

// settled reports whether the last activation is complete.
func (s *switcher) settled() bool {
	return s.last != nil && s.last.Outcome == generation.Done && s.current != nil && s.last.To == s.current.Number
}

// neverActivated reports whether the last switch made a generation, and was interrupted
// before it became current.
func (s *switcher) neverActivated() bool {
	return s.last != nil && s.last.New && (s.current == nil || s.last.To != s.current.Number) && s.last.Outcome != generation.Done
}

// choose returns the number of the generation to activate, and whether it has to
// be made. What an interrupted switch made and never activated is removed.
func (s *switcher) choose(top *topLevel) (generation.Number, bool, error) {
	if s.neverActivated() && !slices.Contains(s.pinned, s.last.To) && !s.isMounted(s.last.To) {
		if err := s.discard(s.last.To); err != nil {
			return 0, false, err
		}
	}
	for _, r := range []*generation.Record{s.current, s.booting()} {
		if r != nil && r.System == s.System.Path && maps.Equal(r.Places, top.places) {
			return r.Number, false, nil
		}
	}
	n, err := s.profile.Next()
	return n, true, err
}

// record makes the record of a new generation.
func (s *switcher) record(ctx context.Context, n generation.Number, top *topLevel) (*generation.Record, error) {
	m := s.System.Manifest
	objects, err := s.objects(ctx)
	if err != nil {
		return nil, err
	}
	r := &generation.Record{
		Number: n, System: s.System.Path, Name: m.Name, Manifest: s.System.Digest, Created: s.Now,
		Provenance: s.Provenance, Places: top.places, Links: top.links, Objects: objects,
	}
	if s.home != nil {
		if r.Home, err = s.homeRecord(ctx); err != nil {
			return nil, err
		}
	}
	if m.Kernel != nil {
		r.Kernel = m.Kernel.Version
	}
	if s.current != nil {
		r.Previous = s.current.Number
	}
	return r, nil
}

// activate prepares a generation, makes it current, and does what follows.
func (s *switcher) activate(ctx context.Context, r *generation.Record, isNew bool, prepare func() error) (*Result, error) {
	if err := cmp.Or(s.Machine.checkBoots(s.System), s.checkBoot(r.Number)); err != nil {
		return nil, err
	}
	a := generation.Activation{From: s.result.Previous, To: r.Number, New: isNew, Scope: s.Scope, Time: s.Now, Pending: s.pending()}
	if err := s.profile.Begin(a); err != nil {
		return nil, err
	}
	fail := func(err error) error { return errors.Join(err, s.profile.End(a, err)) }
	before := s.before(a.Pending)
	if err := prepare(); err != nil {
		return nil, fail(err)
	}
	if s.home != nil && s.Backup {
		if err := s.saveEdits(r.Places[homeTop], r.HomeEntries()); err != nil {
			return nil, fail(err)
		}
	}
	if s.Machine != nil {
		return s.activateHere(ctx, &a, before, r)
	}
	s.Events(Event{StepCurrent, r.Number.String()})
	if s.current == nil || s.current.Number != r.Number {
		if err := s.profile.SetCurrent(r.Number); err != nil {
			return nil, fail(err)
		}
	}
	if err := s.complete(ctx, before, r); err != nil {
		return s.finished(r), fail(fmt.Errorf("generation %d is current, but: %w", r.Number, err))
	}
	if err := s.profile.End(a, nil); err != nil {
		return s.finished(r), err
	}
	return s.finished(r), nil
}

// complete does what follows once a generation is current. It can be repeated.
func (s *switcher) complete(ctx context.Context, before []earlier, r *generation.Record) error {
	if s.home != nil {
		return s.followHome(before, r)
	}
	if s.Machine == nil {
		if err := s.relink(before, r); err != nil {
			return err
		}
	}
	if err := s.followDeclarations(ctx, before, s.System.Manifest); err != nil {
		return err
	}
	s.current = r
	if err := s.selectBoot(r); err != nil {
		return err
	}
	return s.limitBoot()
}

// An earlier generation, traces of which may stand in the machine's directories.
type earlier struct {
	record   *generation.Record
	manifest *systems.Manifest
}

// pending returns the generations that may have left such traces.
func (s *switcher) pending() []generation.Number {
	var list []generation.Number
	if s.current != nil {
		list = append(list, s.current.Number)
	}
	if s.last != nil && !s.settled() {
		list = append(list, s.last.Pending...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// before reads the records and manifests of generations. What cannot be read is
// left out: then what it declared counts as the user's, and stays.
func (s *switcher) before(numbers []generation.Number) []earlier {
	var list []earlier
	for _, n := range numbers {
		r, err := s.profile.Get(n)
		if err != nil {
			continue
		}
		m, err := readManifest(s.root, r)
		if err != nil {
			s.note("%v", err)
			continue
		}
		list = append(list, earlier{record: r, manifest: m})
	}
	return list
}

func (s *switcher) finished(r *generation.Record) *Result {
	s.result.Generation = r
	if s.home != nil {
		s.noteEdits(r)
	}
	if r.Kernel != "" {
		s.result.BootEntry = bootEntryName(r.Number)
	}
	records, err := s.profile.List()
	if err != nil {
		s.note("%v", err)
	}
	root := s.Root
	if s.Machine != nil {
		root = "/" // where the same directory is seen, and nothing else has to be mounted
	}
	for _, r := range records {
		s.result.Roots = append(s.result.Roots, filepath.Join(root, generation.SystemLink(r.Number)))
	}
	return s.result
}
