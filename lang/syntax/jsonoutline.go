package syntax

import "slices"

// outlineJSON is the outline of a text in the JSON syntax. One that is no JSON, as
// it is being written, has an empty one: there is nothing to go by in it.
func outlineJSON(f *source) *Outline {
	o := &Outline{file: f}
	body, diags := f.parseJSONBody()
	if body == nil || diags.HasErrors() {
		return o
	}
	o.Body = o.jsonBody(body)
	slices.SortStableFunc(o.Names, func(a, b OutlineName) int { return a.Range.Compare(b.Range) })
	return o
}

func (o *Outline) jsonBody(b *Body) OutlineBody {
	out := OutlineBody{Range: b.Range()}
	for _, a := range b.Attrs {
		out.Attrs = append(out.Attrs, o.jsonAttr(a))
	}
	for _, blk := range b.Blocks {
		whole := blk.Range
		whole.End = blk.Body.Range().End
		out.Blocks = append(out.Blocks, &OutlineBlock{
			Type: blk.Type, TypeRange: blk.TypeRange, Labels: blk.Labels, LabelRanges: blk.LabelRanges,
			Range: blk.Range, Whole: whole, Body: o.jsonBody(blk.Body),
		})
	}
	return out
}

func (o *Outline) jsonAttr(a *Attr) *OutlineAttr {
	out := &OutlineAttr{Name: a.Name, NameRange: a.NameRange, Range: a.Range()}
	out.addObjects(a.Expr, nil)
	for _, ref := range a.Expr.References() {
		o.Names = append(o.Names, OutlineName{Reference: ref})
	}
	for _, call := range a.Expr.Calls() {
		o.Names = append(o.Names, OutlineName{Reference: Reference{Root: call.Name, Range: call.Range}, Call: true})
	}
	return out
}

// addObjects adds the objects in an argument whose keys are written out, path being
// the keys on the way to e.
func (a *OutlineAttr) addObjects(e *Expr, path []string) {
	items, ok := e.Items()
	if !ok {
		return
	}
	obj := OutlineObject{Path: path, Range: e.Range()}
	for _, it := range items {
		obj.Keys = append(obj.Keys, OutlineKey{Name: it.Key, Range: it.KeyRange})
	}
	a.Objects = append(a.Objects, obj)
	for _, it := range items {
		a.addObjects(it.Value, append(slices.Clone(path), it.Key))
	}
}
