package modules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/internal/readlog"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems"
)

// Options say how a definition is evaluated. nil is the same as the zero
// Options.
type Options struct {
	// Version is that of this program, which required_version is compared with and
	// systems are marked with; empty means that it is not known.
	Version string
	// Platform is the one of systems that state none, and of derivations, as in
	// "linux/amd64"; empty means the host's.
	Platform string
	// Variables are values given from outside, by name.
	Variables map[string]lang.VariableValue
	// ValueFiles are the files that these values are from, by the names that ranges
	// use.
	ValueFiles map[string][]byte
	// Trees are the directories of packages of modules, by the digests of their
	// trees: see [LockedModules]. Loading fetches nothing.
	Trees map[store.Digest]string
	// Overrides are directories to use in place of modules, by the paths of their
	// names: "web", or "web.tls" for a module of that module.
	Overrides map[string]string
	// InitProgram returns the digest of the first program of sysc's initrds for a platform,
	// zero where there is none; nil is a sysc without any. It is a part of the program
	// that evaluates.
	InitProgram func(platform string) store.Digest
	// Program returns the program that evaluates, for systems of its own platform that are
	// to have it; nil is for none.
	Program func() (systems.Program, error)
	// Reads, if not nil, notes everything that is read from files.
	Reads *readlog.Log
	// Texts take the place of the files that messages call so, which need not exist:
	// "main.sysc.hcl", and "web/main.sysc.hcl" of a module that is used.
	Texts map[string][]byte

	// trace, if not nil, notes what is done, and patch has what was done before.
	trace *eval.Trace
	patch *patch
}

// A Project is the definition in one directory, with its lock file. It is not
// safe for concurrent use. Its derivations are all in one graph.
type Project struct {
	dir   string
	opts  Options
	def   *lang.Definition
	files map[string][]byte
	// place is where the root module is, and definitions are the modules read so
	// far by directory.
	place       place
	definitions map[string]*loaded
	// trees are the directories of packages of modules by the digests that the lock
	// file has, and overrides what is used in place of modules, by paths of names.
	trees       map[store.Digest]string
	sourceTrees map[string]*sourceTree
	overrides   map[string]place

	lock       *lock.File
	lockDigest string

	// What is evaluated is in work; Lock starts over with another.
	*work
}

// A work is one evaluation of a project.
type work struct {
	p       *Project
	graph   *derivations.Graph
	session *eval.Session
	module  *lang.Module
	lock    *lock.File
	// pending collects what systems and derivations ask for while the project is
	// being locked; nil when the lock file answers.
	pending *pending
	loader  *loader
	// standards are the standard modules read so far.
	standards map[string]*lang.Module
	diags     diag.List
	inputs    map[string]*inputResult
	// blocks are the systems as written, systems those evaluated so far by name.
	blocks  []*systemBlock
	systems map[string]*System
	roots   map[rootKey]derivations.Ref
	// revisions are those of the lock file.
	revisions revisionIDs
	// environments are those evaluated so far by the paths of their roots.
	environments map[string]exported
	// bundles are the derivations of roots, by the last of each, while a trace notes what
	// is done.
	bundles map[derivations.Hash][]derivations.Hash
}

// Load reads the definition and the lock file of a directory. The project is
// never nil: after errors it still has [Project.Files] for showing them, and
// nothing else works.
func Load(ctx context.Context, dir string, opts *Options) (*Project, diag.List) {
	p := newProject(dir, opts)
	def, diags := lang.Load(p.opts.Reads, dir, p.opts.Texts, p.opts.Version)
	return p, append(diags, p.begin(ctx, def)...)
}

func newProject(dir string, opts *Options) *Project {
	p := &Project{dir: dir}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Platform == "" {
		p.opts.Platform = runtime.GOOS + "/" + runtime.GOARCH
	}
	return p
}

