package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/modules/lock"
	"sysc/modules/source"
	"sysc/store"
	"sysc/store/localstore"
)

// moduleOverrides reads --override module.NAME=DIR, and says that they are in
// force.
func (a *app) moduleOverrides() (map[string]string, error) {
	overrides := map[string]string{}
	for _, text := range a.overrides {
		name, dir, ok := strings.Cut(text, "=")
		name, module := strings.CutPrefix(name, "module.")
		if !ok || !module || name == "" || dir == "" {
			return nil, fmt.Errorf("--override is written --override module.NAME=DIR, not %q", text)
		}
		// A path of a module in a module may be written with all its words.
		name = strings.ReplaceAll(name, ".module.", ".")
		if _, twice := overrides[name]; twice {
			return nil, fmt.Errorf("--override module.%s is given twice", name)
		}
		overrides[name] = dir
		a.say("Note: module.%s comes from %s, not from its source (--override).", name, dir)
	}
	return overrides, nil
}

// moduleOptions says where modules come from. Without fetch, they are those that
// the store has.
func (a *app) moduleOptions(ctx context.Context, opts *modules.Options, fetch bool) (err error) {
	if opts.Overrides, err = a.moduleOverrides(); err != nil {
		return err
	}
	opts.Trees, err = a.moduleTrees(ctx, fetch)
	return err
}

// moduleTrees returns the directories of the modules that the lock file of a
// definition has: those in the store, and unless --offline is given the others,
// fetched. It is called before the definition is evaluated, which fetches
// nothing. The store stays open until the end of the run.
func (a *app) moduleTrees(ctx context.Context, fetch bool) (map[store.Digest]string, error) {
	text, err := lock.ReadText(nil, filepath.Join(a.dir, lock.FileName))
	if err != nil || !lock.MayHaveModules(text) {
		return nil, nil // whoever loads the definition reports what is wrong with the file
	}
	file, err := lock.Decode(text)
	if err != nil || len(file.Modules) == 0 {
		return nil, nil
	}
	locked, err := modules.LockedModules(file)
	if err != nil {
		return nil, err
	}
	f, err := a.moduleFetcher()
	if err != nil {
		return nil, err
	}
	trees, found := map[store.Digest]string{}, map[string]modules.LockedModule{}
	status := &statusLine{w: a.err, mode: a.progressMode()}
	defer status.clear()
	f.Progress = status.module
	for _, key := range slices.Sorted(maps.Keys(locked)) {
		m := locked[key]
		dir, ok, err := f.Open(ctx, m.Package, m.Pin)
		if err != nil {
			return nil, err
		}
		if !ok && fetch && !a.offline {
			status.step("module", m.Package.String())
			if dir, err = f.Get(ctx, m.Package, m.Pin); err != nil {
				return nil, fmt.Errorf("fetch module %s: %w", key, err)
			}
			ok = true
		}
		if ok {
			trees[m.Pin.Tree], found[key] = dir, m
		}
	}
	if !fetch {
		return trees, nil
	}
	return trees, a.keepModules(ctx, found)
}

// keepModules keeps modules that the store has from garbage collection, for as long
// as the lock file names them.
func (a *app) keepModules(ctx context.Context, found map[string]modules.LockedModule) error {
	texts := map[store.Path]string{}
	for key, m := range found {
		at, ok := source.Path(m.Package, m.Pin)
		if !ok {
			return fmt.Errorf("keep module %s: no name for its files", key)
		}
		texts[at] = m.Pin.Tree.String()
	}
	if len(texts) == 0 {
		return nil
	}
	st, err := a.storeOfModules(ctx)
	if err != nil {
		return err
	}
	return st.AddFileRoots(ctx, filepath.Join(a.dir, lock.FileName), texts)
}

// moduleFetcher returns what gets modules into the store, which is opened when
// there is one to get, and stays open until the end of the run.
func (a *app) moduleFetcher() (*source.Fetcher, error) {
	if a.modules != nil {
		a.modules.Vendor = a.vendorDir()
		return a.modules, nil
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	a.modules = &source.Fetcher{Download: client, Vendor: a.vendorDir(), Store: func(ctx context.Context) (source.Store, error) {
		st, err := a.storeOfModules(ctx)
		if err != nil {
			return nil, err
		}
		return moduleStore{st}, nil
	}}
	return a.modules, nil
}

// storeOfModules returns the store that modules are in, which stays open until the
// end of the run.
func (a *app) storeOfModules(ctx context.Context) (*localstore.Store, error) {
	if a.modulesIn == nil {
		opened, err := a.openStore(ctx)
		if err != nil {
			return nil, err
		}
		a.modulesIn, a.atEnd = opened, append(a.atEnd, opened.Close)
	}
	return a.modulesIn, nil
}

// A moduleStore is a store that takes copies of modules.
type moduleStore struct{ *localstore.Store }

// AddTreeDir implements source.Store. A work tree may share its files with others.
func (s moduleStore) AddTreeDir(ctx context.Context, dir, name string) (store.Object, error) {
	return s.AddDir(ctx, dir, &localstore.AddOptions{Name: name, Kind: store.KindTree, OutsideLinks: true})
}

// lockedModules are those of the lock file, none without one.
func (a *app) lockedModules() (map[string]modules.LockedModule, error) {
	file, _, err := lock.Read(nil, filepath.Join(a.dir, lock.FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return modules.LockedModules(file)
}

// module tells how much of a package has arrived.
func (s *statusLine) module(p source.Package, done int64) {
	s.bytes(func() string { return fmt.Sprintf("Fetching module %s  %s", p, bytesize.Format(done)) })
}
