package modules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/systems"
)

// names resolves what only texts of a system may refer to: config, option,
// system, and in an instance of a labelled option self and parent.
type names struct {
	sys      *evaluator
	instance *option.Node // nil outside of instances
}

// Roots returns the first words.
func (r *names) Roots() []string {
	roots := []string{"config", "option", "parent", "self", "system"}
	if r.sys.kind == systems.Home {
		roots = append(roots, "home")
	}
	return roots
}

// Resolve reads the value that a reference names, and no more than that.
func (r *names) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	switch ref.Root {
	case "config":
		return r.config(r.sys.options.Root(), ref)
	case "option":
		return r.metadata(ref)
	case "system", "home":
		if ref.Root != r.sys.kind.String() {
			return cty.DynamicVal, 0, diag.Errorf(ref.Range, "system is not known here",
				"This text is about %s, so that there are home.name and home.platform, and no system.", r.sys.kind.Address(r.sys.name))
		}
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
			return cty.DynamicVal, i, r.missing(n, step, ref)
		}
		n = c
	}
	v, diags := n.Value(ref.Range)
	return v, len(ref.Path), diags
}

// missing says that n has nothing of a step's name. It says nothing when the
// keys of n are not known, because the reason is reported then.
func (r *names) missing(n *option.Node, step syntax.Step, ref syntax.Reference) diag.List {
	if n.Group() {
		path := n.Path()
		if n == r.sys.options.Root() {
			path = ""
		}
		return r.unknownOption(step, ref, path, n.Names(), n.Elsewhere())
	}
	keys, known := n.Keys(ref.Range)
	if !known {
		return nil
	}
	detail := fmt.Sprintf("There is no key %q in %s.", step.Name, n.Path())
	if s, ok := diag.Suggest(step.Name, keys); ok {
		detail += fmt.Sprintf(" Did you mean %q?", s)
	} else {
		detail += namesText(keys)
	}
	return diag.Errorf(stepRange(step, ref), "No such key", "%s", detail)
}

// unknownOption says that the group at a path, "" for all options, has no option of a
// step's name. own are the names in it, and elsewhere those of options that exist and
// are not part of the system.
func (r *names) unknownOption(step syntax.Step, ref syntax.Reference, path string, own, elsewhere []string) diag.List {
	if why := r.sys.options.Misplaced(strings.TrimPrefix(path+"."+step.Name, ".")); why != "" {
		return diag.Errorf(stepRange(step, ref), "Option of another kind", "%s", why)
	}
	near, ok := diag.Suggest(step.Name, slices.Concat(own, elsewhere))
	if path == "" {
		path = "config"
		if r.sys.alone && !ok {
			// A module that is used beside this one may declare it.
			return diag.Errorf(ref.Range, option.NoValue, "Nothing here declares %s.", ref)
		}
	}
	detail := fmt.Sprintf("There is no option %q in %s.", step.Name, path)
	if ok {
		detail += fmt.Sprintf(" Did you mean %q?", near)
	} else {
		detail += namesText(own)
	}
	return diag.Errorf(stepRange(step, ref), "Unknown option", "%s", detail)
}

// namesText names what there is, unless that is much.
func namesText(names []string) string {
	const most = 20
	if len(names) == 0 || len(names) > most {
		return ""
	}
	return " It has " + strings.Join(names, ", ") + "."
}

// stepRange is where a step stands, or when it has no place, the whole reference.
func stepRange(step syntax.Step, ref syntax.Reference) diag.Range {
	if step.Range.IsZero() {
		return ref.Range
	}
	return step.Range
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
			return cty.DynamicVal, i, r.missing(n, step, ref)
		}
		return cty.DynamicVal, i, diag.Errorf(step.Range, "Unknown attribute of an option",
			"An option has is_defined and type; there is no %q.%s", step.Name, diag.DidYouMean(step.Name, metaNames()))
	}
	return cty.DynamicVal, len(ref.Path), diag.Errorf(ref.Range, "Incomplete reference",
		"%s says nothing by itself: write %s.is_defined or %s.type, or config in place of option for the value.", ref, ref, ref)
}
