package modules

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"strings"

	"sysc/internal/gitfetch"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/modules/source"
)

// A remote is a use of a module that is fetched, taken apart.
type remote struct {
	use    *lang.Use
	source source.Source
	// constraint is set when the block has a version.
	constraint *source.Constraint
	// key is the lock file's name of what is used.
	key string
}

// newRemote reads source and version of a module block.
func newRemote(use *lang.Use) (*remote, diag.List) {
	s, err := source.Parse(use.Source)
	switch {
	case errors.Is(err, gitfetch.ErrPassword):
		// No range: the line would be shown, with the password in it.
		return nil, diag.Errorf(diag.Range{}, "Password in an address", "%s. It stands at %s.", capital(err.Error()), use.SourceRange)
	case err != nil:
		return nil, diag.Errorf(use.SourceRange, "Invalid source", "The source of a module cannot be read: %v.%s", err, localHint(use.Source))
	}
	r := &remote{use: use, source: s, key: s.Package.String()}
	if use.Version != "" {
		c, err := source.ParseConstraint(use.Version)
		switch {
		case err != nil:
			return nil, diag.Errorf(use.VersionRange, "Invalid version constraint", "%s.", capital(err.Error()))
		case !s.Package.IsGit():
			return nil, diag.Errorf(use.VersionRange, "Version of an archive", "An archive has no versions to choose from. Take version out; sysc.lock keeps what the archive has now.")
		case s.Ref != "":
			return nil, diag.Errorf(use.VersionRange, "Version beside a ref", "The source says ?ref=%s already. Take one of them out.", s.Ref)
		}
		r.constraint = &c
	}
	if use.Separate {
		wants := r.wants()
		if wants == "" {
			return nil, diag.Errorf(use.Block.Body.Attr("separate").NameRange, "Separate version of nothing",
				"A module that is separate needs a version, or a ref in its source: that is what tells it from the others.")
		}
		r.key += " (" + wants + ")"
	}
	return r, nil
}

// localHint says how a directory is written that was meant.
func localHint(source string) string {
	if source == "" || strings.ContainsAny(source, ":@ ?") || filepath.IsAbs(source) || strings.Count(source, "/") > 1 {
		return ""
	}
	return " A directory beside this module is written \"./" + source + "\"."
}

// wants is what the block asks for, as the lock file has it; "" for anything.
func (r *remote) wants() string {
	switch {
	case r.constraint != nil:
		return r.constraint.String()
	case r.source.Ref != "":
		return "ref=" + r.source.Ref
	}
	return ""
}

// at is the place of what the block asks for.
func (r *remote) at() diag.Range {
	if r.constraint != nil {
		return r.use.VersionRange
	}
	return r.use.SourceRange
}

// fits reports whether a locked state is what the block asks for.
func (r *remote) fits(locked lock.Module) bool {
	switch {
	case r.constraint != nil:
		v, ok := source.ParseVersion(gitfetch.Tag{Name: locked.Ref})
		return ok && r.constraint.Allows(v)
	case r.source.Ref != "":
		return locked.Ref == r.source.Ref || locked.Commit == r.source.Ref
	}
	return true
}

func pinOf(m lock.Module) source.Pin {
	return source.Pin{Version: m.Version, Ref: m.Ref, Commit: m.Commit, Tree: m.Tree}
}

// find returns where the module of a block is. name is its path of names.
func (w *work) find(from place, use *lang.Use, name string) (place, diag.List) {
	if to, ok := w.p.overrides[name]; ok {
		return to, nil
	}
	if isLocal(use.Source) {
		return from.local(use)
	}
	r, diags := newRemote(use)
	if r == nil {
		return place{}, diags
	}
	locked, ok := w.lock.Modules[r.key]
	switch {
	case !ok:
		return place{}, diag.Errorf(r.at(), missingLock, "sysc.lock has no module %s yet. Run sysc lock.", r.key)
	case !r.fits(locked):
		return place{}, diag.Errorf(r.at(), "Lock entry out of date", "sysc.lock has %s of %s, which is not what is asked for here. Run sysc lock.", describePin(locked), r.key)
	}
	return w.p.fetched(r, locked)
}

// fetched is a place in a tree that was fetched.
func (p *Project) fetched(r *remote, locked lock.Module) (place, diag.List) {
	dir, ok := p.trees[locked.Tree]
	if !ok {
		return place{}, diag.Errorf(r.use.SourceRange, "Module is not here",
			"The files of %s, %s, are not in the store, and nothing was fetched. Without --offline, sysc fetches what sysc.lock has.", r.key, describePin(locked))
	}
	t := p.sourceTrees[r.key]
	if t == nil || t.dir != dir {
		t = &sourceTree{key: r.key, dir: dir, reads: p.opts.Reads, shown: shownPackage(r.source.Package, locked)}
		p.sourceTrees[r.key] = t
	}
	// The same checks as for "./DIR": no link may lead out.
	top := place{tree: t, path: "."}
	if r.source.Dir == "." {
		return top, nil
	}
	to, diags := top.local(&lang.Use{Source: "./" + r.source.Dir, SourceRange: r.use.SourceRange})
	return to, diags
}

