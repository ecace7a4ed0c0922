package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/modules"
	"sysc/systems"
)

// projectFlags adds the flags of verbs that evaluate a definition.
func (a *app) projectFlags(cmd *cobra.Command) {
	cmd.Flags().Var(&varFlags{list: &a.vars}, "var", "set a variable, as in `NAME=VALUE`")
	cmd.Flags().Var(&varFlags{list: &a.vars, file: true}, "var-file", "take the values of variables from `FILE`, HCL or .json; no file is read unasked")
	cmd.Flags().StringArrayVar(&a.overrides, "override", nil, "use the module in a directory in place of a source, as in `module.NAME=DIR`")
	cmd.Flags().BoolVar(&a.offline, "offline", false, "fetch no modules: what sysc.lock has must be in the store")
}

// loadProject reads the definition in the directory that -C names. Its
// diagnostics are printed.
func (a *app) loadProject(ctx context.Context) (*modules.Project, error) {
	return a.loadProjectFetching(ctx, true)
}

// loadProjectFetching is loadProject; without fetch, modules are those that the
// store has.
func (a *app) loadProjectFetching(ctx context.Context, fetch bool) (*modules.Project, error) {
	info, err := os.Stat(a.dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory: -C names the directory of a definition", a.dir)
	}
	variables, texts, diags := a.variables()
	if err := a.diagnose(diags, texts); err != nil {
		return nil, err
	}
	opts := &modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts}
	if err := a.moduleOptions(ctx, opts, fetch); err != nil {
		return nil, err
	}
	opts.Revision, opts.Dirty = gitRevision(ctx, a.dir)
	project, diags := modules.Load(ctx, a.dir, opts)
	return project, a.diagnose(diags, project.Files())
}

// releaseVersion is the version that required_version is compared with: the one
// of the last tag, or nothing when it is not known.
func releaseVersion() string {
	v, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	if strings.Count(v, ".") != 2 {
		return defaultVersion
	}
	return v
}

// gitRevision returns the commit of the work tree that dir is in, and whether
// dir differs from it. Without git or a repository both are empty: this is a
// remark in a generation's record and decides nothing.
func gitRevision(ctx context.Context, dir string) (revision string, dirty bool) {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "--no-optional-locks", "-c", "core.fsmonitor=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C")
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	if !inRepository(dir) {
		return "", false
	}
	revision, err := git("rev-parse", "--verify", "HEAD")
	if err != nil {
		return "", false
	}
	changes, err := git("status", "--porcelain", "--", ".")
	return revision, err != nil || changes != ""
}

// inRepository looks for a .git upwards, so that git is not started for nothing.
func inRepository(dir string) bool {
	at, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	for {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(at)
		if parent == at {
			return false
		}
		at = parent
	}
}

