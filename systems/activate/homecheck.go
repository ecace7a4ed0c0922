package activate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// backupSuffix ends the name under which a file is kept that was in the way.
const backupSuffix = ".sysc-backup"

// A Conflict is something in a home directory that stands where a generation has
// something else, and that a user may want to keep.
type Conflict struct {
	// Path is absolute below the home directory.
	Path string
	// What is there, as in "a file".
	What string
	// Edited is set when it is what an earlier generation put there, changed by hand.
	Edited bool
	// Above is set for something that is no directory and above what was to be placed.
	// Keeping it under another name would take everything behind it away, so that
	// nobody does so.
	Above bool
	// Have is the digest of the contents of a file that is there, and Want of those
	// that were to be; zero for what is no file.
	Have, Want store.Digest
	// In and Place are where that file is: a directory, and a path below it.
	In, Place string
}

// String says what is there.
func (c Conflict) String() string {
	text := systems.Home.Shown(c.Path) + " is " + c.What
	switch {
	case c.Above:
		return text + ", and has to be a directory"
	case c.Edited:
		return text + " that was changed by hand"
	}
	return text + " that sysc did not put there"
}

// A ConflictError says what stands in the way of a generation. Nothing was changed.
type ConflictError struct{ Conflicts []Conflict }

// Error lists it, and says what to do.
func (e *ConflictError) Error() string {
	lines := make([]string, len(e.Conflicts))
	hint := "Move it away."
	for i, c := range e.Conflicts {
		lines[i] = "  " + c.String()
		if !c.Above {
			hint = "Take it into the definition, move it away, or say --backup to keep it as NAME" + backupSuffix + "."
		}
	}
	return fmt.Sprintf("in the way of the home:\n%s\nNothing was changed. %s", strings.Join(lines, "\n"), hint)
}

// checkHome reports what stands in the way of a generation's entries, and what would
// be lost of changes that were made by hand. place is where its files are checked out.
func (s *switcher) checkHome(place string, entries []generation.HomeEntry) error {
	conflicts, err := s.conflicts(s.before(s.pending()), place, entries)
	if s.Backup {
		conflicts = slices.DeleteFunc(conflicts, func(c Conflict) bool { return !c.Above })
	}
	if err != nil || len(conflicts) == 0 {
		return err
	}
	return &ConflictError{conflicts}
}

// FindConflicts returns what stands in the way of a home that may not be built yet,
// as far as that is known. It changes nothing and takes no lock. Of req, Root and Home
// are looked at.
func FindConflicts(req Request, m *systems.Manifest) ([]Conflict, error) {
	h, err := openHome(&req)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer h.dir.Close()
	s := &switcher{Request: req, home: h, result: &Result{}}
	root, err := rootdir.Open(req.Root, false)
	var before []earlier
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		defer root.Close()
		s.root, s.profile = root, generation.New(root)
		if s.current, err = s.profile.Current(); err != nil {
			return nil, err
		}
		if s.last, err = s.profile.LastActivation(); err != nil {
			return nil, err
		}
		before = s.before(s.pending())
	}
	return s.conflicts(before, "", plannedEntries(m))
}

// plannedEntries are the entries that a manifest tells of, which need not be complete.
func plannedEntries(m *systems.Manifest) []generation.HomeEntry {
	var out []generation.HomeEntry
	for _, f := range m.Files {
		out = append(out, generation.HomeEntry{Path: f.Path, Kind: generation.HomeFile, Mode: f.Mode, Digest: f.Digest})
	}
	for _, l := range m.Symlinks {
		out = append(out, generation.HomeEntry{Path: l.Path, Kind: generation.HomeLink, Target: l.Target})
	}
	for _, d := range m.Directories {
		out = append(out, generation.HomeEntry{Path: d.Path, Kind: generation.HomeDirectory, Mode: d.Mode})
	}
	for _, u := range m.Units {
		e := generation.HomeEntry{Path: systems.HomeUnit(u.Name), Kind: generation.HomeFile, Mode: 0o644, Digest: u.Digest}
		if u.Mask {
			e = generation.HomeEntry{Path: e.Path, Kind: generation.HomeLink, Target: "/dev/null"}
		}
		out = append(out, e)
	}
	sortEntries(out)
	return out
}