// shownPackage is what stands before names of files: "example.org/net@1.2.0".
func shownPackage(p source.Package, locked lock.Module) string {
	text := strings.TrimPrefix(p.String(), "git::")
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	if user, rest, ok := strings.Cut(text, "@"); ok && !strings.Contains(user, "/") {
		text = rest
	}
	if !strings.Contains(p.String(), "://") {
		text = strings.Replace(text, ":", "/", 1)
	}
	text = strings.TrimSuffix(text, ".git")
	if locked.Commit != "" {
		text += "@" + shortPin(locked)
	}
	return path.Clean(text)
}

// shortPin is a version, or the beginning of a commit.
func shortPin(m lock.Module) string {
	const digits = 12
	switch {
	case m.Version != "":
		return m.Version
	case m.Commit != "":
		return m.Commit[:digits]
	}
	return m.Tree.Hex()[:digits]
}

func describePin(m lock.Module) string {
	switch {
	case m.Version != "":
		return "version " + m.Version
	case m.Ref != "":
		return m.Ref + " at commit " + shortPin(m)
	case m.Commit != "":
		return "commit " + shortPin(m)
	}
	return "the archive with the tree " + shortPin(m)
}

// setOverrides finds the directories that are to be used in place of modules.
func (p *Project) setOverrides() diag.List {
	p.overrides = map[string]place{}
	var diags diag.List
	for _, name := range sortedKeys(p.opts.Overrides) {
		dir := p.opts.Overrides[name]
		at, err := rootPlace(p.opts.Reads, dir)
		if err != nil {
			diags = append(diags, diag.Errorf(diag.Range{}, "Cannot read a module", "--override module.%s=%s: %v.", name, dir, cause(err))...)
			continue
		}
		at.tree.key = "override of " + name
		top := filepath.Join(dir, strings.Repeat("../", levels(at.path)))
		at.tree.shown = filepath.ToSlash(top)
		p.overrides[name] = at
	}
	return diags
}

// levels is how deep a path is below its tree's top.
func levels(p string) int {
	if p == "." {
		return 0
	}
	return strings.Count(p, "/") + 1
}

// checkOverrides reports overrides of modules that there are none of.
func (w *work) checkOverrides() diag.List {
	if len(w.p.overrides) == 0 {
		return nil
	}
	nodes, known := map[string]*node{}, map[string]bool{}
	for _, n := range w.loader.nodesOf(w.modules()) {
		nodes[n.name()] = n
		for _, u := range n.module.Definition.Uses {
			known[strings.TrimPrefix(n.name()+"."+u.Name, ".")] = true
		}
	}
	var diags diag.List
	for _, name := range sortedKeys(w.p.overrides) {
		parent := ""
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			parent = name[:i]
		}
		// What is in a module that is not here is not known.
		if nodes[parent] != nil && !known[name] || nodes[parent] == nil && !known[parent] {
			diags = append(diags, diag.Errorf(diag.Range{}, "Unknown module", "--override module.%s: the definition uses no such module.%s", name, diag.DidYouMean(name, sortedKeys(known)))...)
		}
	}
	return diags
}

func (l *loader) nodesOf(all []*lang.Module) []*node {
	out := make([]*node, len(all))
	for i, m := range all {
		out[i] = l.nodes[m]
	}
	return out
}

// A ModuleFetcher gets what modules are made of; *source.Fetcher is one.
type ModuleFetcher interface {
	// Tags returns the tags that a repository has now.
	Tags(ctx context.Context, p source.Package) ([]gitfetch.Tag, error)
	// Resolve returns the commit that a ref leads to now.
	Resolve(ctx context.Context, p source.Package, ref string) (commit string, err error)
	// Get returns the directory of a pinned package.
	Get(ctx context.Context, p source.Package, pin source.Pin) (dir string, err error)
	// Fetch gets a package whatever its tree is, and returns the pin with that.
	Fetch(ctx context.Context, p source.Package, pin source.Pin) (got source.Pin, dir string, err error)
}

// A LockedModule is a package of modules that a lock file has.
type LockedModule struct {
	Package source.Package
	Pin     source.Pin
}

// LockedModules returns the packages of modules that a lock file has, by its
// names for them.
func LockedModules(f *lock.File) (map[string]LockedModule, error) {
	out := map[string]LockedModule{}
	for _, key := range sortedKeys(f.Modules) {
		address, _, _ := strings.Cut(key, " (")
		s, err := source.Parse(address)
		if err != nil || s.Dir != "." || s.Ref != "" || s.Package.String() != address {
			return nil, errors.New("sysc.lock: " + key + " is no address of a module's package; take the entry out and run sysc lock")
		}
		out[key] = LockedModule{Package: s.Package, Pin: pinOf(f.Modules[key])}
	}
	return out, nil
}

// RemoteModules returns the module blocks of the root module that are fetched, as
// module.NAME, in the order of the text.
func (p *Project) RemoteModules() []string {
	var out []string
	for _, u := range p.def.Uses {
		if !isLocal(u.Source) {
			out = append(out, "module."+u.Name)
		}
	}
	return out
}
