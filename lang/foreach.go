package lang

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// maxForEach bounds the members of one family.
const maxForEach = 100_000

// ForEach evaluates the argument of that name: a map or object, or a list or set
// of distinct strings, whose elements are keys and values at once.
func ForEach(x *syntax.Expr, scope *eval.Scope) (map[string]cty.Value, diag.List) {
	v, diags := eval.Evaluate(x, scope)
	if diags.HasErrors() {
		return nil, diags
	}
	elements, more := forEach(v, x.Range(), elementRanges(x))
	more = append(more, scope.Session().AddMembers(len(elements), x.Range())...)
	return elements, append(diags, more...)
}

// StaticForEach is [ForEach] for what must be known before anything is locked or
// built. what names the place in messages, at its begin, as in "The for_each of a system".
func (m *Module) StaticForEach(x *syntax.Expr, what string) (map[string]cty.Value, diag.List) {
	v, diags := m.static(x, what)
	if diags.HasErrors() {
		return nil, diags
	}
	elements, more := forEach(v, x.Range(), elementRanges(x))
	more = append(more, m.opts.Session.AddMembers(len(elements), x.Range())...)
	return elements, append(diags, more...)
}

// forEach reads the value of a for_each. rng is where it stands, and ranges where
// its elements do, as far as that is known.
func forEach(v cty.Value, rng diag.Range, ranges []diag.Range) (map[string]cty.Value, diag.List) {
	plain, marks := v.Unmark()
	ty := plain.Type()
	invalid := func(at diag.Range, format string, args ...any) (map[string]cty.Value, diag.List) {
		return nil, diag.Errorf(at, "Invalid for_each", "%s", fmt.Sprintf(format, args...))
	}
	isMap := ty.IsMapType() || ty.IsObjectType()
	switch _, m := eval.Plain(plain.WithMarks(marks)); {
	case m.Sensitive && (!isMap || v.IsMarked()):
		return invalid(rng, "The keys of for_each are part of names that everybody can read, and this value is marked sensitive. Go over keys that are no secret, as in nonsensitive(keys(…)).")
	case plain.IsNull() || !plain.IsKnown() || !isMap && !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType():
		return invalid(rng, "for_each takes a map, or a list or set of distinct strings: this %s.", eval.Describe(v))
	case plain.LengthInt() > maxForEach:
		return invalid(rng, "for_each has %d elements, and %d are allowed.", plain.LengthInt(), maxForEach)
	}
	out := make(map[string]cty.Value, plain.LengthInt())
	if isMap {
		for it := plain.ElementIterator(); it.Next(); {
			k, e := it.Element()
			out[k.AsString()] = e.WithMarks(marks)
		}
		return out, nil
	}
	i := 0
	for it := plain.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		at := rng
		if ty.IsTupleType() && len(ranges) == plain.LengthInt() {
			at = ranges[i]
		}
		text, m := eval.Plain(e)
		switch {
		case len(m.Paths) > 0:
			return invalid(at, "The path of %s is not known before it is built, so it cannot be a key. Use a map, as in { name = path }.", m.Paths[0].Of)
		case text.Type() != cty.String || text.IsNull() || !text.IsKnown():
			return invalid(at, "The elements of a list or set in for_each are the keys, so they must be strings: this %s. Use a map for other values.", eval.Describe(e))
		}
		if _, dup := out[text.AsString()]; dup {
			return invalid(at, "The key %q occurs twice. To drop what is there several times, write toset(…).", text.AsString())
		}
		out[text.AsString()] = e.WithMarks(marks)
	}
	return out, nil
}

