package modules

import (
	"fmt"
	"hash/fnv"
	"slices"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/systems"
)

// A part is one module that a system consists of.
type part struct {
	module *lang.Module
	// name is what messages and definitions call it: its directory.
	name string
}

// parts returns the modules that a system consists of, in the order in which
// their definitions count: those that a module brings along before itself, the
// modules list in its order, the root module last. The block is nil for what
// belongs to no system: all modules that the root module imports, but for those that
// homes consist of.
func (w *work) parts(b *systemBlock) ([]part, diag.List) {
	c := &collector{w: w, seen: map[*lang.Module]bool{}, same: map[sameness][]*lang.Module{}}
	if b == nil {
		c.imports(w.module)
		c.leaveOutHomes()
	} else if a := b.block.Body.Attr("modules"); a != nil && !a.Expr.IsNull() {
		c.list(a)
	}
	return append(c.parts, part{w.module, rootModule}), c.diags
}

// leaveOutHomes takes out the modules that homes consist of. What is wrong with their
// lists is reported where the homes are evaluated.
func (c *collector) leaveOutHomes() {
	ofHomes := map[*lang.Module]bool{}
	for _, b := range c.w.blocks {
		if b.kind != systems.Home {
			continue
		}
		parts, _ := c.w.parts(b)
		for _, p := range parts {
			ofHomes[p.module] = p.module != c.w.module
		}
	}
	c.parts = slices.DeleteFunc(c.parts, func(p part) bool { return ofHomes[p.module] })
}

// A collector gathers the modules of one system.
type collector struct {
	w    *work
	seen map[*lang.Module]bool
	// same are the modules gathered that may be the same.
	same  map[sameness][]*lang.Module
	parts []part
	diags diag.List
}

// list gathers what a modules list names.
func (c *collector) list(a *syntax.Attr) {
	elements, ok := a.Expr.Elements()
	if !ok {
		c.diags = append(c.diags, diag.Errorf(a.Expr.Range(), "Wrong list of modules",
			"modules is a list that names module blocks, as in [module.web, module.site[\"a\"]]. It must be known before anything is evaluated.")...)
		return
	}
	for _, e := range elements {
		name, key, rng, ok := lang.UseReference(e)
		if !ok {
			c.diags = append(c.diags, diag.Errorf(e.Range(), "Wrong list of modules",
				"An element is the name of a module block, as in module.web, or of one of a family, as in module.site[\"a\"].")...)
			continue
		}
		c.named(name, key, rng)
	}
}

// named gathers the modules of one block of the root module.
func (c *collector) named(name string, key *string, rng diag.Range) {
	all, diags := c.w.module.Uses(name, rng)
	c.diags = append(c.diags, diags...)
	if all == nil {
		return
	}
	for _, u := range c.w.module.Definition.Uses {
		if u.Name == name && u.OutputsOnly {
			c.diags = append(c.diags, diag.Errorf(rng, "Module is not imported",
				"module.%s says import = false, so that only its outputs count. Take that out, or take the module out of this list.", name)...)
			return
		}
	}
	keys := all.Keys
	switch {
	case key != nil && !all.Keyed:
		c.diags = append(c.diags, diag.Errorf(rng, "Not a family of modules", "module.%s has no for_each, so there is nothing to choose from.", name)...)
		return
	case key != nil && !slices.Contains(keys, *key):
		c.diags = append(c.diags, diag.Errorf(rng, "No such key", "module.%s has no key %q.%s", name, *key, diag.DidYouMean(*key, keys))...)
		return
	case key != nil:
		keys = []string{*key}
	}
	for _, k := range keys {
		m, diags := all.Instance(k, rng)
		c.diags = append(c.diags, diags...)
		if m != nil {
			c.add(m)
		}
	}
}

// imports gathers what the module blocks of m bring along.
func (c *collector) imports(m *lang.Module) {
	for _, u := range m.Definition.Uses {
		if u.OutputsOnly {
			continue
		}
		all, diags := m.Uses(u.Name, diag.Range{})
		c.diags = append(c.diags, diags...)
		if all == nil {
			continue
		}
		for _, key := range all.Keys {
			child, diags := all.Instance(key, diag.Range{})
			c.diags = append(c.diags, diags...)
			if child != nil {
				c.add(child)
			}
		}
	}
}

// add gathers a module, unless it is there with the same variables.
func (c *collector) add(m *lang.Module) {
	if c.seen[m] {
		return
	}
	c.seen[m] = true
	c.imports(m)
	c.diags = append(c.diags, m.ForceVariables()...)
	at := c.w.loader.nodes[m].place
	key := sameness{at, hashVariables(m)}
	for _, other := range c.same[key] {
		if sameVariables(m, other) {
			return
		}
	}
	c.same[key] = append(c.same[key], m)
	c.parts = append(c.parts, part{m, at.shown()})
}

// A sameness is what two uses of a module have in common that count once.
type sameness struct {
	at place
	// variables is a hash of their values.
	variables uint64
}

func hashVariables(m *lang.Module) uint64 {
	h := fnv.New64a()
	for _, block := range m.Definition.Variables {
		v, _ := m.Variable(block.Labels[0], diag.Range{}) // errors are reported already
		v, _ = v.UnmarkDeep()
		fmt.Fprintln(h, v.Hash())
	}
	return h.Sum64()
}

// sameVariables compares two uses of one module.
func sameVariables(a, b *lang.Module) bool {
	for _, block := range a.Definition.Variables {
		name := block.Labels[0]
		x, _ := a.Variable(name, diag.Range{}) // errors are reported already
		y, _ := b.Variable(name, diag.Range{})
		if !x.RawEquals(y) {
			return false
		}
	}
	return true
}