func (s *switcher) conflicts(before []earlier, place string, entries []generation.HomeEntry) ([]Conflict, error) {
	old := oldEntries(before)
	want := map[string]generation.HomeEntry{}
	found := map[string]Conflict{}
	for _, e := range entries {
		want[e.Path] = e
		c, ok, err := s.conflict(old, e)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", systems.Home.Shown(e.Path), err)
		}
		if ok {
			found[c.Path] = c
		}
	}
	edits, err := s.edits(place, want)
	if err != nil {
		return nil, err
	}
	for _, c := range edits {
		found[c.Path] = c
	}
	var out []Conflict
	for _, p := range sortedKeys(found) {
		out = append(out, found[p])
	}
	return out, nil
}

// oldEntries are what earlier generations put into the home, by path.
func oldEntries(before []earlier) map[string][]generation.HomeEntry {
	old := map[string][]generation.HomeEntry{}
	for _, b := range before {
		for _, e := range b.record.HomeEntries() {
			old[e.Path] = append(old[e.Path], e)
		}
	}
	return old
}

// conflict looks at the place of one entry and the directories above it.
func (s *switcher) conflict(old map[string][]generation.HomeEntry, e generation.HomeEntry) (c Conflict, found bool, err error) {
	ours := func(p string, have declaredThing) bool { return s.home.isOneOf(have, old[p]) }
	for _, dir := range above(e.Path) {
		have, err := s.home.look(dir)
		if err != nil {
			return c, false, err
		}
		if have.kind == 0 || have.kind != tree.Dir && ours(dir, have) {
			return c, false, nil // made, or out of the way by then
		}
		if have.kind != tree.Dir {
			return Conflict{Path: dir, What: kindName(have.kind) + leads(have), Above: true}, true, nil
		}
	}
	have, err := s.home.look(e.Path)
	switch {
	case err != nil:
		return c, false, err
	case have.kind == 0, s.home.isEntry(have, e), s.replaceable(have, e):
		return c, false, nil
	case have.kind != tree.Dir && ours(e.Path, have):
		return c, false, nil
	case have.kind == tree.Dir:
		if empty, err := s.onlyOurs(old, e.Path); err != nil || empty {
			return c, false, err
		}
	}
	return Conflict{
		Path: e.Path, What: kindName(have.kind) + leads(have), Edited: len(old[e.Path]) > 0,
		Have: have.digest, Want: e.Digest, In: s.Home, Place: at(e.Path),
	}, true, nil
}

// leads says where a link leads.
func leads(have declaredThing) string {
	if have.kind == tree.Link {
		return " to " + have.target
	}
	return ""
}

// replaceable reports whether nothing is lost when an entry takes the place of what
// is there: a file with the same contents, or a link that leads into a generation.
func (s *switcher) replaceable(have declaredThing, e generation.HomeEntry) bool {
	switch {
	case have.kind == tree.Link && have.target == s.home.target(e.Path):
		return true
	case e.Kind == generation.HomeFile:
		return have.kind == tree.File && have.digest == e.Digest && !e.Digest.IsZero()
	}
	return false
}

// onlyOurs reports whether a directory was made by sysc and has nothing in it but what
// earlier generations put there, so that it will be gone when they are.
func (s *switcher) onlyOurs(old map[string][]generation.HomeEntry, dir string) (bool, error) {
	if s.current == nil || !slices.Contains(s.current.HomeMade(), dir) {
		return false, nil
	}
	entries, err := s.home.dir.List(at(dir))
	if err != nil {
		return false, err
	}
	for _, in := range entries {
		p := dir + "/" + in.Name()
		have, err := s.home.look(p)
		if err != nil {
			return false, err
		}
		if have.kind == tree.Dir {
			if only, err := s.onlyOurs(old, p); err != nil || !only {
				return false, err
			}
			continue
		}
		if !s.home.isOneOf(have, old[p]) {
			return false, nil
		}
	}
	return true, nil
}

// edits finds files of the current generation that were written to through their
// links, and whose changes another one, which is checked out at place and has want,
// would take away.
func (s *switcher) edits(place string, want map[string]generation.HomeEntry) ([]Conflict, error) {
	if s.current == nil || s.current.Places[homeTop] == place {
		return nil, nil
	}
	var out []Conflict
	err := s.edited(s.current, func(e generation.HomeEntry, now store.Digest) {
		if new := want[e.Path].Digest; now != new {
			out = append(out, Conflict{
				Path: e.Path, What: "a file", Edited: true,
				Have: now, Want: new, In: s.Root, Place: checkedOut(s.current, e.Path),
			})
		}
	})
	return out, err
}

