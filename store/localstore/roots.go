package localstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sysc/internal/atomicfile"
	"sysc/store"
)

// A Root keeps an object, and what that refers to, from garbage collection.
//
// A direct one is a symbolic link roots/NAME to the object. An indirect one is a
// link anywhere on the machine; roots/auto has a file for it, so that removing
// the link is enough to let the object go. The file has the object's path, a
// newline, and the bytes of the link's path; its time is when the link was last
// seen. In place of a link there may be a file that has a text in it, see
// [Store.AddFileRoots]: then the text stands behind the object's path, with a space
// between.
type Root struct {
	// Name is that of a direct root, or "auto/…".
	Name string `json:"name"`
	// Path is the object. It need not be valid.
	Path store.Path `json:"path"`
	// Link is where the link of an indirect root is, or the file whose text it is.
	Link string `json:"link,omitempty"`
	// Text is what the file has to have in it; empty for a link.
	Text string `json:"text,omitempty"`
	// Unreachable is true when the directory of an indirect root's link is not
	// there, as when a disk is not mounted. The root counts until it has been so
	// for GCOptions.Grace.
	Unreachable bool `json:"unreachable,omitempty"`
	// Process uses the object; Name is empty then, see [Store.Running].
	Process *Process `json:"process,omitempty"`
	seen    time.Time
	moved   bool // the link leads to another object than was recorded
}

// indirectRoots is the directory of indirect roots below roots.
const indirectRoots = "auto"

// rootDepth bounds the number of names in the name of a direct root.
const rootDepth = 8

// AddRoot makes p a root by a name of its own, in place of what had that name:
// names as store.CheckName allows them, with slashes between, the first not
// "auto". It is durable when AddRoot returns.
func (s *Store) AddRoot(ctx context.Context, name string, p store.Path) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkRootName(name); err != nil {
		return fmt.Errorf("add root: %w", err)
	}
	if _, err := store.ParsePath(string(p)); err != nil {
		return fmt.Errorf("add root %s: %w", name, err)
	}
	if err := s.makeRootDir(filepath.Dir(name)); err != nil {
		return fmt.Errorf("add root %s: %w", name, err)
	}
	target := strings.Repeat("../", strings.Count(name, "/")+1) + "store/" + string(p)
	err := s.placeRoot(name, func(tmp string) error { return os.Symlink(target, tmp) })
	if err != nil {
		return fmt.Errorf("add root %s: %w", name, err)
	}
	return nil
}

// placeRoot replaces what is at a name below roots by what write makes, durably. That
// is made in tmp, where garbage is collected.
func (s *Store) placeRoot(name string, write func(tmp string) error) error {
	tmp, path := s.path("tmp/"+s.tempName()), s.path("roots/"+name)
	err := write(tmp)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// writeSynced makes a file whose contents are on the disk.
func writeSynced(path string, data []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
}

// makeRootDir makes a directory below roots, durably. A root in its place would lead
// into an object.
func (s *Store) makeRootDir(dir string) error {
	if dir == "." {
		return nil
	}
	if err := s.makeRootDir(filepath.Dir(dir)); err != nil {
		return err
	}
	path := s.path("roots/" + dir)
	switch info, err := os.Lstat(path); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is a root itself", dir)
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// hasRootDir reports whether dir below roots is a directory, and not reached by a
// root, which leads into an object.
func (s *Store) hasRootDir(dir string) (bool, error) {
	if dir == "." {
		return true, nil
	}
	if ok, err := s.hasRootDir(filepath.Dir(dir)); !ok {
		return false, err
	}
	info, err := os.Lstat(s.path("roots/" + dir))
	return err == nil && info.IsDir(), ignoreNotExist(err)
}

// RemoveRoot removes a direct root. It is no error when there is none.
func (s *Store) RemoveRoot(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkRootName(name); err != nil {
		return fmt.Errorf("remove root: %w", err)
	}
	there, err := s.hasRootDir(filepath.Dir(name))
	if there {
		err = ignoreNotExist(os.Remove(s.path("roots/" + name)))
	}
	if err != nil {
		return fmt.Errorf("remove root %s: %w", name, err)
	}
	return nil
}

func checkRootName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > rootDepth {
		return fmt.Errorf("name %q: more than %d parts", name, rootDepth)
	}
	for _, part := range parts {
		if err := store.CheckName(part); err != nil {
			return fmt.Errorf("name %q: %w", name, err)
		}
	}
	if parts[0] == indirectRoots {
		return fmt.Errorf("name %q: %s is for indirect roots", name, indirectRoots)
	}
	return nil
}

// AddIndirectRoots makes a root of each of the symbolic links, whose target's
// last name is the path of an object, for as long as the link is there. It may be
// changed to another object later. They are durable when AddIndirectRoots
// returns. Links that are roots already cost a look each, and one sync together.
func (s *Store) AddIndirectRoots(ctx context.Context, links ...string) error {
	dir := s.path("roots/" + indirectRoots)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("add roots: %w", err)
	}
	known := false
	for _, link := range links {
		added, err := s.addIndirectRoot(ctx, link)
		if err != nil {
			return fmt.Errorf("add root %s: %w", link, err)
		}
		known = known || !added
	}
	if !known {
		return nil
	}
	// Whoever wrote them may not have come to this.
	return atomicfile.SyncDir(dir)
}

