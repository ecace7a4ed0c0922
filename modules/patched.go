package modules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/systems/distro/debian"
)

// patchedInputs are the inputs whose source packages are needed: those that packages with
// patches are asked of, or else the base.
func (r *rootRequest) patchedInputs() []inputRef {
	var refs []inputRef
	for _, name := range sortedKeys(r.patched) {
		ref := r.base
		for _, p := range r.named {
			if named, _, _ := splitPackage(p.text); named == name {
				ref = p.from
			}
		}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// unknownVersions reports chosen versions that there are none of.
func (r *rootRequest) unknownVersions(u *debian.Universe) diag.List {
	var diags diag.List
	for _, name := range sortedKeys(r.versions) {
		chosen := r.versions[name]
		versions := u.VersionsOf(name)
		pin := debian.Pin{Version: chosen.version}
		fits := func(v string) bool { return pin.Fits(name, v, "") }
		switch {
		case len(versions) == 0:
			diags = append(diags, diag.Errorf(chosen.at, "Unknown package", "There is no package %q of which a version could be taken.", name)...)
		case !slices.ContainsFunc(versions, fits):
			diags = append(diags, diag.Errorf(chosen.at, "No such version", "There is no version %s of the package %q; there is %s.", chosen.version, name, strings.Join(versions, ", "))...)
		}
	}
	return diags
}

// buildAddress is the lock file's name for what building a package again needs.
func (r *rootRequest) buildAddress(name string) string { return r.address + ".package." + name }

// buildRequest is the request for that. of is the package of the archive.
func (r *rootRequest) buildRequest(request lock.Request, of debian.Package) lock.Request {
	request.Base, request.Recommends, request.Build = string(debian.BaseEssential), false, true
	request.Exclude, request.Files = nil, nil
	request.Packages = []string{of.Name + "=" + of.Version}
	return request
}

// patchedPackages returns those of the packages that are built again.
func (r *rootRequest) patchedPackages(packages []debian.Package) []debian.Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p debian.Package) bool {
		_, ok := r.patched[p.Name]
		return !ok || !r.native(p)
	})
}

// resolvePatched keeps what is locked of building packages again, or resolves it anew.
func (l *locker) resolvePatched(ctx context.Context, inputs []*input, r *rootRequest, packages []debian.Package) (diag.List, error) {
	var diags diag.List
	for _, p := range r.patchedPackages(packages) {
		request := r.buildRequest(r.lockRequest(inputs, func(input string) string { return l.file.Inputs[input].Revision.ID() }), p)
		address := r.buildAddress(p.Name)
		entry, ok := l.p.lock.Resolutions[address]
		if !ok || !entry.Request.Equal(request) {
			if l.opts.check {
				diags = append(diags, notBuildable(r.patched[p.Name], p)...)
				continue
			}
			var more diag.List
			var err error
			entry, more, err = l.buildAnew(ctx, inputs, r, p, stillBuilt(entry, request))
			diags = append(diags, more...)
			if err != nil {
				return diags, err
			}
			if more.HasErrors() {
				continue
			}
			entry.Request = request
		}
		l.file.Resolutions[address] = entry
	}
	return diags, nil
}

// stillBuilt returns a copy of what is locked of building a package if it is the same
// package in other states of the inputs, else nil.
func stillBuilt(entry *lock.Resolution, request lock.Request) *lock.Resolution {
	if entry == nil || entry.Source == nil || !sameButStates(entry.Request, request) {
		return nil
	}
	return &lock.Resolution{Packages: entry.Packages, Source: entry.Source}
}

// buildAnew resolves what building a package again needs. What is locked of it, if it is
// that package still, stays where others are to move only, and where the archive has the
// source no longer, as of a package that is held.
func (l *locker) buildAnew(ctx context.Context, inputs []*input, r *rootRequest, p debian.Package, locked *lock.Resolution) (*lock.Resolution, diag.List, error) {
	if locked != nil && len(l.opts.Only) > 0 && !slices.Contains(l.opts.Only, p.Name) {
		return locked, nil, nil
	}
	l.opts.Progress("resolve", r.buildAddress(p.Name))
	entry, diags, err := l.buildNeeds(ctx, inputs, r, p)
	missing, gone := errors.AsType[*debian.NoSourceError](err)
	switch {
	case gone && locked != nil:
		return locked, nil, nil
	case gone:
		return nil, diag.Errorf(r.patched[p.Name].at, "No source package", "%s %s cannot be built with patches: the inputs have %s.", p.Name, p.Version, missing), nil
	}
	return entry, diags, err
}

