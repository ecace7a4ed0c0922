package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sysc/derivations"
	"sysc/modules"
	"sysc/modules/source"
	"sysc/systems/distro/debian"
)

// vendorVariable names the directory of copies in place of the one beside sysc.lock.
const vendorVariable = "SYSC_VENDOR"

// vendorDir is where copies are of what the definition needs.
func (a *app) vendorDir() string {
	return cmp.Or(a.vendorTo, a.getenv(vendorVariable), filepath.Join(a.dir, source.VendorDir))
}

// vendorName is what messages call it.
func (a *app) vendorName() string {
	return cmp.Or(a.vendorTo, a.getenv(vendorVariable), source.VendorDir)
}

// vendorFiles are the directories with copies of files.
func (a *app) vendorFiles() []string {
	return []string{filepath.Join(a.vendorDir(), source.VendorIndexes), filepath.Join(a.vendorDir(), source.VendorFiles)}
}

// hasVendorDir reports whether there are copies, and with a name, whether there are
// such as are in the directory of that name.
func (a *app) hasVendorDir(name ...string) bool {
	info, err := os.Stat(filepath.Join(append([]string{a.vendorDir()}, name...)...))
	return err == nil && info.IsDir()
}

// vendorsFetched reports whether there are copies of what builds fetch.
func (a *app) vendorsFetched() bool {
	return a.hasVendorDir(source.VendorFiles) || a.hasVendorDir(source.VendorTrees)
}

// A vendorFlags is what sysc lock is to copy.
type vendorFlags struct {
	// dir is the directory, "" for nothing new.
	dir string
	// files asks for what builds fetch, too.
	files bool
}

// set reports whether copies are asked for, rather than kept where they are.
func (f vendorFlags) set() bool { return f.dir != "" || f.files }

// take reads the argument of lock, which may be that of --vendor.
func (f *vendorFlags) take(args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case f.dir != source.VendorDir:
		return fmt.Errorf("lock takes no argument but the directory of --vendor: sysc lock --vendor %s", args[0])
	}
	f.dir = args[0]
	return nil
}

// vendor copies what the lock file pins beside it.
func (a *app) vendor(ctx context.Context, flags vendorFlags) error {
	if err := a.vendorModules(ctx); err != nil {
		return err
	}
	indexes := flags.set() || a.hasVendorDir(source.VendorIndexes)
	files := flags.files || a.vendorsFetched()
	if !indexes && !files {
		return nil
	}
	project, err := a.loadProject(ctx) // as it is locked now
	if err != nil {
		return err
	}
	if indexes {
		if err := a.vendorIndexes(ctx, project); err != nil {
			return err
		}
	}
	if files {
		return a.vendorFetched(ctx, project)
	}
	return nil
}

// vendorModules copies the modules that were fetched.
func (a *app) vendorModules(ctx context.Context) error {
	locked, err := a.lockedModules()
	if err != nil || len(locked) == 0 && !a.hasVendorDir() {
		return err
	}
	f, err := a.moduleFetcher()
	if err != nil {
		return err
	}
	var packages []source.Vendored
	for _, key := range slices.Sorted(maps.Keys(locked)) {
		m := locked[key]
		dir, err := f.Get(ctx, m.Package, m.Pin)
		if err != nil {
			return fmt.Errorf("fetch module %s: %w", key, err)
		}
		packages = append(packages, source.Vendored{Package: m.Package, Pin: m.Pin, Dir: dir})
	}
	added, removed, empty, err := source.Vendor(a.vendorDir(), packages)
	if err != nil {
		return fmt.Errorf("write %s: %w", a.vendorName(), err)
	}
	for _, name := range removed {
		fmt.Fprintf(a.beside(), "- %s/%s\n", a.vendorName(), name)
	}
	for _, name := range added {
		fmt.Fprintf(a.beside(), "+ %s/%s\n", a.vendorName(), name)
	}
	for _, dir := range empty {
		a.say("Note: %s is an empty directory, which git does not keep: the copy will not be what was locked after a clone.", dir)
	}
	if len(packages) > 0 && len(added)+len(removed) == 0 {
		a.say("%s is up to date.", a.vendorName())
	}
	return nil
}

// beside is where it is told what was copied: with --json what was locked has been
// printed.
func (a *app) beside() io.Writer {
	if a.json {
		return a.err
	}
	return a.out
}

// vendorIndexes copies the indexes of archives.
func (a *app) vendorIndexes(ctx context.Context, project *modules.Project) error {
	status := &statusLine{w: a.err, mode: a.progressMode()}
	get, err := a.indexFetcher(status)
	if err != nil {
		return err
	}
	found, diags := project.Indexes(get)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	var files []source.VendorFile
	for _, f := range found {
		files = append(files, source.VendorFile{SHA256: f.SHA256, Open: f.Open})
	}
	return a.copyFiles(ctx, source.VendorIndexes, files, "index", "indexes", status.clear)
}