// seenEvery is how exactly it is known when the link of an indirect root was
// last seen.
const seenEvery = 24 * time.Hour

// addIndirectRoot returns false when the same record, whose content is on the
// disk, is there already.
func (s *Store) addIndirectRoot(ctx context.Context, link string) (added bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if link, err = filepath.Abs(link); err != nil {
		return false, err
	}
	p, err := readRootLink(link)
	if err != nil {
		return false, err
	}
	name, record := indirectRecord(link, p)
	return s.addRecord(ctx, name, record)
}

// indirectRecord returns the name, below roots, of the file of an indirect root, and
// what is in it.
func indirectRecord(link string, p store.Path) (name string, record []byte) {
	return indirectRoots + "/" + store.EncodeID(store.DigestOf([]byte(link))), []byte(string(p) + "\n" + link)
}

// addRecord writes the file of an indirect root. It returns false when the same
// record, whose content is on the disk, is there already.
func (s *Store) addRecord(ctx context.Context, name string, record []byte) (added bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	file := s.path("roots/" + name)
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if !bytes.Equal(have, record) {
		return true, s.placeRoot(name, func(tmp string) error { return writeSynced(tmp, record, 0o644) })
	}
	info, err := os.Stat(file)
	if err != nil {
		return false, err
	}
	if now := time.Now(); now.Sub(info.ModTime()) > seenEvery {
		return false, os.Chtimes(file, now, now)
	}
	return false, nil
}

// RemoveLinks calls remove, which removes links, and drops the indirect roots of those
// that are gone then. With their directories gone as well, they would count as ones
// that cannot be reached. Links may be named by any path; one that is not there is
// passed over.
func (s *Store) RemoveLinks(ctx context.Context, links []string, remove func() error) error {
	roots, err := s.rootsOf(ctx, links)
	if err != nil {
		return fmt.Errorf("remove links: %w", err)
	}
	if err := remove(); err != nil {
		return err
	}
	for _, r := range roots {
		if _, err := os.Lstat(r.Link); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := ignoreNotExist(os.Remove(s.path("roots/" + r.Name))); err != nil {
			return fmt.Errorf("remove links: %w", err)
		}
	}
	return nil
}

