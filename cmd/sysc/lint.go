package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules"
	"sysc/modules/lint"
	"sysc/modules/source"
)

// A linter is one run of lint.
type linter struct {
	app *app

	disabled, only   []string
	recursive, rules bool

	// home is the directory that ranges do not name.
	home     string
	skip     []string
	findings []lintFinding
	errors   diag.List
	skipped  []lintSkipped
	files    map[string][]byte
}

// A lintFinding is a finding as JSON: a diagnostic, and the rule.
type lintFinding struct {
	Rule string `json:"rule"`
	diag.JSONDiagnostic
}

// A lintSkipped is what could not be looked at in a directory.
type lintSkipped struct {
	Directory string   `json:"directory"`
	Rules     []string `json:"rules"`
	Reason    string   `json:"reason"`
}

func (a *app) lintCommand() *cobra.Command {
	l := &linter{app: a, files: map[string][]byte{}}
	cmd := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "Find what is not wrong in a definition and should be another way",
		Long: `Look at the module in a directory, by default the one of the definition, for names
that nobody uses, definitions that say what holds anyway, conditions that are always
true, and the like; --rules lists what there is, docs/lint.md explains it. A comment

    # lint:ignore RULE reason

silences a rule on its line, or on the next one when it has a line for itself; in the
JSON syntax, in the object of which it is the "//". lint:ignore-file does so in the
whole file. The exit code is 1 when something was found, and 3 when that is no more
than what sysc fmt does.`,
		Example: "  sysc lint\n" +
			"  sysc lint --recursive --disable format\n" +
			"  sysc lint --only unused-variable,unused-local examples/server",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.rules {
				return l.listRules()
			}
			return l.run(cmd.Context(), append(args, a.dir)[0])
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&l.disabled, "disable", nil, "leave out `RULE`, or several with commas between them")
	flags.StringSliceVar(&l.only, "only", nil, "look for `RULE` alone, or several with commas between them")
	flags.BoolVarP(&l.recursive, "recursive", "r", false, "look at the directories below as well, hidden ones left out")
	flags.BoolVar(&l.rules, "rules", false, "list the rules")
	cmd.MarkFlagsMutuallyExclusive("disable", "only")
	a.projectFlags(cmd)
	return cmd
}

func (l *linter) listRules() error {
	if l.app.json {
		type rule struct {
			Name  string `json:"name"`
			About string `json:"about"`
		}
		var rules []rule
		for _, r := range lint.Rules() {
			rules = append(rules, rule{r.Name, r.About})
		}
		return l.app.printJSON(rules)
	}
	for _, r := range lint.Rules() {
		fmt.Fprintf(l.app.out, "%-20s %s\n", r.Name, r.About)
	}
	return nil
}

func (l *linter) run(ctx context.Context, dir string) error {
	if err := l.choose(); err != nil {
		return err
	}
	l.home = filepath.Clean(l.app.dir)
	dirs := []string{filepath.Clean(dir)}
	if l.recursive {
		var err error
		if dirs, err = definitionsBelow(dirs[0]); err != nil {
			return err
		}
	}
	for _, d := range dirs {
		if err := l.directory(ctx, d); err != nil {
			return err
		}
	}
	return l.result()
}

// choose settles which rules are left out.
func (l *linter) choose() error {
	for _, name := range slices.Concat(l.disabled, l.only) {
		if !slices.Contains(lint.Names(), name) {
			return fmt.Errorf("there is no rule %q.%s See sysc lint --rules", name, diag.DidYouMean(name, lint.Names()))
		}
	}
	l.skip = l.disabled
	if len(l.only) > 0 {
		l.skip = slices.DeleteFunc(lint.Names(), func(name string) bool { return slices.Contains(l.only, name) })
	}
	return nil
}

