package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
)

// homeTop is what a home's tree is called where a machine's record has a top-level
// directory.
const homeTop = "home"

// A home is the directory of a user, while it is changed. A declared file stands in
// it as a link through the current generation to the checkout, so that the one rename
// which makes a generation current changes all of them at once; links and directories
// are made as they are declared.
type home struct {
	dir *rootdir.Dir
	// name is the directory's absolute path, and link how links lead from there to the
	// current generation: a relative path, or an absolute one where the state is not
	// kept below the home.
	name, link string
}

// openHome opens the home directory of a request, nil when it is about a machine.
func openHome(req *Request) (*home, error) {
	if req.Home == "" {
		return nil, nil
	}
	dir, err := rootdir.Open(req.Home, req.MakeHome)
	if err != nil {
		return nil, fmt.Errorf("open home: %w", err)
	}
	info, err := dir.Root().Stat(".")
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("open home: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		dir.Close()
		return nil, fmt.Errorf("the home directory %s belongs to user %d, and this is user %d: a home is changed by its own user", req.Home, st.Uid, os.Geteuid())
	}
	h := &home{dir: dir, name: req.Home, link: filepath.Join(req.Root, generation.CurrentRoot(), homeTop)}
	if rel, err := filepath.Rel(req.Home, h.link); err == nil && !strings.HasPrefix(rel, "..") {
		h.link = rel
	}
	return h, nil
}

// target is where the link at a path leads that stands for a declared file.
func (h *home) target(p string) string {
	if filepath.IsAbs(h.link) {
		return h.link + p
	}
	return strings.Repeat("../", strings.Count(p, "/")-1) + h.link + p
}

// at is the name of a path below the home directory.
func at(p string) string { return strings.TrimPrefix(p, "/") }

// look tells what stands at a path. Nothing has no kind. A link above it is not
// followed: what stands behind it is none of the home's.
func (h *home) look(p string) (declaredThing, error) {
	for _, dir := range above(p) {
		info, err := h.dir.Root().Lstat(at(dir))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			return declaredThing{}, nil
		}
		if err != nil {
			return declaredThing{}, err
		}
	}
	dir, err := h.dir.Sub(path.Join(".", path.Dir(p)))
	if err != nil {
		return declaredThing{}, err
	}
	defer dir.Close()
	return look(dir, path.Base(p))
}

// above returns the directories above a path, highest first.
func above(p string) []string {
	var out []string
	for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}

// isEntry reports whether what stands at a path is what an entry puts there.
func (h *home) isEntry(have declaredThing, e generation.HomeEntry) bool {
	switch e.Kind {
	case generation.HomeFile:
		return have.kind == tree.Link && have.target == h.target(e.Path)
	case generation.HomeLink:
		return have.kind == tree.Link && have.target == e.Target
	}
	return have.kind == tree.Dir
}

// isOneOf reports whether what stands at a path is what one of some entries puts there.
func (h *home) isOneOf(have declaredThing, entries []generation.HomeEntry) bool {
	return slices.ContainsFunc(entries, func(e generation.HomeEntry) bool { return h.isEntry(have, e) })
}

// homeTopLevel is what [switcher.readTop] says of a home: one directory, which
// belongs to the generation.
func (s *switcher) homeTopLevel(m *systems.Manifest) *topLevel {
	e := tree.Entry{Name: homeTop, Type: tree.Dir, Mode: 0o755, Digest: m.Root.Tree}
	return &topLevel{owned: []tree.Entry{e}, links: map[string]string{}, places: map[string]string{homeTop: s.place(e)}}
}

