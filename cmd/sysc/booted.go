package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/internal/atomicfile"
	"sysc/store/localstore"
	"sysc/systems/activate"
	"sysc/systems/generation"
	"sysc/systems/health"
)

// bootedCommand is what units of a machine call when it starts (systems.AddProgram). It
// is not for people.
func (a *app) bootedCommand() *cobra.Command {
	var check, good bool
	cmd := &cobra.Command{
		Use:    "booted",
		Hidden: true,
		Short:  "Do what is to be done when the machine starts",
		Long: `Called by units when a machine starts that boots into its generations. Without a flag
the generation that was booted becomes the current one; with --check its health checks
are carried out once everything has started, and when they fail, the machine is started
again with the last good one; with --good its boot entry is not counted any more.`,
		Example: "  sysc booted --check",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !a.here():
				return errors.New("sysc has not started this machine")
			case check:
				return a.checkBoot(cmd.Context())
			case good:
				return activate.Bless(cmd.Context(), a.deletion(hereData))
			}
			return a.noteBoot(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "carry out the health checks")
	cmd.Flags().BoolVar(&good, "good", false, "keep the generation as a good one")
	return cmd
}

func (a *app) noteBoot(ctx context.Context) error {
	req, err := a.request()
	if err != nil {
		return err
	}
	return a.withExisting(ctx, func(st *localstore.Store) error {
		if err := a.useStore(&req, st); err != nil {
			return err
		}
		fallback, err := activate.NoteBoot(ctx, req)
		if err != nil || fallback == nil {
			return err
		}
		return writeBanner(describeFallback(fallback))
	})
}

// bannerPath is a file that is shown to whoever logs in (pam_motd(8)), until the machine
// is started again.
const bannerPath = "/run/motd.d/sysc"

// writeBanner tells something to whoever logs in.
func writeBanner(text string) error {
	if err := os.MkdirAll(filepath.Dir(bannerPath), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteFile(bannerPath, []byte(text+"sysc status tells more.\n"), 0o644)
}

// describeFallback is a fallback in some lines.
func describeFallback(f *generation.Fallback) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Generation %d did not work: %s.", f.From, f.Reason)
	if f.To != 0 {
		fmt.Fprintf(&b, " The machine came back to generation %d.", f.To)
	}
	b.WriteString("\n")
	if f.Health != nil {
		for _, r := range f.Health.Results {
			if !r.OK && !r.Wanted {
				fmt.Fprintf(&b, "  %s: %s\n", r.Name, printable(r.Problem))
			}
		}
	}
	return b.String()
}

// How long a machine may take to start, and how often is looked whether it has.
const (
	startTimeout = 10 * time.Minute
	startPause   = time.Second
)

// checkBoot finds out whether the generation that was booted is good. When it is not, and
// another one is there to come back to, the machine is started again.
func (a *app) checkBoot(ctx context.Context) error {
	begin := time.Now()
	problem := waitForStart(ctx)
	report := &health.Report{Time: begin.UTC().Truncate(time.Second)}
	req := a.deletion(hereData)
	req.Machine = nil // the boot partition may be what is wrong
	if problem == nil {
		var err error
		if _, report, err = activate.CheckHealth(ctx, req); err != nil {
			return err
		}
	} else {
		report.Results = []health.Result{{
			Name: "start", Asks: "whether the machine has started", Attempts: 1, Took: time.Since(begin).Milliseconds(),
			Problem: problem.Error(), Log: lastMessages(ctx),
		}}
		if err := activate.RecordHealth(ctx, req, report); err != nil {
			return err
		}
	}
	if report.Good() {
		return nil
	}
	if err := a.printHealth(report); err != nil {
		return err
	}
	given, err := activate.GiveUp(ctx, a.deletion(hereData))
	switch {
	case err != nil:
		return err
	case !given:
		const text = "the generation that runs is not good, and there is no other to come back to"
		return errors.Join(errors.New(text), writeBanner("sysc: "+text+".\n"))
	}
	a.say("Starting the machine again, with the last good generation.")
	return exec.CommandContext(ctx, "systemctl", "--no-block", "--force", "reboot").Run()
}

// waitForStart waits until the default target is there.
func waitForStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=ActiveState,Job", "default.target").Output()
		if err == nil {
			switch text := string(out); {
			case strings.Contains(text, "ActiveState=active\n"):
				return nil
			case !strings.Contains(text, "Job="):
				return errors.New("default.target was given up")
			}
		}
		timer := time.NewTimer(startPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("default.target was not there after %v", startTimeout)
		}
	}
}

// lastMessages are the last warnings of the journal; none where there is no journal.
func lastMessages(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--no-pager", "--boot", "--priority=warning", "--lines=20", "--output=short-iso").Output()
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(strings.ToValidUTF8(string(out), "\uFFFD"), "\n"), "\n")
}
