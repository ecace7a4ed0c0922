package activate

import (
	"context"
	"crypto/sha256"
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
	"sysc/systems/rootdir"
)

// A declared thing stands in a directory of the machine, where a link to the
// current generation does not reach: /srv/www/index.html, say.
type declaredThing struct {
	place  string // absolute, in the root
	kind   tree.Type
	mode   uint32
	uid    uint32
	gid    uint32
	digest store.Digest // of a file
	target string       // of a link
}

// declaredThings returns those of a system, sorted by place, so that
// directories come before what is in them.
func declaredThings(m *systems.Manifest) []declaredThing {
	if m == nil {
		return nil
	}
	var list []declaredThing
	add := func(t declaredThing) {
		top, _, _ := strings.Cut(t.place[1:], "/")
		if !systems.Owned(top) && !systems.Volatile(top) {
			list = append(list, t)
		}
	}
	for _, d := range m.Directories {
		add(declaredThing{place: d.Place(), kind: tree.Dir, mode: d.Mode, uid: d.UID, gid: d.GID})
	}
	for _, f := range m.Files {
		add(declaredThing{place: f.Place(), kind: tree.File, mode: f.Mode, uid: f.UID, gid: f.GID, digest: f.Digest})
	}
	for _, l := range m.Symlinks {
		add(declaredThing{place: l.Path, kind: tree.Link, target: l.Target})
	}
	slices.SortFunc(list, func(a, b declaredThing) int { return strings.Compare(a.place, b.place) })
	return list
}

// followDeclarations makes declared files, links and directories in the
// machine's directories what the system says, as long as they are what an
// earlier system said: what somebody changed stays, and is reported. It can be
// repeated.
func (s *switcher) followDeclarations(ctx context.Context, before []earlier, new *systems.Manifest) error {
	was := map[string][]declaredThing{}
	for _, e := range before {
		for _, t := range declaredThings(e.manifest) {
			was[t.place] = append(was[t.place], t)
		}
	}
	for _, t := range declaredThings(new) {
		old := was[t.place]
		delete(was, t.place)
		if s.settled() && len(old) == 1 && old[0] == t {
			continue
		}
		if err := s.follow(ctx, old, t); err != nil {
			return fmt.Errorf("write %s: %w", t.place, err)
		}
	}
	// Contents before the directories that they are in.
	for _, place := range slices.Backward(sortedKeys(was)) {
		if err := s.forget(place, was[place]); err != nil {
			return fmt.Errorf("remove %s: %w", place, err)
		}
	}
	return nil
}

// follow puts t in its place. old is what was declared there before.
func (s *switcher) follow(ctx context.Context, old []declaredThing, t declaredThing) error {
	dir, base, err := s.parentOf(ctx, t.place)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := s.cleanAside(dir, base); err != nil {
		return err
	}
	have, err := look(dir, base)
	if err != nil {
		return err
	}
	switch {
	case have.kind == 0:
	case have.same(t):
		return s.permissions(dir, base, t)
	case !slices.ContainsFunc(old, have.same):
		s.result.Kept = append(s.result.Kept, t.place)
		return nil
	}
	s.Events(Event{StepPlace, t.place})
	if have.kind != 0 && (have.kind == tree.Dir || t.kind == tree.Dir) {
		err := dir.Remove(base)
		if errors.Is(err, unix.ENOTEMPTY) {
			s.result.Kept = append(s.result.Kept, t.place)
			return nil
		}
		if err != nil {
			return err
		}
	}
	switch t.kind {
	case tree.Dir:
		if err := dir.Mkdir(base, 0o755); err != nil {
			return err
		}
		return s.permissions(dir, base, t)
	case tree.Link:
		return dir.Symlink(t.target, base)
	}
	e := tree.Entry{Type: tree.File, Mode: t.mode, UID: t.uid, GID: t.gid, Digest: t.digest}
	return dir.Write(base, s.diskMode(e), func(f *os.File) error { return s.fill(ctx, e, f) })
}

