package modules

import (
	"context"
	"slices"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/systems"
)

// Check is [Load] and [Project.Validate]. It returns everything that is wrong with
// the definition in a directory, sorted; the project is as Load returns it.
//
// A directory without a system whose definition is there for others to use, because
// it declares options, contributes to them, has outputs, or has variables without a
// value, is checked as such a module: what only its user can say may be missing, and
// with it everything that depends on that.
func Check(ctx context.Context, dir string, opts *Options) (*Project, diag.List) {
	p, diags := Load(ctx, dir, opts)
	return p, p.Check(ctx, diags)
}

// Check is the function Check for a definition that [Load] has read; loaded are the
// problems that it returned.
func (p *Project) Check(ctx context.Context, loaded diag.List) diag.List {
	diags := p.wrong(loaded)
	// What is wrong with variables hides nothing but what depends on them.
	known := p.work != nil && !slices.ContainsFunc(diags.Errors(), func(d *diag.Diagnostic) bool { return !slices.Contains(p.work.diags, d) })
	if known {
		diags = append(diags, p.Validate(ctx)...)
	}
	return p.unlocked(diags.Sort())
}

// Validate evaluates everything: every value, input and derivation, and every
// definition of every option of every system. What evaluation does not look at is
// checked for names that do not exist, and for values of the wrong type. Tests are
// evaluated, too, as far as nothing is built for them.
func (p *Project) Validate(ctx context.Context) diag.List {
	diags := p.wrong(p.everything(ctx))
	return p.unlocked(append(diags, p.validateTests(ctx, diags.HasErrors())...).Sort())
}

// everything is what is wrong with the definition itself, what belongs to a module
// without a user included.
func (p *Project) everything(ctx context.Context) diag.List {
	diags := p.module.Force()
	for _, m := range p.work.modules() {
		for _, b := range m.Definition.Inputs {
			_, more := p.work.anyInput(m, b.Labels[0], diag.Range{})
			diags = append(diags, more...)
		}
	}
	var names diag.List
	checked := map[string]bool{}
	used := map[*lang.Module]bool{}
	for _, name := range p.addresses() {
		if ctx.Err() != nil {
			return append(diags, diag.Errorf(diag.Range{}, "Interrupted", "%v.", ctx.Err())...)
		}
		s, more := p.System(ctx, name)
		diags = append(diags, more...)
		if s != nil {
			s.e.options.Root().Force()
			s.e.options.CheckConstants()
			diags = append(diags, s.e.diagnostics()...)
			names = append(names, s.e.checkNames(checked)...)
			s.e.uses(used)
		}
	}
	more, moreNames := p.work.validateParts(used)
	diags = append(diags, more...)
	names = append(names, moreNames...)
	names = append(names, p.work.checkNames()...)
	return append(diags, beside(names, diags)...)
}

// checkNames returns which names do not exist in the blocks of modules that are about
// no system.
func (w *work) checkNames() diag.List {
	var diags diag.List
	seen := map[*lang.Definition]bool{}
	for _, m := range w.modules() {
		if !seen[m.Definition] {
			seen[m.Definition] = true
			diags = append(diags, m.CheckNames()...)
		}
	}
	return diags
}

// uses notes which modules a system consists of.
func (e *evaluator) uses(used map[*lang.Module]bool) {
	for _, t := range e.texts {
		if e.kind == systems.Machine || t.name != rootModule { // of which homes have nothing
			used[t.module] = true
		}
	}
}

