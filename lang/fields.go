package lang

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/internal/shellword"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// fields reads the arguments of a derivation block and collects problems.
type fields struct {
	m     *Module
	scope *eval.Scope
	body  *syntax.Body
	diags diag.List
}

func (r *fields) rangeOf(name string) diag.Range {
	if a := r.body.Attr(name); a != nil {
		return a.Expr.Range()
	}
	return r.body.End
}

func (r *fields) fail(name, summary, detail string) {
	r.diags = append(r.diags, diag.New(diag.Error, r.rangeOf(name), summary, "%s", detail))
}

// evaluated evaluates an argument and keeps its marks, for messages; ok is false
// when it is not set or wrong. sensitive says why it cannot be that.
func (r *fields) evaluated(name, sensitive string) (v cty.Value, ok bool) {
	a := r.body.Attr(name)
	if a == nil {
		return cty.NilVal, false
	}
	v, diags := eval.Evaluate(a.Expr, r.scope)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if _, marks := eval.Plain(v); marks.Sensitive {
		r.fail(name, "Sensitive value in the store", sensitive)
		return cty.NilVal, false
	}
	return v, true
}

// plain is [fields.evaluated] for use in the derivation, without marks.
func (r *fields) plain(name string) (v cty.Value, ok bool) {
	v, ok = r.evaluated(name,
		"This value is marked sensitive, and everybody can read derivations and what they make. Give the build what is not secret, or mark a part of it nonsensitive.")
	if ok {
		v, _ = eval.Plain(v)
	}
	return v, ok
}

// converted is [fields.plain] with conversion; a null counts as not set.
func (r *fields) converted(name string, ty cty.Type) (v cty.Value, ok bool) {
	v, ok = r.plain(name)
	if !ok || v.IsNull() {
		return cty.NilVal, false
	}
	out, err := eval.Convert(v, ty)
	if err != nil {
		detail := fmt.Sprintf("%q has to be %s, and this %s", name, typeInWords(ty), eval.Describe(v))
		if _, inside := err.(cty.PathError); inside {
			detail += ", where " + describeError(err)
		}
		r.fail(name, "Incorrect type", detail+".")
		return cty.NilVal, false
	}
	return out, true
}

func (r *fields) text(name string) string {
	v, ok := r.converted(name, cty.String)
	if !ok {
		return ""
	}
	return v.AsString()
}

// list reads a list of texts, nil when it is not set.
func (r *fields) list(name string) []string {
	v, ok := r.converted(name, cty.List(cty.String))
	if !ok {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		i, elem := it.Element()
		if elem.IsNull() {
			r.fail(name, "Invalid value", fmt.Sprintf("The element %s of %q is null.", i.AsBigFloat().String(), name))
			return nil
		}
		out = append(out, elem.AsString())
	}
	return out
}

// variables reads the environment variables of what is run.
func (r *fields) variables() map[string]string {
	vars := r.texts("env")
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !shellword.IsName(name) {
			r.fail("env", "Invalid name", fmt.Sprintf("%q cannot be the name of an environment variable: it has letters, digits and _ only.", name))
		}
	}
	return vars
}

// typeInWords names a type that an argument has.
func typeInWords(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a text"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsListType():
		return "a list of texts"
	case ty.IsMapType():
		return "an object of texts, as in { NAME = \"value\" }"
	}
	return diag.WithArticle(ty.FriendlyName())
}

// texts reads a map of texts. A null in it means that the key is not set.
func (r *fields) texts(name string) map[string]string {
	v, ok := r.converted(name, cty.Map(cty.String))
	if !ok {
		return nil
	}
	out := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		k, elem := it.Element()
		if !elem.IsNull() {
			out[k.AsString()] = elem.AsString()
		}
	}
	return out
}

// root asks the host for the root that the build runs in, on a platform.
func (r *fields) root(origin derivations.Origin, platform string) string {
	return r.requestRoot(EnvironmentRequest{Origin: origin, Platform: platform})
}

// exportedRoot asks the host for the root of an environment.
func (r *fields) exportedRoot(origin derivations.Origin) string {
	return r.requestRoot(EnvironmentRequest{Origin: origin, Platform: r.m.opts.Platform, Exported: true})
}

func (r *fields) requestRoot(req EnvironmentRequest) string {
	req.Base, req.Packages, req.Range = r.base(), r.packages(), r.rangeOf("packages")
	if r.diags.HasErrors() {
		return ""
	}
	if r.m.opts.Host == nil {
		r.fail("packages", "No packages here", "There is nothing here that a build could run in.")
		return ""
	}
	root, diags := r.m.opts.Host.Environment(req)
	r.diags = append(r.diags, diags...)
	return root
}

// base returns the name of the input that packages without one belong to: the
// one that the block names, or the only one.
func (r *fields) base() string {
	a := r.body.Attr("base")
	if a == nil || a.Expr.IsNull() {
		inputs := r.m.Bases()
		switch len(inputs) {
		case 1:
			return inputs[0]
		case 0:
			r.fail("packages", "No input for packages",
				"A build runs in a root made of packages, and there is no input that they could come from. Declare one, as in\n\n  input \"debian\" {\n    type   = \"debian\"\n    suites = [\"trixie\"]\n  }")
			return ""
		}
		r.fail("packages", "Missing required argument", "There are several inputs. Say which one the packages are from, as in\n\n  base = input."+inputs[0])
		return ""
	}
	refs := a.Expr.References()
	if len(refs) != 1 || refs[0].Root != "input" || len(refs[0].Path) != 1 || a.Expr.Text() != refs[0].String() {
		r.fail("base", "Invalid base", "The base is written as the name of an input, as in input.debian.")
		return ""
	}
	r.diags = append(r.diags, r.m.CheckBase(refs[0])...)
	return refs[0].Path[0].Name
}

// packages reads the list of packages. The marks tell which of the texts are
// paths.
func (r *fields) packages() []Package {
	a := r.body.Attr("packages")
	if a == nil {
		return nil
	}
	v, diags := eval.Evaluate(a.Expr, r.scope)
	r.diags = append(r.diags, diags...)
	if diags.HasErrors() {
		return nil
	}
	ranges := elementRanges(a.Expr)
	list, diags := Packages(v, a.Expr.Range(), ranges)
	r.diags = append(r.diags, diags...)
	return list
}

// elementRanges returns where the elements of a written list stand, nil when it
// is computed.
func elementRanges(x *syntax.Expr) []diag.Range {
	elems, ok := x.Elements()
	if !ok {
		return nil
	}
	var out []diag.Range
	for _, e := range elems {
		out = append(out, e.Range())
	}
	return out
}
