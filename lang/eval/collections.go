package eval

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

func (e *evaluator) tuple(n *hclsyntax.TupleConsExpr, l *local) (cty.Value, diag.List) {
	diags := e.make(1+len(n.Exprs), n)
	if diags != nil {
		return cty.DynamicVal, diags
	}
	values := make([]cty.Value, len(n.Exprs))
	for i, x := range n.Exprs {
		v, moreDiags := e.eval(x, l)
		diags = append(diags, moreDiags...)
		values[i] = v
	}
	return cty.TupleVal(values), diags
}

func (e *evaluator) object(n *hclsyntax.ObjectConsExpr, l *local) (cty.Value, diag.List) {
	diags := e.make(1+len(n.Items), n)
	if diags != nil {
		return cty.DynamicVal, diags
	}
	var marks []cty.ValueMarks
	known := true
	values := make(map[string]cty.Value, len(n.Items))
	places := make(map[string]diag.Range, len(n.Items))
	for _, item := range n.Items {
		key, keyMarks, keyDiags := e.objectKey(item.KeyExpr, l)
		v, valueDiags := e.eval(item.ValueExpr, l)
		diags = append(append(diags, keyDiags...), valueDiags...)
		marks = append(marks, keyMarks)
		if keyDiags.HasErrors() || !key.IsKnown() {
			known = false
			continue
		}
		name, rng := key.AsString(), syntax.FromRange(item.KeyExpr.Range())
		if before, dup := places[name]; dup {
			diags = append(diags, syntax.DuplicateKey(name, rng, before))
			continue
		}
		places[name] = rng
		values[name] = v
	}
	if !known {
		return cty.DynamicVal, diags
	}
	return cty.ObjectVal(values).WithMarks(marks...), diags
}

// objectKey evaluates what stands before = or =>, a bare word being a text.
func (e *evaluator) objectKey(n hclsyntax.Expression, l *local) (cty.Value, cty.ValueMarks, diag.List) {
	var v cty.Value
	var diags diag.List
	if k, ok := n.(*hclsyntax.ObjectConsKeyExpr); ok {
		if _, isName := k.Wrapped.(*hclsyntax.ScopeTraversalExpr); isName && !k.ForceNonLiteral {
			// A bare word, or an error that says how to write what is meant.
			text, hclDiags := k.Value(nil)
			v, diags = text, e.fromHCL(hclDiags, n, l)
		} else if word, isWord := k.Wrapped.(*hclsyntax.LiteralValueExpr); isWord && !k.ForceNonLiteral && word.Val.Type() != cty.Number {
			v, _ = k.Value(nil) // null, true and false are words here
		} else {
			v, diags = e.eval(k.Wrapped, l)
		}
	} else {
		v, diags = e.eval(n, l)
	}
	return e.keyText(v, n, l, diags)
}

func (e *evaluator) keyText(v cty.Value, n hclsyntax.Expression, l *local, diags diag.List) (cty.Value, cty.ValueMarks, diag.List) {
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), nil, diags
	}
	if p, ok := pathIn(v); ok {
		return cty.UnknownVal(cty.String), nil, append(diags, unknownPath(p, "it cannot be a key", syntax.FromRange(n.Range()))...)
	}
	v, marks := v.Unmark()
	if v.IsNull() {
		return cty.UnknownVal(cty.String), marks, append(diags, e.errorf(n, l, "Null value as key", "Can't use a null value as a key.")...)
	}
	if n, ok := shortNumber(v); ok {
		return cty.StringVal(n), marks, diags
	}
	key, err := convert.Convert(v, cty.String)
	if err != nil {
		return cty.UnknownVal(cty.String), marks, append(diags, e.errorf(n, l, "Incorrect key type", "A key is a text, and this is %s.", diag.WithArticle(typeName(v.Type())))...)
	}
	return key, marks, diags
}

// iterable prepares the collection of a for or splat: known, not null, without
// marks of its own.
func (e *evaluator) iterable(n *hclsyntax.ForExpr, l *local) (cty.Value, cty.ValueMarks, diag.List) {
	v, diags := e.eval(n.CollExpr, l)
	if diags.HasErrors() {
		return cty.DynamicVal, nil, diags
	}
	v, marks := v.Unmark()
	switch {
	case v.IsNull():
		diags = append(diags, e.errorf(n.CollExpr, l, "Iteration over null value", "This is null, and for goes over lists, sets, maps and objects.")...)
		return cty.DynamicVal, marks, diags
	case !v.IsKnown():
		return cty.DynamicVal, marks, diags
	case !v.CanIterateElements():
		diags = append(diags, e.errorf(n.CollExpr, l, "Iteration over non-iterable value",
			"This is %s, and for goes over lists, sets, maps and objects.", diag.WithArticle(typeName(v.Type())))...)
		return cty.DynamicVal, marks, diags
	}
	return v, marks, diags
}

func (e *evaluator) forExpr(n *hclsyntax.ForExpr, l *local) (cty.Value, diag.List) {
	coll, collMarks, diags := e.iterable(n, l)
	if diags.HasErrors() || coll.Type() == cty.DynamicPseudoType {
		return cty.DynamicVal, diags
	}
	r := forResult{e: e, n: n, known: true, marks: []cty.ValueMarks{collMarks}}
	for it := coll.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if len(collMarks) > 0 {
			value = value.WithMarks(collMarks)
		}
		inside := l
		if n.KeyVar != "" {
			inside = &local{outer: inside, name: n.KeyVar, value: key}
		}
		inside = &local{outer: inside, name: n.ValVar, value: value}
		if ok := r.add(inside); !ok {
			break
		}
	}
	return r.value(), append(diags, r.diags...)
}