// buildNeeds finds the source package of a package, and resolves what building it needs.
func (l *locker) buildNeeds(ctx context.Context, inputs []*input, r *rootRequest, p debian.Package) (*lock.Resolution, diag.List, error) {
	at := r.patched[p.Name].at
	u, err := l.universes.of(ctx, l.file, inputs, r, nil)
	if err != nil {
		return nil, nil, err
	}
	name, version, ok := u.SourceOf(p)
	if !ok { // it stayed as it was
		if u, err = l.universe(ctx, inputs, r, nil, []debian.Package{p}); err != nil {
			return nil, nil, err
		}
		name, version, _ = u.SourceOf(p)
	}
	source, err := l.findSource(ctx, inputs, name, version)
	if err != nil {
		return nil, nil, err
	}
	needs, err := source.Needs(u, r.arch, p)
	if err != nil {
		return nil, diag.Errorf(at, "Package cannot be built", "%s.", capital(err.Error())), nil
	}
	parts, err := l.universes.parts(ctx, l.file, inputs, r)
	if err != nil {
		return nil, nil, err
	}
	if u, err = debian.NewUniverse(r.arch, append(parts, ownParts(inputs[:1], []*debian.OwnFile{needs})...)...); err != nil {
		return nil, nil, err
	}
	itself := needs.Only()
	chosen, err := u.Resolve(debian.Request{Base: debian.BaseEssential, Packages: []debian.Want{{Name: itself.Name}}})
	if err != nil {
		build := rootRequest{address: r.buildAddress(p.Name), base: r.base, arch: r.arch, at: at}
		return nil, unresolved(build, err), nil
	}
	chosen = slices.DeleteFunc(chosen, func(q debian.Package) bool { return q.Name == itself.Name })
	return &lock.Resolution{Packages: chosen, Source: &source.Source}, nil, nil
}

// findSource finds a source package in the inputs. The error is a *debian.NoSourceError
// when none of them has it.
func (l *locker) findSource(ctx context.Context, inputs []*input, name, version string) (*debian.SourcePackage, error) {
	var missing *debian.NoSourceError
	for _, in := range inputs {
		source, err := debian.FindSource(ctx, l.file.Inputs[in.name].Revision, l.opts.Fetcher(in.settings), name, version)
		if err == nil {
			return source, nil
		}
		none, ok := errors.AsType[*debian.NoSourceError](err)
		if !ok {
			return nil, fmt.Errorf("read sources of input %q (%s): %w", in.name, position(in.at), err)
		}
		if missing == nil || len(missing.Versions) == 0 {
			missing = none
		}
	}
	return nil, missing
}

// notBuildable says that the lock file does not know how a package is built.
func notBuildable(p patching, of debian.Package) diag.List {
	return diag.Errorf(p.at, missingLock, "sysc.lock does not have what building %s %s needs. Run sysc lock.", of.Name, of.Version)
}

// rebuilt adds the builds of packages with patches to the graph, and returns what they
// make, by the names of the packages.
func (w *work) rebuilt(r rootRequest, packages []debian.Package, o derivations.Origin) (map[string]string, diag.List) {
	if len(r.patched) == 0 {
		return nil, nil
	}
	inputs, diags := w.decoded(r)
	if diags.HasErrors() {
		return nil, diags
	}
	base := r.lockRequest(inputs, func(input string) string { return w.revisions.of(w.lock, input) })
	patched := r.patchedPackages(packages)
	paths := map[string]string{}
	for _, p := range patched {
		path, more := w.rebuild(&r, r.buildRequest(base, p), p, o)
		diags = append(diags, more...)
		paths[p.Name] = path
	}
	for _, name := range sortedKeys(r.patched) {
		if _, ok := paths[name]; !ok {
			diags = append(diags, diag.Errorf(r.patched[name].at, "Package is not installed",
				"There are patches for %q, but nothing installs that. Add it to packages.%s", name, diag.DidYouMean(name, r.nativeNames(packages)))...)
		}
	}
	return paths, diags
}

// rebuild adds the build of one package.
func (w *work) rebuild(r *rootRequest, request lock.Request, p debian.Package, o derivations.Origin) (string, diag.List) {
	patching := r.patched[p.Name]
	entry, ok := w.lock.Resolutions[r.buildAddress(p.Name)]
	if !ok || !entry.Request.Equal(request) || entry.Source == nil {
		return "", notBuildable(patching, p)
	}
	o.Position = patching.at.String()
	root, err := debian.Root(w.graph, debian.RootRequest{Name: r.base.label + "-root", Architecture: r.arch, Packages: entry.Packages, Origin: o})
	var path string
	if err == nil {
		if path, err = w.graph.Placeholder(root); err == nil {
			path, err = debian.Rebuild(w.graph, debian.RebuildRequest{
				Package: p, Source: *entry.Source, Architecture: r.arch, Root: path, Patches: patching.patches, Origin: o,
			})
		}
	}
	if err != nil {
		return "", diag.Errorf(patching.at, "Package cannot be built", "%v.", err)
	}
	return path, nil
}
