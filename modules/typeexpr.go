package modules

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// typeExpr reads a type expression: a word such as bool, or a call such as
// list(string) or enum("a", "b"). scope is for the numbers and defaults in it.
func typeExpr(e *syntax.Expr, scope *eval.Scope) (*option.Type, diag.List) {
	if word, ok := e.Keyword(); ok {
		if t, ok := option.Simple(word); ok {
			return t, nil
		}
		return nil, unknownType(word, e.Range())
	}
	name, args, ok := e.Call()
	if !ok {
		if s, ok := e.StringLiteral(); ok {
			if _, known := option.Simple(s); known {
				return nil, diag.Errorf(e.Range(), "Type in quotes", "A type is written without quotes: %s.", s)
			}
		}
		return nil, diag.Errorf(e.Range(), "Not a type",
			"A type is a word such as bool, or a word with arguments such as list(string); this is neither.")
	}
	d := typeDecoder{name: name, expr: e, args: args, scope: scope}
	return d.decode()
}

func unknownType(word string, rng diag.Range) diag.List {
	switch word {
	case "list", "set", "map":
		return diag.Errorf(rng, "Incomplete type", "%s needs the type of its elements: %s(string), or %s(any).", word, word, word)
	case "object", "tuple", "enum", "pattern", "between", "either", "nullable":
		return diag.Errorf(rng, "Incomplete type", "%s needs to be told more, as in %s.", word, map[string]string{
			"object": "object({ name = string })", "tuple": "tuple([string, number])", "enum": `enum("low", "high")`, "pattern": `pattern("[a-z]+")`,
			"between": "between(1, 10)", "either": "either(integer, bool)", "nullable": "nullable(string)",
		}[word])
	}
	return diag.Errorf(rng, "Unknown type", "There is no type %q.%s", word, lang.TypeHint(word, option.Names()))
}

type typeDecoder struct {
	name  string
	expr  *syntax.Expr
	args  []*syntax.Expr
	scope *eval.Scope
}

func (d *typeDecoder) decode() (*option.Type, diag.List) {
	switch d.name {
	case "list", "set", "map", "nullable":
		if diags := d.count(1); diags != nil {
			return nil, diags
		}
		elem, diags := typeExpr(d.args[0], d.scope)
		if elem == nil {
			return nil, diags
		}
		return map[string]func(*option.Type) *option.Type{
			"list": option.List, "set": option.Set, "map": option.Map, "nullable": option.Nullable,
		}[d.name](elem), diags
	case "either":
		return d.either()
	case "tuple":
		return d.tuple()
	case "object":
		return d.object()
	case "enum":
		return d.enum()
	case "pattern":
		return d.pattern()
	case "between":
		return d.between()
	case "optional":
		return nil, diag.Errorf(d.expr.Range(), "Misplaced optional", "optional(…) is for the attributes of an object type only. For an option that may be null write nullable(…).")
	}
	if _, simple := option.Simple(d.name); simple {
		return nil, diag.Errorf(d.expr.Range(), "Wrong number of arguments", "The type %s is written without arguments and parentheses.", d.name)
	}
	return nil, unknownType(d.name, d.expr.CallRange())
}

func (d *typeDecoder) count(want int) diag.List {
	if len(d.args) == want {
		return nil
	}
	return diag.Errorf(d.expr.Range(), "Wrong number of arguments", "The type %s takes %s, and here are %d.", d.name, map[int]string{1: "one argument", 2: "two arguments"}[want], len(d.args))
}

func (d *typeDecoder) types(exprs []*syntax.Expr) ([]*option.Type, diag.List) {
	var diags diag.List
	var out []*option.Type
	for _, e := range exprs {
		t, more := typeExpr(e, d.scope)
		diags = append(diags, more...)
		out = append(out, t)
	}
	return out, diags
}

func (d *typeDecoder) either() (*option.Type, diag.List) {
	if len(d.args) < 2 {
		return nil, diag.Errorf(d.expr.Range(), "Wrong number of arguments", "either takes two types, as in either(integer, bool), and here are %d.", len(d.args))
	}
	parts, diags := d.types(d.args)
	if diags.HasErrors() {
		return nil, diags
	}
	out := parts[len(parts)-1]
	for i := len(parts) - 2; i >= 0; i-- {
		out = option.Either(parts[i], out)
	}
	return out, diags
}