// A forResult collects what a for expression makes.
type forResult struct {
	e      *evaluator
	n      *hclsyntax.ForExpr
	known  bool
	marks  []cty.ValueMarks
	diags  diag.List
	tuple  []cty.Value
	object map[string]cty.Value
	groups map[string][]cty.Value
}

// maxForErrors ends an iteration whose elements are all wrong.
const maxForErrors = 10

// add evaluates the body for one element, and reports whether to go on.
func (r *forResult) add(l *local) bool {
	if diags := r.e.make(1, r.n); diags != nil {
		r.report(diags)
		return false
	}
	if r.n.CondExpr != nil {
		include, marks, diags := r.e.condition(r.n.CondExpr, l, "'if' clause")
		r.marks = append(r.marks, marks)
		r.report(diags)
		switch {
		case diags.HasErrors(), !include.IsKnown():
			r.known = false
			return r.goOn()
		case include.False():
			return true
		}
	}
	if r.n.KeyExpr == nil {
		v, diags := r.e.eval(r.n.ValExpr, l)
		r.report(diags)
		r.tuple = append(r.tuple, v)
		return r.goOn()
	}
	raw, diags := r.e.eval(r.n.KeyExpr, l)
	key, marks, diags := r.e.keyText(raw, r.n.KeyExpr, l, diags)
	r.marks = append(r.marks, marks)
	r.report(diags)
	if diags.HasErrors() || !key.IsKnown() {
		r.known = false
		return r.goOn()
	}
	v, moreDiags := r.e.eval(r.n.ValExpr, l)
	r.report(moreDiags)
	r.put(key.AsString(), v, l)
	return r.goOn()
}

// report keeps problems, of one text and kind the first element's only.
func (r *forResult) report(diags diag.List) {
	for _, d := range diags {
		same := func(o *diag.Diagnostic) bool {
			return o.Summary == d.Summary && o.Subject != nil && d.Subject != nil && *o.Subject == *d.Subject
		}
		if len(r.diags) < maxForErrors && !slices.ContainsFunc(r.diags, same) {
			r.diags = append(r.diags, d)
		}
	}
}

func (r *forResult) goOn() bool {
	return !r.diags.HasFatal() && (len(r.diags) < maxForErrors || !r.diags.HasErrors())
}

func (r *forResult) put(key string, v cty.Value, l *local) {
	if r.n.Group {
		if r.groups == nil {
			r.groups = map[string][]cty.Value{}
		}
		r.groups[key] = append(r.groups[key], v)
		return
	}
	if r.object == nil {
		r.object = map[string]cty.Value{}
	}
	if _, dup := r.object[key]; dup {
		r.report(r.e.errorf(r.n.KeyExpr, l, "Duplicate object key",
			"Two different items produced the key %q in this 'for' expression. If duplicates are expected, use the ellipsis (...) after the value expression to enable grouping by key.", key))
		return
	}
	r.object[key] = v
}

func (r *forResult) value() cty.Value {
	switch {
	case !r.known || r.diags.HasErrors():
		return cty.DynamicVal
	case r.n.KeyExpr == nil:
		return cty.TupleVal(r.tuple).WithMarks(r.marks...)
	case r.n.Group:
		out := make(map[string]cty.Value, len(r.groups))
		for k, group := range r.groups {
			out[k] = cty.TupleVal(group)
		}
		return cty.ObjectVal(out).WithMarks(r.marks...)
	}
	return cty.ObjectVal(r.object).WithMarks(r.marks...)
}

// splat is a[*].b: every element of a list, or the one value that is no list.
func (e *evaluator) splat(n *hclsyntax.SplatExpr, l *local) (cty.Value, diag.List) {
	src, diags := e.eval(n.Source, l)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	src, marks := src.Unmark()
	ty := src.Type()
	isList := ty.IsTupleType() || ty.IsListType() || ty.IsSetType()
	switch {
	case src.IsNull() && !isList:
		return cty.EmptyTupleVal.WithMarks(marks), diags
	case src.IsNull():
		return cty.DynamicVal, append(diags, e.errorf(n.Source, l, "Splat of null value", "Splat expressions (with the * symbol) cannot be applied to null sequences.")...)
	case !src.IsKnown():
		return cty.DynamicVal, diags
	case !isList:
		src = cty.TupleVal([]cty.Value{src})
	}
	var values []cty.Value
	for it := src.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		v, moreDiags := e.eval(n.Each, &local{outer: l, symbol: n.Item, value: elem.WithMarks(marks)})
		diags = append(diags, moreDiags...)
		values = append(values, v)
		if moreDiags.HasErrors() && (diags.HasFatal() || len(diags) >= maxForErrors) {
			break
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return e.splatResult(n, l, src.Type(), values, marks, diags)
}

// splatResult is a list when the source is one, as far as that is possible.
func (e *evaluator) splatResult(n *hclsyntax.SplatExpr, l *local, src cty.Type, values []cty.Value, marks cty.ValueMarks, diags diag.List) (cty.Value, diag.List) {
	if src.IsTupleType() {
		return cty.TupleVal(values).WithMarks(marks), diags
	}
	if len(values) == 0 {
		// The type of the elements is that of the steps taken from one.
		v, moreDiags := e.eval(n.Each, &local{outer: l, symbol: n.Item, value: cty.UnknownVal(src.ElementType())})
		return cty.ListValEmpty(v.Type()).WithMarks(marks), append(diags, moreDiags...)
	}
	if !cty.CanListVal(values) {
		return cty.TupleVal(values).WithMarks(marks), diags
	}
	return cty.ListVal(values).WithMarks(marks), diags
}
