package lang

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/internal/readlog"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/funcs"
	"sysc/lang/syntax"
)

// Options say how a definition is evaluated. All but Graph may be left empty.
type Options struct {
	// Graph is where derivations go. It must be given.
	Graph *derivations.Graph
	// Host answers for inputs and packages; nil makes reading those an error.
	Host Host
	// Variables are the values given from outside, by name.
	Variables map[string]VariableValue
	// Platform is that of derivations, as "linux/amd64"; empty means that.
	Platform string
	// Loader finds the modules that module blocks name; nil makes using them an
	// error.
	Loader Loader
	// Address is what the module is called, seen from the root module; "" for that.
	Address string
	// Prefix stands before names of the module's files in messages, as for [LoadAs].
	Prefix string
	// Rendered, if not nil, is given the texts of templates by their names in
	// messages.
	Rendered func(name string, src []byte)
	// Session is shared by modules that read one another's values; nil means a new
	// one.
	Session *eval.Session
	// Reads, if not nil, notes which files are read.
	Reads *readlog.Log
	// Remembered are derivations of blocks without for_each that need not be evaluated,
	// by their labels.
	Remembered map[string]*Remembered
}

// A Module is a definition that is being evaluated: its values are computed when
// they are asked for, and kept. It is not safe for concurrent use.
type Module struct {
	// Definition is what is being evaluated.
	Definition *Definition

	opts        Options
	files       map[string][]byte
	scope       *eval.Scope
	locals      map[string]*eval.Cell[cty.Value]
	variables   map[string]*eval.Cell[cty.Value]
	outputs     map[string]*eval.Cell[cty.Value]
	derivations map[string]familyCell[*Derivation]
	inputs      map[string]*eval.Cell[*Input]
	uses        map[string]*eval.Cell[*Instances]

	environments map[string]familyCell[*Environment]
	// asserted is set once the assertions have been evaluated.
	asserted    bool
	assertDiags diag.List
}

// Evaluate prepares the evaluation of a definition. What it returns as problems
// are those of variables' values, which are looked at now; everything else is
// evaluated when it is asked for. The module is never nil.
func Evaluate(def *Definition, opts Options) (*Module, diag.List) {
	m := Prepare(def, opts)
	return m, m.CheckVariables()
}

// Prepare is [Evaluate] without looking at anything at all, variables neither.
func Prepare(def *Definition, opts Options) *Module {
	if opts.Session == nil {
		opts.Session = eval.NewSession()
	}
	if opts.Platform == "" {
		opts.Platform = "linux/amd64"
	}
	opts.Session.AddText(def, def.Module.Size())
	m := &Module{
		Definition:   def,
		opts:         opts,
		files:        maps.Clone(def.Module.Files),
		locals:       make(map[string]*eval.Cell[cty.Value], len(def.Locals)),
		variables:    make(map[string]*eval.Cell[cty.Value], len(def.Variables)),
		outputs:      make(map[string]*eval.Cell[cty.Value], len(def.Outputs)),
		derivations:  make(map[string]familyCell[*Derivation], len(def.Derivations)),
		inputs:       make(map[string]*eval.Cell[*Input], len(def.Inputs)),
		environments: make(map[string]familyCell[*Environment], len(def.Environments)),
		uses:         make(map[string]*eval.Cell[*Instances], len(def.Uses)),
	}
	table := funcs.Table(funcs.Module{
		Dir: def.Module.Dir, Graph: opts.Graph, Platform: opts.Platform,
		Prefix: opts.Prefix, Reads: opts.Reads,
		Rendered: func(name string, src []byte) {
			m.files[name] = src
			if opts.Rendered != nil {
				opts.Rendered(name, src)
			}
		},
	})
	m.functions(table)
	m.scope = eval.NewScope(eval.NewRoot(opts.Session, table), &names{m})
	m.makeCells()
	m.makeUses()
	return m
}

