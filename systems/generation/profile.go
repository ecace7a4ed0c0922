// Package generation numbers and records the systems of one machine. A [Profile]
// is the directory sysc/generations below the machine's root:
//
//	N/record.json     what generation N is ([Record])
//	N/system          link to the system object, which keeps it from collection
//	N/root/NAME       links to the checkouts of the top-level directories
//	N/root.cfs        in their place, the whole root as a composefs image, where a
//	                  machine boots into its generations
//	current           link to the generation that is in force: "N"
//	state.json        highest number used, last activation ([Activation]), what is pinned
//	lock              held by whoever changes any of this
//	health/N.json     what came out of N's health checks the last time
//	trees/PLACE       checkouts of top-level directories, shared by generations
//	.new/             where things are made before they are renamed into place
//
// A generation's directory appears whole, by one rename, and does not change
// until it is deleted. [Profile.SetCurrent] is the one rename that makes a
// generation current.
package generation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"sysc/internal/filelock"
	"sysc/store"
	"sysc/systems/rootdir"
)

// Dir is where a profile is, below the machine's root.
const Dir = "sysc/generations"

// StagingDir is where a switch makes things before they are renamed into place,
// below the machine's root. It is emptied by the next switch.
const StagingDir = Dir + "/.new"

// CheckoutsDir is where the checkouts that [Record.Places] names are, below the
// machine's root.
const CheckoutsDir = Dir + "/trees"

const (
	recordName  = "record.json"
	systemName  = "system"
	rootName    = "root"
	currentName = "current"
	imageName   = "root.cfs"
	stateName   = "state.json"
	lockName    = "lock"
)

// ErrNotExist is returned, wrapped, for a generation that a profile does not
// have.
var ErrNotExist = errors.New("no such generation")

// A Profile is the sequence of a machine's generations. Reading is safe at any
// time, beside a process that changes it; changing needs [Profile.Lock].
type Profile struct{ root *rootdir.Dir }

// Open returns the profile of the machine whose root is at dir. A machine
// without one has no generations. Close it after use.
func Open(dir string) (*Profile, error) {
	root, err := rootdir.Open(dir, false)
	if err != nil {
		return nil, err
	}
	return &Profile{root: root}, nil
}

// New returns the profile below an open root, which stays the caller's to close.
func New(root *rootdir.Dir) *Profile { return &Profile{root: root} }

// Close closes what [Open] opened.
func (p *Profile) Close() error { return p.root.Close() }

// Lock makes the profile's directory and takes the lock that everything which
// changes it needs. wait, if not nil, is told who else holds it.
func (p *Profile) Lock(ctx context.Context, wait func(holder string)) (unlock func() error, err error) {
	if err := p.root.Mkdir(Dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := p.root.Sub(Dir)
	if err != nil {
		return nil, err
	}
	release, err := filelock.Lock(ctx, dir.Path(lockName), wait)
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock generations of %s: %w", p.root.Name(), err)
	}
	return func() error { return errors.Join(release(), dir.Close()) }, nil
}

// List returns the records of all generations, lowest number first. A directory
// without a readable record is none; [Profile.Broken] lists those.
func (p *Profile) List() ([]*Record, error) {
	records, _, err := p.list()
	return records, err
}

// Broken returns the numbers of directories that look like generations and have
// no readable record.
func (p *Profile) Broken() ([]Number, error) {
	_, broken, err := p.list()
	return broken, err
}

func (p *Profile) list() (records []*Record, broken []Number, err error) {
	entries, err := p.root.List(Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		n, err := ParseNumber(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		r, err := p.Get(n)
		if err != nil {
			broken = append(broken, n)
			continue
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b *Record) int { return int(a.Number - b.Number) })
	slices.Sort(broken)
	return records, broken, nil
}

// Get returns the record of a generation, or [ErrNotExist], wrapped.
func (p *Profile) Get(n Number) (*Record, error) {
	data, err := p.root.ReadFile(dirOf(n)+"/"+recordName, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read generation %d: %w", n, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read generation %d: %w", n, err)
	}
	r, err := parseRecord(data)
	if err != nil {
		return nil, fmt.Errorf("read generation %d: %v", n, err)
	}
	if r.Number != n {
		return nil, fmt.Errorf("read generation %d: its record is of generation %d", n, r.Number)
	}
	return r, nil
}

