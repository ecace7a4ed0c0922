package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sysc/derivations/sandbox"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to fix it",
		Long: `Look at what builds need of this machine: sandboxes, room, the clock, and
nothing left over from builds that were killed. It changes nothing.

A problem keeps builds from running, or may; advice is about what would make
them safer. Only a problem makes the exit code 1.`,
		Example: "  sysc doctor\n  sysc doctor --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *app) doctor(ctx context.Context) error {
	storeDir, err := a.storePath()
	if err != nil {
		return err
	}
	e := &examination{proc: os.DirFS("/proc"), store: storeDir, now: time.Now()}
	e.evaluations, _ = a.evaluationsPath()
	findings, err := e.examine(ctx)
	if err != nil {
		return err
	}
	problems := 0
	for _, f := range findings {
		if f.State == stateProblem {
			problems++
		}
	}
	if a.json {
		if err := a.printJSON(list(findings)); err != nil {
			return err
		}
	} else {
		a.printFindings(findings)
	}
	if problems > 0 {
		return &exitCode{code: exitError, cause: fmt.Errorf("%s found", plural(problems, "problem"))}
	}
	return nil
}

func (a *app) printFindings(findings []finding) {
	for _, f := range findings {
		fmt.Fprintf(a.out, "%-8s %s\n", f.State, f.What)
		if f.Fix != "" {
			fmt.Fprintf(a.out, "%-8s fix: %s\n", "", f.Fix)
		}
	}
}

// What a finding means for builds.
const (
	stateOK      = "ok"
	stateAdvice  = "advice"
	stateProblem = "problem"
)

// A finding is what one check says. There is a fix unless all is well.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	What  string `json:"what"`
	Fix   string `json:"fix,omitempty"`
}

// An examination looks at the machine. Nothing in it changes anything.
type examination struct {
	proc  fs.FS
	store string // directory, which need not exist
	// evaluations is the directory where they are remembered, "" for none.
	evaluations string
	now         time.Time
}

func (e *examination) examine(ctx context.Context) ([]finding, error) {
	findings := checkSandbox(sandbox.Probe(ctx))
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	findings = append(findings, checkLandlock(sandbox.LandlockVersion()), e.checkCgroups(), checkIDs(os.Getuid()))
	for _, check := range []func() ([]finding, error){e.checkSpace, e.checkClock, e.checkMounts, e.checkProcesses, e.checkLeftovers, e.checkEvaluations} {
		more, err := check()
		if err != nil {
			return nil, fmt.Errorf("examine the machine: %w", err)
		}
		findings = append(findings, more...)
	}
	return findings, nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  sysc version",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sysc %s\n", version)
			return err
		},
	}
}
