package modules

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/modules/option"
)

// A dynamicSource is `dynamic "name" { … }`: definitions of the option of that
// name. What they are is found when the option is read, so that options which
// nobody reads cost nothing.
type dynamicSource struct {
	block *lang.Dynamic
	site  *site
}

func (s *dynamicSource) Range() diag.Range            { return s.block.Block.Range }
func (s *dynamicSource) Text() string                 { return s.block.Block.Header() + " { … }" }
func (s *dynamicSource) Elements(int) []diag.Range    { return nil }
func (s *dynamicSource) Items() ([]option.Item, bool) { return nil, false }

func (s *dynamicSource) Form() option.Form {
	if len(s.block.Labels) > 0 {
		return option.FormLabelled
	}
	return option.FormBlock
}

// Value tells whether there is a block at all: null stands for none.
func (s *dynamicSource) Value(at *option.Node) (cty.Value, diag.List) {
	items, diags := s.Expand(at)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if len(items) == 0 {
		return cty.NullVal(cty.EmptyObject), diags
	}
	return cty.EmptyObjectVal, diags
}

// Expand returns the keyed parts of all blocks.
func (s *dynamicSource) Expand(at *option.Node) ([]option.Item, diag.List) {
	expansions, diags := s.block.Expand(s.site.at(at))
	var items []option.Item
	for _, x := range expansions {
		b := s.block.Made(x)
		w := s.site.within(x.Names).block(b, 0)
		parts, _ := w.Value.Items()
		for _, it := range parts {
			it.Def.When = append(w.When[:len(w.When):len(w.When)], it.Def.When...)
			items = append(items, it)
		}
	}
	return items, diags
}

// within returns the site of texts that know more names.
func (s *site) within(names eval.Values) *site {
	inner := newSite(s.sys, eval.NewScope(s.scope, names), s.module)
	inner.used = s.used
	return inner
}

// dynamic is the definition that a dynamic block makes, of the option that key
// names.
func (s *site) dynamic(d *lang.Dynamic) option.Item {
	return option.Item{
		Key: d.Type, KeyRange: d.TypeRange,
		Def: option.Written{Value: &dynamicSource{d, s}, Range: d.Block.Range},
	}
}
