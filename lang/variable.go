package lang

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// A VariableValue is a value given from outside of the definition.
type VariableValue struct {
	// Text is what was written. For a variable of type string it is the value; for
	// others it is an expression without names, as in ["a", "b"]. It counts when
	// Expr is nil.
	Text string
	// Expr is an expression of a file of values, evaluated without any names.
	Expr *syntax.Expr
	// Value is what another module or a file gives, computed when the variable is
	// read; Text and Expr do not count then. Given is the text of a module that gives
	// it.
	Value func() (cty.Value, diag.List)
	Given *syntax.Attr
	// Range is where it stands in a file of values.
	Range diag.Range
	// Source says where it comes from, as in "SYSC_VAR_port" or "--var port=…". The
	// value is no part of it, as it may be a secret.
	Source string
	// Ambient is set for values that may be meant for other definitions: there need
	// not be a variable of the name.
	Ambient bool
}

var variableSchema = syntax.Schema{
	Attrs: []syntax.AttrSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"}, {Name: "deprecated"},
	},
	Blocks: []syntax.BlockSchema{{Type: "validation"}},
}

var validationSchema = syntax.Schema{
	Attrs: []syntax.AttrSchema{{Name: "condition", Required: true}, {Name: "error_message", Required: true}},
}

// A constraint is what the block of a variable says.
type constraint struct {
	ty        cty.Type
	defaults  *typeexpr.Defaults
	sensitive bool
	nullable  bool
	// text is set when a value from outside is a text as it stands, rather than an
	// expression.
	text bool
}

// NoValue is the summary of the problem that a variable needs a value and has none.
const NoValue = "No value for required variable"