func (d *typeDecoder) tuple() (*option.Type, diag.List) {
	if diags := d.count(1); diags != nil {
		return nil, diags
	}
	elems, ok := d.args[0].Elements()
	if !ok {
		return nil, diag.Errorf(d.args[0].Range(), "Not a tuple type", "tuple takes a list of types: tuple([string, number]).")
	}
	parts, diags := d.types(elems)
	if diags.HasErrors() {
		return nil, diags
	}
	return option.Tuple(parts...), diags
}

func (d *typeDecoder) object() (*option.Type, diag.List) {
	if diags := d.count(1); diags != nil {
		return nil, diags
	}
	items, ok := d.args[0].Items()
	if !ok {
		return nil, diag.Errorf(d.args[0].Range(), "Not an object type", "object takes the types of its attributes: object({ name = string, port = optional(port, 80) }).")
	}
	var attrs []option.Attr
	var diags diag.List
	for _, it := range items {
		a, more := d.attr(it)
		diags = append(diags, more...)
		attrs = append(attrs, a)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	t, err := option.Object(attrs...)
	if err != nil {
		return nil, diag.Errorf(d.expr.Range(), "Not an object type", "%s", capital(err.Error())+".")
	}
	return t, diags
}

func (d *typeDecoder) attr(it syntax.Item) (option.Attr, diag.List) {
	a := option.Attr{Name: it.Key, Default: cty.NilVal}
	e := it.Value
	var fallback *syntax.Expr
	if name, args, ok := e.Call(); ok && name == "optional" {
		if len(args) < 1 || len(args) > 2 {
			return a, diag.Errorf(e.Range(), "Wrong number of arguments", "optional takes a type and perhaps a default.")
		}
		a.Optional, e = true, args[0]
		if len(args) == 2 {
			fallback = args[1]
		}
	}
	t, diags := typeExpr(e, d.scope)
	a.Type = t
	if t == nil || fallback == nil {
		return a, diags
	}
	v, more := eval.Evaluate(fallback, d.scope)
	diags = append(diags, more...)
	if more.HasErrors() {
		return a, diags
	}
	fitted, err := t.Fit(v)
	if err != nil {
		return a, append(diags, diag.Errorf(fallback.Range(), "Wrong type for default", "The default of attribute %q: %s.", it.Key, err.Error())...)
	}
	a.Default = fitted
	return a, diags
}

func (d *typeDecoder) enum() (*option.Type, diag.List) {
	if len(d.args) == 0 {
		return nil, diag.Errorf(d.expr.Range(), "Wrong number of arguments", `enum needs its values: enum("a", "b").`)
	}
	var values []string
	for _, a := range d.args {
		s, ok := a.StringLiteral()
		if !ok {
			return nil, diag.Errorf(a.Range(), "Not a value of an enum", "The values of an enum are strings in quotes, without interpolation.")
		}
		values = append(values, s)
	}
	return option.Enum(values...), nil
}

func (d *typeDecoder) pattern() (*option.Type, diag.List) {
	if diags := d.count(1); diags != nil {
		return nil, diags
	}
	s, ok := d.args[0].StringLiteral()
	if !ok {
		return nil, diag.Errorf(d.args[0].Range(), "Not a pattern", "A pattern is a string in quotes, without interpolation.")
	}
	t, err := option.Pattern(s)
	if err != nil {
		return nil, diag.Errorf(d.args[0].Range(), "Not a pattern", "%s. Patterns are regular expressions in RE2 syntax.", capital(err.Error()))
	}
	return t, nil
}

func (d *typeDecoder) between() (*option.Type, diag.List) {
	if diags := d.count(2); diags != nil {
		return nil, diags
	}
	number, _ := option.Simple("number")
	var bounds [2]cty.Value
	var diags diag.List
	for i, a := range d.args {
		v, more := eval.Evaluate(a, d.scope)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		fitted, err := number.Fit(v)
		if err != nil || !fitted.IsKnown() || fitted.IsMarked() {
			diags = append(diags, diag.Errorf(a.Range(), "Not a bound", "The bounds of between are numbers.")...)
			continue
		}
		bounds[i] = fitted
	}
	if diags.HasErrors() {
		return nil, diags
	}
	t, err := option.Between(bounds[0].AsBigFloat(), bounds[1].AsBigFloat())
	if err != nil {
		return nil, diag.Errorf(d.expr.Range(), "Empty range", "%s.", capital(err.Error()))
	}
	return t, diags
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// position is where something is declared, "file:line", or "" for no place.
func position(r diag.Range) string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}
