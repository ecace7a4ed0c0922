package modules

import (
	"context"
	"slices"
	"strconv"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/modules/std"
	"sysc/systems"
)

// A ModuleGraph is which modules use which others.
type ModuleGraph struct {
	// Nodes are in the order in which they are met, users first.
	Nodes []ModuleNode
	Edges []ModuleEdge
}

// What a [ModuleNode] is.
const (
	SystemNode   = "system"
	HomeNode     = "home"
	RootNode     = "root"
	ModuleKind   = "module"
	StandardNode = "standard"
)

// A ModuleNode is a module, or a system or home that consists of some.
type ModuleNode struct {
	// Address tells nodes apart: "system.laptop", "." for the root module,
	// `module.web["a"]`, "std/openssh".
	Address string
	// Kind is [SystemNode] or one of the others.
	Kind string
	// Source is as written in the module block, Version and Commit what the lock file
	// has of it; "" where there is none.
	Source, Version, Commit string
	// Directory is where it is, as in messages; "" for a standard module.
	Directory string
	// Range is the block that brings it in, no place for the root and standard
	// modules.
	Range diag.Range
}

// A ModuleEdge is that one module uses another.
type ModuleEdge struct {
	From, To string
	// OutputsOnly is set when its options and config are left out.
	OutputsOnly bool
}

// ModuleGraph returns the modules of a system, or for "" of all systems and of the
// whole definition.
func (p *Project) ModuleGraph(_ context.Context, system string) (ModuleGraph, diag.List) {
	address := ""
	if system != "" {
		address = fullAddress(system)
	}
	g := &moduleGrapher{w: p.work, known: map[string]bool{}}
	for _, b := range p.work.blocks {
		if system == "" || b.address() == address {
			g.system(b)
		}
	}
	if system == "" {
		g.root()
	} else if len(g.out.Nodes) == 0 {
		return ModuleGraph{}, p.work.unknown(address)
	}
	return g.out, g.diags.Sort()
}

type moduleGrapher struct {
	w     *work
	out   ModuleGraph
	known map[string]bool
	diags diag.List
}

// node adds a node; it is false when it is there already.
func (g *moduleGrapher) node(n ModuleNode) bool {
	if g.known[n.Address] {
		return false
	}
	g.known[n.Address] = true
	g.out.Nodes = append(g.out.Nodes, n)
	return true
}

func (g *moduleGrapher) edge(from, to string, outputsOnly bool) {
	e := ModuleEdge{from, to, outputsOnly}
	if !slices.Contains(g.out.Edges, e) {
		g.out.Edges = append(g.out.Edges, e)
	}
}

// system adds a system or home with the modules that it lists.
func (g *moduleGrapher) system(b *systemBlock) {
	address := b.address()
	g.node(ModuleNode{Address: address, Kind: b.kind.String(), Range: b.block.Range})
	if a := b.block.Body.Attr("modules"); a != nil {
		elements, _ := a.Expr.Elements() // what is wrong with it, parts says
		for _, e := range elements {
			if name, key, rng, ok := lang.UseReference(e); ok {
				g.listed(address, name, key, rng)
			}
		}
	}
	_, diags := g.w.parts(b)
	g.diags = append(g.diags, diags...)
	if b.kind == systems.Home {
		return // options of the root and of standard modules are of systems
	}
	g.edge(address, g.root(), false)
	t := toucher{found: map[string]bool{}}
	t.definitions(nil, option.Written{Value: &bodySource{body: b.block.Body, skip: systemArguments, site: &site{}}})
	t.expressions(b.block.Body)
	g.touched(address, t)
}

// listed adds what an element of a list of modules names.
func (g *moduleGrapher) listed(from, name string, key *string, rng diag.Range) {
	for _, u := range g.w.module.Definition.Uses {
		if u.Name != name {
			continue
		}
		for _, child := range g.instances(g.w.module, u, rng) {
			if key == nil || child.Address() == "module."+name+"["+strconv.Quote(*key)+"]" {
				g.edge(from, g.module(child, u), false)
			}
		}
	}
}

// instances are the modules that a module block stands for.
func (g *moduleGrapher) instances(m *lang.Module, u *lang.Use, rng diag.Range) []*lang.Module {
	all, diags := m.Uses(u.Name, rng)
	g.diags = append(g.diags, diags...)
	if all == nil {
		return nil
	}
	var out []*lang.Module
	for _, key := range all.Keys {
		child, diags := all.Instance(key, rng)
		g.diags = append(g.diags, diags...)
		if child != nil {
			out = append(out, child)
		}
	}
	return out
}

// root adds the root module and what it uses.
func (g *moduleGrapher) root() string {
	if g.node(ModuleNode{Address: rootModule, Kind: RootNode, Directory: rootModule}) {
		g.uses(g.w.module, rootModule)
	}
	return rootModule
}

// module adds a module and what it uses.
func (g *moduleGrapher) module(m *lang.Module, u *lang.Use) string {
	n := ModuleNode{Address: m.Address(), Kind: ModuleKind, Source: u.Source, Directory: g.w.loader.nodes[m].place.shown(), Range: u.Block.Range}
	if !isLocal(u.Source) {
		if r, _ := newRemote(u); r != nil {
			locked := g.w.lock.Modules[r.key]
			n.Version, n.Commit = locked.Version, locked.Commit
		}
	}
	if g.node(n) {
		g.uses(m, n.Address)
	}
	return n.Address
}

// uses adds what a module uses.
func (g *moduleGrapher) uses(m *lang.Module, address string) {
	d := m.Definition
	for _, u := range d.Uses {
		for _, child := range g.instances(m, u, diag.Range{}) {
			g.edge(address, g.module(child, u), u.OutputsOnly)
		}
	}
	t := toucher{found: map[string]bool{}}
	t.texts(moduleTexts{options: d.Options, configs: d.Configs, asserts: d.Asserts})
	g.touched(address, t)
}

// touched adds the standard modules whose options are named.
func (g *moduleGrapher) touched(from string, t toucher) {
	for _, name := range sortedKeys(t.found) {
		address := std.Prefix + name
		if address == from {
			continue
		}
		g.edge(from, address, false)
		if !g.node(ModuleNode{Address: address, Kind: StandardNode}) {
			continue
		}
		m, diags := g.w.standard(name)
		g.diags = append(g.diags, diags...)
		if m != nil {
			g.uses(m, address)
		}
	}
}
