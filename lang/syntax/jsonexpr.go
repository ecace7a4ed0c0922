package syntax

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apparentlymart/go-textseg/v17/textseg"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
)

// A jsonReader makes the model of package syntax out of a JSON text.
type jsonReader struct {
	file  *source
	diags diag.List
	// config is set within a body in which options are defined.
	config bool
}

// A jsonContainer is what an expression for an object or array was made of.
type jsonContainer struct {
	value *jsonValue
	// dynamic are the dynamic blocks of an object in which options are defined.
	dynamic []*Block
}

// expr is the expression that a value stands for. In a static one, strings hold
// expressions; in others they are templates.
func (r *jsonReader) expr(v *jsonValue, static bool) hclsyntax.Expression {
	switch v.kind {
	case jsonNull:
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: v.rng}
	case jsonTrue, jsonFalse:
		return &hclsyntax.LiteralValueExpr{Val: cty.BoolVal(v.kind == jsonTrue), SrcRange: v.rng}
	case jsonNumber:
		return r.number(v)
	case jsonString:
		if static && !strings.HasPrefix(v.text, "${") {
			return r.inside(v, parseStatic)
		}
		return r.template(v)
	case jsonArray:
		out := &hclsyntax.TupleConsExpr{SrcRange: v.rng, OpenRange: first(v.rng)}
		for _, e := range v.elems {
			out.Exprs = append(out.Exprs, r.expr(e, static))
		}
		r.file.containers[out] = jsonContainer{value: v}
		return out
	}
	out := &hclsyntax.ObjectConsExpr{SrcRange: v.rng, OpenRange: first(v.rng)}
	for _, m := range v.members {
		out.Items = append(out.Items, hclsyntax.ObjectConsItem{KeyExpr: r.template(m.key), ValueExpr: r.expr(m.value, static)})
	}
	r.file.containers[out] = jsonContainer{value: v, dynamic: r.dynamic(v)}
	return out
}

// first is the place of the bracket that a range begins with.
func first(rng hcl.Range) hcl.Range {
	rng.End = rng.Start
	rng.End.Byte++
	rng.End.Column++
	return rng
}

func (r *jsonReader) number(v *jsonValue) hclsyntax.Expression {
	if diags := checkNumber(hclsyntax.Token{Bytes: []byte(v.text), Range: v.rng}); diags != nil {
		r.diags = append(r.diags, diags...)
		return placeholder(v.rng)
	}
	n, err := cty.ParseNumberVal(v.text)
	if err != nil {
		r.diags = append(r.diags, diag.Errorf(FromRange(v.rng), "Invalid number", "%q is no number.", v.text)...)
		return placeholder(v.rng)
	}
	return &hclsyntax.LiteralValueExpr{Val: n, SrcRange: v.rng}
}

// template reads a string as HCL's JSON syntax says: with ${…} and %{…}
// sequences, the value of a lone ${…} being of any type.
func (r *jsonReader) template(v *jsonValue) hclsyntax.Expression {
	if strings.Contains(v.text, "${") || strings.Contains(v.text, "%{") {
		return r.inside(v, parseString)
	}
	if !norm.NFC.IsNormalString(v.text) {
		r.diags = append(r.diags, willBeNormalised(FromRange(v.rng)))
	}
	return &hclsyntax.TemplateExpr{Parts: []hclsyntax.Expression{&hclsyntax.LiteralValueExpr{Val: cty.StringVal(v.text), SrcRange: v.rng}}, SrcRange: v.rng}
}

// inside parses the text of a string, and gives what comes out its places in the
// file.
func (r *jsonReader) inside(v *jsonValue, parse func(f *source) (hclsyntax.Expression, diag.List)) hclsyntax.Expression {
	node, diags := parse(&source{name: r.file.name, src: []byte(v.text)})
	places := newPlaces(v, r.file)
	for _, d := range diags {
		if d.Subject != nil {
			d.Subject = FromRange(places.rng(ToRange(*d.Subject))).Ptr()
		}
		d.Context = nil
	}
	r.diags = append(r.diags, diags...)
	if node == nil {
		return placeholder(v.rng)
	}
	places.move(reflect.ValueOf(&node).Elem())
	switch t := node.(type) {
	case *hclsyntax.TemplateWrapExpr:
		t.SrcRange = v.rng
	case *hclsyntax.TemplateExpr:
		t.SrcRange = v.rng
	}
	return node
}

