package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sysc/systems/activate"
	"sysc/systems/generation"
	"sysc/systems/health"
)

func (a *app) healthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Carry out the health checks of the generation that runs",
		Long: `Carry out the health checks that the definition of the current generation has, where
the command is called: on the machine itself. Each is repeated until it holds or its
time is over. What comes out is recorded, for sysc status. The exit code is 20 when a
required check failed.`,
		Example: "  sysc health --root /tmp/machine\n  sysc health --root /tmp/machine --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.health(cmd.Context()) },
	}
	a.rootFlag(cmd)
	return cmd
}

func (a *app) health(ctx context.Context) error {
	machine, err := a.machine()
	if err != nil {
		return err
	}
	req := a.deletion(machine)
	if a.here() {
		req.Booted, req.Machine = 0, nil // what is in force now, whatever was booted
	}
	n, report, err := activate.CheckHealth(ctx, req)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.noMachine()
	case errors.Is(err, generation.ErrNotExist):
		return errors.New("no generation yet: sysc switch makes the first")
	case err != nil:
		return err
	}
	if a.json {
		err = a.printJSON(healthDocument{n, report.Good(), report})
	} else {
		err = a.printHealth(report)
	}
	if err == nil && !report.Good() {
		err = &exitCode{code: exitUnhealthy}
	}
	return err
}

// A healthDocument is a report as JSON.
type healthDocument struct {
	Generation generation.Number `json:"generation"`
	Good       bool              `json:"good"`
	*health.Report
}

func (a *app) printHealth(report *health.Report) error {
	if len(report.Results) == 0 {
		a.say("The system has no health checks.")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range report.Results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", healthWord(r), r.Name, printable(r.Asks), time.Duration(r.Took)*time.Millisecond)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.printFailures(report)
	return nil
}

// printFailures tells what is wrong.
func (a *app) printFailures(report *health.Report) {
	for _, r := range report.Results {
		if r.OK {
			continue
		}
		fmt.Fprintf(a.out, "%s: %s: %s\n", healthWord(r), r.Name, printable(r.Problem))
		for _, line := range r.Log {
			fmt.Fprintf(a.out, "  │ %s\n", printable(line))
		}
	}
}

func healthWord(r health.Result) string {
	switch {
	case r.OK:
		return "ok"
	case r.Wanted:
		return "warning"
	}
	return "failed"
}

// describeHealth is a report in one line.
func describeHealth(report *health.Report) string {
	failed := 0
	for _, r := range report.Results {
		if !r.OK {
			failed++
		}
	}
	when := report.Time.Local().Format(time.DateTime)
	switch {
	case failed == 0:
		return fmt.Sprintf("good, %s, %s", plural(len(report.Results), "check"), when)
	case report.Good():
		return fmt.Sprintf("good, %d of %s failed that are only wanted, %s", failed, plural(len(report.Results), "check"), when)
	}
	return fmt.Sprintf("bad, %d of %s failed, %s", failed, plural(len(report.Results), "check"), when)
}
