package lang

import (
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// A Use is a module block: the use of another module, as written. What is in it
// is known before anything is evaluated.
type Use struct {
	// Name is the block's label.
	Name string
	// Source is where the module is, and Version which versions will do, "" for
	// any.
	Source, Version           string
	SourceRange, VersionRange diag.Range
	// OutputsOnly is `import = false`: options and config of the module stay out of
	// systems.
	OutputsOnly bool
	// Separate asks for a version that need not be the one which everybody else
	// has.
	Separate bool
	// Block is the text.
	Block *syntax.Block
}

// useArguments are the arguments of a module block that are no variables of the
// module.
var useArguments = []string{"source", "version", "import", "separate", "for_each", "count"}

// newUse takes a module block apart.
func newUse(b *syntax.Block) (*Use, diag.List) {
	u := &Use{Name: b.Labels[0], Block: b}
	diags := NoCount(b.Body)
	for _, blk := range b.Body.Blocks {
		diags = append(diags, diag.Errorf(blk.TypeRange, "Unsupported block type",
			"A module block has arguments only: a value for each variable of the module, as in\n\n  %s = …", blk.Type)...)
	}
	text := func(name, example string, to *string, at *diag.Range) {
		a := b.Body.Attr(name)
		if a == nil {
			return
		}
		s, ok := a.Expr.StringLiteral()
		if !ok || s == "" {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Static value required",
				"The %s of a module is a text in quotes without names in it, because it must be known before anything is evaluated, as in\n\n  %s = %q", name, name, example)...)
		}
		*to, *at = s, a.Expr.Range()
	}
	flag := func(name string) (set, value bool) {
		a := b.Body.Attr(name)
		if a == nil {
			return false, false
		}
		word, ok := a.Expr.Keyword()
		if !ok || word != "true" && word != "false" {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Static value required", "%s is either true or false.", name)...)
		}
		return true, word == "true"
	}
	text("source", "./modules/web", &u.Source, &u.SourceRange)
	text("version", "~> 1.2", &u.Version, &u.VersionRange)
	set, value := flag("import")
	u.OutputsOnly = set && !value
	_, u.Separate = flag("separate")
	if b.Body.Attr("source") == nil {
		at, near := b.Body.End, ""
		for _, a := range u.Variables() {
			if _, ok := diag.Suggest(a.Name, []string{"source"}); ok {
				at, near = a.NameRange, "\n\nDid you mean it by \""+a.Name+"\"?"
			}
		}
		diags = append(diags, diag.Errorf(at, "Missing required argument",
			"The argument \"source\" is required in a module block, as in\n\n  source = \"./modules/%s\"%s", u.Name, near)...)
	}
	return u, diags
}

func useBlocks(uses []*Use) []*syntax.Block {
	blocks := make([]*syntax.Block, len(uses))
	for i, u := range uses {
		blocks[i] = u.Block
	}
	return blocks
}

// Variables returns the arguments that are values for variables.
func (u *Use) Variables() []*syntax.Attr {
	return slices.DeleteFunc(slices.Clone(u.Block.Body.Attrs), func(a *syntax.Attr) bool {
		return slices.Contains(useArguments, a.Name)
	})
}

// A Loader finds the modules that module blocks name.
type Loader interface {
	// Open returns the module that a block of parent names, prepared for evaluation
	// ([Prepare]), nil with errors. address is the instance's, as in
	// `module.web` or `module.web["a"]`, and variables are the values given to it.
	Open(parent *Module, use *Use, address string, variables map[string]VariableValue) (*Module, diag.List)
}

// Instances are the modules that one module block stands for: one, or one for
// each key of its for_each.
type Instances struct {
	// Keyed is set when the block has a for_each. Keys are its keys, sorted; one ""
	// without it.
	Keyed bool
	Keys  []string
	cells map[string]*eval.Cell[*Module]
}

// Instance returns the module of a key, "" for a block without for_each. It is
// nil when there are errors.
func (i *Instances) Instance(key string, from diag.Range) (*Module, diag.List) {
	return i.cells[key].Get(from)
}

