package modules

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/internal/lazyregexp"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// optionBody is what may stand in an option block.
func optionBody() syntax.Schema {
	var s syntax.Schema
	for _, name := range []string{
		"type", "default", "description", "labels", "freeform", "example", "default_text",
		"deprecated", "renamed_to", "removed", "internal", "read_only", "sensitive",
	} {
		s.Attrs = append(s.Attrs, syntax.AttrSchema{Name: name})
	}
	s.Blocks = []syntax.BlockSchema{{Type: "option", Labels: []string{"name"}, Once: true}, {Type: "assert"}, {Type: "dynamic", Labels: []string{"type"}}}
	return s
}

// optionName is what an option's path consists of.
var optionName = lazyregexp.New(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// IsOptionName reports whether a text can be a part of an option's path.
func IsOptionName(name string) bool {
	return optionName().MatchString(name) && !strings.Contains(name, ".")
}

// A declarer adds the option blocks of one module to a schema.
type declarer struct {
	schema *option.Schema
	site   *site
}

// declare adds one option block. prefix is the path of the option around it,
// with a dot behind it.
func (d *declarer) declare(b *syntax.Block, prefix string) diag.List {
	if diags := b.CheckLabels("name"); diags.HasErrors() {
		return diags
	}
	name := b.Labels[0]
	if !optionName().MatchString(name) {
		return diag.Errorf(b.LabelRanges[0], "Wrong option name",
			"%q cannot name an option: names are lower-case letters, digits and underscores, with dots between them.", name)
	}
	o := option.Option{Path: prefix + name, Module: d.site.module, Range: b.Range}
	diags := b.Body.Check("an option", optionBody())
	diags = append(diags, d.attributes(b, &o)...)
	diags = append(diags, d.asserts(b, &o)...)
	if diags.HasErrors() {
		return diags
	}
	made, more := d.schema.Declare(o)
	diags = append(diags, more...)
	if more.HasErrors() {
		return diags
	}
	for _, sub := range b.Body.Blocks {
		if sub.Type == "option" {
			diags = append(diags, d.declare(sub, made.Path+".")...)
		}
	}
	return diags
}

// attributes reads the arguments of an option block.
func (d *declarer) attributes(b *syntax.Block, o *option.Option) diag.List {
	var diags diag.List
	add := func(more diag.List) { diags = append(diags, more...) }
	for _, a := range b.Body.Attrs {
		switch a.Name {
		case "type":
			t, more := typeExpr(a.Expr, d.site.scope)
			o.Type = t
			add(more)
		case "freeform":
			t, more := typeExpr(a.Expr, d.site.scope)
			o.Freeform = t
			add(more)
		case "default":
			o.Default = exprSource{a.Expr, d.site}
		case "example":
			o.Example = exprSource{a.Expr, d.site}
		case "labels":
			add(d.labels(a, o))
		case "description":
			add(d.text(a, &o.Description))
		case "default_text":
			add(d.text(a, &o.DefaultText))
		case "deprecated":
			add(d.text(a, &o.Deprecated))
		case "removed":
			add(d.text(a, &o.Removed))
		case "renamed_to":
			add(d.renamed(a, o))
		case "internal":
			add(d.flag(a, &o.Internal))
		case "read_only":
			add(d.flag(a, &o.ReadOnly))
		case "sensitive":
			add(d.flag(a, &o.Sensitive))
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return append(diags, consistent(b, o)...)
}

// consistent checks arguments against one another.
func consistent(b *syntax.Block, o *option.Option) diag.List {
	subs := 0
	for _, sub := range b.Body.Blocks {
		if sub.Type == "option" {
			subs++
		}
	}
	switch {
	case o.Type != nil && len(o.Labels) > 0:
		return diag.Errorf(b.Body.Attr("labels").NameRange, "Labels on an option with a type",
			"A labelled option has options of its own in place of a type. Take out type, or labels.")
	case o.Type != nil && subs > 0:
		return diag.Errorf(b.Body.Attr("type").NameRange, "Type on a group of options",
			"An option with a type cannot have options of its own. Take out type, or the option blocks.")
	case o.Freeform != nil && o.Type != nil:
		return diag.Errorf(b.Body.Attr("freeform").NameRange, "Misplaced freeform", "freeform is for groups of options and for labelled ones.")
	case o.Renamed() && (o.Type != nil || len(o.Labels) > 0 || o.Default != nil || o.Freeform != nil || subs > 0 || len(o.Asserts) > 0 || o.Removed != ""):
		return diag.Errorf(o.RenameRange, "Declaration of an old name",
			"%s is an old name of another option, and has everything else from that. Leave nothing here but renamed_to and perhaps a description.", o.Path)
	case o.Renamed():
		return nil
	case o.Type == nil && subs == 0 && len(o.Labels) == 0 && o.Freeform == nil && o.Removed == "":
		return diag.Errorf(b.Body.End, "Option without a type",
			"%s needs a type, or for a group of options, option blocks in it.", o.Path)
	case o.Type == nil && o.Removed != "":
		o.Type, _ = option.Simple("any")
	}
	return nil
}

func (d *declarer) labels(a *syntax.Attr, o *option.Option) diag.List {
	elems, ok := a.Expr.Elements()
	if !ok || len(elems) == 0 {
		return diag.Errorf(a.Expr.Range(), "Wrong labels", `labels is a list of names: ["name"].`)
	}
	for _, e := range elems {
		s, ok := e.StringLiteral()
		if !ok || !optionName().MatchString(s) || strings.Contains(s, ".") {
			return diag.Errorf(e.Range(), "Wrong labels", "A label's name is a string of lower-case letters, digits and underscores.")
		}
		for _, have := range o.Labels {
			if have == s {
				return diag.Errorf(e.Range(), "Wrong labels", "There is a label %q already.", s)
			}
		}
		o.Labels = append(o.Labels, s)
	}
	return nil
}

// text and flag evaluate arguments that know nothing of any system.
func (d *declarer) text(a *syntax.Attr, into *string) diag.List {
	v, diags := d.constant(a, option.String())
	if diags.HasErrors() {
		return diags
	}
	if _, word := a.Expr.Keyword(); word {
		return append(diags, diag.Errorf(a.Expr.Range(), "Wrong type", "%s is a text for those who use the option, in quotes.", a.Name)...)
	}
	*into = v.AsString()
	return diags
}

func (d *declarer) flag(a *syntax.Attr, into *bool) diag.List {
	v, diags := d.constant(a, option.Bool())
	if !diags.HasErrors() {
		*into = v.True()
	}
	return diags
}

func (d *declarer) constant(a *syntax.Attr, t *option.Type) (cty.Value, diag.List) {
	v, diags := eval.Evaluate(a.Expr, d.site.scope)
	if diags.HasErrors() {
		return v, diags
	}
	fitted, err := t.Fit(v)
	if err != nil {
		return v, append(diags, diag.Errorf(a.Expr.Range(), "Wrong type", "%s: %s.", a.Name, err.Error())...)
	}
	fitted, _ = fitted.Unmark()
	if !fitted.IsKnown() {
		return v, append(diags, diag.Errorf(a.Expr.Range(), "Wrong type", "%s has to be known here.", a.Name)...)
	}
	return fitted, diags
}
