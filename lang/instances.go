package lang

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/store"
)

// Derivation returns the derivation of a block without for_each, which is in the
// graph then. It is nil when there are errors.
func (m *Module) Derivation(name string, from diag.Range) (*Derivation, diag.List) {
	f, diags := m.derivationFamily(name, from)
	if f == nil {
		return nil, diags
	}
	d, more := f.only("derivation", name, from)
	return d, append(diags, more...)
}

// DerivationOf returns one derivation of a block with for_each. It is nil when
// there are errors.
func (m *Module) DerivationOf(name, key string, from diag.Range) (*Derivation, diag.List) {
	f, diags := m.derivationFamily(name, from)
	if f == nil {
		return nil, diags
	}
	d, more := f.one("derivation", name, key, from)
	return d, append(diags, more...)
}

// Derivations returns all derivations of a block, one of them without for_each,
// those with errors left out. They are sorted by key.
func (m *Module) Derivations(name string, from diag.Range) ([]*Derivation, diag.List) {
	f, diags := m.derivationFamily(name, from)
	if f == nil {
		return nil, diags
	}
	out, more := instances(f, from)
	return out, append(diags, more...)
}

// DerivationKeys returns the keys of a block's for_each, sorted; keyed is false
// when it has none.
func (m *Module) DerivationKeys(name string, from diag.Range) (keys []string, keyed bool, diags diag.List) {
	f, diags := m.derivationFamily(name, from)
	if f == nil {
		return nil, false, diags
	}
	return f.keys, f.keyed, diags
}

// Known returns a derivation of a block without for_each if it has been evaluated, and
// nil otherwise.
func (m *Module) Known(name string) (*Derivation, diag.List) {
	c, ok := m.derivations[name]
	if !ok || c.alone == nil {
		return nil, nil
	}
	d, diags, _ := c.alone.Known()
	return d, diags
}

func (m *Module) derivationFamily(name string, from diag.Range) (*family[*Derivation], diag.List) {
	c, ok := m.derivations[name]
	if !ok {
		return nil, missing(m.opts.Session, "derivation", name, from, m.derivations, "It is declared by a block\n\n  derivation %q {", name)
	}
	return c.get(from)
}

// derivation answers derivation.NAME and derivation.NAME["KEY"].
func (n *names) derivation(ref syntax.Reference) (cty.Value, int, diag.List) {
	f, diags := n.m.derivationFamily(ref.Path[0].Name, ref.Range)
	if f == nil {
		return cty.DynamicVal, 1, diags
	}
	return member(f, ref, diags, func(d *Derivation, step syntax.Step) diag.List {
		known := append(slices.Clone(d.Outputs), "name", "version")
		slices.Sort(known)
		known = slices.Compact(known)
		return diag.Errorf(step.Range, "Unknown output",
			"%s has no output or attribute %q. It has %s.%s", d.Address, step.Name, strings.Join(known, ", "), diag.DidYouMean(step.Name, known))
	})
}

// A valued thing is what a block makes, as expressions see it.
type valued interface {
	comparable
	// result is the whole, attribute one of its attributes.
	result() cty.Value
	attribute(name string) (v cty.Value, ok bool)
}

// member answers TYPE.NAME and TYPE.NAME["KEY"], whichever the block has, with the
// attribute behind it. unknown says what is wrong with a step that is none.
func member[T valued](f *family[T], ref syntax.Reference, diags diag.List, unknown func(T, syntax.Step) diag.List) (cty.Value, int, diag.List) {
	var none T
	used, cell := 1, f.alone
	if f.keyed {
		if len(ref.Path) == 1 {
			return members(f, ref, diags)
		}
		used = 2
		step := ref.Path[1]
		at := step.Range
		if at.IsZero() {
			at = ref.Range
		}
		c, more := f.find(step.Name, ref.Root+"."+ref.Path[0].Name, at)
		diags = append(diags, more...)
		if c == nil {
			return cty.DynamicVal, used, diags
		}
		cell = c
	}
	t, more := cell.Get(ref.Range)
	diags = append(diags, more...)
	if t == none {
		return cty.DynamicVal, used, diags
	}
	if len(ref.Path) > used {
		v, ok := t.attribute(ref.Path[used].Name)
		if !ok {
			return cty.DynamicVal, used, append(diags, unknown(t, ref.Path[used])...)
		}
		return v, used + 1, diags
	}
	return t.result(), used, diags
}

