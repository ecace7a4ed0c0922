package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	debversion "sysc/systems/distro/debian/version"
	"sysc/systems/generation"
	"sysc/systems/savedplan"
)

func (a *app) switchCommand() *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "switch [SYSTEM | HOME | FILE]",
		Short: "Build a system and make it the machine's current generation",
		Long: `Build a system, record it as a new generation of the machine, and make that the
current one by a single rename. Interrupted at any point, the old generation or
the new one stands. When nothing changes, no generation is made.

home.NAME is a home of the definition: the same for the files of one user, without
root. What stands in the way and is not sysc's is refused, before anything is changed;
with --backup it is kept under another name.

A FILE is a plan that sysc plan --out has saved: its definition, machine and values
of variables are used, and it is refused, with exit code 7, when the definition, the
lock file or the machine's current generation is another one than then.`,
		Example: "  sysc switch --root /tmp/machine\n  sysc switch laptop --root /tmp/machine\n  sysc switch home.anna\n  sysc switch next.plan",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			arg := firstArg(args)
			saved, err := openPlan(arg)
			if err != nil {
				return err
			}
			if saved != nil {
				return a.switchSaved(cmd.Context(), cmd, saved, arg, flags)
			}
			return a.switchTo(cmd.Context(), arg, nil, generation.Always, flags)
		},
	}
	a.rootFlag(cmd)
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	a.backupFlag(cmd)
	return cmd
}

// switchTo builds a system and makes it current: that of a saved plan, if that is
// not nil and still holds.
func (a *app) switchTo(ctx context.Context, arg string, saved *savedplan.Plan, scope generation.Scope, flags buildFlags) (err error) {
	revision := startRevision(ctx, a.dir)
	def, target, err := a.evaluateOne(ctx, modules.WantSystem, arg)
	if err != nil {
		return err
	}
	req, err := a.activation(target)
	if err != nil {
		return err
	}
	if req.Scope = scope; scope != generation.Always && req.Machine == nil {
		return errNotHere
	}
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	p, err := a.makePlan(ctx, st, def, target)
	if err != nil {
		return err
	}
	var from *activate.State
	if saved != nil {
		if err := a.checkPlan(saved, p); err != nil {
			return err
		}
		from = &activate.State{Number: saved.Current, System: saved.CurrentSystem}
	}
	if !p.plan.Empty() && !a.json {
		if err := a.printPlan(p, false); err != nil {
			return err
		}
	}
	paths, err := a.realise(ctx, st, def, []derivations.Ref{p.target.Ref}, flags)
	if err != nil {
		return err
	}
	if saved != nil {
		if err := a.checkObject(saved, paths[p.target.Ref]); err != nil {
			return err
		}
	}
	system, err := systems.Load(ctx, st, paths[p.target.Ref])
	if err != nil {
		return err
	}
	provenance := target.System.Provenance
	provenance.Revision, provenance.Dirty = revision()
	req.System, req.Provenance, req.From = system, provenance, from
	if err := a.useStore(&req, st); err != nil {
		return err
	}
	req.Events = a.tellStep
	result, err := activate.Switch(ctx, req)
	var changed *activate.ChangedError
	if errors.As(err, &changed) {
		return a.checkState(saved, changed.Have)
	}
	if err != nil {
		if result == nil && !errors.Is(err, context.Canceled) {
			return &exitCode{code: exitNotActivated, cause: err}
		}
		return err
	}
	if err := st.AddIndirectRoots(ctx, result.Roots...); err != nil {
		return err
	}
	return a.reportSwitch(p, result)
}

func (a *app) reportSwitch(p *planned, result *activate.Result) error {
	a.printNotes(result)
	if a.json {
		return errors.Join(a.printResult(result), failedUnits(result))
	}
	if result.Unchanged {
		a.say("Nothing to do: %s is generation %d already.", p.target.Label, result.Generation.Number)
		return nil
	}
	a.say("%s", describeSwitch(p.target.Label, result))
	return failedUnits(result)
}

func describeSwitch(label string, result *activate.Result) string {
	n := result.Generation.Number
	switch {
	case len(result.Reboot) > 0 && result.Scope == generation.Once:
		return fmt.Sprintf("Generation %d of %s boots next, and once. %s", n, label, rebootNeeded(result))
	case len(result.Reboot) > 0:
		return fmt.Sprintf("Generation %d of %s boots next. %s", n, label, rebootNeeded(result))
	case result.Scope == generation.AtBoot:
		return fmt.Sprintf("Generation %d of %s boots next.", n, label)
	case result.Scope == generation.Once:
		return fmt.Sprintf("Switched to generation %d of %s until the machine is started again.", n, label)
	}
	text := fmt.Sprintf("Switched to generation %d of %s.", n, label)
	if result.BootEntry != "" {
		text += " Boot entry: " + result.BootEntry + "."
	}
	return text
}

// rebootNeeded says why a generation is not in force yet.
func rebootNeeded(result *activate.Result) string {
	return "Nothing that runs was changed, which needs a reboot: " + strings.Join(result.Reboot, ", ") + "."
}

