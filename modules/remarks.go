package modules

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// Remarks says what can be said of the root module's definitions of options and
// is not wrong, as that one repeats the default: see [option.Remark]. All of them
// hold, in every system that has the definition, and there is one for a place.
//
// Systems are evaluated for it as far as it needs. It has no result when there are
// errors in that.
func (p *Project) Remarks(ctx context.Context) ([]option.Remark, diag.List) {
	evaluators := []*evaluator{}
	for _, name := range p.addresses() {
		s, diags := p.Open(ctx, name)
		if s == nil || diags.HasErrors() {
			return nil, diags
		}
		evaluators = append(evaluators, s.e)
	}
	if len(p.Systems()) == 0 {
		evaluators = append(evaluators, p.work.evaluator("", p.opts.Platform, nil))
	}
	type place struct {
		kind option.RemarkKind
		at   diag.Range
	}
	found := map[place]option.Remark{}
	asked := p.work.askedOptions()
	for _, e := range evaluators {
		all := e.options.Remarks(isConstant)
		if diags := e.diagnostics(); diags.HasErrors() {
			return nil, diags
		}
		for _, r := range all {
			switch {
			case r.Module != rootModule:
				continue
			case r.Kind == option.RemarkDefault && e.name == "":
				continue // who uses the module may need it
			case r.Kind == option.RemarkForce && e.name == "":
				continue
			case r.Kind == option.RemarkDefault && asked.about(e, r.Option):
				r.Holds = false
			}
			key := place{r.Kind, r.Range}
			if before, ok := found[key]; ok {
				r.Holds = r.Holds && before.Holds
			}
			found[key] = r
		}
	}
	var out []option.Remark
	for _, r := range found {
		if r.Holds {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b option.Remark) int { return cmp.Or(a.Range.Compare(b.Range), cmp.Compare(a.Kind, b.Kind)) })
	return out, nil
}

// isConstant reports whether a source has the same value whatever else is defined.
func isConstant(s option.Source) bool {
	x, ok := s.(exprSource)
	if !ok {
		return s.Range().IsZero() // in no text: a default of sysc itself
	}
	return len(x.expr.References()) == 0 && len(x.expr.Calls()) == 0
}

// An askedOption is a reference to what is known of an option beside its value, as
// option.a.b.is_defined.
type askedOption []string

type askedOptions []askedOption

// askedOptions returns all references of that kind in modules that were read.
func (w *work) askedOptions() askedOptions {
	var out askedOptions
	note := func(blocks []*syntax.Block) {
		walkExpressions(blocks, func(e *syntax.Expr) {
			for _, ref := range e.References() {
				if ref.Root == "option" {
					out = append(out, stepNames(ref.Path))
				}
			}
		})
	}
	for _, m := range w.modules() {
		note(m.Definition.Module.Blocks)
	}
	for _, m := range w.standards {
		note(m.Definition.Module.Blocks)
	}
	return out
}

// about reports whether somebody asks whether o, or an option around or in it, is
// defined.
func (a askedOptions) about(e *evaluator, o *option.Option) bool {
	return slices.ContainsFunc(a, func(steps askedOption) bool {
		path := optionPath(e.options.Root().Option(), steps)
		return path == "" || path == o.Path || strings.HasPrefix(o.Path, path+".") || strings.HasPrefix(path, o.Path+".")
	})
}

// optionPath is the path of the option that names and labels lead to, as far as
// they lead to any.
func optionPath(at *option.Option, steps []string) string {
	if options, _ := at.Along(steps); len(options) > 0 {
		at = options[len(options)-1]
	}
	return at.Path
}

// walkExpressions calls visit for the expressions in blocks, in no order.
func walkExpressions(blocks []*syntax.Block, visit func(*syntax.Expr)) {
	for _, b := range blocks {
		for _, a := range b.Body.Attrs {
			visit(a.Expr)
		}
		walkExpressions(b.Body.Blocks, visit)
	}
}

// An OldName is something in the root module that names what is deprecated.
type OldName struct {
	Range diag.Range
	// Name is of the option or variable, Detail why it is deprecated or what it is
	// called now.
	Name, Detail string
}

// OldNames returns the references of the root module to options by deprecated
// names, and the values that it gives to deprecated variables of modules.
func (p *Project) OldNames() []OldName {
	var out []OldName
	root := p.Options()
	walkExpressions(p.def.Module.Blocks, func(e *syntax.Expr) {
		for _, ref := range e.References() {
			if ref.Root != "config" && ref.Root != "option" {
				continue
			}
			if o := oldOption(root, stepNames(ref.Path)); o != nil {
				if !o.Renamed() && declaredHere(o) {
					continue // whoever still has to make it work reads it
				}
				detail := o.Deprecated
				if o.Renamed() {
					detail = "It is called " + strings.Join(o.RenamedTo, ".") + " now."
				}
				out = append(out, OldName{ref.Range, o.Path, detail})
			}
		}
	})
	out = append(out, p.oldVariables()...)
	slices.SortFunc(out, func(a, b OldName) int { return a.Range.Compare(b.Range) })
	return slices.Compact(out)
}

// oldVariables returns the arguments of module blocks that are deprecated.
func (p *Project) oldVariables() []OldName {
	var out []OldName
	for _, u := range p.def.Uses {
		all, _ := p.module.Uses(u.Name, diag.Range{}) // whoever needs them reports what is wrong
		if all == nil || len(all.Keys) == 0 {
			continue
		}
		child, _ := all.Instance(all.Keys[0], diag.Range{})
		if child == nil {
			continue
		}
		for _, a := range u.Variables() {
			if text, ok := deprecation(child.Definition.Variables, a.Name); ok {
				out = append(out, OldName{a.NameRange, "module." + u.Name + "." + a.Name, text})
			}
		}
	}
	return out
}

// deprecation is what a module says of one of its variables, when it is deprecated.
func deprecation(variables []*syntax.Block, name string) (text string, ok bool) {
	for _, b := range variables {
		if a := b.Body.Attr("deprecated"); b.Labels[0] == name && a != nil {
			return a.Expr.StringLiteral()
		}
	}
	return "", false
}

func declaredHere(o *option.Option) bool {
	return slices.ContainsFunc(o.Declarations(), func(d option.Declaration) bool { return d.Module == rootModule })
}

// oldOption is the first deprecated option on a path of names and labels, or nil.
func oldOption(at *option.Option, steps []string) *option.Option {
	options, _ := at.Along(steps)
	for _, o := range options {
		if o.Renamed() || o.Deprecated != "" {
			return o
		}
	}
	return nil
}

// Builds reports whether the module of a block, or one that it uses, has anything to
// be built by its address, as module.NAME.derivation.X; also when that is not known.
func (p *Project) Builds(name string) bool { return builds(p.module, name) }

func builds(m *lang.Module, name string) bool {
	all, _ := m.Uses(name, diag.Range{}) // whoever needs them reports what is wrong
	if all == nil || len(all.Keys) == 0 {
		return true
	}
	child, _ := all.Instance(all.Keys[0], diag.Range{})
	if child == nil {
		return true
	}
	d := child.Definition
	if len(d.Derivations)+len(d.Environments) > 0 {
		return true
	}
	return slices.ContainsFunc(d.Uses, func(u *lang.Use) bool { return builds(child, u.Name) })
}
