package activate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
)

// A topLevel is what a root has in its top directory, by what becomes of it.
type topLevel struct {
	owned   []tree.Entry      // directories of the generation
	machine []tree.Entry      // directories of the machine
	links   map[string]string // symbolic links: target by name
	places  map[string]string // checkout of each of owned
}

// readTop sorts the entries of a root.
func (s *switcher) readTop(ctx context.Context, m *systems.Manifest) (*topLevel, error) {
	if s.home != nil {
		return s.homeTopLevel(m), nil
	}
	listing, err := s.Store.Tree(ctx, m.Root.Tree)
	if err != nil {
		return nil, fmt.Errorf("read root of system %s: %w", m.Name, err)
	}
	top := &topLevel{links: map[string]string{}, places: map[string]string{}}
	for _, e := range listing.Entries {
		switch {
		case e.Name == "sysc":
			s.note("the root's /sysc is left out: that directory is sysc's own")
		case s.Machine != nil:
			if s.Machine.own(e) {
				top.machine = append(top.machine, e)
			}
		case e.Type == tree.Dir && systems.Owned(e.Name):
			top.owned = append(top.owned, e)
			top.places[e.Name] = s.place(e)
		case e.Type == tree.Dir:
			top.machine = append(top.machine, e)
		case e.Type == tree.Link && toBoot(e.Target):
			// As /vmlinuz: kernels stand on the boot partition under other names.
		case e.Type == tree.Link:
			top.links[e.Name] = e.Target
		default:
			s.note("the root's file /%s is left out: files cannot stand in / itself", e.Name)
		}
	}
	return top, nil
}

func toBoot(target string) bool {
	return strings.HasPrefix(strings.TrimPrefix(target, "/"), "boot/")
}

// place returns the name of the checkout of a top-level directory: equal for
// equal contents, owner and mode. Without privileges owners are not what they
// should be, and who has privileges must not take such a checkout over.
func (s *switcher) place(e tree.Entry) string {
	name := e.Name + "-" + e.Digest.Hex()
	if e.Mode != 0o755 || e.UID != 0 || e.GID != 0 {
		name += fmt.Sprintf("-%04o-%d-%d", e.Mode, e.UID, e.GID)
	}
	if !s.privileged {
		name += "-unprivileged"
	}
	return name
}

// privileged reports whether files can be given to any user: by root, unless in
// a user namespace that has few (user_namespaces(7)).
func privileged() bool {
	if os.Geteuid() != 0 {
		return false
	}
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return true
	}
	defer f.Close()
	const ids = 1 << 16 // what a system uses: 0 to 65535
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[0] != "0" {
			continue
		}
		n, err := strconv.ParseUint(fields[2], 10, 64)
		return err == nil && n >= ids
	}
	return false
}

// topLinks returns the links that a generation needs in the machine's top
// directory.
func topLinks(r *generation.Record) map[string]string {
	links := map[string]string{}
	if r.Home != nil {
		return links
	}
	for name, target := range r.Links {
		links[name] = target
	}
	for name := range r.Places {
		links[name] = generation.CurrentRoot() + "/" + name
	}
	return links
}

// checkForeign fails when something that is not a link stands where the
// generation needs one. A directory of the machine that the root has as a link
// stays.
func (s *switcher) checkForeign(top *topLevel) error {
	if s.home != nil || s.Machine != nil {
		return nil
	}
	for name := range topLinks(&generation.Record{Links: top.links, Places: top.places}) {
		info, err := s.root.Root().Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
		case !systems.Owned(name):
			s.note("/%s is a link in the system; what the machine has there stays", name)
			delete(top.links, name)
		case info.IsDir():
			return &ForeignError{Path: path.Join(s.Root, name), What: "directory"}
		default:
			return &ForeignError{Path: path.Join(s.Root, name), What: "file"}
		}
	}
	return nil
}

// addLinks makes the top-level links that are missing.
func (s *switcher) addLinks(r *generation.Record) error {
	links := topLinks(r)
	for _, name := range sortedKeys(links) {
		_, err := s.root.Root().Lstat(name)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.root.Symlink(links[name], name); err != nil {
			return err
		}
	}
	return nil
}

// relink makes the top-level links those of a generation: ones with another
// target are replaced, and those that earlier ones had alone go. A link of the
// machine's own, where the root has one too, stays.
func (s *switcher) relink(before []earlier, r *generation.Record) error {
	old := map[string][]string{}
	for _, e := range before {
		for name, target := range topLinks(e.record) {
			old[name] = append(old[name], target)
		}
	}
	links := topLinks(r)
	for _, name := range sortedKeys(links) {
		have, err := s.root.Root().Readlink(name)
		if err == nil && (have == links[name] || !systems.Owned(name) && !slices.Contains(old[name], have)) {
			continue
		}
		if err := s.root.Symlink(links[name], name); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(old) {
		if _, ok := links[name]; ok {
			continue
		}
		if have, err := s.root.Root().Readlink(name); err == nil && slices.Contains(old[name], have) {
			if err := s.root.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// whole reports whether everything that a generation needs stands in its place.
// It looks at names only.
func (s *switcher) whole(r *generation.Record) bool {
	for _, place := range r.Places {
		if !s.isDir(generation.CheckoutsDir + "/" + place) {
			return false
		}
	}
	for name, target := range topLinks(r) {
		have, err := s.root.Root().Readlink(name)
		if err != nil || have != target && systems.Owned(name) {
			return false
		}
	}
	for _, p := range r.AllObjects() {
		if _, err := s.root.Root().Lstat(objectsDir + "/" + string(p)); err != nil {
			return false
		}
	}
	return s.hasImage(r) && s.bootWhole(r) && (s.home == nil || s.homeWhole(r))
}

func (s *switcher) isDir(name string) bool {
	info, err := s.root.Root().Lstat(name)
	return err == nil && info.IsDir()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
