package activate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
)

// objectsDir is where store objects stand below a machine's root, so that their
// logical paths lead to them in the machine.
const objectsDir = "sysc/store"

// rootNames are top-level directories that a relative link in a checkout may lead
// to although no package has them (File Hierarchy Standard 3.0, section 3).
var rootNames = []string{
	"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
	"srv", "sys", "tmp", "usr", "var",
}

// prepare puts everything that a generation needs beside what is there, durably.
// Nothing that the current generation uses is changed.
func (s *switcher) prepare(ctx context.Context, r *generation.Record, top *topLevel, isNew bool) error {
	g, err := s.newStage()
	if err != nil {
		return err
	}
	defer g.close()
	if err := s.root.Mkdir(objectsDir, 0o755); err != nil {
		return err
	}
	if s.Machine == nil {
		if err := s.root.Mkdir(generation.CheckoutsDir, 0o755); err != nil {
			return err
		}
	}
	if s.home == nil && s.Machine == nil {
		if err := s.siblings(top); err != nil {
			return err
		}
	}
	for _, e := range top.owned {
		if err := g.checkout(ctx, e, top.places[e.Name]); err != nil {
			return err
		}
	}
	if err := g.objects(ctx, r); err != nil {
		return err
	}
	for _, e := range top.machine {
		if err := g.machineDir(ctx, e); err != nil {
			return err
		}
	}
	if err := g.publish(); err != nil {
		return err
	}
	if s.home == nil {
		if err := s.bootFiles(ctx); err != nil {
			return err
		}
	}
	image, err := s.image(ctx)
	if err != nil {
		return err
	}
	if isNew {
		if err := s.profile.Commit(r, image); err != nil {
			return err
		}
	}
	if err := s.bootEntry(r); err != nil {
		return err
	}
	return s.addLinks(r)
}

// checkout stages the checkout of a top-level directory.
func (g *stage) checkout(ctx context.Context, e tree.Entry, place string) error {
	to := generation.CheckoutsDir + "/" + place
	if g.s.isDir(to) {
		return nil
	}
	g.s.Events(Event{StepCheckout, "/" + e.Name})
	// Links share files with the store. What may be edited is copied: /etc, where
	// administrators are used to, and what is in a home.
	edited := e.Name == "etc" || g.s.home != nil
	return g.entry(ctx, e, to, store.CheckoutOptions{Link: !edited, Chown: g.s.privileged})
}