func (m *Module) makeCells() {
	s := m.opts.Session
	for _, a := range m.Definition.Locals {
		m.locals[a.Name] = eval.NewCell(s, m.within("local."+a.Name), a.NameRange, func() (cty.Value, diag.List) {
			v, diags := eval.Evaluate(a.Expr, m.scope)
			if diags.HasErrors() {
				v = cty.DynamicVal
			}
			return v, diags
		})
	}
	for _, b := range m.Definition.Variables {
		m.variables[b.Labels[0]] = eval.NewCell(s, m.within("var."+b.Labels[0]), b.Range, func() (cty.Value, diag.List) { return m.variable(b) })
	}
	for _, b := range m.Definition.Outputs {
		m.outputs[b.Labels[0]] = eval.NewCell(s, m.within("output."+b.Labels[0]), b.Range, func() (cty.Value, diag.List) { return m.output(b) })
	}
	for _, b := range m.Definition.Derivations {
		if r, ok := m.opts.Remembered[b.Labels[0]]; ok {
			address := m.within("derivation." + b.Labels[0])
			m.derivations[b.Labels[0]] = familyCell[*Derivation]{alone: eval.NewCell(s, address, b.Range, func() (*Derivation, diag.List) {
				return m.remembered(b, r, address)
			})}
			continue
		}
		m.derivations[b.Labels[0]] = newFamily(m, b, m.within("derivation."+b.Labels[0]), func(scope *eval.Scope, address, key string) (*Derivation, diag.List) {
			return m.derivation(b, scope, address, key)
		})
	}
	for _, b := range m.Definition.Environments {
		m.environments[b.Labels[0]] = newFamily(m, b, m.within("environment."+b.Labels[0]), func(scope *eval.Scope, address, key string) (*Environment, diag.List) {
			return m.environment(b, scope, address, key)
		})
	}
	for _, b := range m.Definition.Inputs {
		m.inputs[b.Labels[0]] = eval.NewCell(s, m.within("input."+b.Labels[0]), b.Range, func() (*Input, diag.List) { return m.input(b) })
	}
}

// Scope is what names and functions mean in the module's expressions.
func (m *Module) Scope() *eval.Scope { return m.scope }

// Files are the module's texts and those of templates that were rendered, for
// printing diagnostics. The map is not to be changed.
func (m *Module) Files() map[string][]byte { return m.files }

// Local returns the value of a local name. from is the text that asks, or no
// place.
func (m *Module) Local(name string, from diag.Range) (cty.Value, diag.List) {
	c, ok := m.locals[name]
	if !ok {
		return cty.DynamicVal, missing(m.opts.Session, "local value", name, from, m.locals,
			"It is declared in a locals block, as in\n\n  locals {\n    %s = …\n  }", name)
	}
	return valueOf(c, from)
}

// Variable returns the value of a variable.
func (m *Module) Variable(name string, from diag.Range) (cty.Value, diag.List) {
	c, ok := m.variables[name]
	if !ok {
		return cty.DynamicVal, missing(m.opts.Session, "variable", name, from, m.variables, "It is declared by a block\n\n  variable %q {}", name)
	}
	return valueOf(c, from)
}

// Input returns an input's settings. It is nil when there are errors.
func (m *Module) Input(name string, from diag.Range) (*Input, diag.List) {
	c, ok := m.inputs[name]
	if !ok {
		return nil, missing(m.opts.Session, "input", name, from, m.inputs, "It is declared by a block\n\n  input %q {", name)
	}
	return c.Get(from)
}

// valueOf reads a cell, and makes the value of a cycle a usable one.
func valueOf(c *eval.Cell[cty.Value], from diag.Range) (cty.Value, diag.List) {
	v, diags := c.Get(from)
	if v == cty.NilVal {
		v = cty.DynamicVal
	}
	return v, diags
}

// missing says that there is no such thing, with what was probably meant.
func missing[T any](s *eval.Session, what, name string, from diag.Range, known map[string]T, how string, args ...any) diag.List {
	s.Trace().Gap() // who goes on without it depends on there being none
	near := s.DidYouMean(name, len(known), func() []string { return slices.Collect(maps.Keys(known)) })
	if near == "" {
		return diag.Errorf(from, "Unknown "+what, "There is no "+what+" named %q. "+how, append([]any{name}, args...)...)
	}
	return diag.Errorf(from, "Unknown "+what, "There is no "+what+" named %q.%s", name, near)
}