// Current returns the record of the current generation, nil when there is none
// yet.
func (p *Profile) Current() (*Record, error) {
	target, err := p.root.Root().Readlink(Dir + "/" + currentName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read current generation: %w", err)
	}
	n, err := ParseNumber(target)
	if err != nil {
		return nil, fmt.Errorf("read current generation: %v", err)
	}
	return p.Get(n)
}

// Previous returns where rolling back from a generation goes: the one that was
// current when it was made, or, when that is deleted, the newest older one.
// Without any it is [ErrNotExist], wrapped.
func (p *Profile) Previous(of *Record) (*Record, error) {
	records, err := p.List()
	if err != nil {
		return nil, err
	}
	var best *Record
	for _, r := range records {
		if r.Number == of.Previous {
			return r, nil
		}
		if r.Number < of.Number {
			best = r
		}
	}
	if best == nil {
		return nil, fmt.Errorf("find the generation before %d: %w", of.Number, ErrNotExist)
	}
	return best, nil
}

// LastActivation returns the last attempt to change what is current, nil when
// there was none.
func (p *Profile) LastActivation() (*Activation, error) {
	s, err := p.state()
	if err != nil {
		return nil, err
	}
	return s.Activation, nil
}

func (p *Profile) state() (*state, error) {
	s := &state{Format: recordFormat}
	data, err := p.root.ReadFile(Dir+"/"+stateName, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state of generations: %w", err)
	}
	if err := decodeJSON(data, s); err != nil {
		return nil, fmt.Errorf("read state of generations: %v", err)
	}
	if s.Format != recordFormat {
		return nil, fmt.Errorf("read state of generations: format %d, this sysc reads format %d", s.Format, recordFormat)
	}
	return s, nil
}

// Next returns the number that a new generation gets. It needs the lock.
func (p *Profile) Next() (Number, error) {
	s, err := p.state()
	if err != nil {
		return 0, err
	}
	records, broken, err := p.list()
	if err != nil {
		return 0, err
	}
	last := s.Last
	for _, r := range records {
		last = max(last, r.Number)
	}
	for _, n := range broken {
		last = max(last, n)
	}
	return last + 1, nil
}

// Begin records, durably, that an activation starts, before anything changes. It
// needs the lock.
func (p *Profile) Begin(a Activation) error {
	a.Outcome, a.Error = Started, ""
	return p.setState(a)
}

// End records how an activation ended. It needs the lock.
func (p *Profile) End(a Activation, cause error) error {
	a.Outcome = Done
	if cause != nil {
		a.Outcome, a.Error = Failed, cause.Error()
	}
	return p.setState(a)
}

// SetFallback records, durably, that a generation did not work and the machine came back
// to another. nil forgets it. It needs the lock.
func (p *Profile) SetFallback(f *Fallback) error {
	return p.changeState(func(s *state) { s.Fallback = f })
}

// Fallback returns what [Profile.SetFallback] recorded, nil for nothing.
func (p *Profile) Fallback() (*Fallback, error) {
	s, err := p.state()
	if err != nil {
		return nil, err
	}
	return s.Fallback, nil
}

func (p *Profile) setState(a Activation) error {
	a.Time = a.Time.UTC().Truncate(time.Second)
	return p.changeState(func(s *state) {
		s.Activation = &a
		s.Last = max(s.Last, a.To)
	})
}

func (p *Profile) changeState(change func(s *state)) error {
	s, err := p.state()
	if err != nil {
		return err
	}
	change(s)
	data, err := encodeJSON(s)
	if err != nil {
		return err
	}
	return p.root.WriteFile(Dir+"/"+stateName, data, 0o644)
}

// Pinned returns the generations that are not to be deleted, sorted.
func (p *Profile) Pinned() ([]Number, error) {
	s, err := p.state()
	if err != nil {
		return nil, err
	}
	return s.Pinned, nil
}

// Pin sets whether a generation is not to be deleted, durably. It needs the lock.
func (p *Profile) Pin(n Number, pinned bool) error {
	if _, err := p.Get(n); err != nil {
		return err
	}
	return p.changeState(func(s *state) {
		at, found := slices.BinarySearch(s.Pinned, n)
		switch {
		case pinned && !found:
			s.Pinned = slices.Insert(s.Pinned, at, n)
		case !pinned && found:
			s.Pinned = slices.Delete(s.Pinned, at, at+1)
		}
	})
}