// definitionsBelow returns the directories at and below dir that have definitions
// in them.
func definitionsBelow(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	var out []string
	for _, e := range entries {
		name := e.Name()
		isText := (strings.HasSuffix(name, syntax.Extension) || strings.HasSuffix(name, syntax.JSONExtension)) && !strings.HasSuffix(name, syntax.TestExtension)
		if isText && !e.IsDir() && !strings.HasPrefix(name, ".") && len(out) == 0 {
			out = append(out, dir)
		}
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == source.VendorDir {
			continue
		}
		below, err := definitionsBelow(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// directory looks at one module. Its texts are named from where the command runs.
func (l *linter) directory(ctx context.Context, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("lint: %w", err)
	case !info.IsDir():
		return fmt.Errorf("lint %s: not a directory. A module is looked at as a whole, because its files use one another", dir)
	}
	opts, err := l.evaluation(ctx, dir)
	if err != nil {
		return err
	}
	r := lint.Directory(ctx, dir, &lint.Options{Evaluation: opts, Skip: l.skip})
	name := func(at diag.Range) diag.Range {
		if dir != l.home && !filepath.IsAbs(at.Filename) {
			at.Filename = filepath.Join(dir, at.Filename)
		}
		return at
	}
	for file, text := range r.Files {
		l.files[name(diag.Range{Filename: file}).Filename] = text
	}
	l.errors = append(l.errors, moved(r.Errors, name)...)
	for _, f := range r.Findings {
		d := moved(diag.List{f.Diagnostic}, name)[0]
		if l.app.json {
			l.findings = append(l.findings, lintFinding{f.Rule, diag.JSON(diag.List{d}, l.files)[0]})
		} else {
			l.findings = append(l.findings, lintFinding{Rule: f.Rule})
			d.Summary += " (" + f.Rule + ")"
			if err := l.print(d); err != nil {
				return err
			}
		}
	}
	if len(r.Skipped) > 0 {
		l.skipped = append(l.skipped, lintSkipped{dir, r.Skipped, moved(r.Cause, name).Sort()[0].Error()})
	}
	return nil
}

// print writes a finding for people to standard output: it is what they asked for.
func (l *linter) print(d *diag.Diagnostic) error {
	width, _ := terminalSize(l.app.out)
	return diag.Render(l.app.out, diag.List{d}, l.files, diag.RenderOptions{Color: l.app.colour(l.app.out), Width: width})
}

// moved are diagnostics whose places were renamed.
func moved(diags diag.List, name func(diag.Range) diag.Range) diag.List {
	var out diag.List
	for _, d := range diags {
		c := *d
		c.Related = nil
		if d.Subject != nil {
			c.Subject = name(*d.Subject).Ptr()
		}
		if d.Context != nil {
			c.Context = name(*d.Context).Ptr()
		}
		for _, r := range d.Related {
			c.Related = append(c.Related, diag.Related{Message: r.Message, Range: name(r.Range)})
		}
		out = append(out, &c)
	}
	return out
}

// evaluation says how the definition in a directory is evaluated: nothing is
// fetched for it.
func (l *linter) evaluation(ctx context.Context, dir string) (*modules.Options, error) {
	variables, texts, diags := l.app.variables()
	if err := l.app.diagnose(diags, texts); err != nil {
		return nil, err
	}
	opts := &modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts}
	l.app.dir = dir
	return opts, l.app.moduleOptions(ctx, opts, false)
}

// result prints what there is to say at the end.
func (l *linter) result() error {
	a := l.app
	if a.json {
		if err := a.printJSON(struct {
			FormatVersion string                `json:"format_version"`
			Findings      []lintFinding         `json:"findings"`
			Skipped       []lintSkipped         `json:"skipped"`
			Diagnostics   []diag.JSONDiagnostic `json:"diagnostics"`
		}{"1.0", list(l.findings), list(l.skipped), diag.JSON(l.errors, l.files)}); err != nil {
			return err
		}
	} else if err := a.diagnose(l.errors, l.files); err == nil {
		l.say()
	}
	layout := 0
	for _, f := range l.findings {
		if f.Rule == lint.Layout {
			layout++
		}
	}
	switch {
	case len(l.errors) > 0 || len(l.findings) > layout:
		return &exitCode{code: exitError}
	case layout > 0:
		return &exitCode{code: exitFormat}
	}
	return nil
}

// say tells people what it comes to.
func (l *linter) say() {
	for _, s := range l.skipped {
		l.app.say("Note: %s was not looked at for %s, because it cannot be evaluated: %s", s.Directory, strings.Join(s.Rules, ", "), s.Reason)
	}
	switch len(l.findings) {
	case 0:
		l.app.say("Nothing found.")
	case 1:
		l.app.say("1 finding.")
	default:
		l.app.say("%d findings.", len(l.findings))
	}
}
