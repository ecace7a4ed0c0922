package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// A Dynamic is a dynamic block, which stands for a block for each element of a
// collection.
type Dynamic struct {
	// Type is that of the blocks, and TypeRange where it stands.
	Type      string
	TypeRange diag.Range
	// Labels are the labels of a block, one expression each.
	Labels []*syntax.Expr
	// Content is the body of a block.
	Content *syntax.Body
	// Block is the dynamic block itself.
	Block *syntax.Block

	forEach  *syntax.Expr
	iterator string
}

var dynamicSchema = syntax.Schema{
	Attrs:  []syntax.AttrSchema{{Name: "for_each", Required: true}, {Name: "iterator"}, {Name: "labels"}},
	Blocks: []syntax.BlockSchema{{Type: "content", Once: true}},
}

// notIterators are the names that mean the same wherever they stand in a system.
var notIterators = []string{"config", "option", "self", "parent", "system", "home", "true", "false", "null"}

// ParseDynamic takes a dynamic block apart. It is nil with errors.
func ParseDynamic(b *syntax.Block) (*Dynamic, diag.List) {
	if len(b.Labels) == 0 {
		return nil, diag.Errorf(b.TypeRange, "Missing label", "A dynamic block has the type of the blocks that it makes for its label, as in\n\n  dynamic \"file\" {")
	}
	diags := append(b.CheckLabels("type"), b.Body.Check("a dynamic block", dynamicSchema)...)
	if diags.HasErrors() {
		return nil, diags
	}
	d := &Dynamic{Type: b.Labels[0], TypeRange: b.LabelRanges[0], Block: b, forEach: b.Body.Attr("for_each").Expr, iterator: b.Labels[0]}
	if len(b.Body.Blocks) == 0 {
		return nil, diag.Errorf(b.Body.End, "Missing content", "What stands in each of the blocks is written as\n\n  content {")
	}
	d.Content = b.Body.Blocks[0].Body
	at := d.TypeRange
	if a := b.Body.Attr("iterator"); a != nil {
		word, ok := a.Expr.Keyword()
		if !ok {
			return nil, diag.Errorf(a.Expr.Range(), "Invalid iterator", "An iterator is a bare name, without quotes, as in\n\n  iterator = it")
		}
		d.iterator, at = word, a.Expr.Range()
	}
	if slices.Contains(notIterators, d.iterator) || !hclsyntax.ValidIdentifier(d.iterator) {
		return nil, diag.Errorf(at, "Invalid iterator", "%s", fmt.Sprintf("%q cannot be the name of the iterator. Choose another one, as in\n\n  iterator = it", d.iterator))
	}
	if a := b.Body.Attr("labels"); a != nil {
		labels, ok := a.Expr.Elements()
		if !ok || len(labels) == 0 {
			return nil, diag.Errorf(a.Expr.Range(), "Invalid labels", "labels is a list with an expression for each label of a block, as in\n\n  labels = [%s.key]", d.iterator)
		}
		d.Labels = labels
	}
	return d, diags
}

// Iterator returns the name by which the content knows the element, and where that
// is said.
func (d *Dynamic) Iterator() (name string, at diag.Range) {
	if a := d.Block.Body.Attr("iterator"); a != nil {
		return d.iterator, a.Expr.Range()
	}
	return d.iterator, d.TypeRange
}

// An Expansion is one of the blocks that a dynamic block stands for.
type Expansion struct {
	Labels []string
	// Names are what the content may refer to in addition: the iterator.
	Names eval.Values
}

// Expand evaluates for_each and the labels, where names mean what they do in
// scope. There is one expansion for each element, in the order of the collection.
func (d *Dynamic) Expand(scope *eval.Scope) ([]Expansion, diag.List) {
	v, diags := eval.Evaluate(d.forEach, scope)
	if diags.HasErrors() {
		return nil, diags
	}
	plain, marks := v.Unmark()
	ty := plain.Type()
	switch _, m := eval.Plain(cty.True.WithMarks(marks)); {
	case m.Sensitive:
		return nil, append(diags, diag.Errorf(d.forEach.Range(), "Invalid for_each",
			"How many blocks there are is something that everybody can see, and this value is marked sensitive.")...)
	case plain.IsNull() || !plain.IsKnown() || !plain.CanIterateElements():
		return nil, append(diags, diag.Errorf(d.forEach.Range(), "Invalid for_each", "for_each of a dynamic block takes a list, set, map or object: this %s.", eval.Describe(v))...)
	case plain.LengthInt() > maxForEach:
		return nil, append(diags, diag.Errorf(d.forEach.Range(), "Invalid for_each", "for_each has %d elements, and %d are allowed.", plain.LengthInt(), maxForEach)...)
	}
	out := make([]Expansion, 0, plain.LengthInt())
	for it := plain.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if ty.IsSetType() {
			key = value
		}
		x := Expansion{Names: eval.Values{d.iterator: cty.ObjectVal(map[string]cty.Value{
			"key": key.WithMarks(marks), "value": value.WithMarks(marks),
		})}}
		labels, more := d.labels(eval.NewScope(scope, x.Names))
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		x.Labels = labels
		out = append(out, x)
	}
	return out, diags
}

func (d *Dynamic) labels(scope *eval.Scope) ([]string, diag.List) {
	var out []string
	var diags diag.List
	for _, x := range d.Labels {
		v, more := eval.Evaluate(x, scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		plain, m := eval.Plain(v)
		text, err := convert.Convert(plain, cty.String)
		switch {
		case m.Sensitive:
			return nil, append(diags, diag.Errorf(x.Range(), "Invalid label", "A label is something that everybody can see, and this value is marked sensitive.")...)
		case len(m.Paths) > 0:
			return nil, append(diags, diag.Errorf(x.Range(), "Invalid label", "The path of %s is not known before it is built, so it cannot be a label.", m.Paths[0].Of)...)
		case err != nil || text.IsNull() || !text.IsKnown():
			return nil, append(diags, diag.Errorf(x.Range(), "Invalid label", "A label is a text: this %s.", eval.Describe(v))...)
		}
		out = append(out, text.AsString())
	}
	return out, diags
}

// Made returns the block of one expansion. Its positions are those of the dynamic
// block's parts.
func (d *Dynamic) Made(x Expansion) *syntax.Block {
	b := &syntax.Block{Type: d.Type, TypeRange: d.TypeRange, Range: d.Block.Range, Labels: x.Labels, Body: d.Content}
	for _, l := range d.Labels {
		b.LabelRanges = append(b.LabelRanges, l.Range())
	}
	return b
}
