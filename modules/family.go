package modules

import (
	"maps"
	"slices"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
)

// A systemBlock is a system as written: a block, or a block with for_each and one
// of its keys.
type systemBlock struct {
	name  string
	block *syntax.Block
	// each are the names that for_each adds, nil without it.
	each eval.Values
}

// scope is what names mean in the arguments of the system that are no options.
func (b *systemBlock) scope(m *lang.Module) *eval.Scope {
	if b.each == nil {
		return m.Scope()
	}
	return eval.NewScope(m.Scope(), b.each)
}

// expandSystems finds the systems of the definition, in the order of the text, of
// a for_each by key. A system that for_each makes is named by its key.
func (w *work) expandSystems() diag.List {
	var diags diag.List
	first := map[string]*systemBlock{}
	for _, b := range w.p.def.Systems {
		blocks, more := w.expandSystem(b)
		diags = append(diags, more...)
		for _, s := range blocks {
			if before, dup := first[s.name]; dup {
				diags = append(diags, diag.Errorf(b.Range, "Duplicate system",
					"There is a system %q already, at %s. One that for_each makes is named by its key, and each must have a name of its own.", s.name, before.block.Range)...)
				continue
			}
			first[s.name] = s
			w.blocks = append(w.blocks, s)
		}
	}
	return diags
}

func (w *work) expandSystem(b *syntax.Block) ([]*systemBlock, diag.List) {
	a := b.Body.Attr("for_each")
	if a == nil {
		return []*systemBlock{{name: b.Labels[0], block: b}}, nil
	}
	elements, diags := w.module.StaticForEach(a.Expr, "The for_each of a system")
	var out []*systemBlock
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		if err := store.CheckName(key); err != nil {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Invalid name", "A system that for_each makes is named by its key: %v.", err)...)
			continue
		}
		out = append(out, &systemBlock{name: key, block: b, each: lang.Each(key, elements[key])})
	}
	return out, diags
}

// systemNames are the names of all systems, in their order.
func (w *work) systemNames() []string {
	var out []string
	for _, b := range w.blocks {
		out = append(out, b.name)
	}
	return out
}