// variable computes the value of a variable: the one given, or the default,
// converted to its type and validated.
func (m *Module) variable(b *syntax.Block) (cty.Value, diag.List) {
	diags := b.Body.Check("a variable", variableSchema)
	for _, v := range b.Body.Blocks {
		if v.Type == "validation" {
			diags = append(diags, v.Body.Check("a validation", validationSchema)...)
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	c, more := m.constraint(b)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := m.variableValue(b, c)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if c.sensitive {
		v = v.Mark(eval.Sensitive)
	}
	diags = append(diags, m.deprecated(b)...)
	diags = append(diags, m.validate(b, v)...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, diags
}

func (m *Module) constraint(b *syntax.Block) (constraint, diag.List) {
	c := constraint{ty: cty.DynamicPseudoType, nullable: true, text: true}
	var diags diag.List
	if a := b.Body.Attr("type"); a != nil {
		ty, defaults, hclDiags := typeexpr.TypeConstraintWithDefaults(a.Expr.Node())
		for _, d := range syntax.FromHCL(hclDiags) {
			explainType(d)
			diags = append(diags, d)
		}
		c.ty, c.defaults, c.text = ty, defaults, ty.IsPrimitiveType()
	}
	for name, field := range map[string]*bool{"sensitive": &c.sensitive, "nullable": &c.nullable} {
		a := b.Body.Attr(name)
		if a == nil {
			continue
		}
		word, ok := a.Expr.Keyword()
		if !ok || word != "true" && word != "false" {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Invalid value", "%s is either true or false.", name)...)
		}
		*field = word == "true"
	}
	diags = append(diags, checkDescription(b.Body)...)
	if a := b.Body.Attr("deprecated"); a != nil {
		if text, _ := a.Expr.StringLiteral(); text == "" {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Invalid value", "deprecated is a text in quotes without interpolation that says what to use instead.")...)
		}
	}
	return c, diags
}

// variableValue returns the value given or the default, of the right type.
func (m *Module) variableValue(b *syntax.Block, c constraint) (cty.Value, diag.List) {
	name := b.Labels[0]
	given, ok := m.opts.Variables[name]
	m.noteVariable(name, c, ok)
	if ok {
		v, diags := m.givenValue(given, c)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		if v.IsNull() && !c.nullable {
			if def := b.Body.Attr("default"); def != nil {
				return m.defaultValue(def, c)
			}
		}
		return c.convert(v, given.place(b), fmt.Sprintf("The value of variable %q from %s", name, given.Source))
	}
	def := b.Body.Attr("default")
	if def == nil && m.opts.Address != "" {
		return cty.DynamicVal, nil // checkGiven has said so
	}
	if def == nil {
		return cty.DynamicVal, diag.Errorf(b.Range, NoValue,
			"The variable %q has no default, so a value must be given: set SYSC_VAR_%s, or use --var %s=… or --var-file.", name, name, name)
	}
	return m.defaultValue(def, c)
}

// noteVariable notes that a value from outside was read, or would have been. A secret
// is noted in no form: what depends on it is not to be remembered.
func (m *Module) noteVariable(name string, c constraint, given bool) {
	switch {
	case given && c.sensitive:
		m.opts.Reads.Spoil("a sensitive variable has a value")
	case m.opts.Address == "":
		m.opts.Reads.Note(variableFact+name, AmbientDigest(m.opts.Variables, name))
	}
}

const variableFact = "variable "

// FactVariable returns the variable that something noted is about: what a variable of
// the root module was, for which [AmbientDigest] stands.
func FactVariable(fact string) (name string, ok bool) { return strings.CutPrefix(fact, variableFact) }

// AmbientDigest is what it is noted to be: other for another value of the environment,
// and for none. Values that are meant for the definition are not told apart: whoever
// remembers an evaluation knows them before.
func AmbientDigest(given map[string]VariableValue, name string) string {
	v, ok := given[name]
	switch {
	case !ok:
		return "none"
	case !v.Ambient:
		return "given"
	}
	sum := sha256.Sum256([]byte(v.Source + "\x00" + v.Text))
	return hex.EncodeToString(sum[:])
}

// Given returns the values that variables of the module have from outside, as they
// were given: before they are converted to the variables' types. Those of sensitive
// variables are left out, and their names returned, sorted.
func (m *Module) Given() (values map[string]cty.Value, sensitive []string, diags diag.List) {
	values = map[string]cty.Value{}
	for _, b := range m.Definition.Variables {
		name := b.Labels[0]
		given, ok := m.opts.Variables[name]
		if !ok {
			continue
		}
		c, more := m.constraint(b)
		diags = append(diags, more...)
		if c.sensitive {
			sensitive = append(sensitive, name)
			continue
		}
		v, more := m.givenValue(given, c)
		diags = append(diags, more...)
		values[name] = v
	}
	slices.Sort(sensitive)
	return values, sensitive, diags
}

// place is where a value is given, if that may be shown, or else where its variable
// is declared.
func (v VariableValue) place(b *syntax.Block) diag.Range {
	sensitive, _ := boolArgument(b.Body, "sensitive")
	switch {
	case sensitive && v.Given == nil:
	case v.Given != nil:
		return v.Given.Expr.Range()
	case !v.Range.IsZero():
		return v.Range
	}
	return b.Range
}

// deprecated warns whoever gives a value to a variable that is deprecated.
func (m *Module) deprecated(b *syntax.Block) diag.List {
	a := b.Body.Attr("deprecated")
	given, ok := m.opts.Variables[b.Labels[0]]
	if a == nil || !ok {
		return nil
	}
	text, _ := a.Expr.StringLiteral()
	return diag.Warningf(given.place(b), "Deprecated variable", "%s gives a value to the variable %q, which is deprecated: %s", given.Source, b.Labels[0], text)
}

func (m *Module) defaultValue(def *syntax.Attr, c constraint) (cty.Value, diag.List) {
	if refs := def.Expr.References(); len(refs) > 0 {
		return cty.DynamicVal, diag.Errorf(refs[0].Range, "Names not allowed here",
			"The default of a variable cannot refer to anything. Use a local value that takes the variable and what it needs.")
	}
	v, diags := eval.Evaluate(def.Expr, m.scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := c.convert(v, def.Expr.Range(), "The default")
	return v, append(diags, more...)
}

// givenValue reads a value as it was written outside of the definition.
func (m *Module) givenValue(given VariableValue, c constraint) (cty.Value, diag.List) {
	if given.Value != nil {
		return given.Value()
	}
	x := given.Expr
	if x == nil {
		const maxLen = 1 << 20
		if len(given.Text) > maxLen {
			return cty.DynamicVal, diag.Errorf(diag.Range{}, "Invalid value", "The value from %s is too long.", given.Source)
		}
		if c.text {
			return cty.StringVal(strings.ToValidUTF8(given.Text, "\uFFFD")), nil
		}
		var diags diag.List
		x, diags = syntax.ParseExpression([]byte(given.Text), "value of "+given.Source)
		if diags.HasErrors() {
			return cty.DynamicVal, c.unreadable(given, diags)
		}
	}
	v, diags := eval.Evaluate(x, eval.NewRoot(m.opts.Session, map[string]*eval.Function{}))
	return v, c.unreadable(given, diags)
}

// unreadable takes the details out of errors that may have a secret in them.
func (c constraint) unreadable(given VariableValue, diags diag.List) diag.List {
	if !c.sensitive || !diags.HasErrors() {
		return diags
	}
	return diag.Errorf(diag.Range{}, "Invalid value", "The value from %s cannot be read as an expression of constants. The variable is sensitive, so no more is said of it.", given.Source)
}

func (c constraint) convert(v cty.Value, rng diag.Range, what string) (cty.Value, diag.List) {
	if v.IsNull() && !c.nullable {
		return cty.DynamicVal, diag.Errorf(rng, "Invalid value", "%s is null, and this variable is not nullable.", what)
	}
	if c.defaults != nil && !v.IsNull() {
		v = c.defaults.Apply(v)
	}
	out, err := eval.Convert(v, c.ty)
	if err != nil {
		return cty.DynamicVal, diag.Errorf(rng, "Incorrect type", "%s does not fit the type %s: %s.", what, typeexpr.TypeString(c.ty.WithoutOptionalAttributesDeep()), c.describe(err))
	}
	if eval.OutOfRange(out) {
		return cty.DynamicVal, diag.Errorf(rng, "Number out of range", "%s has a number in it that is too large or too small.", what)
	}
	return out, nil
}

// describe says why a value does not fit, and nothing of a sensitive one, whose
// keys may be secrets, too.
func (c constraint) describe(err error) string {
	if c.sensitive {
		return "the variable is sensitive, so no more is said of it"
	}
	return describeError(err)
}

// describeError writes the path in a conversion's error as the language does.
func describeError(err error) string {
	pathErr, ok := err.(cty.PathError)
	if !ok || len(pathErr.Path) == 0 {
		return err.Error()
	}
	var b strings.Builder
	for _, step := range pathErr.Path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			fmt.Fprintf(&b, "[%s]", strings.TrimPrefix(eval.Describe(s.Key), "is "))
		}
	}
	return b.String() + ": " + err.Error()
}

// validate checks the validation blocks of a variable, which may refer to it.
func (m *Module) validate(b *syntax.Block, v cty.Value) diag.List {
	var diags diag.List
	scope := eval.NewScope(m.scope, &validated{names: names{m}, name: b.Labels[0], value: v})
	for _, blk := range b.Body.Blocks {
		holds, values, more := eval.Condition(blk.Body.Attr("condition").Expr, scope)
		diags = append(diags, more...)
		if holds {
			continue
		}
		message, more := eval.Message(blk.Body.Attr("error_message").Expr, scope)
		diags = append(diags, more...)
		if message == "" {
			message = "The value is not valid."
		}
		d := diag.New(diag.Error, b.Range, "Invalid value for variable", "%s", message+"\n\nThis was checked by the validation at "+blk.Range.String()+".")
		d.Subject, d.Values = m.opts.Variables[b.Labels[0]].place(b).Ptr(), values
		diags = append(diags, d)
	}
	return diags
}

// validated is the names of a module in which one variable has a value that is
// not accepted yet.
type validated struct {
	names
	name  string
	value cty.Value
}

// Resolve knows the variable, and leaves others to the module.
func (n *validated) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	if ref.Root == "var" && len(ref.Path) > 0 && ref.Path[0].Name == n.name {
		return n.value, 1, nil
	}
	return n.names.Resolve(ref)
}

// undeclared reports values for variables that there are none of.
func (m *Module) undeclared() diag.List {
	var diags diag.List
	for _, name := range slices.Sorted(maps.Keys(m.opts.Variables)) {
		if _, ok := m.variables[name]; ok {
			continue
		}
		given := m.opts.Variables[name]
		if given.Ambient {
			continue
		}
		if given.Given != nil {
			diags = append(diags, diag.Errorf(given.Given.NameRange, "Unsupported argument",
				"The module has no variable %q.%s", name, diag.DidYouMean(name, slices.Collect(maps.Keys(m.variables))))...)
			continue
		}
		diags = append(diags, diag.New(diag.Error, given.Range, "Value for undeclared variable", "%s",
			fmt.Sprintf("%s gives a value to the variable %q, which the definition does not declare.", given.Source, name)+
				diag.DidYouMean(name, slices.Collect(maps.Keys(m.variables)))))
	}
	return diags
}