// rootsOf returns the indirect roots of links.
func (s *Store) rootsOf(ctx context.Context, links []string) ([]Root, error) {
	named, err := lstatAll(links)
	if err != nil {
		return nil, err
	}
	roots, err := s.Roots(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(roots, func(r Root) bool { return !isOneOf(r.Link, named) }), nil
}

// isOneOf reports whether there is a link that is one of those.
func isOneOf(link string, named []fs.FileInfo) bool {
	info, err := os.Lstat(link)
	return err == nil && slices.ContainsFunc(named, func(n fs.FileInfo) bool { return os.SameFile(n, info) })
}

// lstatAll looks at those of paths that are there.
func lstatAll(paths []string) ([]fs.FileInfo, error) {
	var infos []fs.FileInfo
	for _, path := range paths {
		info, err := os.Lstat(path)
		if ignoreNotExist(err) != nil {
			return nil, err
		}
		if err == nil {
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// sawIndirectRoot records what the link of r leads to, and when, for the time
// when it cannot be reached.
func (s *Store) sawIndirectRoot(ctx context.Context, r Root) error {
	if r.moved {
		return s.AddIndirectRoots(ctx, r.Link)
	}
	now := time.Now()
	return os.Chtimes(s.path("roots/"+r.Name), now, now)
}

func readRootLink(link string) (store.Path, error) {
	target, err := os.Readlink(link)
	if err != nil {
		return "", err
	}
	return store.ParsePath(filepath.Base(target))
}

// Roots returns what garbage collection begins from, sorted by name. An
// indirect root whose link is gone, in a directory that is there, is none.
func (s *Store) Roots(ctx context.Context) ([]Root, error) {
	var roots []Root
	top := s.path("roots")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(top, path) // path is below top
		if err == nil && path != top && !strings.HasPrefix(d.Name(), ".") {
			var root Root
			var ok bool
			if root, ok, err = s.readRoot(name, d.Type()); ok {
				roots = append(roots, root)
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // somebody removed it since its directory was read
		case err != nil:
			// It may keep anything, so nothing is collected beside it.
			return fmt.Errorf("%s: %w; remove %s if nothing needs it", name, err, path)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read roots: %w", err)
	}
	slices.SortFunc(roots, func(a, b Root) int { return cmp.Compare(a.Name, b.Name) })
	return roots, nil
}

// readRoot reads what is by a name below roots. It returns false when that is no
// root.
func (s *Store) readRoot(name string, kind fs.FileMode) (Root, bool, error) {
	switch {
	case kind&fs.ModeSymlink != 0:
		p, err := readRootLink(s.path("roots/" + name))
		return Root{Name: name, Path: p}, err == nil, err
	case kind.IsRegular() && filepath.Dir(name) == indirectRoots:
		return s.indirectRoot(name)
	}
	return Root{}, false, nil
}

// indirectRoot reads one record. It returns false when the link is gone for
// good or leads to something else now.
func (s *Store) indirectRoot(name string) (Root, bool, error) {
	file := s.path("roots/" + name)
	data, err := os.ReadFile(file)
	if err != nil {
		return Root{}, false, err
	}
	head, link, ok := strings.Cut(string(data), "\n")
	if !ok || !filepath.IsAbs(link) {
		return Root{}, false, errors.New("damaged record")
	}
	path, text, _ := strings.Cut(head, " ")
	recorded, err := store.ParsePath(path)
	if err != nil {
		return Root{}, false, err
	}
	root := Root{Name: name, Path: recorded, Link: link, Text: text}
	var st unix.Stat_t
	if err := unix.Lstat(file, &st); err != nil {
		return Root{}, false, err
	}
	root.seen = time.Unix(st.Mtim.Unix())
	if text != "" {
		return fileRoot(root)
	}
	switch err := unix.Lstat(link, &st); {
	case err == nil:
		p, err := readRootLink(link)
		if err != nil {
			return Root{}, false, nil // no link to an object any more
		}
		root.Path, root.moved = p, p != recorded
		return root, true, nil
	case err == unix.ENOENT:
		if unix.Lstat(filepath.Dir(link), &st) == nil {
			return Root{}, false, nil
		}
	}
	// Whatever keeps us from looking must not cost somebody their system
	// (nix-community/nix-direnv#224).
	root.Unreachable = true
	return root, true, nil
}
