package modules

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/format"
	"sysc/lang/syntax"
)

// A Value is what an expression comes to.
type Value struct {
	// JSON is the value as JSON, and Text as an expression of the language, on several
	// lines where there are several elements. In both a path that is not known before
	// a build is written as [PathToken] does.
	JSON []byte
	Text string
	// Raw is the text of a string, number or bool; HasRaw tells whether it is one.
	Raw    string
	HasRaw bool
	// Sensitive is set for a value that is not to be shown. Nothing else is set then.
	Sensitive bool
}

// Value evaluates an expression in which the names of the module and of the
// system, config above all, are known.
func (s *System) Value(expr string) (Value, diag.List) {
	x, diags := syntax.ParseExpression([]byte(expr), "expression")
	if diags.HasErrors() {
		return Value{}, append(diags, s.e.diagnostics()...).Sort()
	}
	for _, ref := range x.References() {
		if ref.Root == "config" || ref.Root == "option" {
			s.reach(stepNames(ref.Path))
		}
	}
	v, more := s.w.value(x, s.w.module.Asking(newSite(s.e, s.w.module.Scope(), rootModule).plain))
	return v, append(append(diags, more...), s.e.diagnostics()...).Sort()
}

// Value evaluates an expression outside of any system; see [System.Value].
func (p *Project) Value(expr string) (Value, diag.List) {
	x, diags := syntax.ParseExpression([]byte(expr), "expression")
	if diags.HasErrors() {
		return Value{}, diags.Sort()
	}
	v, more := p.work.value(x, p.module.Asking(p.module.Scope()))
	return v, append(diags, more...).Sort()
}

func (w *work) value(expr *syntax.Expr, scope *eval.Scope) (Value, diag.List) {
	v, diags := eval.Evaluate(expr, scope)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return Value{}, diags
	}
	plain, marks := eval.Plain(v)
	if marks.Sensitive {
		return Value{Sensitive: true}, diags
	}
	if len(marks.Paths) > 0 {
		plain = w.namePaths(plain)
	}
	out := Value{JSON: encode(plain), Text: show(plain)}
	out.Raw, out.HasRaw = raw(plain)
	return out, diags
}

// PathToken is how a path that is not known before a build is shown.
func PathToken(label, output string) string { return "<" + label + "." + output + ">" }

// namePaths puts tokens in the place of paths.
func (w *work) namePaths(v cty.Value) cty.Value {
	named, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if v.Type() != cty.String || v.IsNull() {
			return v, nil
		}
		text := v.AsString()
		for _, ref := range w.graph.Refs(text) {
			text = w.namePath(text, ref)
		}
		return cty.StringVal(text), nil
	})
	if err != nil {
		return v // the function has none
	}
	return named
}

func (w *work) namePath(text string, ref derivations.Ref) string {
	path, err := w.graph.Placeholder(ref)
	if err != nil {
		return text
	}
	return strings.ReplaceAll(text, path, PathToken(w.graph.Origin(ref.Derivation).Label, ref.Output))
}

// show writes a value as people do: what has several elements on several lines.
func show(v cty.Value) string {
	return format.Value(v)
}

// raw is the text of a string, number or bool.
func raw(v cty.Value) (string, bool) {
	if v.IsNull() || !v.Type().IsPrimitiveType() {
		return "", false
	}
	if v.Type() == cty.String {
		return v.AsString(), true
	}
	return show(v), true
}

// encode writes a plain value as JSON.
func encode(v cty.Value) []byte {
	data, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		return nil // a capsule, which expressions cannot make
	}
	return data
}
