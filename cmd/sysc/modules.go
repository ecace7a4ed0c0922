package main

import (
	"context"
	"fmt"
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
	trees := map[store.Digest]string{}
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
			trees[m.Pin.Tree] = dir
		}
	}
	return trees, nil
}

// moduleFetcher returns what gets modules into the store, which is opened when
// there is one to get, and stays open until the end of the run.
func (a *app) moduleFetcher() (*source.Fetcher, error) {
	if a.modules != nil {
		return a.modules, nil
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	var st *localstore.Store
	a.modules = &source.Fetcher{Download: client, Store: func(ctx context.Context) (source.Store, error) {
		if st == nil {
			opened, err := a.openStore(ctx)
			if err != nil {
				return nil, err
			}
			st, a.atEnd = opened, append(a.atEnd, opened.Close)
		}
		return st, nil
	}}
	return a.modules, nil
}

// module tells how much of a package has arrived.
func (s *statusLine) module(p source.Package, done int64) {
	s.bytes(func() string { return fmt.Sprintf("Fetching module %s  %s", p, bytesize.Format(done)) })
}