// CheckDelete returns why a generation may not be deleted: it is the current one, or
// pinned, or there is none ([ErrNotExist], wrapped).
func (p *Profile) CheckDelete(n Number) error {
	current, err := p.Current()
	if err != nil {
		return err
	}
	if current != nil && current.Number == n {
		return fmt.Errorf("delete generation %d: it is the current one", n)
	}
	pinned, err := p.Pinned()
	if err != nil {
		return err
	}
	if slices.Contains(pinned, n) {
		return fmt.Errorf("delete generation %d: it is pinned; sysc generations unpin %d lets it go", n, n)
	}
	if _, err := p.root.Root().Lstat(dirOf(n)); err != nil {
		return fmt.Errorf("delete generation %d: %w", n, ErrNotExist)
	}
	return nil
}

// Commit makes the directory of a generation from its record, durably, by one
// rename. What the record names must be durable before. image, if not nil, writes the
// metadata image of its root ([ImageName]). It needs the lock.
func (p *Profile) Commit(r *Record, image func(w io.Writer) error) error {
	r.Created = r.Created.UTC().Truncate(time.Second)
	data, err := r.encode()
	if err != nil {
		return fmt.Errorf("record generation %d: %v", r.Number, err)
	}
	aside := StagingDir + "/generation"
	if err := p.root.RemoveAll(aside); err != nil {
		return fmt.Errorf("record generation %d: %w", r.Number, err)
	}
	if err := p.root.Mkdir(aside+"/"+rootName, 0o755); err != nil {
		return fmt.Errorf("record generation %d: %w", r.Number, err)
	}
	root := p.root.Root()
	for name, place := range r.Places {
		target := "../../" + path.Base(CheckoutsDir) + "/" + place
		if err := root.Symlink(target, aside+"/"+rootName+"/"+name); err != nil {
			return fmt.Errorf("record generation %d: %w", r.Number, err)
		}
	}
	if err := root.Symlink(r.System.Logical(), aside+"/"+systemName); err != nil {
		return fmt.Errorf("record generation %d: %w", r.Number, err)
	}
	if err := p.root.Sync(aside + "/" + rootName); err != nil {
		return err
	}
	if err := p.root.WriteFile(aside+"/"+recordName, data, 0o644); err != nil {
		return fmt.Errorf("record generation %d: %w", r.Number, err)
	}
	if image != nil {
		if err := p.root.Write(aside+"/"+imageName, 0o644, func(f *os.File) error { return image(f) }); err != nil {
			return fmt.Errorf("record generation %d: %w", r.Number, err)
		}
	}
	return p.root.Rename(aside, dirOf(r.Number))
}

// SetCurrent makes a generation current by one rename. It needs the lock.
func (p *Profile) SetCurrent(n Number) error {
	if _, err := p.Get(n); err != nil {
		return err
	}
	return p.root.Symlink(n.String(), Dir+"/"+currentName)
}

// Delete removes a generation that [Profile.CheckDelete] lets go. What only it used is
// left for others to remove. It needs the lock.
func (p *Profile) Delete(n Number) error {
	if err := p.CheckDelete(n); err != nil {
		return err
	}
	// Renamed first, so that no half of it is ever seen.
	aside := StagingDir + "/deleted-" + n.String()
	if err := p.root.Mkdir(StagingDir, 0o700); err != nil {
		return err
	}
	if err := p.root.Rename(dirOf(n), aside); err != nil {
		return fmt.Errorf("delete generation %d: %w", n, err)
	}
	return errors.Join(p.root.RemoveAll(aside), p.root.RemoveAll(healthName(n)))
}

// SystemLink returns the path, below the machine's root, of the link that keeps
// a generation's system object from being collected.
func SystemLink(n Number) string { return dirOf(n) + "/" + systemName }

// CurrentRoot returns the path, below the machine's root, of the links to the
// checkouts of the current generation.
func CurrentRoot() string { return Dir + "/" + currentName + "/" + rootName }

// AllObjects returns the system object and the others that r names.
func (r *Record) AllObjects() []store.Path {
	return append([]store.Path{r.System}, r.Objects...)
}

// ImageName returns the path, below the machine's root, of the metadata image of a
// generation's root; only machines that boot into their generations have one.
func ImageName(n Number) string { return dirOf(n) + "/" + imageName }

func dirOf(n Number) string { return Dir + "/" + n.String() }