// forget removes what is declared no more.
func (s *switcher) forget(place string, was []declaredThing) error {
	dir, err := s.root.SubInRoot(path.Dir(place))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	base := path.Base(place)
	if err := s.cleanAside(dir, base); err != nil {
		return err
	}
	have, err := look(dir, base)
	if err != nil || have.kind == 0 {
		return err
	}
	if !slices.ContainsFunc(was, have.same) {
		s.result.Kept = append(s.result.Kept, place)
		return nil
	}
	if err := dir.Remove(base); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}

// cleanAside removes what a killed switch may have left beside a name.
func (s *switcher) cleanAside(dir *rootdir.Dir, base string) error {
	if s.settled() {
		return nil
	}
	return dir.Root().RemoveAll(rootdir.Aside(base))
}

// parentOf opens the directory that a place is in, as a process in the machine
// would find it. Directories that are missing are made as the root has them.
func (s *switcher) parentOf(ctx context.Context, place string) (*rootdir.Dir, string, error) {
	dir, base := path.Split(place)
	dir = path.Clean(dir)
	d, err := s.root.SubInRoot(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == "/" {
		return d, base, err
	}
	parent, name, err := s.parentOf(ctx, dir)
	if err != nil {
		return nil, "", err
	}
	defer parent.Close()
	if err := parent.Mkdir(name, 0o755); err != nil {
		return nil, "", err
	}
	if e, ok := s.rootEntry(ctx, dir); ok && e.Type == tree.Dir {
		if err := s.permissions(parent, name, declaredThing{kind: tree.Dir, mode: e.Mode, uid: e.UID, gid: e.GID}); err != nil {
			return nil, "", err
		}
	}
	d, err = parent.Sub(name)
	return d, base, err
}

// rootEntry returns what a system's root has at a path, false when it has nothing.
func (s *switcher) rootEntry(ctx context.Context, path string) (tree.Entry, bool) {
	e, err := tree.Find(ctx, s.Store, s.System.Manifest.Root.Tree, strings.TrimPrefix(path, "/"))
	return e, err == nil
}

// permissions gives a file or directory the declared owner and mode.
func (s *switcher) permissions(dir *rootdir.Dir, base string, t declaredThing) error {
	if t.kind == tree.Link {
		return nil
	}
	if s.privileged {
		if err := dir.Root().Lchown(base, int(t.uid), int(t.gid)); err != nil {
			return err
		}
	}
	return dir.Root().Chmod(base, s.diskMode(tree.Entry{Mode: t.mode}))
}

// same reports whether two things hold the same. Owner and mode are not looked
// at: they say nothing about whose the contents are.
func (t declaredThing) same(other declaredThing) bool {
	return t.kind == other.kind && t.digest == other.digest && t.target == other.target
}

// look tells what stands at a name; nothing has no kind.
func look(dir *rootdir.Dir, base string) (declaredThing, error) {
	info, err := dir.Root().Lstat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return declaredThing{}, nil
	case err != nil:
		return declaredThing{}, err
	}
	thing := declaredThing{kind: kindOf(info.Mode())}
	switch thing.kind {
	case tree.Link:
		thing.target, err = dir.Root().Readlink(base)
	case tree.File:
		thing.digest, err = hashFile(dir.Root(), base)
	}
	return thing, err
}

// kindOf is what a mode says, '?' for what no tree has.
func kindOf(m fs.FileMode) tree.Type {
	switch {
	case m.IsRegular():
		return tree.File
	case m.IsDir():
		return tree.Dir
	case m&fs.ModeSymlink != 0:
		return tree.Link
	}
	return '?'
}

// hashFile returns the digest of a file, which is no link.
func hashFile(root *os.Root, name string) (store.Digest, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return store.Digest{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return store.Digest{}, err
	}
	return store.Digest(sum.Sum(nil)), nil
}
