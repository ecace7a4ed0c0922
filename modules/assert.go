package modules

import (
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// An assertion is an assert block, in an option or at the top of a file, or a
// dynamic block in an option that makes some.
type assertion struct {
	block *syntax.Block
	site  *site
}

// Check evaluates the assertion at an option, an instance, or the root.
func (a assertion) Check(n *option.Node) diag.List {
	check := lang.Assert
	if a.block.Type == "dynamic" {
		check = lang.DynamicAssert
	}
	diags := check(a.block, a.site.at(n))
	inst := n.Instance()
	if inst == nil {
		return diags
	}
	for i, d := range diags {
		if d.Summary != lang.AssertionFailed {
			continue
		}
		// Several instances may break one rule: each is a problem of its own.
		c := *d
		c.Detail += "\n\nThis is about " + inst.Path() + "."
		if at := inst.Range(); !at.IsZero() {
			c.Related = append(c.Related, diag.Related{Message: "The instance", Range: at})
		}
		diags[i] = &c
	}
	return diags
}

// asserts reads the assert blocks of an option.
func (d *declarer) asserts(b *syntax.Block, o *option.Option) diag.List {
	var diags diag.List
	for _, sub := range b.Body.Blocks {
		var more diag.List
		switch sub.Type {
		case "assert":
			more = lang.CheckAssert(sub)
		case "dynamic":
			more = lang.CheckDynamicAssert(sub, "an option")
		default:
			continue
		}
		if more != nil {
			diags = append(diags, more...)
			continue
		}
		o.Asserts = append(o.Asserts, assertion{sub, d.site})
	}
	return diags
}

// checkAssertions checks what options assert, and what modules assert of the
// system.
func (e *evaluator) checkAssertions() {
	e.options.CheckAssertions()
	for _, a := range e.asserts {
		e.diags = append(e.diags, a.Check(e.options.Root())...)
	}
}

// renamed reads the new name of an option: "services.web.port", or with labels
// and keys in it as in expressions, "site[\"main\"].port".
func (d *declarer) renamed(a *syntax.Attr, o *option.Option) diag.List {
	var text string
	if diags := d.text(a, &text); diags.HasErrors() {
		return diags
	}
	steps, ok := optionSteps(text)
	if !ok {
		return diag.Errorf(a.Expr.Range(), "Wrong new name of an option",
			"%q is not the name of an option. It is written as behind \"config.\": services.web.port, or site[\"main\"].port.", text)
	}
	for _, s := range steps {
		o.RenamedTo = append(o.RenamedTo, s.Name)
	}
	o.RenameRange = a.Expr.Range()
	return nil
}

// optionSteps takes the name of an option apart, as it is written behind
// "config.".
func optionSteps(path string) ([]syntax.Step, bool) {
	expr, diags := syntax.ParseExpression([]byte("config."+path), "option")
	if diags.HasErrors() {
		return nil, false
	}
	refs := expr.References()
	if len(refs) != 1 || refs[0].Root != "config" || expr.Text() != "config."+path || refs[0].String() == "config" {
		return nil, false
	}
	return refs[0].Path, true
}