// failedUnits is the exit code when a generation is in force and not all of it runs.
func failedUnits(result *activate.Result) error {
	if len(result.Failed) == 0 {
		return nil
	}
	return &exitCode{code: exitUnhealthy, cause: fmt.Errorf("%s failed: systemctl status tells why, and sysc rollback goes back", strings.Join(result.Failed, ", "))}
}

// tellStep tells what happens to a machine that runs.
func (a *app) tellStep(e activate.Event) {
	switch e.Step {
	case activate.StepStop:
		a.say("Stopping %s", e.Name)
	case activate.StepReplace:
		a.say("Replacing %s", e.Name)
	case activate.StepStart:
		a.say("Starting %s", e.Name)
	case activate.StepHealth:
		a.say("Checking the machine's health")
	}
}

// errNotHere is about verbs that need a machine that runs.
var errNotHere = errors.New("that is for a machine that sysc has started: in a directory nothing runs, and sysc switch --root is all there is")

func (a *app) bootCommand() *cobra.Command {
	return a.scopeCommand(generation.AtBoot, &cobra.Command{
		Use:   "boot [SYSTEM | N]",
		Short: "Build a system, or take a generation, and have the machine start with it next time",
		Long: `Build a system and record it as a new generation, or take generation N, and make it the
one that boots from the next start on. What runs is not touched.`,
		Example: "  sysc boot -C /root/machine\n  sysc boot 3",
	})
}

func (a *app) tryCommand() *cobra.Command {
	return a.scopeCommand(generation.Once, &cobra.Command{
		Use:   "try [SYSTEM | N]",
		Short: "Build a system, or take a generation, and be in it until the next start",
		Long: `Build a system and record it as a new generation, or take generation N, and switch to it
until the machine is started again: then the one that boots is the one that would have
before. When the change needs a reboot, the next start takes it, and only that one.`,
		Example: "  sysc try -C /root/machine\n  sysc try 3",
	})
}

// scopeCommand completes a verb for a machine that runs.
func (a *app) scopeCommand(scope generation.Scope, cmd *cobra.Command) *cobra.Command {
	var flags buildFlags
	cmd.Args = usageArgs(cobra.MaximumNArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if n, err := generation.ParseNumber(firstArg(args)); err == nil {
			return a.goTo(cmd.Context(), n, scope)
		}
		return a.switchTo(cmd.Context(), firstArg(args), nil, scope, flags)
	}
	a.rootFlag(cmd)
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	return cmd
}

// printResult prints what a switch or rollback did as JSON.
func (a *app) printResult(result *activate.Result) error {
	return a.printJSON(struct {
		Generation *generation.Record `json:"generation"`
		Previous   generation.Number  `json:"previous,omitempty"`
		Unchanged  bool               `json:"unchanged"`
		BootEntry  string             `json:"boot_entry,omitempty"`
		Scope      generation.Scope   `json:"scope,omitempty"`
		Reboot     []string           `json:"reboot,omitempty"`
		Failed     []string           `json:"failed,omitempty"`
	}{result.Generation, result.Previous, result.Unchanged, result.BootEntry, result.Scope, result.Reboot, result.Failed})
}

func (a *app) diffCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "diff [HOME] A B",
		Short:   "Compare two generations",
		Long:    `Compare two generations of a machine, or of a home, by their numbers.`,
		Example: "  sysc diff 3 4 --root /tmp/machine\n  sysc diff home 3 4",
		Args:    usageArgs(cobra.RangeArgs(2, 3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.homeArg(args)
			if err != nil {
				return err
			}
			if err := usageArgs(cobra.ExactArgs(2))(cmd, args); err != nil {
				return err
			}
			return a.diff(cmd.Context(), args, all)
		},
	}
	a.rootFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list every package")
	return cmd
}

func (a *app) diff(ctx context.Context, args []string, all bool) (err error) {
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var manifests [2]*systems.Manifest
	for i, arg := range args {
		if manifests[i], err = a.manifestOf(ctx, st, arg); err != nil {
			return err
		}
	}
	plan := systems.Diff(manifests[0], manifests[1], &systems.DiffOptions{
		Contents:        contentsOf(ctx, st, nil),
		CompareVersions: debversion.Compare,
	})
	if a.json {
		return a.printJSON(plan)
	}
	if plan.Empty() {
		fmt.Fprintln(a.out, "no differences")
		return nil
	}
	return systems.Render(a.out, plan, systems.RenderOptions{Color: a.colour(a.out), All: all})
}

// manifestOf reads the manifest of a generation, or of a system object.
func (a *app) manifestOf(ctx context.Context, st *localstore.Store, arg string) (*systems.Manifest, error) {
	n, err := generation.ParseNumber(arg)
	if err != nil {
		p, err := systemPath(arg)
		if err != nil {
			return nil, err
		}
		system, err := systems.Load(ctx, st, p)
		if err != nil {
			return nil, err
		}
		return system.Manifest, nil
	}
	record, err := a.generationRecord(n)
	if err != nil {
		return nil, err
	}
	return a.recordedManifest(record)
}

// systemPath is the system object that an argument names, which is no generation's
// number.
func systemPath(arg string) (store.Path, error) {
	p, err := objectPath(arg)
	if err != nil {
		return "", fmt.Errorf("%s is neither a generation's number nor a system object", arg)
	}
	return p, nil
}