// instances are all members of a family, those with errors left out, sorted by key.
func instances[T valued](f *family[T], from diag.Range) (out []T, diags diag.List) {
	var none T
	for _, key := range f.all() {
		t, more := f.cell(key).Get(from)
		diags = append(diags, more...)
		if t != none {
			out = append(out, t)
		}
	}
	return out, diags
}

// members is a whole family as an object by key.
func members[T valued](f *family[T], ref syntax.Reference, diags diag.List) (cty.Value, int, diag.List) {
	var none T
	values := map[string]cty.Value{}
	for _, key := range f.keys {
		t, more := f.cells[key].Get(ref.Range)
		diags = append(diags, more...)
		if t == none {
			return cty.DynamicVal, 1, diags
		}
		values[key] = t.result()
	}
	return cty.ObjectVal(values), 1, diags
}

// result is what derivation.NAME is in expressions: the paths of the outputs, which
// are not known yet, and the name and version.
func (d *Derivation) result() cty.Value {
	attrs := make(map[string]cty.Value, len(d.Outputs)+2)
	for _, name := range append(slices.Clone(d.Outputs), "name", "version") {
		attrs[name], _ = d.attribute(name)
	}
	return cty.ObjectVal(attrs)
}

func (d *Derivation) attribute(name string) (cty.Value, bool) {
	switch i := slices.Index(d.Outputs, name); {
	case name == "name":
		return cty.StringVal(d.Name), true
	case name == "version" && d.Version == "":
		return cty.NullVal(cty.String), true
	case name == "version":
		return cty.StringVal(d.Version), true
	case i < 0:
		return cty.NilVal, false
	case name == derivations.DefaultOutput:
		return eval.MarkPath(d.paths[i], d.Address), true
	default:
		return eval.MarkPath(d.paths[i], d.Address+"."+name), true
	}
}

// objectName is the name of what a block makes in the store: the label, and the
// key with whatever cannot stand there replaced.
func objectName(label, key string) string {
	if key == "" {
		return label
	}
	return label + "-" + store.CleanName(key)
}

// asserts evaluates the assertions of a derivation.
func (r *fields) asserts() {
	for _, b := range r.body.Blocks {
		if b.Type == "assert" {
			r.diags = append(r.diags, Assert(b, r.scope)...)
			continue
		}
		r.diags = append(r.diags, DynamicAssert(b, r.scope)...) // checkDerivationBody has found it right
	}
}

// CheckDynamicAssert reports what is wrong with the text of a dynamic block where
// assert is the only type of block that it may make. what names the place, as in
// "a derivation".
func CheckDynamicAssert(b *syntax.Block, what string) diag.List {
	d, diags := ParseDynamic(b)
	if d == nil {
		return diags
	}
	if d.Type != "assert" {
		return append(diags, diag.Errorf(d.TypeRange, "Unsupported block type", "Blocks of type %q are not made by dynamic ones in %s.%s", d.Type, what, diag.DidYouMean(d.Type, []string{"assert"}))...)
	}
	return append(diags, CheckAssert(d.Made(Expansion{Labels: make([]string, len(d.Labels))}))...)
}

// DynamicAssert evaluates what a dynamic block asserts that [CheckDynamicAssert] has
// found right, where names mean what they do in scope.
func DynamicAssert(b *syntax.Block, scope *eval.Scope) diag.List {
	d, _ := ParseDynamic(b)
	expansions, diags := d.Expand(scope)
	for _, x := range expansions {
		diags = append(diags, Assert(d.Made(x), eval.NewScope(scope, x.Names))...)
	}
	return diags
}
