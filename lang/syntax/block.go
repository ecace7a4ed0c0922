package syntax

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
)

// A Block is `type "label" … { body }`.
type Block struct {
	Type   string
	Labels []string
	// TypeRange and LabelRanges are of the words in the header.
	TypeRange   diag.Range
	LabelRanges []diag.Range
	// Range is of the whole header, up to the brace.
	Range diag.Range
	Body  *Body
}

// Header returns `type "label" …` as people write it.
func (b *Block) Header() string {
	var s strings.Builder
	s.WriteString(b.Type)
	for _, l := range b.Labels {
		s.WriteString(` "` + l + `"`)
	}
	return s.String()
}

// A Body is what stands between braces.
type Body struct {
	// Attrs and Blocks are in the order of the text.
	Attrs  []*Attr
	Blocks []*Block
	// Open is where the opening brace stands, and End the closing one, where something
	// that is missing should be added.
	Open diag.Pos
	End  diag.Range
}

// Range is from brace to brace.
func (b *Body) Range() diag.Range {
	return diag.Range{Filename: b.End.Filename, Start: b.Open, End: b.End.End}
}

// Attr returns the attribute of that name, or nil.
func (b *Body) Attr(name string) *Attr {
	for _, a := range b.Attrs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// An Attr is `name = expression`.
type Attr struct {
	Name      string
	NameRange diag.Range
	Expr      *Expr
}

// Range returns where name and expression stand.
func (a *Attr) Range() diag.Range {
	r := a.NameRange
	r.End = a.Expr.Range().End
	return r
}

// body converts a parsed body. Arguments that are plain heredocs are taken out of
// docs.
func (f *source) body(in *hclsyntax.Body, docs map[int]span) *Body {
	out := &Body{
		Open: diag.Pos(in.SrcRange.Start),
		End:  FromRange(in.EndRange),
	}
	for _, a := range in.Attributes {
		out.Attrs = append(out.Attrs, &Attr{
			Name:      a.Name,
			NameRange: FromRange(a.NameRange),
			Expr:      f.argument(a.Expr, docs),
		})
	}
	slices.SortFunc(out.Attrs, func(a, b *Attr) int { return a.NameRange.Compare(b.NameRange) })
	for _, b := range in.Blocks {
		block := &Block{
			Type:      b.Type,
			Labels:    normalLabels(b.Labels),
			TypeRange: FromRange(b.TypeRange),
			Range:     FromRange(b.DefRange()),
			Body:      f.body(b.Body, docs),
		}
		for _, r := range b.LabelRanges {
			block.LabelRanges = append(block.LabelRanges, FromRange(r))
		}
		out.Blocks = append(out.Blocks, block)
	}
	return out
}

// argument is the expression of an argument.
func (f *source) argument(x hclsyntax.Expression, docs map[int]span) *Expr {
	switch t := x.(type) {
	case *hclsyntax.ParenthesesExpr:
		at := t.SrcRange.Start.Byte
		if d, ok := docs[at]; ok {
			delete(docs, at)
			return &Expr{file: f, plain: d}
		}
	case *hclsyntax.ScopeTraversalExpr:
		if from, to := t.SrcRange.Start.Byte, t.SrcRange.End.Byte; plainNameLength(f.src[from:]) == to-from {
			return &Expr{file: f, plain: makeSpan(t.SrcRange)}
		}
	}
	return &Expr{node: x, file: f}
}

// normalLabels are labels as strings are: in Unicode's form C.
func normalLabels(labels []string) []string {
	for i, l := range labels {
		if !norm.NFC.IsNormalString(l) {
			labels = slices.Clone(labels)
			labels[i] = norm.NFC.String(l)
		}
	}
	return labels
}

// startPos is where every text begins.
var startPos = hcl.Pos{Line: 1, Column: 1}

// FromRange converts a range of the HCL library.
func FromRange(r hcl.Range) diag.Range {
	return diag.Range{Filename: r.Filename, Start: diag.Pos(r.Start), End: diag.Pos(r.End)}
}

// ToRange is the reverse of [FromRange].
func ToRange(r diag.Range) hcl.Range {
	return hcl.Range{Filename: r.Filename, Start: hcl.Pos(r.Start), End: hcl.Pos(r.End)}
}

// FromHCL converts diagnostics of the HCL library, which are of positions and
// texts only.
func FromHCL(in hcl.Diagnostics) diag.List {
	var out diag.List
	for _, d := range in {
		c := &diag.Diagnostic{Severity: diag.Error, Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			c.Severity = diag.Warning
		}
		if d.Subject != nil {
			c.Subject = FromRange(*d.Subject).Ptr()
		}
		if d.Context != nil {
			c.Context = FromRange(*d.Context).Ptr()
		}
		out = append(out, c)
	}
	return out
}