// validateParts checks what modules say of options and no system has: everything of
// a definition without systems, and as little as is certain of other modules, each
// with what it uses. The names that do not exist are in the second list.
func (w *work) validateParts(used map[*lang.Module]bool) (diags, names diag.List) {
	for _, m := range w.modules() {
		if used[m] || m != w.module && !w.imported(m) {
			continue
		}
		c := &collector{w: w, seen: map[*lang.Module]bool{}, same: map[sameness][]*lang.Module{}}
		if c.add(m); m == w.module {
			c.parts[len(c.parts)-1].name = rootModule
			c.leaveOutHomes()
		}
		e, wrong, unknown := w.validatePart(systems.Machine, m, c)
		if len(w.p.def.Systems) == 0 && (wrong.HasErrors() || unknown.HasErrors()) {
			// It may be there for homes.
			if home, fewer, none := w.validatePart(systems.Home, m, c); !fewer.HasErrors() && !none.HasErrors() {
				e, wrong, unknown = home, fewer, none
			}
		}
		diags = append(diags, wrong...)
		names = append(names, unknown...)
		e.uses(used)
	}
	return diags, names
}

// validatePart is validateParts for one module, with what it uses, as a part of systems
// or of homes.
func (w *work) validatePart(kind systems.Kind, m *lang.Module, c *collector) (e *evaluator, diags, names diag.List) {
	e = w.evaluatorOf(kind, c.parts, c.diags, "", w.p.opts.Platform, nil)
	e.options.CheckNames()
	if m == w.module {
		e.options.Root().Force()
		e.checkAssertions()
	}
	e.options.CheckConstants()
	return e, undecided(e.diagnostics()), undecided(e.checkNames(map[string]bool{}))
}

// undecided leaves out what may be another way in a system: what is asserted may be
// true there, and options have values.
func undecided(diags diag.List) diag.List {
	return slices.DeleteFunc(diags, func(d *diag.Diagnostic) bool {
		return d.Summary == lang.AssertionFailed || d.Summary == option.NoValue
	})
}

// imported reports whether systems that use the module which a module block stands in
// have what that says of options.
func (w *work) imported(m *lang.Module) bool {
	n := w.loader.nodes[m]
	return n != nil && n.use != nil && !n.use.OutputsOnly
}

// wrong leaves out what is no mistake of the definition: what the only user of a
// module can say, and has to.
func (p *Project) wrong(diags diag.List) diag.List {
	if !p.alone() {
		return diags
	}
	return slices.DeleteFunc(slices.Clone(diags), func(d *diag.Diagnostic) bool {
		switch d.Summary {
		case lang.NoValue:
			return true
		case missingLock:
			return p.lockDigest == ""
		}
		return false
	})
}

// unlocked makes one error of all about what sysc.lock does not say, where there is no
// such file: it says all of it, once it has been written.
func (p *Project) unlocked(diags diag.List) diag.List {
	if p.def == nil || p.lockDigest != "" {
		return diags
	}
	const noFile = "No lock file"
	said := false
	var out diag.List
	for _, d := range diags {
		if d.Summary != missingLock && d.Summary != noFile {
			out = append(out, d)
			continue
		}
		if !said {
			said = true
			out = append(out, &diag.Diagnostic{Severity: diag.Error, Summary: noFile, Subject: d.Subject, Context: d.Context,
				Detail: "There is no sysc.lock beside the definition yet. It pins everything that comes from outside, so that it is the same on every machine. To write it, run\n\n  sysc lock\n\nand keep it with the definition."})
		}
	}
	return out
}

// alone reports whether the definition is a module without any user.
func (p *Project) alone() bool {
	if p.def == nil || len(p.def.Systems)+len(p.def.Homes) > 0 {
		return false
	}
	required := func(b *syntax.Block) bool { return b.Body.Attr("default") == nil }
	return len(p.def.Options)+len(p.def.Configs)+len(p.def.Outputs) > 0 || slices.ContainsFunc(p.def.Variables, required)
}

// beside returns those of more that stand where no error of diags does.
func beside(more, diags diag.List) diag.List {
	type place struct {
		file string
		byte int
	}
	taken := map[place]bool{}
	for _, d := range diags.Errors() {
		if d.Subject != nil {
			taken[place{d.Subject.Filename, d.Subject.Start.Byte}] = true
		}
	}
	return slices.DeleteFunc(more, func(d *diag.Diagnostic) bool {
		return d.Subject != nil && taken[place{d.Subject.Filename, d.Subject.Start.Byte}]
	})
}