// Uses returns the modules that a module block stands for. It is nil when there
// are errors.
func (m *Module) Uses(name string, from diag.Range) (*Instances, diag.List) {
	c, ok := m.uses[name]
	if !ok {
		return nil, missing(m.opts.Session, "module", name, from, m.uses, "It is declared by a block\n\n  module %q {", name)
	}
	return c.Get(from)
}

// Address returns what the module is called, seen from the root module: "" for
// that, `module.web["a"]` and the like for others.
func (m *Module) Address() string { return m.opts.Address }

// Dir is the directory that the module is in.
func (m *Module) Dir() string { return m.Definition.Module.Dir }

// within puts the module's address in front of that of something in it.
func (m *Module) within(addr string) string {
	if m.opts.Address == "" {
		return addr
	}
	return m.opts.Address + "." + addr
}

func (m *Module) makeUses() {
	s := m.opts.Session
	for _, u := range m.Definition.Uses {
		m.uses[u.Name] = eval.NewCell(s, m.within("module."+u.Name), u.Block.Range, func() (*Instances, diag.List) { return m.instances(u) })
	}
}

// instances finds the keys of a module block. The modules are not opened yet.
func (m *Module) instances(u *Use) (*Instances, diag.List) {
	out := &Instances{Keys: []string{""}}
	address := m.within("module." + u.Name)
	a := u.Block.Body.Attr("for_each")
	if a == nil {
		out.cells = map[string]*eval.Cell[*Module]{"": m.instance(u, address, m.scope)}
		return out, nil
	}
	elements, diags := m.StaticForEach(a.Expr, "The for_each of a module")
	if diags.HasErrors() {
		return nil, diags
	}
	out.Keyed, out.Keys = true, slices.Sorted(maps.Keys(elements))
	out.cells = make(map[string]*eval.Cell[*Module], len(elements))
	for key, value := range elements {
		out.cells[key] = m.instance(u, address+"["+strconv.Quote(key)+"]", eval.NewScope(m.scope, Each(key, value)))
	}
	return out, diags
}

// instance is one module of a block, whose arguments mean what they do in scope.
func (m *Module) instance(u *Use, address string, scope *eval.Scope) *eval.Cell[*Module] {
	return eval.NewCell(m.opts.Session, address, u.Block.Range, func() (*Module, diag.List) {
		if m.opts.Loader == nil {
			return nil, diag.Errorf(u.SourceRange, "Module not available", "Other modules cannot be used here.")
		}
		variables := map[string]VariableValue{}
		for _, a := range u.Variables() {
			variables[a.Name] = VariableValue{
				Source: u.Block.Header(),
				Given:  a,
				Value:  func() (cty.Value, diag.List) { return eval.Evaluate(a.Expr, scope) },
			}
		}
		child, diags := m.opts.Loader.Open(m, u, address, variables)
		if diags.HasErrors() {
			return nil, diags
		}
		return child, append(diags, child.checkGiven(u)...)
	})
}

// checkGiven compares the values that a module block gives with the variables
// that the module has.
func (m *Module) checkGiven(u *Use) diag.List {
	diags := m.undeclared()
	for _, b := range m.Definition.Variables {
		name := b.Labels[0]
		if _, given := m.opts.Variables[name]; given || b.Body.Attr("default") != nil {
			continue
		}
		d := diag.New(diag.Error, u.Block.Body.End, "Missing required argument",
			"The variable %q of the module %q has no default, so a value must be given: %s = …", name, u.Source, name)
		d.Related = []diag.Related{{Message: "The variable is declared", Range: b.Range}}
		diags = append(diags, d)
	}
	return diags
}

// CheckVariables reports values that are given to no variable, and what is wrong
// with the others.
func (m *Module) CheckVariables() diag.List { return append(m.undeclared(), m.ForceVariables()...) }

// ForceVariables evaluates and validates all variables of the module.
func (m *Module) ForceVariables() diag.List {
	var diags diag.List
	for _, b := range m.Definition.Variables {
		_, more := m.variables[b.Labels[0]].Get(diag.Range{})
		diags = append(diags, more...)
	}
	return diags
}

