package modules

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// names resolves what only texts of a system may refer to: config, option,
// system, and in an instance of a labelled option self and parent.
type names struct {
	sys      *evaluator
	instance *option.Node // nil outside of instances
}

// Roots returns the first words.
func (r *names) Roots() []string { return []string{"config", "option", "parent", "self", "system"} }

// Resolve reads the value that a reference names, and no more than that.
func (r *names) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	switch ref.Root {
	case "config":
		return r.config(r.sys.options.Root(), ref)
	case "option":
		return r.metadata(ref)
	case "system":
		return cty.ObjectVal(map[string]cty.Value{
			"name":     cty.StringVal(r.sys.name),
			"platform": cty.StringVal(r.sys.platform),
		}), 0, nil
	}
	n := r.instance
	if n != nil && ref.Root == "parent" {
		n = n.Around()
	}
	if n == nil {
		return cty.DynamicVal, 0, diag.Errorf(ref.Range, "No instance here",
			"%q is the instance of a labelled option in whose block a text stands, and this one stands in none%s.", ref.Root, map[string]string{"parent": " that is inside another one"}[ref.Root])
	}
	return r.config(n, ref)
}

// config walks from n along the path as far as there are options, and reads
// what it arrives at.
func (r *names) config(n *option.Node, ref syntax.Reference) (cty.Value, int, diag.List) {
	for i, step := range ref.Path {
		if label, ok := n.Label(step.Name); ok {
			return cty.StringVal(label), i + 1, nil
		}
		if !n.Group() && !n.Keyed() {
			v, diags := n.Value(ref.Range)
			return v, i, diags
		}
		c, ok := n.Child(step.Name, ref.Range)
		if !ok {
			return cty.DynamicVal, i, missing(n, step, ref)
		}
		n = c
	}
	v, diags := n.Value(ref.Range)
	return v, len(ref.Path), diags
}

// missing says that n has nothing of a step's name. It says nothing when the
// keys of n are not known, because the reason is reported then.
func missing(n *option.Node, step syntax.Step, ref syntax.Reference) diag.List {
	rng := step.Range
	if rng.IsZero() {
		rng = ref.Range
	}
	var candidates []string
	what := "option"
	var own []string
	if n.Group() {
		own = n.Names()
		candidates = append(n.Names(), n.Elsewhere()...)
	} else {
		keys, known := n.Keys(ref.Range)
		if !known {
			return nil
		}
		candidates, what = keys, "key"
	}
	detail := fmt.Sprintf("There is no %s %q in %s.", what, step.Name, n.Path())
	const short = 3 // keys of one or two characters are all near each other
	if s, ok := diag.Suggest(step.Name, candidates); ok && (n.Group() || len(step.Name) >= short) {
		detail += fmt.Sprintf(" Did you mean %q?", s)
	} else if n.Group() {
		candidates = own
	}
	if !strings.Contains(detail, "Did you mean") && len(candidates) > 0 && len(candidates) <= 20 {
		detail += " It has " + strings.Join(candidates, ", ") + "."
	}
	summary := "Unknown option"
	if what == "key" {
		summary = "No such key"
	}
	return diag.Errorf(rng, summary, "%s", detail)
}

// metaNames are the attributes of an option in expressions.
func metaNames() []string { return []string{"is_defined", "type"} }

// metadata answers option.a.b.is_defined and its like.
func (r *names) metadata(ref syntax.Reference) (cty.Value, int, diag.List) {
	n := r.sys.options.Root()
	for i, step := range ref.Path {
		if n.Group() || n.Keyed() {
			c, ok := n.Child(step.Name, ref.Range)
			if ok {
				n = c
				continue
			}
			if n.Keyed() && i == len(ref.Path)-2 && ref.Path[i+1].Name == "is_defined" {
				return cty.False, i + 2, nil
			}
		}
		switch step.Name {
		case "is_defined":
			return cty.BoolVal(n.Defined(ref.Range)), i + 1, nil
		case "type":
			if n.Type() == nil {
				return cty.StringVal("group"), i + 1, nil
			}
			return cty.StringVal(n.Type().String()), i + 1, nil
		}
		if _, meta := diag.Suggest(step.Name, metaNames()); !meta && (n.Group() || n.Keyed()) {
			return cty.DynamicVal, i, missing(n, step, ref)
		}
		return cty.DynamicVal, i, diag.Errorf(step.Range, "Unknown attribute of an option",
			"An option has is_defined and type; there is no %q.%s", step.Name, diag.DidYouMean(step.Name, metaNames()))
	}
	return cty.DynamicVal, len(ref.Path), diag.Errorf(ref.Range, "Incomplete reference",
		"%s says nothing by itself: write %s.is_defined or %s.type, or config in place of option for the value.", ref, ref, ref)
}
