package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules"
)

// projectFlags adds the flags of verbs that evaluate a definition.
func (a *app) projectFlags(cmd *cobra.Command) {
	cmd.Flags().Var(&varFlags{list: &a.vars}, "var", "set a variable, as in `NAME=VALUE`")
	cmd.Flags().Var(&varFlags{list: &a.vars, file: true}, "var-file", "take the values of variables from `FILE`, HCL or .json; no file is read unasked")
	cmd.Flags().StringArrayVar(&a.overrides, "override", nil, "use the module in a directory in place of a source, as in `module.NAME=DIR`")
	cmd.Flags().BoolVar(&a.noEvalCache, "no-eval-cache", false, "evaluate anew, whatever is remembered, and remember nothing")
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
	opts, err := a.projectOptions(ctx, fetch)
	if err != nil {
		return nil, err
	}
	project, diags := modules.Load(ctx, a.dir, opts)
	return project, a.diagnose(diags, project.Files())
}

// projectOptions says how the definition is to be evaluated, as the flags and the
// environment have it.
func (a *app) projectOptions(ctx context.Context, fetch bool) (*modules.Options, error) {
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
	opts := &modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts, InitProgram: initProgramDigest, Program: sync.OnceValues(programFile)}
	return opts, a.moduleOptions(ctx, opts, fetch)
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

// startRevision is gitRevision while other things are done.
func startRevision(ctx context.Context, dir string) func() (revision string, dirty bool) {
	type result struct {
		revision string
		dirty    bool
	}
	done := make(chan result, 1)
	go func() {
		revision, dirty := gitRevision(ctx, dir)
		done <- result{revision, dirty}
	}()
	return func() (string, bool) {
		r := <-done
		return r.revision, r.dirty
	}
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

// evaluate finds what is wanted of the definition in the directory that -C names, or
// remembers what it was. Diagnostics are printed.
func (a *app) evaluate(ctx context.Context, want modules.Wanted, names ...string) (*modules.Answer, error) {
	opts, err := a.projectOptions(ctx, true)
	if err != nil {
		return nil, err
	}
	defer a.garbage.set(a.garbage.set(evaluationGCPercent))
	answer, err := a.memory().Evaluate(ctx, a.dir, opts, modules.Request{Want: want, Names: names, Host: hostname(), User: a.userName()})
	for _, diags := range answer.Shown {
		if err := a.diagnose(diags, answer.Files()); err != nil {
			return nil, err
		}
	}
	// That an answer could not be kept, for instance because there is no room, is no
	// reason to fail, and sysc doctor says so: the next evaluation takes longer.
	return answer, err
}

// evaluateOne is evaluate for one target.
func (a *app) evaluateOne(ctx context.Context, want modules.Wanted, name string) (*modules.Answer, *modules.Target, error) {
	answer, err := a.evaluate(ctx, want, name)
	if err != nil {
		return nil, nil, err
	}
	return answer, &answer.Targets[0], nil
}

// hostname is what this machine is called, "" when that is not known.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
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
	opts := &modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts, InitProgram: initProgramDigest, Program: sync.OnceValues(programFile)}
	if err := a.moduleOptions(ctx, opts, true); err != nil {
		return err
	}
	files := texts
	if !diags.HasErrors() {
		project, more := modules.Check(ctx, a.dir, opts)
		files, diags = project.Files(), append(diags, more...)
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