// siblings makes the links beside the checkouts.
func (s *switcher) siblings(top *topLevel) error {
	names := slices.Clone(rootNames)
	for _, e := range slices.Concat(top.owned, top.machine) {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	root := s.root.Root()
	for _, name := range slices.Compact(names) {
		link := generation.CheckoutsDir + "/" + name
		if _, err := root.Lstat(link); err == nil {
			continue
		}
		// Not synced one by one: the switch syncs before anything leads here.
		if err := root.Symlink("../../../"+name, link); err != nil {
			return fmt.Errorf("link beside checkouts: %w", err)
		}
	}
	return nil
}

// objects returns the store objects beside the system object that have to stand
// on the machine. Roots stand there as checkouts.
func (s *switcher) objects(ctx context.Context) ([]store.Path, error) {
	if s.home != nil {
		return nil, nil // no path of the store leads anywhere around a home
	}
	closure, err := s.Store.Closure(ctx, []store.Path{s.System.Path})
	if err != nil {
		return nil, fmt.Errorf("find objects of system %s: %w", s.System.Path, err)
	}
	var paths []store.Path
	for _, p := range closure {
		obj, err := s.Store.Object(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("find objects of system %s: %w", s.System.Path, err)
		}
		if obj.Kind != store.KindRoot && p != s.System.Path {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// objects stages the store objects of a generation that the machine does not
// have.
func (g *stage) objects(ctx context.Context, r *generation.Record) error {
	for _, p := range r.AllObjects() {
		to := objectsDir + "/" + string(p)
		if _, err := g.s.root.Root().Lstat(to); err == nil {
			continue
		}
		g.s.Events(Event{StepObject, string(p)})
		obj, err := g.s.Store.Object(ctx, p)
		if err != nil {
			return fmt.Errorf("place object %s: %w", p, err)
		}
		e := tree.Entry{Type: tree.Dir, Mode: tree.ModeDir, Digest: obj.Tree}
		if obj.Kind == store.KindFile {
			if e, err = tree.Find(ctx, g.s.Store, obj.Tree, store.FileEntry); err != nil {
				return fmt.Errorf("place object %s: %w", p, err)
			}
		}
		if err := g.entry(ctx, e, to, store.CheckoutOptions{Link: true, Chown: g.s.privileged}); err != nil {
			return err
		}
	}
	return nil
}

// machineDir stages what a root has in a directory of the machine and the
// machine has not.
func (g *stage) machineDir(ctx context.Context, e tree.Entry) error {
	info, err := g.s.root.Root().Lstat(e.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if systems.Volatile(e.Name) {
			return g.s.mountPoint(e)
		}
		if e.Name == bootDir {
			return errors.Join(g.s.mountPoint(e), g.packagedBoot(ctx, e))
		}
		g.s.Events(Event{StepPlace, "/" + e.Name})
		return g.entry(ctx, e, e.Name, store.CheckoutOptions{Chown: g.s.privileged})
	case err != nil:
		return err
	case !info.IsDir():
		g.s.note("/%s is no directory of the machine's own; what the system has there is left out", e.Name)
		return nil
	}
	switch {
	case e.Name == bootDir:
		return g.packagedBoot(ctx, e)
	case e.Name == "root", systems.Volatile(e.Name):
		return nil
	case e.Name == "home":
		return g.missing(ctx, e, false)
	}
	return g.missing(ctx, e, true)
}

// packagedBoot stages what packages have in /boot, so that the package manager
// finds its files. What their scripts made there, the initrd and links to the
// newest kernel, stays out: the boot loader reads what its entries name, and such
// names mean something else in each generation.
func (g *stage) packagedBoot(ctx context.Context, top tree.Entry) error {
	t, err := g.s.Store.Tree(ctx, top.Digest)
	if err != nil {
		return err
	}
	for _, e := range t.Entries {
		to := path.Join(bootDir, e.Name)
		if e.Type != tree.File || systems.IsInitrd(e.Name) {
			continue
		}
		if _, err := g.s.root.Root().Lstat(to); err == nil {
			continue
		}
		g.s.Events(Event{StepPlace, "/" + to})
		if err := g.entry(ctx, e, to, store.CheckoutOptions{Chown: g.s.privileged}); err != nil {
			return err
		}
	}
	return nil
}

// mountPoint makes an empty top-level directory: its contents come at run time.
func (s *switcher) mountPoint(e tree.Entry) error {
	if err := s.root.Mkdir(e.Name, 0o755); err != nil {
		return err
	}
	return s.dress(e, e.Name, false)
}

// missing stages what of a directory the machine does not have. Unless deep is
// set, a directory that it has is not looked into: a home is its user's, whatever
// is missing in it.
func (g *stage) missing(ctx context.Context, top tree.Entry, deep bool) error {
	if g.s.sameBefore(ctx, top) {
		return nil
	}
	root := g.s.root.Root()
	return tree.Walk(ctx, g.s.Store, top.Digest, func(p string, e tree.Entry) error {
		to := path.Join(top.Name, p)
		info, err := root.Lstat(to)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			g.s.Events(Event{StepPlace, "/" + to})
			if err := g.entry(ctx, e, to, store.CheckoutOptions{Chown: g.s.privileged}); err != nil {
				return err
			}
		case err != nil:
			return err
		case info.IsDir() != (e.Type == tree.Dir):
			g.s.note("/%s is something else in the system; what the machine has there stays", to)
		case deep:
			return nil
		}
		if e.Type == tree.Dir {
			return fs.SkipDir
		}
		return nil
	})
}

// sameBefore reports whether the current generation, which is complete, has the
// same top-level directory: then nothing that the machine misses is new.
func (s *switcher) sameBefore(ctx context.Context, e tree.Entry) bool {
	old := s.currentManifest()
	if old == nil || !s.settled() {
		return false
	}
	have, err := tree.Find(ctx, s.Store, old.Root.Tree, e.Name)
	return err == nil && have.Type == tree.Dir && have.Digest == e.Digest
}

// currentManifest returns the manifest of the current generation, nil when there
// is none or it cannot be read.
func (s *switcher) currentManifest() *systems.Manifest {
	if s.current == nil {
		return nil
	}
	m, err := readManifest(s.root, s.current)
	if err != nil {
		return nil
	}
	return m
}