// begin takes over what was loaded and reads the lock file.
func (p *Project) begin(_ context.Context, def *lang.Definition) diag.List {
	if def == nil {
		m, _ := syntax.LoadAs(p.opts.Reads, p.dir, "", p.opts.Texts) // only for the texts
		p.files = m.Files
		return nil
	}
	p.def, p.files, p.definitions = def, maps.Clone(def.Module.Files), map[string]*loaded{}
	for name, text := range p.opts.ValueFiles {
		if _, taken := p.files[name]; !taken {
			p.files[name] = text
		}
	}
	diags := p.checkBlocks()
	var err error
	if p.place, err = rootPlace(p.opts.Reads, p.dir); err != nil {
		return append(diags, diag.Errorf(diag.Range{}, "Cannot read the definition", "%v.", err)...)
	}
	p.trees, p.sourceTrees = maps.Clone(p.opts.Trees), map[string]*sourceTree{}
	diags = append(diags, p.setOverrides()...)
	diags = append(diags, p.readLock()...)
	p.work = p.newWork(p.lock, nil)
	diags = append(diags, p.work.checkOverrides()...)
	return append(diags, p.work.diags...)
}

// newWork starts an evaluation with a lock file's content.
func (p *Project) newWork(f *lock.File, pending *pending) *work {
	w := &work{
		p: p, graph: derivations.NewGraph(), session: eval.NewSession(), lock: f, pending: pending,
		standards: map[string]*lang.Module{},
		inputs:    map[string]*inputResult{}, systems: map[string]*System{}, roots: map[rootKey]derivations.Ref{}, revisions: revisionIDs{}, environments: map[string]exported{},
	}
	if p.opts.trace != nil {
		w.follow(p.opts.trace)
	}
	w.loader = &loader{w: w, nodes: map[*lang.Module]*node{}}
	h := &host{w: w}
	w.module = lang.Prepare(p.def, lang.Options{
		Graph: w.graph, Host: h, Loader: w.loader, Rendered: p.rendered, Variables: p.opts.Variables, Platform: p.opts.Platform, Session: w.session,
		Reads: p.opts.Reads, Remembered: p.opts.patch.remembered(w),
	})
	h.m = w.module
	w.loader.nodes[w.module] = &node{module: w.module, place: p.place}
	w.diags = w.module.CheckVariables()
	w.diags = append(w.diags, w.expandSystems()...)
	return w
}

// readLock reads the lock file; a project without one has an empty one.
func (p *Project) readLock() diag.List {
	p.lock = &lock.File{}
	f, data, err := lock.Read(p.opts.Reads, p.LockPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return diag.Errorf(diag.Range{}, "Cannot read "+lock.FileName, "%s.", capital(err.Error()))
	}
	p.lock, p.lockDigest = f, store.DigestOf(data).String()
	return nil
}

// LockPath is where the lock file is or will be.
func (p *Project) LockPath() string { return filepath.Join(p.dir, lock.FileName) }

// checkBlocks reports what cannot stand in system, home and config blocks.
func (p *Project) checkBlocks() diag.List {
	var diags diag.List
	for _, b := range p.def.Configs {
		diags = append(diags, checkBody(b.Body)...)
	}
	for _, b := range slices.Concat(p.def.Systems, p.def.Homes) {
		diags = append(diags, checkBody(b.Body)...)
		diags = append(diags, lang.NoCount(b.Body)...)
		if a := b.Body.Attr("when"); a != nil {
			diags = append(diags, diag.Errorf(a.NameRange, "Condition on a "+b.Type, "A %[1]s has no when; conditions are for config blocks, and for blocks within a %[1]s.", b.Type)...)
		}
	}
	return diags
}

// Files are the definition's texts by the names that diagnostics use.
func (p *Project) Files() map[string][]byte { return p.files }

// rendered notes the text of a template, for messages.
func (p *Project) rendered(name string, src []byte) { p.files[name] = src }

// Dir is the directory that the project was loaded from.
func (p *Project) Dir() string { return p.dir }

// Graph is where the derivations of everything evaluated so far are.
func (p *Project) Graph() *derivations.Graph { return p.work.graph }

// Systems returns the names of the systems, in the order of the text; those of a
// for_each are its keys, sorted.
func (p *Project) Systems() []string { return p.work.names(systems.Machine) }

// Homes returns the names of the homes, like [Project.Systems].
func (p *Project) Homes() []string { return p.work.names(systems.Home) }

// addresses returns those of all systems and homes, as [Project.Open] takes them.
func (p *Project) addresses() []string {
	var out []string
	for _, b := range p.work.blocks {
		out = append(out, b.address())
	}
	return out
}