// edited calls found for each file of a generation that was written to through its
// link, with what it holds now.
func (s *switcher) edited(r *generation.Record, found func(e generation.HomeEntry, now store.Digest)) error {
	for _, e := range r.HomeEntries() {
		if e.Kind != generation.HomeFile {
			continue
		}
		have, err := s.home.look(e.Path)
		if err != nil {
			return fmt.Errorf("look at %s: %w", systems.Home.Shown(e.Path), err)
		}
		if have.kind != tree.Link || have.target != s.home.target(e.Path) {
			continue // nobody sees that file
		}
		now, err := hashFile(s.root.Root(), checkedOut(r, e.Path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", systems.Home.Shown(e.Path), err)
		}
		if now != e.Digest {
			found(e, now)
		}
	}
	return nil
}

// noteEdits notes the files of the generation that is current now which were changed
// by hand: they stay as they are.
func (s *switcher) noteEdits(r *generation.Record) {
	err := s.edited(r, func(e generation.HomeEntry, _ store.Digest) { s.keep(systems.Home.Shown(e.Path)) })
	if err != nil {
		s.note("%v", err)
	}
}

// checkedOut is where a generation's file is, below the directory of its state.
func checkedOut(r *generation.Record, p string) string {
	return generation.CheckoutsDir + "/" + r.Places[homeTop] + p
}

// saveEdits keeps what was changed through links, before another generation is
// current.
func (s *switcher) saveEdits(place string, entries []generation.HomeEntry) error {
	want := map[string]generation.HomeEntry{}
	for _, e := range entries {
		want[e.Path] = e
	}
	edits, err := s.edits(place, want)
	if err != nil {
		return err
	}
	for _, c := range edits {
		if err := s.saveEdit(c); err != nil {
			return fmt.Errorf("keep what was changed in %s: %w", systems.Home.Shown(c.Path), err)
		}
	}
	return nil
}

// saveEdit copies a file of the state into the home.
func (s *switcher) saveEdit(c Conflict) error {
	f, err := s.root.Root().OpenFile(c.Place, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	to, _, err := s.freeName(c.Path)
	if err != nil {
		return err
	}
	s.note("what was changed in %s is kept in %s", systems.Home.Shown(c.Path), systems.Home.Shown(to))
	return s.home.dir.Write(at(to), 0o600, func(out *os.File) error {
		_, err := io.Copy(out, f)
		return err
	})
}

// setAside keeps what is in the way of an entry under another name. A file has both
// names until the link takes its place, so that it is never missing.
func (s *switcher) setAside(p string, have declaredThing) error {
	to, there, err := s.freeName(p)
	if err != nil {
		return err
	}
	s.note("%s is kept as %s", systems.Home.Shown(p), systems.Home.Shown(to))
	if have.kind != tree.File {
		return s.home.dir.Rename(at(p), at(to))
	}
	if !there {
		if err := s.home.dir.Root().Link(at(p), at(to)); err != nil {
			return err
		}
	}
	return s.home.dir.Sync(path.Join(".", path.Dir(p)))
}

// freeName returns a name beside a path that nothing has, or that the file at the path
// has already, as a switch that was killed leaves it: then there is set.
func (s *switcher) freeName(p string) (name string, there bool, err error) {
	root := s.home.dir.Root()
	info, err := root.Lstat(at(p))
	if err != nil {
		return "", false, err
	}
	for i := 1; ; i++ {
		to := p + backupSuffix
		if i > 1 {
			to = fmt.Sprintf("%s-%d", to, i)
		}
		have, err := root.Lstat(at(to))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return to, false, nil
		case err != nil:
			return "", false, err
		case os.SameFile(info, have):
			return to, true, nil
		}
	}
}

// checkKind refuses a system that is not of the kind that a request is about.
func (s *switcher) checkKind(m *systems.Manifest) error {
	want := systems.Machine
	if s.home != nil {
		want = systems.Home
	}
	if m.Kind != want {
		return fmt.Errorf("%s is no %s", m.Kind.Address(m.Name), want)
	}
	return nil
}
