package modules

import (
	"context"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// validateTests returns what is wrong with the tests, as far as that is known without
// building anything; whether they pass is another question. broken says that the
// definition itself is wrong, so that values are not looked at.
func (p *Project) validateTests(ctx context.Context, broken bool) diag.List {
	tests, diags := p.Tests()
	for _, t := range tests {
		if ctx.Err() != nil {
			break
		}
		diags = append(diags, t.validate(broken)...)
	}
	return diags
}

func (t *Test) validate(broken bool) diag.List {
	variant, diags := t.variant()
	diags = append(t.unexpected(variant, diags), t.checkFailures(variant)...)
	if len(variant.work.diags.Errors()) > 0 {
		return diags // without values for variables there are no systems
	}
	scope, s, more := t.scope(variant)
	if more.HasErrors() {
		return append(diags, more...)
	}
	known := scope
	if s != nil {
		known = eval.NewScope(scope, &knownNames{names{sys: s.e}, &optionPlace{option: s.e.options.Root().Option()}})
	}
	builds := unbuilt{}
	var names diag.List
	for _, b := range t.Builds {
		builds[b.Name] = true
		names = append(names, eval.CheckNames(b.Target, known)...)
	}
	scope, known = eval.NewScope(scope, builds), eval.NewScope(known, builds)
	for _, b := range t.bodies() {
		names = append(names, lang.CheckBody(b.Body, known)...)
	}
	if !broken && len(t.Failures) == 0 {
		for _, b := range t.Builds {
			_, more := eval.Evaluate(b.Target, scope)
			diags = append(diags, more...)
		}
		for _, b := range t.Asserts {
			diags = append(diags, conditionErrors(b, scope)...)
		}
		diags = append(diags, t.validateMachines(variant, scope)...)
	}
	return append(diags, beside(names, diags)...)
}

// bodies are the blocks with expressions of the language in them, other than targets.
func (t *Test) bodies() []*syntax.Block {
	blocks := slices.Clone(t.Asserts)
	for _, m := range t.Machines {
		blocks = append(blocks, m.Block)
	}
	for _, s := range t.Steps {
		blocks = append(blocks, s.Block)
	}
	return blocks
}

// validateMachines evaluates what machines and steps say, up to what is not built.
func (t *Test) validateMachines(v *Project, scope *eval.Scope) diag.List {
	_, diags := t.machines(scope)
	diags = slices.DeleteFunc(diags, func(d *diag.Diagnostic) bool { return d.Summary == notBuilt })
	for i := range t.Machines {
		m := &t.Machines[i]
		name, more := t.systemName(v, m)
		diags = append(diags, more...)
		if known := v.Systems(); !more.HasErrors() && !slices.Contains(known, name) {
			diags = append(diags, diag.Errorf(m.SystemRange, "Unknown system", "There is no system %q.%s", name, diag.DidYouMean(name, known))...)
		}
	}
	return diags
}

// conditionErrors evaluates a condition that may be false, up to what is not built.
func conditionErrors(b *syntax.Block, scope *eval.Scope) diag.List {
	a := b.Body.Attr("condition")
	if a == nil {
		return nil // that is reported where the block is read
	}
	_, _, diags := eval.Condition(a.Expr, scope)
	return slices.DeleteFunc(slices.Clone(diags), func(d *diag.Diagnostic) bool { return d.Summary == notBuilt })
}

// unexpected leaves out what the test expects to be wrong.
func (t *Test) unexpected(v *Project, diags diag.List) diag.List {
	return slices.DeleteFunc(slices.Clone(diags), func(d *diag.Diagnostic) bool {
		return d.Subject != nil && slices.ContainsFunc(t.Failures, func(ref syntax.Reference) bool { return t.about(v, ref, *d.Subject) })
	})
}

// checkFailures reports what is expected to be wrong and does not exist.
func (t *Test) checkFailures(v *Project) diag.List {
	var diags diag.List
	for _, ref := range t.Failures {
		known := labels(v.def.Systems)
		switch ref.Root {
		case "config":
			diags = append(diags, t.checkFailingOption(v, ref)...)
			continue
		case "var":
			known = labels(v.def.Variables)
		case "derivation":
			known = labels(v.def.Derivations)
		case "output":
			known = labels(v.def.Outputs)
		case "input":
			known = labels(v.def.Inputs)
		case "system":
		default:
			diags = append(diags, diag.Errorf(ref.Range, "Wrong list of failures",
				"What can be expected to be wrong is a variable, an option, a derivation, an output, an input or a system: var.port, config.site.port, derivation.hello, output.url, input.debian, system.box.")...)
			continue
		}
		if name := ref.Path[0].Name; !slices.Contains(known, name) {
			diags = append(diags, diag.Errorf(ref.Range, "Wrong list of failures", "There is no %s.%s", ref, diag.DidYouMean(name, known))...)
		}
	}
	return diags
}

// checkFailingOption looks for the option that is expected to be wrong.
func (t *Test) checkFailingOption(v *Project, ref syntax.Reference) diag.List {
	if v.work.diags.HasErrors() {
		return nil
	}
	_, s, diags := t.scope(v)
	if s == nil {
		return diags
	}
	return (&knownNames{names{sys: s.e}, nil}).Check(ref)
}

// unbuilt resolves the names of build blocks while nothing is built.
type unbuilt map[string]bool

// notBuilt is the summary of the problem that this is so, which is not shown.
const notBuilt = "Not built"

// Roots returns the one name.
func (unbuilt) Roots() []string { return []string{"build"} }

// Resolve returns an error that hides what follows from it.
func (unbuilt) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	diags := diag.Errorf(ref.Range, notBuilt, "%s is not built.", ref)
	diags[0].Fatal = true
	return cty.DynamicVal, len(ref.Path), diags
}

// Check looks for the build block.
func (u unbuilt) Check(ref syntax.Reference) diag.List {
	switch {
	case len(ref.Path) == 0:
		return incompleteBuild(ref)
	case !u[ref.Path[0].Name]:
		return unknownBuild(ref, sortedKeys(u))
	}
	return nil
}
