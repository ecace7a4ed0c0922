package lang

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// An Environment is an environment block that is in the graph: a root made of
// packages, and variables.
type Environment struct {
	// Address is what people call it, as in `environment.dev["key"]`.
	Address string
	// Root is the root.
	Root derivations.Ref
	// Shell is a derivation that would be built in the root with the variables. It is
	// there to be entered; building it makes an empty file.
	Shell derivations.Ref
	// Range is the block's header.
	Range diag.Range

	value cty.Value // what environment.NAME is in expressions
}

var environmentSchema = syntax.Schema{Attrs: []syntax.AttrSchema{
	{Name: "packages"}, {Name: "base"}, {Name: "env"}, {Name: "for_each"}, {Name: "description"}, {Name: "count"},
}}

// environment adds what one block says to the graph, where names mean what they
// do in scope. key is that of for_each, or "".
func (m *Module) environment(b *syntax.Block, scope *eval.Scope, address, key string) (*Environment, diag.List) {
	diags := append(b.Body.Check("an environment", environmentSchema), NoCount(b.Body)...)
	diags = append(diags, checkDescription(b.Body)...)
	name := objectName(b.Labels[0], key)
	diags = append(diags, checkObjectName(name, b.LabelRanges[0])...)
	if diags.HasErrors() {
		return nil, diags
	}
	r := &fields{m: m, scope: scope, body: b.Body, diags: diags}
	env := r.variables()
	origin := derivations.Origin{Label: address, Position: b.Range.String()}
	root := ""
	if !r.diags.HasErrors() {
		root = r.exportedRoot(origin)
	}
	if r.diags.HasErrors() {
		return nil, r.diags
	}
	hash, err := m.opts.Graph.Add(derivations.Derivation{
		Name: name, Platform: m.opts.Platform, Builder: derivations.BuilderExec,
		Args: []string{"/bin/sh", "-euc", `: > "$out"`}, Env: env, Root: root,
	}, origin)
	if err != nil {
		return nil, append(r.diags, r.refused(b, err)...)
	}
	out := &Environment{
		Address: address, Range: b.Range,
		Shell: derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput},
		value: cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(name),
			"out":  eval.MarkPath(root, address),
			"env":  r.envValue(),
		}),
	}
	stored, _ := m.opts.Graph.Derivation(hash)
	for _, in := range stored.Inputs {
		if path, err := m.opts.Graph.Placeholder(in); err == nil && path == root {
			out.Root = in
		}
	}
	return out, r.diags
}

// envValue is the argument env as expressions read it, paths marked.
func (r *fields) envValue() cty.Value {
	a := r.body.Attr("env")
	if a == nil {
		return cty.EmptyObjectVal
	}
	v, diags := eval.Evaluate(a.Expr, r.scope)
	if diags.HasErrors() || v.IsNull() {
		return cty.EmptyObjectVal // fields.texts has said so
	}
	return v
}

// Environment returns the environment of a block without for_each, which is in the
// graph then. It is nil when there are errors.
func (m *Module) Environment(name string, from diag.Range) (*Environment, diag.List) {
	f, diags := m.environmentFamily(name, from)
	if f == nil {
		return nil, diags
	}
	e, more := f.only("environment", name, from)
	return e, append(diags, more...)
}

// EnvironmentOf returns one environment of a block with for_each. It is nil when
// there are errors.
func (m *Module) EnvironmentOf(name, key string, from diag.Range) (*Environment, diag.List) {
	f, diags := m.environmentFamily(name, from)
	if f == nil {
		return nil, diags
	}
	e, more := f.one("environment", name, key, from)
	return e, append(diags, more...)
}

// Environments returns all environments of a block, those with errors left out,
// sorted by key.
func (m *Module) Environments(name string, from diag.Range) ([]*Environment, diag.List) {
	f, diags := m.environmentFamily(name, from)
	if f == nil {
		return nil, diags
	}
	out, more := instances(f, from)
	return out, append(diags, more...)
}

// EnvironmentKeys returns the keys of a block's for_each, sorted; keyed is false
// when it has none.
func (m *Module) EnvironmentKeys(name string, from diag.Range) (keys []string, keyed bool, diags diag.List) {
	f, diags := m.environmentFamily(name, from)
	if f == nil {
		return nil, false, diags
	}
	return f.keys, f.keyed, diags
}

func (m *Module) environmentFamily(name string, from diag.Range) (*family[*Environment], diag.List) {
	c, ok := m.environments[name]
	if !ok {
		return nil, missing(m.opts.Session, "environment", name, from, m.environments, "It is declared by a block\n\n  environment %q {", name)
	}
	return c.get(from)
}

// environment answers environment.NAME and environment.NAME["KEY"].
func (n *names) environment(ref syntax.Reference) (cty.Value, int, diag.List) {
	f, diags := n.m.environmentFamily(ref.Path[0].Name, ref.Range)
	if f == nil {
		return cty.DynamicVal, 1, diags
	}
	return member(f, ref, diags, func(e *Environment, step syntax.Step) diag.List {
		known := slices.Sorted(maps.Keys(e.value.Type().AttributeTypes()))
		return diag.Errorf(step.Range, "Unknown attribute",
			"%s has no attribute %q. It has %s.%s", e.Address, step.Name, strings.Join(known, ", "), diag.DidYouMean(step.Name, known))
	})
}

// result is what environment.NAME is in expressions.
func (e *Environment) result() cty.Value { return e.value }

func (e *Environment) attribute(name string) (cty.Value, bool) {
	if !e.value.Type().HasAttribute(name) {
		return cty.NilVal, false
	}
	return e.value.GetAttr(name), true
}