// Each is what each.key and each.value are for one element.
func Each(key string, value cty.Value) eval.Values {
	return eval.Values{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": value})}
}

// A family is what one block stands for: one thing, or with for_each one for each
// key. Each is computed when it is asked for.
type family[T any] struct {
	// keyed is set with for_each, and keys are its keys then, sorted.
	keyed   bool
	session *eval.Session // with for_each
	keys    []string
	cells   map[string]*eval.Cell[T]
	alone   *eval.Cell[T] // without for_each
}

// A familyCell is a family that is computed when it is asked for, or one thing of a
// block without for_each: there may be very many of those.
type familyCell[T any] struct {
	alone *eval.Cell[T]
	many  *eval.Cell[*family[T]]
}

func (c familyCell[T]) get(from diag.Range) (*family[T], diag.List) {
	if c.alone != nil {
		return &family[T]{alone: c.alone}, nil
	}
	return c.many.Get(from)
}

// newFamily returns the cell of a block's family. address is what people call the
// block; make computes one thing from the names that scope knows and the thing's
// own address. key is "" without for_each.
func newFamily[T any](m *Module, b *syntax.Block, address string, make func(scope *eval.Scope, address, key string) (T, diag.List)) familyCell[T] {
	session := m.opts.Session
	cell := func(scope *eval.Scope, address, key string) *eval.Cell[T] {
		return eval.NewCell(session, address, b.Range, func() (T, diag.List) { return make(scope, address, key) })
	}
	each := b.Body.Attr("for_each")
	if each == nil {
		return familyCell[T]{alone: cell(m.scope, address, "")}
	}
	many := eval.NewCell(session, "for_each of "+address, each.NameRange, func() (*family[T], diag.List) {
		elements, diags := ForEach(each.Expr, m.scope)
		if diags.HasErrors() {
			return nil, diags
		}
		f := &family[T]{keyed: true, session: session, keys: slices.Sorted(maps.Keys(elements)), cells: map[string]*eval.Cell[T]{}}
		for key, value := range elements {
			f.cells[key] = cell(eval.NewScope(m.scope, Each(key, value)), address+"["+strconv.Quote(key)+"]", key)
		}
		return f, diags
	})
	return familyCell[T]{many: many}
}

// cell returns the thing of a key that all has.
func (f *family[T]) cell(key string) *eval.Cell[T] {
	if f.keyed {
		return f.cells[key]
	}
	return f.alone
}

// all returns the keys of the things that there are.
func (f *family[T]) all() []string {
	if f.keyed {
		return f.keys
	}
	return []string{""}
}

// find returns the thing of a key, or says that there is none of it, which block
// is the address of.
func (f *family[T]) find(key, block string, at diag.Range) (*eval.Cell[T], diag.List) {
	if c, ok := f.cells[key]; ok && f.keyed {
		return c, nil
	}
	return nil, diag.Errorf(at, "No such key", "The for_each of %s has no key %q.%s", block, key, keysText(f.session, key, f.keys))
}

// only returns the thing of a block without for_each, or the zero T with errors.
func (f *family[T]) only(kind, name string, from diag.Range) (T, diag.List) {
	if f.keyed {
		var none T
		return none, diag.Errorf(from, "Several "+kind+"s",
			"%s %q has a for_each, so one of it is written with a key: %s.%s[KEY]. It has %s.", kind, name, kind, name, quoted(f.keys))
	}
	return f.alone.Get(from)
}

// one returns the thing of a key, or the zero T with errors.
func (f *family[T]) one(kind, name, key string, from diag.Range) (T, diag.List) {
	var none T
	if !f.keyed {
		return none, diag.Errorf(from, "No such key", "%s %q has no for_each, and so no keys.", kind, name)
	}
	c, diags := f.find(key, kind+"."+name, from)
	if c == nil {
		return none, diags
	}
	t, more := c.Get(from)
	return t, append(diags, more...)
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// NoCount answers for what Terraform has in the place of for_each.
func NoCount(b *syntax.Body) diag.List {
	a := b.Attr("count")
	if a == nil {
		return nil
	}
	return diag.Errorf(a.NameRange, "No count in sysc",
		"Use for_each with a key for each, as in for_each = toset([\"a\", \"b\"]), or for something that there is once or not at all, for_each = var.wanted ? [\"it\"] : [].")
}