// Force evaluates all values, inputs, derivations, environments, outputs, and
// assertions that are about no system, those of used modules too, and returns the
// problems of all.
func (m *Module) Force() diag.List {
	none := diag.Range{}
	diags := m.ForceVariables()
	for _, a := range m.Definition.Locals {
		_, more := m.locals[a.Name].Get(none)
		diags = append(diags, more...)
	}
	for _, b := range m.Definition.Inputs {
		_, more := m.inputs[b.Labels[0]].Get(none)
		diags = append(diags, more...)
	}
	for _, b := range m.Definition.Derivations {
		_, more := m.Derivations(b.Labels[0], none)
		diags = append(diags, more...)
	}
	for _, b := range m.Definition.Environments {
		_, more := m.Environments(b.Labels[0], none)
		diags = append(diags, more...)
	}
	for _, b := range m.Definition.Outputs {
		_, more := m.outputs[b.Labels[0]].Get(none)
		diags = append(diags, more...)
	}
	for _, u := range m.Definition.Uses {
		all, more := m.Uses(u.Name, none)
		diags = append(diags, more...)
		if all == nil {
			continue
		}
		for _, key := range all.Keys {
			child, more := all.Instance(key, none)
			diags = append(diags, more...)
			if child != nil {
				diags = append(diags, child.Force()...)
			}
		}
	}
	return append(diags, m.CheckAsserts()...).Sort()
}

// names resolves what expressions of a module may refer to.
type names struct{ m *Module }

// Roots returns the first words. Those that mean something only elsewhere are
// among them, so that they get an answer that says so.
func (n *names) Roots() []string {
	return []string{"var", "local", "input", "pkg", "derivation", "path", "config", "option", "system", "self", "parent", "each", "module", "environment"}
}

var notHere = map[string]string{
	"config": "The options of a system are known in its config, system and assert blocks and in defaults of options, and nowhere else: a local value or derivation belongs to no system.",
	"option": "Options are known in config and system blocks and in defaults of options, and nowhere else.",
	"system": "The name and platform of a system are known in its config and system blocks, and nowhere else.",
	"self":   "self is the instance of a labelled option, in whose block alone it is known.",
	"parent": "parent is the instance around that of a labelled option, in whose block alone it is known.",
	"each":   "each is known in a block with for_each, and this one has none.",
}

// Resolve returns the value that a reference begins with.
func (n *names) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	if reason, ok := notHere[ref.Root]; ok {
		return cty.DynamicVal, 0, diag.Errorf(ref.Range, ref.Root+" is not known here", "%s", reason)
	}
	if len(ref.Path) == 0 {
		return cty.DynamicVal, 0, diag.Errorf(ref.Range, "Incomplete reference",
			"%q must be followed by a dot and a name.", ref.Root)
	}
	name := ref.Path[0].Name
	switch ref.Root {
	case "var":
		v, diags := n.m.Variable(name, ref.Range)
		return v, 1, diags
	case "local":
		v, diags := n.m.Local(name, ref.Range)
		return v, 1, diags
	case "derivation":
		return n.derivation(ref)
	case "environment":
		return n.environment(ref)
	case "module":
		return n.used(ref)
	case "input":
		return n.input(ref)
	case "pkg":
		return n.pkg(ref)
	}
	return n.path(ref)
}

func (n *names) path(ref syntax.Reference) (cty.Value, int, diag.List) {
	switch name := ref.Path[0].Name; name {
	case "module":
		// File functions take paths from the module's directory on.
		return cty.StringVal("."), 1, nil
	case "root":
		if n.m.opts.Address != "" {
			return cty.DynamicVal, 1, diag.Errorf(ref.Range, "Directory of another module",
				"A module reads files of its own directory only, so there is no path.root in a module that is used by another one. Let the root module read the file and give its content to a variable.")
		}
		return cty.StringVal("."), 1, nil
	default:
		return cty.DynamicVal, 1, diag.Errorf(ref.Range, "Unknown path",
			"There are path.module and path.root; there is no path.%s.%s", name, diag.DidYouMean(name, []string{"module", "root"}))
	}
}
