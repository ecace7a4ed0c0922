package modules

import (
	"slices"
	"strings"

	"sysc/lang/eval"
	"sysc/modules/option"
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

// ModuleDirs returns the directories of the modules that the definition uses, those
// that were fetched left out; links are resolved, and the root module's comes first.
func (p *Project) ModuleDirs() []string {
	var out []string
	for _, m := range p.work.modules() {
		if n := p.work.loader.nodes[m]; n != nil && n.place.tree.key == "" && !slices.Contains(out, n.place.dir()) {
			out = append(out, n.place.dir())
		}
	}
	return out
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
