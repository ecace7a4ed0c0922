package option

import (
	"slices"
	"strings"

	"sysc/lang/diag"
)

// CheckNames reports every definition of something that does not exist, and
// everything else that is wrong with names, labels and forms, in all
// definitions whose keys can be found. Values are not evaluated for it.
func (ev *Evaluation) CheckNames() { ev.root.checkNames() }

func (n *Node) checkNames() {
	if n.shape == shapeLeaf {
		return
	}
	idx := n.index(diag.Range{})
	for _, w := range idx.wrong {
		// What makes many instances makes the same mistake in each of them.
		if !n.ev.reported[w.place] {
			n.ev.reported[w.place] = true
			n.ev.report(w.diags)
		}
	}
	for _, key := range idx.keys {
		c := n.child(key)
		for _, d := range idx.defs[key] {
			n.ev.report(d.problems)
			n.ev.report(c.checkUse(d))
		}
		if c.opt != nil && c.opt.Renamed() {
			continue // what is in it is checked where it counts
		}
		c.checkNames()
	}
}

// checkUse reports a definition of an option that must not be defined, or not
// any more.
func (n *Node) checkUse(d *definition) diag.List {
	o := n.opt
	if o == nil || d.declared || len(n.labels) > 0 {
		return nil
	}
	switch {
	case o.Removed != "":
		return diag.Errorf(d.rng, "Option was removed", "%s", n.Path()+": "+o.Removed)
	case o.Deprecated != "":
		return diag.Warningf(d.rng, "Option is deprecated", "%s", n.Path()+": "+o.Deprecated)
	case o.Renamed():
		to, _ := n.follow(diag.Range{})
		name := strings.Join(o.RenamedTo, ".")
		if to != nil {
			name = to.Path()
		}
		return diag.Warningf(d.rng, "Option was renamed", "%s is called %s now. It counts there as long as the old name exists; write the new one.", n.Path(), name)
	case o.ReadOnly && !o.declaredIn(d.module):
		return diag.Errorf(d.rng, "Option is read-only", "Only the module that declares %s may define it.", n.Path())
	}
	return nil
}

// Force evaluates n and everything in it; for validation, also definitions of
// lists and maps that only parts of the system read.
func (n *Node) Force() {
	switch n.shape {
	case shapeLeaf:
		n.read(diag.Range{})
	case shapeGroup:
		for _, name := range n.groupNames() {
			if c := n.child(name); c.opt == nil || !c.opt.Renamed() {
				c.Force()
			}
		}
	default:
		keys, _ := n.Keys(diag.Range{})
		for _, key := range keys {
			n.child(key).Force()
		}
	}
}

// groupNames returns the options of a group and its undeclared keys.
func (n *Node) groupNames() []string {
	names := sortedKeys(n.opt.children)
	if n.opt.Freeform != nil {
		names = append(names, n.undeclared(n.index(diag.Range{}))...)
		slices.Sort(names)
	}
	return names
}
