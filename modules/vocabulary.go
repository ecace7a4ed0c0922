package modules

import (
	"slices"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/modules/option"
	"sysc/systems"
)

// Options returns the group of all options that texts of the definition can
// define, those of all standard modules included.
func (p *Project) Options() *option.Option {
	if names := p.Systems(); len(names) > 0 {
		if s, _ := p.work.open(names[0]); s != nil {
			s.reach(nil)
			return s.e.options.Root().Option()
		}
	}
	return p.work.evaluator("", p.opts.Platform, nil, nil).options.Root().Option()
}

// HomeOptions returns the group of all options that a home of the definition can
// define: those of the first one, which may have modules of its own.
func (p *Project) HomeOptions() *option.Option {
	if names := p.Homes(); len(names) > 0 {
		if s, _ := p.work.open(systems.Home.Address(names[0])); s != nil {
			return s.e.options.Root().Option()
		}
	}
	return coreSchema(systems.Home, "").Root()
}

// A UsedModule is a directory that modules of the definition are in.
type UsedModule struct {
	// Dir is the directory, links resolved.
	Dir string
	// Name stands in front of the names of its files in ranges, "" for the root
	// module, which has none.
	Name string
	// Fetched is set for a module of a package that was fetched: Name is no path then.
	Fetched bool
	// Uses are the directories that its module blocks lead to, by their names.
	Uses map[string]string
}

// UsedModules returns the modules that the definition consists of, each directory
// once, the root module's first.
func (p *Project) UsedModules() []UsedModule {
	var out []UsedModule
	seen := map[string]bool{}
	for _, m := range p.work.modules() {
		n := p.work.loader.nodes[m]
		if n == nil || seen[n.place.dir()] {
			continue
		}
		seen[n.place.dir()] = true
		u := UsedModule{Dir: n.place.dir(), Fetched: n.place.tree.key != "", Uses: map[string]string{}}
		if n.parent != nil {
			u.Name = n.place.shown()
		}
		for _, use := range m.Definition.Uses {
			if to := p.work.firstOf(m, use.Name); to != nil {
				u.Uses[use.Name] = to.place.dir()
			}
		}
		out = append(out, u)
	}
	return out
}

// firstOf returns what a module block leads to, nil when that is not known.
func (w *work) firstOf(m *lang.Module, name string) *node {
	all, _ := m.Uses(name, diag.Range{}) // whoever needs them reports what is wrong
	if all == nil || len(all.Keys) == 0 {
		return nil
	}
	child, _ := all.Instance(all.Keys[0], diag.Range{})
	return w.loader.nodes[child]
}

// Functions returns the functions that expressions can call, by name.
func (p *Project) Functions() map[string]*eval.Function { return p.module.Scope().Functions() }

// A LockedPackage is a package that the lock file has.
type LockedPackage struct {
	Name, Version string
}

// LockedPackages returns the packages that the lock file has, by the names of
// their inputs; each once, sorted.
func (p *Project) LockedPackages() map[string][]LockedPackage {
	out := map[string][]LockedPackage{}
	for _, r := range p.lock.Resolutions {
		for _, pkg := range r.Packages {
			out[r.Request.Input] = append(out[r.Request.Input], LockedPackage{pkg.Name, pkg.Version})
		}
	}
	for input, list := range out {
		slices.SortFunc(list, func(a, b LockedPackage) int {
			return strings.Compare(a.Name+" "+a.Version, b.Name+" "+b.Version)
		})
		out[input] = slices.Compact(list)
	}
	return out
}
