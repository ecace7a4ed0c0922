package main

import (
	"context"
	"errors"
	"fmt"

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
			return a.switchTo(cmd.Context(), arg, nil, flags)
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
func (a *app) switchTo(ctx context.Context, arg string, saved *savedplan.Plan, flags buildFlags) (err error) {
	revision := startRevision(ctx, a.dir)
	def, target, err := a.evaluateOne(ctx, modules.WantSystem, arg)
	if err != nil {
		return err
	}
	req, err := a.activation(target)
	if err != nil {
		return err
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
	req.System, req.Store, req.Provenance, req.From = system, st, provenance, from
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
		return a.printResult(result)
	}
	if result.Unchanged {
		a.say("Nothing to do: %s is generation %d already.", p.target.Label, result.Generation.Number)
		return nil
	}
	text := fmt.Sprintf("Switched to generation %d of %s.", result.Generation.Number, p.target.Label)
	if result.BootEntry != "" {
		text += " Boot entry: " + result.BootEntry + "."
	}
	a.say("%s", text)
	return nil
}

// printResult prints what a switch or rollback did as JSON.
func (a *app) printResult(result *activate.Result) error {
	return a.printJSON(struct {
		Generation *generation.Record `json:"generation"`
		Previous   generation.Number  `json:"previous,omitempty"`
		Unchanged  bool               `json:"unchanged"`
		BootEntry  string             `json:"boot_entry,omitempty"`
	}{result.Generation, result.Previous, result.Unchanged, result.BootEntry})
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
