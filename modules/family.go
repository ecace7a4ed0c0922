package modules

import (
	"maps"
	"slices"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
	"sysc/systems"
)

// A systemBlock is a system or a home as written: a block, or a block with for_each
// and one of its keys.
type systemBlock struct {
	kind  systems.Kind
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
	for _, b := range slices.Concat(w.p.def.Systems, w.p.def.Homes) {
		blocks, more := w.expandSystem(b)
		diags = append(diags, more...)
		for _, s := range blocks {
			if before, dup := first[s.address()]; dup {
				diags = append(diags, diag.Errorf(b.Range, "Duplicate "+b.Type,
					"There is a %s %q already, at %s. One that for_each makes is named by its key, and each must have a name of its own.", b.Type, s.name, before.block.Range)...)
				continue
			}
			first[s.address()] = s
			w.blocks = append(w.blocks, s)
		}
	}
	return diags
}

// address is what messages and targets call it: system.laptop, home.anna.
func (b *systemBlock) address() string { return b.kind.Address(b.name) }

func (w *work) expandSystem(b *syntax.Block) ([]*systemBlock, diag.List) {
	kind := systems.Machine
	if b.Type == string(systems.Home) {
		kind = systems.Home
	}
	a := b.Body.Attr("for_each")
	if a == nil {
		return []*systemBlock{{kind: kind, name: b.Labels[0], block: b}}, nil
	}
	elements, diags := w.module.StaticForEach(a.Expr, "The for_each of a "+b.Type)
	var out []*systemBlock
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		if err := store.CheckName(key); err != nil {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Invalid name", "A %s that for_each makes is named by its key: %v.", b.Type, err)...)
			continue
		}
		out = append(out, &systemBlock{kind: kind, name: key, block: b, each: lang.Each(key, elements[key])})
	}
	return out, diags
}

// names are those of all systems, or of all homes, in their order.
func (w *work) names(kind systems.Kind) []string {
	var out []string
	for _, b := range w.blocks {
		if b.kind == kind {
			out = append(out, b.name)
		}
	}
	return out
}
