package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules"
)

func (a *app) testCommand() *cobra.Command {
	var t tests
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the test blocks of the definition",
		Long: `Run the test blocks of the definition and of files named *.test.sysc.hcl beside
it. Each evaluates the definition with values of its own for variables; what it
looks into is built, and its machines run under QEMU. docs/testing.md tells how to write
them.

Of machines that do not do what a test says, the consoles, screens and journals are
kept.`,
		Example: "  sysc test\n  sysc test --filter motd\n  sysc test --junit report.xml\n  sysc test --logs logs",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.test(cmd.Context(), &t) },
	}
	a.projectFlags(cmd)
	cmd.Flags().StringArrayVar(&t.filters, "filter", nil, "run only tests whose names contain `TEXT`")
	cmd.Flags().StringVar(&t.junit, "junit", "", "write a report in JUnit's XML to `FILE` as well")
	cmd.Flags().StringVar(&t.logs, "logs", "", "keep what machines show in `DIR`, of every test (default: only where one fails, in a directory for temporary files)")
	cmd.Flags().StringVar(&t.accelerator, "accelerator", "", "run machines with `NAME`: kvm or tcg (default: kvm where it can be used)")
	return cmd
}

// tests is one run of sysc test.
type tests struct {
	filters           []string
	junit             string
	logs, accelerator string

	passed, failed int
	results        []testResult
}

// A testResult is what test prints of one test as JSON.
type testResult struct {
	Name        string                `json:"name"`
	File        string                `json:"file"`
	Line        int                   `json:"line"`
	Status      string                `json:"status"`
	Seconds     float64               `json:"seconds"`
	Diagnostics []diag.JSONDiagnostic `json:"diagnostics"`

	failures diag.List
}

const (
	statusPass = "pass"
	statusFail = "fail"
)

func (a *app) test(ctx context.Context, t *tests) error {
	project, err := a.loadProject(ctx)
	if err != nil {
		return err
	}
	all, diags := project.Tests()
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	chosen := slices.DeleteFunc(all, func(x *modules.Test) bool { return !t.wants(x.Name) })
	if len(chosen) == 0 {
		return t.none(project.Dir())
	}
	file := ""
	for _, test := range chosen {
		if now := test.Block.Range.Filename; now != file && !a.json {
			file = now
			fmt.Fprintf(a.out, "%s\n", file)
		}
		if err := a.runTest(ctx, t, test); err != nil {
			return err
		}
	}
	if err := t.report(); err != nil {
		return err
	}
	return a.showTests(t)
}

func (t *tests) wants(name string) bool {
	return len(t.filters) == 0 || slices.ContainsFunc(t.filters, func(f string) bool { return strings.Contains(name, f) })
}

// none says why there is nothing to run: a run that tests nothing has not passed.
func (t *tests) none(dir string) error {
	if len(t.filters) > 0 {
		return fmt.Errorf("no test in %s has a name that contains %s", dir, strings.Join(t.filters, " or "))
	}
	return fmt.Errorf("there is no test in %s: write test blocks, in files of the definition or in *.test.sysc.hcl", dir)
}

// runTest runs one test and shows how it went.
func (a *app) runTest(ctx context.Context, t *tests, test *modules.Test) (err error) {
	host := &testHost{a: a, tests: t, name: test.Name}
	defer func() { err = errors.Join(err, host.close()) }()
	begin := time.Now()
	result, err := test.Run(ctx, host)
	if err != nil {
		if ctx.Err() != nil || len(failures(err)) == 0 {
			return err // the machine's, not the test's
		}
		result.Diagnostics = append(result.Diagnostics, diag.New(diag.Error, test.Block.Range, "Build failed", "%v.", err))
	}
	out := testResult{
		Name: test.Name, File: test.Block.Range.Filename, Line: test.Block.Range.Start.Line, Status: statusPass,
		Seconds: time.Since(begin).Seconds(), Diagnostics: diag.JSON(result.Diagnostics, result.Files), failures: result.Diagnostics.Errors(),
	}
	if result.Passed {
		t.passed++
	} else {
		t.failed++
		out.Status = statusFail
	}
	t.results = append(t.results, out)
	if a.json {
		return nil
	}
	fmt.Fprintf(a.out, "  test %q... %s\n", test.Name, a.verdict(out.Status))
	if err := a.diagnose(result.Diagnostics, result.Files); err != nil && exitCodeOf(err) != exitError {
		return err
	}
	return nil
}

// verdict is a status in its colour.
func (a *app) verdict(status string) string {
	const green, red, reset = "\x1b[32m", "\x1b[31m", "\x1b[0m"
	switch {
	case !a.colour(a.out):
		return status
	case status == statusPass:
		return green + status + reset
	}
	return red + status + reset
}

// showTests ends the run.
func (a *app) showTests(t *tests) error {
	if a.json {
		if err := a.printJSON(struct {
			FormatVersion string       `json:"format_version"`
			Passed        int          `json:"passed"`
			Failed        int          `json:"failed"`
			Tests         []testResult `json:"tests"`
		}{"1.0", t.passed, t.failed, t.results}); err != nil {
			return err
		}
	} else {
		word := "Success!"
		if t.failed > 0 {
			word = "Failure!"
		}
		fmt.Fprintf(a.out, "\n%s %d passed, %d failed.\n", word, t.passed, t.failed)
	}
	if t.failed > 0 {
		return &exitCode{code: exitError}
	}
	return nil
}
