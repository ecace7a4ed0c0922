package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

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
	// Value is what another module gives, computed when the variable is read, and
	// Given the text that gives it. Text and Expr do not count then.
	Value func() (cty.Value, diag.List)
	Given *syntax.Attr
	// Source says where it comes from, as in "SYSC_VAR_port" or "--var port=…".
	Source string
}

var variableSchema = syntax.Schema{
	Attrs: []syntax.AttrSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
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
}

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
	diags = append(diags, m.validate(b, v)...)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if c.sensitive {
		v = v.Mark(eval.Sensitive)
	}
	return v, diags
}

func (m *Module) constraint(b *syntax.Block) (constraint, diag.List) {
	c := constraint{ty: cty.DynamicPseudoType, nullable: true}
	var diags diag.List
	if a := b.Body.Attr("type"); a != nil {
		ty, defaults, hclDiags := typeexpr.TypeConstraintWithDefaults(a.Expr.Node())
		for _, d := range syntax.FromHCL(hclDiags) {
			if word, ok := a.Expr.Keyword(); ok {
				d.Detail += diag.DidYouMean(word, []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"})
			}
			diags = append(diags, d)
		}
		c.ty, c.defaults = ty, defaults
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
	if a := b.Body.Attr("description"); a != nil {
		if _, ok := a.Expr.StringLiteral(); !ok {
			diags = append(diags, diag.Errorf(a.Expr.Range(), "Invalid value", "A description is a text in quotes without interpolation.")...)
		}
	}
	return c, diags
}

// variableValue returns the value given or the default, of the right type.
func (m *Module) variableValue(b *syntax.Block, c constraint) (cty.Value, diag.List) {
	name := b.Labels[0]
	given, ok := m.opts.Variables[name]
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
		at := b.Range
		if given.Given != nil {
			at = given.Given.Expr.Range()
		}
		return c.convert(v, at, fmt.Sprintf("The value of variable %q from %s", name, given.Source))
	}
	def := b.Body.Attr("default")
	if def == nil && m.opts.Address != "" {
		return cty.DynamicVal, nil // checkGiven has said so
	}
	if def == nil {
		return cty.DynamicVal, diag.Errorf(b.Range, "No value for required variable",
			"The variable %q has no default, so a value must be given: set SYSC_VAR_%s, or use --var %s=… or --var-file.", name, name, name)
	}
	return m.defaultValue(def, c)
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
		if c.ty.IsPrimitiveType() || c.ty == cty.DynamicPseudoType {
			const maxLen = 1 << 20
			if len(given.Text) > maxLen {
				return cty.DynamicVal, diag.Errorf(diag.Range{}, "Invalid value", "The value from %s is too long.", given.Source)
			}
			return cty.StringVal(strings.ToValidUTF8(given.Text, "\uFFFD")), nil
		}
		var diags diag.List
		x, diags = syntax.ParseExpression([]byte(given.Text), "value of "+given.Source)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
	}
	return eval.Evaluate(x, eval.NewRoot(m.opts.Session, map[string]*eval.Function{}))
}

func (c constraint) convert(v cty.Value, rng diag.Range, what string) (cty.Value, diag.List) {
	if v.IsNull() && !c.nullable {
		return cty.DynamicVal, diag.Errorf(rng, "Invalid value", "%s is null, and this variable is not nullable.", what)
	}
	if c.defaults != nil && !v.IsNull() {
		v = c.defaults.Apply(v)
	}
	out, err := convert.Convert(v, c.ty)
	if err != nil {
		return cty.DynamicVal, diag.Errorf(rng, "Incorrect type", "%s does not fit the type %s: %s.", what, typeexpr.TypeString(c.ty.WithoutOptionalAttributesDeep()), describeError(err))
	}
	if eval.OutOfRange(out) {
		return cty.DynamicVal, diag.Errorf(rng, "Number out of range", "%s has a number in it that is too large or too small.", what)
	}
	return out, nil
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
		cond := blk.Body.Attr("condition").Expr
		ok, more := eval.Evaluate(cond, scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		ok, _ = ok.Unmark()
		ok, err := convert.Convert(ok, cty.Bool)
		if err != nil || ok.IsNull() {
			diags = append(diags, diag.Errorf(cond.Range(), "Invalid condition", "A condition must be true or false.")...)
			continue
		}
		if ok.True() {
			continue
		}
		message, more := eval.Evaluate(blk.Body.Attr("error_message").Expr, scope)
		diags = append(diags, more...)
		plain, marks := eval.Plain(message)
		text, err := convert.Convert(plain, cty.String)
		switch {
		case more.HasErrors():
			continue
		case err != nil || text.IsNull() || !text.IsKnown():
			text = cty.StringVal("The value is not valid.")
		case marks.Sensitive:
			text = cty.StringVal("The value is not valid; the message has a sensitive value in it.")
		}
		d := diag.New(diag.Error, b.Range, "Invalid value for variable", "%s", text.AsString()+"\n\nThis was checked by the validation at "+blk.Range.String()+".")
		d.Values = []diag.Value{{Traversal: "var." + b.Labels[0], Statement: eval.Describe(v)}}
		if given := m.opts.Variables[b.Labels[0]].Given; given != nil {
			d.Subject = given.Expr.Range().Ptr()
		}
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
		rng := diag.Range{}
		if given.Expr != nil {
			rng = given.Expr.Range()
		}
		if given.Given != nil {
			diags = append(diags, diag.Errorf(given.Given.NameRange, "Unsupported argument",
				"The module has no variable %q.%s", name, diag.DidYouMean(name, slices.Collect(maps.Keys(m.variables))))...)
			continue
		}
		diags = append(diags, diag.New(diag.Error, rng, "Value for undeclared variable", "%s",
			fmt.Sprintf("%s gives a value to the variable %q, which the definition does not declare.", given.Source, name)+
				diag.DidYouMean(name, slices.Collect(maps.Keys(m.variables)))))
	}
	return diags
}

// ParseVariables reads a file of values: arguments only, as in
//
//	port = 8080
//
// name is what diagnostics call the file.
func ParseVariables(src []byte, name string) (map[string]VariableValue, diag.List) {
	attrs, diags := syntax.ParseAttributes(src, name)
	out := map[string]VariableValue{}
	for _, a := range attrs {
		out[a.Name] = VariableValue{Expr: a.Expr, Source: name}
	}
	return out, diags
}