// used answers module.NAME.OUTPUT, module.NAME["KEY"].OUTPUT, and for whole
// modules the object of all their outputs.
func (n *names) used(ref syntax.Reference) (cty.Value, int, diag.List) {
	name := ref.Path[0].Name
	all, diags := n.m.Uses(name, ref.Range)
	if all == nil {
		return cty.DynamicVal, len(ref.Path), diags
	}
	used := 1
	if all.Keyed {
		if len(ref.Path) == 1 {
			values := map[string]cty.Value{}
			for _, key := range all.Keys {
				v, more := allOutputs(all, key, ref)
				diags = append(diags, more...)
				values[key] = v
			}
			return cty.ObjectVal(values), 1, diags
		}
		used = 2
		if key := ref.Path[1].Name; all.cells[key] == nil {
			return cty.DynamicVal, len(ref.Path), diag.Errorf(ref.Path[1].Range, "No such key",
				"module.%s has no key %q.%s", name, key, keysText(n.m.opts.Session, key, all.Keys))
		}
	}
	key := ""
	if all.Keyed {
		key = ref.Path[1].Name
	}
	if len(ref.Path) == used {
		v, more := allOutputs(all, key, ref)
		return v, used, append(diags, more...)
	}
	child, more := all.Instance(key, ref.Range)
	diags = append(diags, more...)
	if child == nil {
		return cty.DynamicVal, len(ref.Path), diags
	}
	step := ref.Path[used]
	if more := n.m.checkOutput(child, name, step, ref); more != nil {
		return cty.DynamicVal, len(ref.Path), append(diags, more...)
	}
	v, more := child.Output(step.Name, ref.Range)
	return v, used + 1, append(diags, more...)
}

// checkOutput says that a module, which m calls by a name, has no output of a
// step's name, nil when it has.
func (m *Module) checkOutput(child *Module, name string, step syntax.Step, ref syntax.Reference) diag.List {
	if _, ok := child.outputs[step.Name]; ok {
		return nil
	}
	at := step.Range
	if at.IsZero() {
		at = ref.Range
	}
	detail := m.opts.Session.DidYouMean(step.Name, len(child.outputs), func() []string { return slices.Collect(maps.Keys(child.outputs)) })
	if detail == "" {
		detail = " What others can read of a module are its output blocks."
	}
	return diag.Errorf(at, "Unknown output", "The module %q has no output %q.%s", name, step.Name, detail)
}

func keysText(s *eval.Session, key string, keys []string) string {
	if near := s.DidYouMean(key, len(keys), func() []string { return keys }); near != "" {
		return near
	}
	const most = 20
	if len(keys) == 0 || len(keys) > most {
		return ""
	}
	return " It has " + quoted(keys) + "."
}

// allOutputs is a whole module as a value.
func allOutputs(all *Instances, key string, ref syntax.Reference) (cty.Value, diag.List) {
	child, diags := all.Instance(key, ref.Range)
	if child == nil {
		return cty.DynamicVal, diags
	}
	values := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(child.outputs)) {
		v, more := child.Output(name, ref.Range)
		diags = append(diags, more...)
		values[name] = v
	}
	return cty.ObjectVal(values), diags
}

// UseReference takes a static reference to modules apart, as a list of modules
// has it: module.NAME, or module.NAME["KEY"]. ok is false for anything else.
func UseReference(e *syntax.Expr) (name string, key *string, rng diag.Range, ok bool) {
	refs := e.References()
	if len(refs) != 1 || refs[0].Root != "module" || len(refs[0].Path) < 1 || len(refs[0].Path) > 2 {
		return "", nil, e.Range(), false
	}
	path := refs[0].Path
	if !hclsyntax.ValidIdentifier(path[0].Name) || e.Text() != refs[0].String() {
		return "", nil, e.Range(), false
	}
	if len(path) == 2 {
		if !path[1].Index {
			return "", nil, e.Range(), false
		}
		key = &path[1].Name
	}
	return path[0].Name, key, refs[0].Range, true
}
