package dpkg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
)

// An OverwriteError says that two packages have a file at one path, and none may
// replace the other's. It is what dpkg says at that point.
type OverwriteError struct {
	Path             string // absolute
	Package, Version string // what is laid out later
	Owner            string // what has the path already
}

// Error is dpkg's sentence.
func (e *OverwriteError) Error() string {
	return fmt.Sprintf("package %s (%s): trying to overwrite %q, which is also in package %s", e.Package, e.Version, e.Path, e.Owner)
}

// A staged file is one that waits for a diversion: its package's preinst will
// move another package's file out of the way.
type staged struct {
	path  string // absolute
	entry tree.Entry
	pkg   string
}

// A merged root is all packages' files.
type merged struct {
	tree   store.Digest
	staged []staged
}

// merge lays the packages' files out. Directories merge, and the metadata of the
// first one count; a directory over a link to a directory merges through it, a
// link over a directory is left out; otherwise a path belongs to one package.
func merge(ctx context.Context, st builtin.Store, architectures []string, packages []*pkg) (*merged, error) {
	m := &merger{byLabel: make(map[string]*pkg, len(packages))}
	for _, p := range packages {
		m.byLabel[p.label] = p
	}
	trees := builtin.NewMerger(st)
	trees.Conflict = m.conflict
	if err := mergeUsr(ctx, st, trees, architectures); err != nil {
		return nil, err
	}
	for _, p := range packages {
		if err := trees.Add(ctx, "", p.data, p.label); err != nil {
			return nil, err
		}
	}
	digest, _, err := trees.Write(ctx, st)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		if len(p.dropped) > 0 {
			if p.list, err = p.writeListWithout(ctx, st, p.dropped); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(m.staged, func(a, b staged) int { return strings.Compare(a.path+"\x00"+a.pkg, b.path+"\x00"+b.pkg) })
	return &merged{tree: digest, staged: m.staged}, nil
}

// usrDirs are the directories that moved below /usr. Debian 13's base-files has
// links in their place, Debian 12's has not: debootstrap makes them there.
func usrDirs(architectures []string) []string {
	dirs := []string{"bin", "lib", "sbin"}
	for _, architecture := range architectures {
		switch architecture {
		case "amd64", "loong64", "mips64el", "ppc64el":
			return append(dirs, "lib64")
		}
	}
	return dirs
}

// layerUsr is the layer of the links of a merged /usr. It is no package's name.
const layerUsr = "merged /usr"

func mergeUsr(ctx context.Context, st builtin.Store, trees *builtin.Merger, architectures []string) error {
	empty, err := st.AddTree(ctx, &tree.Tree{})
	if err != nil {
		return err
	}
	for _, name := range usrDirs(architectures) {
		target := "usr/" + name
		if err := trees.Add(ctx, target, tree.Entry{Type: tree.Dir, Mode: 0o755, Digest: empty}, layerUsr); err != nil {
			return err
		}
		if err := trees.Add(ctx, name, tree.Entry{Type: tree.Link, Mode: 0o777, Target: target}, layerUsr); err != nil {
			return err
		}
	}
	return nil
}

// A merger decides between packages.
type merger struct {
	byLabel map[string]*pkg
	staged  []staged
}

// conflict says which entry stays where two packages meet.
func (m *merger) conflict(at builtin.Meeting) (tree.Entry, error) {
	if at.Old.Type == tree.Dir {
		if at.New.Type == tree.File {
			return tree.Entry{}, m.overwrite(at)
		}
		// As dpkg: what is there keeps its owner and mode, and a link to where a
		// directory is already changes nothing.
		return at.Old, nil
	}
	older, newer := m.byLabel[at.OldLayer], m.byLabel[at.NewLayer]
	if older == nil || newer == nil || at.New.Type == tree.Dir {
		return tree.Entry{}, m.overwrite(at)
	}
	if newer.isInstanceOf(older) {
		if sameFile(at.Old, at.New) {
			return at.Old, nil
		}
		return tree.Entry{}, m.overwrite(at)
	}
	switch {
	case newer.mayReplace(older):
		older.drop(at.Path)
		return at.New, nil
	case older.mayReplace(newer):
		newer.drop(at.Path)
		return at.Old, nil
	case newer.diverts && !older.diverts:
		m.staged = append(m.staged, staged{"/" + at.Path, at.New, newer.name})
		return at.Old, nil
	case older.diverts && !newer.diverts:
		m.staged = append(m.staged, staged{"/" + at.Path, at.Old, older.name})
		return at.New, nil
	}
	return tree.Entry{}, m.overwrite(at)
}

func (m *merger) overwrite(at builtin.Meeting) error {
	e := &OverwriteError{Path: "/" + at.Path, Package: at.NewLayer, Owner: at.OldLayer}
	if p := m.byLabel[at.NewLayer]; p != nil {
		e.Version = p.version
	}
	return e
}

// isInstanceOf reports whether two packages are one for two architectures, which share
// the files that are the same in both.
func (p *pkg) isInstanceOf(other *pkg) bool {
	return p.name == other.name && p.multiArchSame && other.multiArchSame
}

// sameFile reports whether two entries are of one type and have the same contents.
func sameFile(a, b tree.Entry) bool {
	return a.Type == b.Type && a.Digest == b.Digest && a.Target == b.Target
}

// mayReplace reports whether p's Replaces field names other (policy 7.6.1).
func (p *pkg) mayReplace(other *pkg) bool {
	for _, r := range p.replaces {
		if r.Name == other.name && r.Satisfied(other.version) {
			return true
		}
	}
	return false
}

// drop takes a path of the result out of what the package has, under both names
// that it may have in the package.
func (p *pkg) drop(path string) {
	p.dropped[path] = true
	if short, ok := strings.CutPrefix(path, "usr/"); ok {
		for _, dir := range []string{"bin/", "lib/", "lib64/", "sbin/"} {
			if strings.HasPrefix(short, dir) {
				p.dropped[short] = true
			}
		}
	}
}