// vendorFetched copies the files that builds fetch.
func (a *app) vendorFetched(ctx context.Context, project *modules.Project) error {
	found, others, diags := project.Fetched(ctx)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	st, err := a.storeOfModules(ctx)
	if err != nil {
		return err
	}
	var want []derivations.Ref
	var files []source.VendorFile
	for _, f := range found {
		if ok, err := source.CheckFile(filepath.Join(a.vendorDir(), source.VendorFiles), f.SHA256); err != nil || !ok {
			want = append(want, f.Fetch)
		}
		files = append(files, source.VendorFile{SHA256: f.SHA256, Open: func(ctx context.Context) (io.ReadCloser, error) {
			return st.OpenBlob(ctx, f.SHA256)
		}})
	}
	if len(want) > 0 {
		if _, err := a.realise(ctx, st, project, want, buildFlags{}); err != nil {
			return err
		}
	}
	if err := a.copyFiles(ctx, source.VendorFiles, files, "file", "files", func() {}); err != nil {
		return err
	}
	return a.vendorTrees(ctx, st, project, others)
}

func (a *app) copyFiles(ctx context.Context, name string, files []source.VendorFile, one, many string, done func()) error {
	if len(files) == 0 && !a.hasVendorDir(name) {
		a.say("There are no %s to copy.", many)
		return nil
	}
	added, removed, err := source.CopyFiles(ctx, filepath.Join(a.vendorDir(), name), files)
	done()
	if err != nil {
		return fmt.Errorf("write %s/%s: %w", a.vendorName(), name, err)
	}
	if added+removed == 0 {
		a.say("%s/%s is up to date.", a.vendorName(), name)
	}
	a.countCopies(name, added, removed, one, many)
	return nil
}

// countCopies tells how many copies came and went.
func (a *app) countCopies(name string, added, removed int, one, many string) {
	count := func(sign string, n int) {
		switch n {
		case 0:
		case 1:
			fmt.Fprintf(a.beside(), "%s %s/%s: 1 %s\n", sign, a.vendorName(), name, one)
		default:
			fmt.Fprintf(a.beside(), "%s %s/%s: %d %s\n", sign, a.vendorName(), name, n, many)
		}
	}
	count("-", removed)
	count("+", added)
}

// checkVendor compares the copies with the lock file.
func (a *app) checkVendor(ctx context.Context, project *modules.Project) error {
	if !a.hasVendorDir() {
		return nil
	}
	if err := a.checkVendoredModules(); err != nil {
		return err
	}
	if a.hasVendorDir(source.VendorIndexes) {
		found, diags := project.Indexes(func(debian.Settings) debian.Fetcher { return nil })
		if err := a.diagnose(diags, project.Files()); err != nil {
			return err
		}
		if err := a.checkFiles(source.VendorIndexes, found); err != nil {
			return err
		}
	}
	if a.vendorsFetched() {
		found, others, diags := project.Fetched(ctx)
		if err := a.diagnose(diags, project.Files()); err != nil {
			return err
		}
		if err := a.checkFiles(source.VendorFiles, found); err != nil {
			return err
		}
		return a.checkTrees(project, others)
	}
	return nil
}

func (a *app) checkVendoredModules() error {
	locked, err := a.lockedModules()
	if err != nil {
		return err
	}
	wanted := map[string]bool{source.VendorIndexes: true, source.VendorFiles: true, source.VendorTrees: true}
	for _, key := range slices.Sorted(maps.Keys(locked)) {
		m := locked[key]
		wanted[source.VendorName(m.Package, m.Pin)] = true
		ok, err := source.CheckVendored(a.vendorDir(), m.Package, m.Pin)
		if err != nil {
			return err
		}
		if !ok {
			return &exitCode{code: exitChanges, cause: fmt.Errorf("%s has no copy of %s: run sysc lock", a.vendorName(), key)}
		}
	}
	return a.checkEntries("", wanted)
}

// checkFiles compares the copies of files with what they should be.
func (a *app) checkFiles(name string, files []modules.File) error {
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.SHA256.Hex()] = true
		ok, err := source.CheckFile(filepath.Join(a.vendorDir(), name), f.SHA256)
		if err != nil {
			return err
		}
		if !ok {
			return &exitCode{code: exitChanges, cause: fmt.Errorf("%s has no %s: run sysc lock", filepath.Join(a.vendorName(), name), f.SHA256.Hex())}
		}
	}
	return a.checkEntries(name, wanted)
}

// checkEntries reports what is in a directory of copies and should not be.
func (a *app) checkEntries(name string, wanted map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(a.vendorDir(), name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !wanted[e.Name()] {
			return &exitCode{code: exitChanges, cause: fmt.Errorf("%s has %s, which sysc.lock does not: run sysc lock", filepath.Join(a.vendorName(), name), e.Name())}
		}
	}
	return nil
}