// systemName chooses the system of verbs that take none: the only one, or the
// one that is called like this machine.
func systemName(project *modules.Project, arg string) (string, error) {
	if name, ok := strings.CutPrefix(arg, "system."); ok {
		return name, nil
	}
	names := project.Systems()
	switch {
	case arg != "":
		return arg, nil
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", fmt.Errorf("there is no system in %s", project.Dir())
	}
	if host, err := os.Hostname(); err == nil {
		for _, name := range names {
			if name == host {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("there are several systems, say which: %s", strings.Join(names, ", "))
}

// A target is something to build: its output in the graph, and, when it is a
// system, its definition.
type target struct {
	label  string
	ref    derivations.Ref
	system *modules.System
	// shell is a derivation that is built in the environment that the target is, if
	// it is one.
	shell *derivations.Ref
}

// entered is the derivation whose environment is entered.
func (t *target) entered() derivations.Ref {
	if t.shell != nil {
		return *t.shell
	}
	return t.ref
}

// evaluateSystem evaluates a system and adds it to the project's graph.
func (a *app) evaluateSystem(ctx context.Context, project *modules.Project, arg string) (*target, error) {
	name, err := systemName(project, arg)
	if err != nil {
		return nil, err
	}
	system, diags := project.System(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	ref, err := systems.Compose(project.Graph(), system.Definition)
	if err != nil {
		return nil, err
	}
	return &target{label: "system." + name, ref: ref, system: system}, nil
}

// evaluateTarget evaluates what an argument of build names: "system.NAME",
// "derivation.NAME", "environment.NAME", "module.M.derivation.NAME", or a NAME that only one of the first two has. A key follows the name
// of what is one of a for_each: derivation.NAME["KEY"], or without the quotes.
// Without an argument it is the only system, or the only derivation where there is
// no system.
func (a *app) evaluateTarget(ctx context.Context, project *modules.Project, arg string) (*target, error) {
	if name, ok := strings.CutPrefix(arg, "environment."); ok {
		e, diags := project.Environment(ctx, name)
		if err := a.diagnose(diags, project.Files()); err != nil {
			return nil, err
		}
		return &target{label: e.Address, ref: e.Root, shell: &e.Shell}, nil
	}
	name, isDerivation := strings.CutPrefix(arg, "derivation.")
	isDerivation = isDerivation || strings.HasPrefix(arg, modules.ModulePrefix)
	systemNames, derivationNames := project.Systems(), project.Derivations()
	switch {
	case isDerivation:
	case arg == "" && len(systemNames) == 0 && len(derivationNames) == 1:
		name, isDerivation = derivationNames[0], true
	case arg == "" && len(systemNames) == 0 && len(derivationNames) > 1:
		return nil, fmt.Errorf("there are several derivations in %s, say which: %s", project.Dir(), strings.Join(derivationNames, ", "))
	default:
		isDerivation = !slices.Contains(systemNames, arg) && project.IsDerivation(arg)
	}
	if !isDerivation {
		return a.evaluateSystem(ctx, project, arg)
	}
	d, diags := project.Derivation(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	return &target{label: d.Address, ref: d.Ref()}, nil
}

// evaluateTargets is [app.evaluateTarget] for arguments that may name several
// things: a block with for_each is all that it makes.
func (a *app) evaluateTargets(ctx context.Context, project *modules.Project, arg string) ([]*target, error) {
	names := []string{arg}
	for _, name := range []string{arg, "derivation." + arg} {
		if members, ok := project.Members(name); ok {
			names = members
			break
		}
	}
	var targets []*target
	for _, name := range names {
		t, err := a.evaluateTarget(ctx, project, name)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// evaluateAll adds everything that can be built to the project's graph.
func (a *app) evaluateAll(ctx context.Context, project *modules.Project) error {
	for _, name := range project.Derivations() {
		if _, err := a.evaluateTarget(ctx, project, "derivation."+name); err != nil {
			return err
		}
	}
	for _, name := range project.Environments() {
		if _, err := a.evaluateTarget(ctx, project, "environment."+name); err != nil {
			return err
		}
	}
	for _, name := range project.Systems() {
		if _, err := a.evaluateSystem(ctx, project, "system."+name); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "validate",
		Short:   "Check the definition: every value of every system",
		Example: "  sysc validate -C examples/minimal",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.validate(cmd.Context()) },
	}
	a.projectFlags(cmd)
	return cmd
}

func (a *app) validate(ctx context.Context) error {
	variables, texts, diags := a.variables()
	opts := &modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts}
	if err := a.moduleOptions(ctx, opts, true); err != nil {
		return err
	}
	files := texts
	if !diags.HasErrors() {
		project, more := modules.Load(ctx, a.dir, opts)
		files, diags = project.Files(), append(diags, more...)
		if !diags.HasErrors() {
			diags = append(diags, project.Validate(ctx)...)
		}
	}
	if a.json {
		errorCount := len(diags.Errors())
		if err := a.printJSON(struct {
			FormatVersion string                `json:"format_version"`
			Valid         bool                  `json:"valid"`
			ErrorCount    int                   `json:"error_count"`
			WarningCount  int                   `json:"warning_count"`
			Diagnostics   []diag.JSONDiagnostic `json:"diagnostics"`
		}{"1.0", errorCount == 0, errorCount, len(diags.Sort()) - errorCount, diag.JSON(diags, files)}); err != nil {
			return err
		}
		return errDiagnostics(diags)
	}
	if err := a.diagnose(diags, files); err != nil {
		return err
	}
	a.say("The definition is valid.")
	return nil
}