// homeEntries lists what a home's tree puts into the home directory: its files and
// links, and the directories that are declared.
func homeEntries(ctx context.Context, src tree.Source, m *systems.Manifest) ([]generation.HomeEntry, error) {
	var out []generation.HomeEntry
	err := tree.Walk(ctx, src, m.Root.Tree, func(p string, e tree.Entry) error {
		switch e.Type {
		case tree.File:
			out = append(out, generation.HomeEntry{Path: "/" + p, Kind: generation.HomeFile, Mode: e.Mode, Digest: e.Digest})
		case tree.Link:
			out = append(out, generation.HomeEntry{Path: "/" + p, Kind: generation.HomeLink, Target: e.Target})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the files of home %s: %w", m.Name, err)
	}
	for _, d := range m.Directories {
		out = append(out, generation.HomeEntry{Path: d.Place(), Kind: generation.HomeDirectory, Mode: d.Mode})
	}
	sortEntries(out)
	return out, nil
}

func sortEntries(list []generation.HomeEntry) {
	slices.SortFunc(list, func(a, b generation.HomeEntry) int { return strings.Compare(a.Path, b.Path) })
}

// homeRecord says what a generation has in the home directory.
func (s *switcher) homeRecord(ctx context.Context) (*generation.Home, error) {
	entries, err := homeEntries(ctx, s.Store, s.System.Manifest)
	if err != nil {
		return nil, err
	}
	made, err := s.home.toMake(entries)
	if err != nil {
		return nil, err
	}
	if s.current != nil {
		for _, dir := range s.current.HomeMade() {
			if have, err := s.home.look(dir); err == nil && have.kind == tree.Dir {
				made = append(made, dir)
			}
		}
	}
	slices.Sort(made)
	return &generation.Home{Entries: entries, Made: slices.Compact(made)}, nil
}

// toMake returns the directories that entries need and that are not there.
func (h *home) toMake(entries []generation.HomeEntry) ([]string, error) {
	var out []string
	for _, e := range entries {
		dir := path.Dir(e.Path)
		if e.Kind == generation.HomeDirectory {
			dir = e.Path
		}
		for ; dir != "/"; dir = path.Dir(dir) {
			have, err := h.look(dir)
			if err != nil {
				return nil, err
			}
			if have.kind == tree.Dir {
				break
			}
			out = append(out, dir)
		}
	}
	return out, nil
}

// homeWhole reports whether everything of a generation stands in the home directory.
func (s *switcher) homeWhole(r *generation.Record) bool {
	for _, e := range r.HomeEntries() {
		if have, err := s.home.look(e.Path); err != nil || !s.home.isEntry(have, e) {
			return false
		}
	}
	return true
}

// followHome makes the home directory what a generation says, once that is current.
// It can be repeated. What stands in the way was found before ([switcher.checkHome]).
func (s *switcher) followHome(before []earlier, r *generation.Record) error {
	if err := s.leaveHome(before, r); err != nil {
		return err
	}
	old := oldEntries(before)
	for _, e := range r.HomeEntries() {
		if err := s.placeHome(old[e.Path], e); err != nil {
			return fmt.Errorf("place %s: %w", systems.Home.Shown(e.Path), err)
		}
	}
	return s.tidyHome(before, r)
}

// leaveHome removes what earlier generations put into the home directory and r does
// not have.
func (s *switcher) leaveHome(before []earlier, r *generation.Record) error {
	stays := map[string]generation.HomeEntry{}
	for _, e := range r.HomeEntries() {
		stays[e.Path] = e
	}
	for _, b := range before {
		for _, e := range b.record.HomeEntries() {
			now, ok := stays[e.Path]
			if ok && now.Kind != generation.HomeDirectory || e.Kind == generation.HomeDirectory {
				continue
			}
			have, err := s.home.look(e.Path)
			if err == nil {
				err = s.cleanHome(e.Path)
			}
			switch {
			case err != nil:
				return fmt.Errorf("remove %s: %w", systems.Home.Shown(e.Path), err)
			case have.kind == 0:
			case ok && s.home.isEntry(have, now):
			case !s.home.isEntry(have, e):
				s.keep(systems.Home.Shown(e.Path))
			default:
				if err := s.home.dir.Remove(at(e.Path)); err != nil {
					return fmt.Errorf("remove %s: %w", systems.Home.Shown(e.Path), err)
				}
			}
		}
	}
	// So that a file can stand where a directory was.
	return s.tidyHome(before, r)
}

// cleanHome removes what a killed switch may have left beside a path.
func (s *switcher) cleanHome(p string) error {
	if s.settled() {
		return nil
	}
	err := s.home.dir.Root().RemoveAll(rootdir.Aside(at(p)))
	if errors.Is(err, unix.ENOTDIR) {
		return nil // nor is there what it would stand beside
	}
	return err
}

// keep notes a path that was left alone.
func (s *switcher) keep(p string) {
	if !slices.Contains(s.result.Kept, p) {
		s.result.Kept = append(s.result.Kept, p)
	}
}

// tidyHome removes directories that sysc made, nothing is in, and r does not need.
func (s *switcher) tidyHome(before []earlier, r *generation.Record) error {
	needed := map[string]bool{}
	for _, e := range r.HomeEntries() {
		dir := path.Dir(e.Path)
		if e.Kind == generation.HomeDirectory {
			dir = e.Path
		}
		for ; dir != "/"; dir = path.Dir(dir) {
			needed[dir] = true
		}
	}
	made := slices.Clone(r.HomeMade())
	for _, b := range before {
		made = append(made, b.record.HomeMade()...)
	}
	slices.Sort(made)
	for _, dir := range slices.Backward(slices.Compact(made)) {
		if needed[dir] {
			continue
		}
		have, err := s.home.look(dir)
		if err != nil || have.kind != tree.Dir {
			continue
		}
		if err := s.home.dir.Remove(at(dir)); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
			return fmt.Errorf("remove %s: %w", systems.Home.Shown(dir), err)
		}
	}
	return nil
}

// placeHome puts an entry into the home directory. What is there and is not what old
// ones put there was refused before, or is kept under another name.
func (s *switcher) placeHome(old []generation.HomeEntry, e generation.HomeEntry) error {
	have, err := s.home.look(e.Path)
	if err != nil {
		return err
	}
	name := at(e.Path)
	if err := s.home.dir.Mkdir(path.Dir(name), 0o755); err != nil {
		return err
	}
	if e.Kind == generation.HomeDirectory {
		if have.kind == 0 {
			s.Events(Event{StepPlace, systems.Home.Shown(e.Path)})
			if err := s.home.dir.Mkdir(name, 0o755); err != nil {
				return err
			}
		}
		return s.home.dir.Root().Chmod(name, fs.FileMode(e.Mode&0o777))
	}
	if err := s.cleanHome(e.Path); err != nil {
		return err
	}
	if s.home.isEntry(have, e) {
		return nil
	}
	s.Events(Event{StepPlace, systems.Home.Shown(e.Path)})
	if have.kind != 0 && !s.replaceable(have, e) && !s.home.isOneOf(have, old) {
		if err := s.setAside(e.Path, have); err != nil {
			return err
		}
	}
	target := e.Target
	if e.Kind == generation.HomeFile {
		target = s.home.target(e.Path)
	}
	return s.home.dir.Symlink(target, name)
}
