package syntax

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

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
	out.Texts = o.jsonTexts(a.Expr)
	for _, ref := range a.Expr.References() {
		for i := range ref.Path {
			ref.Path[i].Range = o.narrowed(ref.Path[i])
		}
		o.Names = append(o.Names, OutlineName{Reference: ref})
	}
	for _, call := range a.Expr.Calls() {
		o.Names = append(o.Names, OutlineName{Reference: Reference{Root: call.Name, Range: call.Range}, Call: true})
	}
	return out
}

// narrowed is the place of a step's name alone, without dot, brackets and quotes.
func (o *Outline) narrowed(step Step) diag.Range {
	r := step.Range
	if r.Start.Byte > r.End.Byte || r.End.Byte > len(o.file.src) {
		return r
	}
	if at := bytes.Index(o.file.src[r.Start.Byte:r.End.Byte], []byte(step.Name)); at >= 0 {
		r.Start.Byte += at
		r.Start.Column += at
		r.End = r.Start
		r.End.Byte += len(step.Name)
		r.End.Column += len(step.Name)
	}
	return r
}

// jsonTexts are the texts in a value, keys left out.
func (o *Outline) jsonTexts(e *Expr) []OutlineText {
	var out []OutlineText
	keys := map[hclsyntax.Node]bool{}
	// The visitor has no errors of its own.
	_ = hclsyntax.VisitAll(e.Node(), func(n hclsyntax.Node) hcl.Diagnostics {
		if obj, ok := n.(*hclsyntax.ObjectConsExpr); ok {
			for _, it := range obj.Items {
				keys[it.KeyExpr] = true
			}
		}
		t, ok := n.(*hclsyntax.TemplateExpr)
		if !ok || keys[n] || len(t.Parts) == 0 {
			return nil
		}
		lit, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr)
		if !ok || lit.Val.IsNull() || lit.Val.Type() != cty.String {
			return nil
		}
		start := FromRange(t.SrcRange)
		start.Start.Byte += len(`"`)
		start.Start.Column += len(`"`)
		if start.Start.Byte > start.End.Byte || start.End.Byte > len(o.file.src) {
			return nil
		}
		text, ok := newOutlineText(lit.Val.AsString(), len(t.Parts) == 1, start, o.file.src[start.Start.Byte:start.End.Byte])
		if ok {
			out = append(out, text)
		}
		return nil
	})
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