// Derivations returns the names of all derivations, in the order of the text:
// those of blocks, and for a block with for_each, m["key"] for each of its keys. A
// block whose keys are not known stands there with its name alone; asking for it
// says what is wrong.
func (p *Project) Derivations() []string {
	var out []string
	for _, name := range labels(p.def.Derivations) {
		keys, keyed, _ := p.module.DerivationKeys(name, diag.Range{})
		out = append(out, addresses(name, keys, keyed)...)
	}
	return out
}

// Environments returns the names of all environments, like [Project.Derivations].
func (p *Project) Environments() []string {
	var out []string
	for _, name := range labels(p.def.Environments) {
		keys, keyed, _ := p.module.EnvironmentKeys(name, diag.Range{})
		out = append(out, addresses(name, keys, keyed)...)
	}
	return out
}

// Members returns what a block with for_each makes, "derivation.NAME" or
// "environment.NAME": targets with keys. ok is false for any other name.
func (p *Project) Members(target string) (members []string, ok bool) {
	kind, name, _ := strings.Cut(target, ".")
	var keys []string
	switch {
	case kind == "derivation" && slices.Contains(labels(p.def.Derivations), name):
		keys, ok, _ = p.module.DerivationKeys(name, diag.Range{})
	case kind == "environment" && slices.Contains(labels(p.def.Environments), name):
		keys, ok, _ = p.module.EnvironmentKeys(name, diag.Range{})
	}
	if !ok {
		return nil, false
	}
	return addresses(kind+"."+name, keys, true), true
}

// Inputs returns the names of the inputs, in the order of the text.
func (p *Project) Inputs() []string { return labels(p.def.Inputs) }

func labels(blocks []*syntax.Block) []string {
	var out []string
	for _, b := range blocks {
		out = append(out, b.Labels[0])
	}
	return out
}

// IsDerivation reports whether a name, as [Project.Derivation] takes it, is that
// of a derivation block or of one thing that it makes.
func (p *Project) IsDerivation(name string) bool {
	blocks := labels(p.def.Derivations)
	block, _, _ := splitKey(name, blocks)
	return slices.Contains(blocks, block)
}

// Derivation evaluates a derivation, nil with errors. name is that of its block,
// with the key behind it for one of a for_each: m["key"], and for shells m[key] or
// m.key.
//
// The assertions at the top of the definition that are about no system have to
// hold as well.
func (p *Project) Derivation(_ context.Context, name string) (*lang.Derivation, diag.List) {
	m, name, diags := p.moduleOf(name)
	if m == nil {
		return nil, diags
	}
	diags = append(diags, m.CheckAsserts()...)
	var d *lang.Derivation
	var more diag.List
	if block, key, keyed := splitKey(name, labels(m.Definition.Derivations)); keyed {
		d, more = m.DerivationOf(block, key, diag.Range{})
	} else {
		d, more = m.Derivation(name, diag.Range{})
	}
	diags = append(diags, more...)
	if d == nil || diags.HasErrors() {
		return nil, diags.Sort()
	}
	return d, diags.Sort()
}

// Environment evaluates an environment, nil with errors; see [Project.Derivation].
func (p *Project) Environment(_ context.Context, name string) (*lang.Environment, diag.List) {
	diags := p.module.CheckAsserts()
	var e *lang.Environment
	var more diag.List
	if block, key, keyed := splitKey(name, labels(p.def.Environments)); keyed {
		e, more = p.module.EnvironmentOf(block, key, diag.Range{})
	} else {
		e, more = p.module.Environment(name, diag.Range{})
	}
	diags = append(diags, more...)
	if e == nil || diags.HasErrors() {
		return nil, diags.Sort()
	}
	return e, diags.Sort()
}

// provenance is what a system is marked with. Who switches to it adds the revision.
func (o *Options) provenance(lockDigest string) systems.Provenance {
	return systems.Provenance{LockDigest: lockDigest, Version: o.Version}
}

// readFile reads a file of a module's directory, which no link may leave.
func readFile(reads *readlog.Log, dir, name string, limit int64) ([]byte, error) {
	root, err := reads.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", name, limit)
	}
	return root.ReadFile(name, limit)
}

// Caches returns what the root module says about caches: a module that it uses cannot
// make anybody's word count.
func (p *Project) Caches() lang.CacheSettings { return p.def.Caches }
