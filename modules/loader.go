package modules

import (
	"maps"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

const (
	// maxUseDepth bounds how deep modules may use one another.
	maxUseDepth = 64
	// maxUses bounds the instances of modules in one definition.
	maxUses = 20_000
)

// A node is one module of a definition that is being evaluated, and who uses it.
type node struct {
	module *lang.Module
	place  place
	// parent and use are nil for the root module.
	parent *node
	use    *lang.Use
	depth  int
}

// name is the node's path of module names, as in "web.tls"; "" for the root.
func (n *node) name() string {
	if n.parent == nil {
		return ""
	}
	return strings.TrimPrefix(n.parent.name()+"."+n.use.Name, ".")
}

// A loaded is the text of a module, which may be used many times.
type loaded struct {
	def   *lang.Definition
	diags diag.List
}

// A loader opens modules for one evaluation.
type loader struct {
	w     *work
	nodes map[*lang.Module]*node
}

// Open implements lang.Loader.
func (l *loader) Open(parent *lang.Module, use *lang.Use, address string, variables map[string]lang.VariableValue) (*lang.Module, diag.List) {
	from := l.nodes[parent]
	n := &node{parent: from, use: use, depth: from.depth + 1}
	to, diags := l.w.find(from.place, use, n.name())
	if diags.HasErrors() {
		return nil, diags
	}
	n.place = to
	if more := l.check(n); more.HasErrors() {
		return nil, append(diags, more...)
	}
	def, more := l.w.p.definition(to, use)
	diags = append(diags, more...)
	if def == nil {
		return nil, diags
	}
	h := &host{w: l.w}
	n.module = lang.Prepare(def, lang.Options{
		Graph: l.w.graph, Host: h, Loader: l, Address: address, Variables: variables, Prefix: to.shown(), Rendered: l.w.p.rendered,
		Platform: l.w.p.opts.Platform, Session: l.w.session, Reads: l.w.p.opts.Reads,
	})
	h.m = n.module
	l.nodes[n.module] = n
	return n.module, diags
}

// check refuses modules that use themselves, and too many.
func (l *loader) check(n *node) diag.List {
	fatal := func(summary, detail string, args ...any) diag.List {
		diags := diag.Errorf(n.use.SourceRange, summary, detail, args...)
		diags[0].Fatal = true
		return diags
	}
	var chain []diag.Related
	for at := n; at.parent != nil; at = at.parent {
		chain = append(chain, diag.Related{Message: "Used as module." + at.name(), Range: at.use.SourceRange})
		if at.parent.place == n.place {
			diags := fatal("Cycle of modules", "The module %s uses itself: %s. What both need belongs into a third module.", n.place.shown(), cycleText(n, at.parent))
			diags[0].Related = chain[1:]
			return diags
		}
	}
	if n.depth > maxUseDepth {
		return fatal("Modules nested too deeply", "module.%s is used by a module that is used by a module, and so on, %d times.", n.name(), n.depth)
	}
	if len(l.nodes) > maxUses {
		return fatal("Too many modules", "The definition uses more than %d modules.", maxUses)
	}
	return nil
}

// cycleText lists the modules from first down to n, which are the same place.
func cycleText(n, first *node) string {
	var names []string
	for at := n; at != first; at = at.parent {
		names = append([]string{at.place.shown()}, names...)
	}
	return strings.Join(append([]string{first.place.shown()}, names...), " uses ")
}

// definition reads the module at a place, once.
func (p *Project) definition(at place, use *lang.Use) (*lang.Definition, diag.List) {
	dir := at.dir()
	known, ok := p.definitions[dir]
	if !ok {
		known = &loaded{}
		known.def, known.diags = lang.LoadAs(p.opts.Reads, dir, at.shown(), p.opts.Texts, p.opts.Version)
		if known.def != nil {
			maps.Copy(p.files, known.def.Module.Files)
			for _, b := range known.def.Systems {
				known.diags = append(known.diags, diag.Errorf(b.Range, "System in a module",
					"Only the root module has systems, and this is one that it uses. A config block adds to the options of every system that uses the module.")...)
			}
			for _, b := range known.def.Homes {
				known.diags = append(known.diags, diag.Errorf(b.Range, "Home in a module",
					"Only the root module has homes, and this is one that it uses. A config block adds to the options of every home that uses the module.")...)
			}
			for _, b := range known.def.Tests {
				known.diags = append(known.diags, diag.Errorf(b.Range, "Test in a module",
					"Only the root module has tests, and this is one that it uses. In a file whose name ends in .test.sysc.hcl it is run where the module is the root, and in nobody's way elsewhere.")...)
			}
			for _, b := range known.def.Configs {
				known.diags = append(known.diags, checkBody(b.Body)...)
			}
		} else {
			m, _ := syntax.LoadAs(p.opts.Reads, dir, at.shown(), p.opts.Texts) // only for the texts
			maps.Copy(p.files, m.Files)
		}
		p.definitions[dir] = known
	}
	if known.diags.HasErrors() && known.def == nil {
		for _, d := range known.diags {
			if d.Subject == nil {
				d.Subject = use.SourceRange.Ptr()
			}
		}
	}
	if known.diags.HasErrors() {
		return nil, known.diags
	}
	return known.def, known.diags
}
