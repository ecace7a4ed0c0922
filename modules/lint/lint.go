package lint

import (
	"context"
	"maps"
	"slices"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/lint"
	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/option"
)

// A Finding is something that a rule has to say.
type Finding = lint.Finding

// Options say how a module is looked at. nil is the same as the zero Options.
type Options struct {
	// Evaluation are those with which the definition is evaluated; nil for none.
	Evaluation *modules.Options
	// Skip are names of rules that are left out.
	Skip []string
}

// A Result is what there is to say of a module.
type Result struct {
	// Findings are sorted by place, then by rule.
	Findings []Finding
	// Errors are why the module cannot be looked at. There are no findings then.
	Errors diag.List
	// Skipped are the rules that evaluate the definition, when that is not possible, and
	// Cause is why.
	Skipped []string
	Cause   diag.List
	// Files are the texts, by the names that places have.
	Files map[string][]byte
}

// A run looks at one module.
type run struct {
	ctx  context.Context
	text lint.Text
	// project is the definition as it is evaluated, and remarked what that has to say;
	// nil when no rule needs it, or it cannot be.
	project  *modules.Project
	remarked []option.Remark
	findings []Finding
}

// Directory looks at the module in a directory.
func Directory(ctx context.Context, dir string, opts *Options) Result {
	if opts == nil {
		opts = &Options{}
	}
	version := ""
	if opts.Evaluation != nil {
		version = opts.Evaluation.Version
	}
	def, diags := lang.Load(nil, dir, nil, version)
	if def == nil || diags.HasErrors() {
		m, _ := syntax.Load(nil, dir) // only for the texts
		return Result{Errors: diags, Files: m.Files}
	}
	r := &run{ctx: ctx, text: lint.Text{Definition: def, Files: maps.Clone(def.Module.Files)}}
	tests, files, diags := lang.Tests(def, nil)
	maps.Copy(r.text.Files, files)
	if diags.HasErrors() {
		return Result{Errors: diags, Files: r.text.Files}
	}
	for _, t := range tests {
		r.text.Tests = append(r.text.Tests, t.Block)
	}
	return r.check(dir, opts)
}

// check asks the rules.
func (r *run) check(dir string, opts *Options) Result {
	out := Result{Files: maps.Clone(r.text.Files)}
	rules := slices.DeleteFunc(Rules(), func(rule Rule) bool { return slices.Contains(opts.Skip, rule.Name) })
	if slices.ContainsFunc(rules, func(rule Rule) bool { return rule.Evaluates }) {
		out.Cause = r.evaluate(dir, opts, out.Files)
	}
	asked := map[string]bool{}
	for _, rule := range rules {
		if rule.Evaluates && out.Cause.HasErrors() {
			out.Skipped = append(out.Skipped, rule.Name)
			continue
		}
		asked[rule.Name] = true
		rule.check(r)
	}
	out.Findings = lint.Silence(r.findings, r.text.Files, Names(), func(rule string) bool { return asked[rule] })
	return out
}

// evaluate makes the project of the rules that need it, and adds the texts that it
// read.
func (r *run) evaluate(dir string, opts *Options, files map[string][]byte) diag.List {
	p, diags := modules.Load(r.ctx, dir, opts.Evaluation)
	if !diags.HasErrors() {
		r.project = p
		r.remarked, diags = p.Remarks(r.ctx)
	}
	maps.Copy(files, p.Files())
	return diags.Errors()
}

// found notes what a rule has found. The detail is formatted with args.
func (r *run) found(rule string, at diag.Range, summary, detail string, args ...any) {
	r.findings = append(r.findings, lint.NewFinding(rule, at, summary, detail, args...))
}