func parseStatic(f *source) (hclsyntax.Expression, diag.List) {
	x, diags := ParseExpression(f.src, f.name)
	if x == nil {
		return nil, diags
	}
	return x.node, diags
}

func parseString(f *source) (hclsyntax.Expression, diag.List) {
	x, diags := ParseTemplate(f.src, f.name)
	if x == nil {
		return nil, diags
	}
	return unwrapped(x.node), diags
}

// unwrapped makes the template of a lone ${…} what the HCL parser makes of it.
func unwrapped(n hclsyntax.Expression) hclsyntax.Expression {
	t, ok := n.(*hclsyntax.TemplateExpr)
	if !ok || len(t.Parts) != 1 {
		return n
	}
	if lit, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String {
		return n // text, as a quoted one in ${…} is a template itself
	}
	return &hclsyntax.TemplateWrapExpr{Wrapped: t.Parts[0], SrcRange: t.SrcRange}
}

// places translates places in the text of a string into those in the file.
type places struct {
	value *jsonValue
	file  *source
	done  map[uintptr]bool
	// columns has the column of each byte between the quotes, counted from the first;
	// nil when every byte is one.
	columns []int
}

func newPlaces(v *jsonValue, f *source) *places {
	p := &places{value: v, file: f, done: map[uintptr]bool{}}
	raw := f.src[v.rng.Start.Byte+1 : v.rng.End.Byte-1]
	if !slices.ContainsFunc(raw, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return p
	}
	p.columns = make([]int, 0, len(raw)+1)
	column := 0
	for rest := raw; len(rest) > 0; column++ {
		n, _, err := textseg.ScanGraphemeClusters(rest, true)
		if err != nil || n == 0 {
			n = len(rest)
		}
		for range n {
			p.columns = append(p.columns, column)
		}
		rest = rest[n:]
	}
	p.columns = append(p.columns, column)
	return p
}

func (p *places) rng(r hcl.Range) hcl.Range {
	return hcl.Range{Filename: p.file.name, Start: p.pos(r.Start.Byte), End: p.pos(r.End.Byte)}
}

func (p *places) pos(at int) hcl.Pos {
	begin := p.value.rng.Start
	at = max(0, min(at, len(p.value.text)))
	if p.value.offsets != nil {
		at = p.value.offsets[at] - begin.Byte - 1
	}
	column := at
	if p.columns != nil {
		column = p.columns[at]
	}
	return hcl.Pos{Line: begin.Line, Column: begin.Column + 1 + column, Byte: begin.Byte + 1 + at}
}

var (
	rangeType = reflect.TypeFor[hcl.Range]()
	valueType = reflect.TypeFor[cty.Value]()
	opType    = reflect.TypeFor[*hclsyntax.Operation]()
)

// move translates all ranges in a tree. The tree is new, and nobody else's.
func (p *places) move(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || v.Type() == opType || p.done[v.Pointer()] {
			return
		}
		p.done[v.Pointer()] = true
		p.move(v.Elem())
	case reflect.Interface:
		switch inner := v.Elem(); inner.Kind() {
		case reflect.Pointer:
			p.move(inner)
		case reflect.Struct: // a step of a traversal
			c := reflect.New(inner.Type()).Elem()
			c.Set(inner)
			p.move(c)
			v.Set(c)
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.move(v.Index(i))
		}
	case reflect.Struct:
		switch v.Type() {
		case rangeType:
			v.Set(reflect.ValueOf(p.rng(v.Interface().(hcl.Range))))
		case valueType:
		default:
			for i := range v.NumField() {
				if f := v.Field(i); f.CanSet() {
					p.move(f)
				}
			}
		}
	}
}

// jsonText is the text of an expression of a JSON file as it would stand in the
// other syntax: what stands inside of a string is shown without its escapes.
func jsonText(raw string) string {
	if !strings.Contains(raw, `\`) {
		return raw
	}
	var s string
	// A value with strings in it has quotes that do not allow others around it.
	if json.Unmarshal([]byte(`"`+raw+`"`), &s) != nil {
		return raw
	}
	return s
}
