package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/health"
)

func (a *app) generationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "generations [HOME]",
		Aliases: []string{"generation"},
		Short:   "List a machine's or a home's generations, the current one marked with *",
		Example: "  sysc generations --root /tmp/machine\n  sysc generations show 3 --root /tmp/machine\n  sysc generations home",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return a.listGenerations(args) },
	}
	a.rootFlag(cmd)
	all := &cobra.Command{
		Use:     "list [HOME]",
		Short:   "List them, as without a verb",
		Example: "  sysc generations list --root /tmp/machine",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return a.listGenerations(args) },
	}
	a.rootFlag(all)
	show := &cobra.Command{
		Use:     "show [HOME] N",
		Short:   "Print the record of a generation as JSON",
		Example: "  sysc generations show 41",
		Args:    usageArgs(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.homeArg(args)
			if err != nil {
				return err
			}
			if err := usageArgs(cobra.ExactArgs(1))(cmd, args); err != nil {
				return err
			}
			return a.showGeneration(args[0])
		},
	}
	a.rootFlag(show)
	remove := &cobra.Command{
		Use:     "delete [HOME] N...",
		Short:   "Delete generations and what only they used; never the current one or a pinned one",
		Example: "  sysc generations delete 3 4 --root /mnt",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.homeNumbers(cmd, args)
			if err != nil {
				return err
			}
			return a.deleteGenerations(cmd.Context(), args)
		},
	}
	a.rootFlag(remove)
	compare := a.diffCommand()
	compare.Example = "  sysc generations diff 3 4 --root /tmp/machine"
	cmd.AddCommand(all, show, compare, remove, a.pinCommand(true), a.pinCommand(false))
	return cmd
}

// pinCommand is `pin`, or `unpin`.
func (a *app) pinCommand(pin bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pin [HOME] N...",
		Short:   "Keep generations, and their boot entries, whatever is to be deleted",
		Example: "  sysc generations pin 3 --root /tmp/machine",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := a.homeNumbers(cmd, args)
			if err != nil {
				return err
			}
			return a.pinGenerations(cmd.Context(), args, pin)
		},
	}
	if !pin {
		cmd.Use, cmd.Short = "unpin [HOME] N...", "Let pinned generations be deleted again"
		cmd.Example = "  sysc generations unpin 3 --root /tmp/machine"
	}
	a.rootFlag(cmd)
	return cmd
}

func (a *app) pinGenerations(ctx context.Context, args []string, pin bool) error {
	machine, err := a.machine()
	if err != nil {
		return err
	}
	numbers, err := parseNumbers(args)
	if err != nil {
		return err
	}
	if err := activate.Pin(ctx, a.deletion(machine), numbers, pin); err != nil {
		return err
	}
	done := "Pinned"
	if !pin {
		done = "Unpinned"
	}
	a.say("%s %s.", done, plural(len(numbers), "generation"))
	return nil
}

func parseNumbers(args []string) ([]generation.Number, error) {
	numbers := make([]generation.Number, len(args))
	for i, arg := range args {
		n, err := generation.ParseNumber(arg)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}

// currentGeneration is that of the machine that --root names.
func (a *app) currentGeneration() (*generation.Record, error) {
	profile, err := a.openProfile()
	if err != nil {
		return nil, err
	}
	defer profile.Close()
	current, err := profile.Current()
	if err == nil && current == nil {
		err = errors.New("no generation yet: sysc switch makes the first")
	}
	return current, err
}

// generationRecord is what is known of a generation of the machine that --root names.
func (a *app) generationRecord(n generation.Number) (*generation.Record, error) {
	profile, err := a.openProfile()
	if err != nil {
		return nil, err
	}
	defer profile.Close()
	return profile.Get(n)
}

// recordedManifest is that of a generation of the machine that --root names.
func (a *app) recordedManifest(record *generation.Record) (*systems.Manifest, error) {
	machine, err := a.machine()
	if err != nil {
		return nil, err
	}
	return activate.ReadManifest(machine, record)
}

// openProfile opens the generations of the machine that --root names.
func (a *app) openProfile() (*generation.Profile, error) {
	machine, err := a.machine()
	if err != nil {
		return nil, err
	}
	profile, err := generation.Open(machine)
	if errors.Is(err, fs.ErrNotExist) && a.home != nil {
		return nil, fmt.Errorf("there is no generation of a home in %s: sysc switch home makes one", a.home.dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.noMachine()
	}
	return profile, err
}

func (a *app) noMachine() error {
	return fmt.Errorf("there is no machine at %s: sysc switch --root makes one", a.root)
}

// A generationRow is a generation as lists show it.
type generationRow struct {
	*generation.Record
	Current bool `json:"current"`
	Pinned  bool `json:"pinned"`
}

func (a *app) listGenerations(args []string) error {
	if err := a.onlyHome(args); err != nil {
		return err
	}
	profile, err := a.openProfile()
	if err != nil {
		return err
	}
	defer profile.Close()
	records, err := profile.List()
	if err != nil {
		return err
	}
	current, err := profile.Current()
	if err != nil {
		return err
	}
	pinned, err := profile.Pinned()
	if err != nil {
		return err
	}
	rows := make([]generationRow, len(records))
	for i, r := range records {
		rows[i] = generationRow{Record: r, Current: current != nil && current.Number == r.Number, Pinned: slices.Contains(pinned, r.Number)}
	}
	if a.json {
		return a.printJSON(rows)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		mark := " "
		if r.Current {
			mark = "*"
		}
		remarks := revision(r.Record)
		if r.Pinned {
			remarks = strings.TrimPrefix(remarks+", pinned", ", ")
		}
		fmt.Fprintf(w, "%s %3d\t%s\t%s\t%s\t%s\n", mark, r.Number, r.Created.Local().Format(time.DateTime), r.Name, r.Kernel, remarks)
	}
	return w.Flush()
}

// revision says from which state of the definition a generation was made.
func revision(r *generation.Record) string {
	p := r.Provenance
	switch {
	case p.Revision == "":
		return ""
	case p.Dirty:
		return "definition " + short(p.Revision) + ", dirty"
	}
	return "definition " + short(p.Revision)
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

func (a *app) showGeneration(arg string) error {
	profile, err := a.openProfile()
	if err != nil {
		return err
	}
	defer profile.Close()
	n, err := generation.ParseNumber(arg)
	if err != nil {
		return err
	}
	record, err := profile.Get(n)
	if err != nil {
		return err
	}
	return a.printJSON(record)
}

func (a *app) deleteGenerations(ctx context.Context, args []string) error {
	machine, err := a.machine()
	if err != nil {
		return err
	}
	numbers, err := parseNumbers(args)
	if err != nil {
		return err
	}
	err = a.withExisting(ctx, func(st *localstore.Store) error { return a.deleteFrom(ctx, st, machine, numbers) })
	if errors.Is(err, localstore.ErrNone) {
		err = activate.Delete(ctx, a.deletion(machine), numbers)
	}
	if err != nil {
		return err
	}
	a.say("Deleted %s. Run sysc gc to free what the store holds for them.", plural(len(numbers), "generation"))
	return nil
}

// deleteFrom deletes generations of a machine, and the roots that they are in a store.
func (a *app) deleteFrom(ctx context.Context, st *localstore.Store, machine string, numbers []generation.Number) error {
	return st.RemoveLinks(ctx, systemLinks(machine, numbers), func() error {
		return activate.Delete(ctx, a.deletion(machine), numbers)
	})
}

func (a *app) deletion(machine string) activate.Request {
	return activate.Request{
		Root: machine, Booted: a.booted(machine), Machine: a.bootsHere(), Now: time.Now(), Wait: a.waitFor("the machine " + machine),
	}
}

// systemLinks returns the links that keep the systems of generations in a store.
func systemLinks(machine string, numbers []generation.Number) []string {
	links := make([]string, len(numbers))
	for i, n := range numbers {
		links[i] = filepath.Join(machine, generation.SystemLink(n))
	}
	return links
}

// waitFor returns a function that tells who else holds something.
func (a *app) waitFor(what string) func(holder string) {
	return func(holder string) { a.say("Waiting for %s, in use by %s", what, holder) }
}

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status [HOME]",
		Short:   "Say which generation is current, which boots, and how the last activation ended",
		Example: "  sysc status --root /tmp/machine\n  sysc status home",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.onlyHome(args); err != nil {
				return err
			}
			return a.status()
		},
	}
	a.rootFlag(cmd)
	return cmd
}

func (a *app) status() error {
	machine, err := a.machine()
	if err != nil {
		return err
	}
	st, err := activate.ReadStatus(machine, a.bootsHere())
	if errors.Is(err, fs.ErrNotExist) {
		return a.noMachine()
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(statusDocument{st.Current, st.Last, a.booted(machine), st.Boots, triesLeft(st.Tries), st.Health, st.Fallback})
	}
	current := st.Current
	if current == nil {
		fmt.Fprintln(a.out, "no generation yet: sysc switch makes the first")
		return nil
	}
	fmt.Fprintf(a.out, "generation   %d, %s, made %s\n", current.Number, current.Name, current.Created.Local().Format(time.DateTime))
	fmt.Fprintf(a.out, "%-12s %s\n", current.Kind(), current.System.Logical())
	if current.Kernel != "" {
		fmt.Fprintf(a.out, "kernel       %s\n", current.Kernel)
	}
	if text := revision(current); text != "" {
		fmt.Fprintf(a.out, "from         %s\n", text)
	}
	if n := a.booted(machine); n != 0 && n != current.Number {
		fmt.Fprintf(a.out, "started with %d\n", n)
	}
	if st.Boots != 0 {
		fmt.Fprintf(a.out, "boots next   %s\n", describeBoots(st))
	}
	if st.Health != nil {
		fmt.Fprintf(a.out, "health       %s\n", describeHealth(st.Health))
	}
	if st.Last != nil {
		fmt.Fprintf(a.out, "last switch  %s\n", describeActivation(st.Last))
	}
	if st.Health != nil {
		a.printFailures(st.Health)
	}
	if f := st.Fallback; f != nil {
		fmt.Fprint(a.out, describeFallback(f))
		if f.Health != nil {
			a.printFailures(f.Health)
		}
	}
	return nil
}

// A statusDocument is a machine's status as JSON.
type statusDocument struct {
	Current        *generation.Record     `json:"current"`
	LastActivation *generation.Activation `json:"last_activation"`
	// Booted is the generation that the machine was started with, none where it was not.
	Booted generation.Number `json:"booted,omitempty"`
	// Boots is the generation that the boot loader takes; none without boot entries.
	Boots generation.Number `json:"boots,omitempty"`
	// TriesLeft is how often the loader still tries it; none for one that is not
	// counted.
	TriesLeft *int `json:"tries_left,omitempty"`
	// Health is what came out of the health checks of Current the last time.
	Health *health.Report `json:"health,omitempty"`
	// Fallback is set when the machine was to run another generation and came back.
	Fallback *generation.Fallback `json:"fallback,omitempty"`
}

func triesLeft(t boot.Tries) *int {
	if !t.Counted {
		return nil
	}
	return &t.Left
}

func describeBoots(st *activate.Status) string {
	text := fmt.Sprintf("generation %d", st.Boots)
	switch {
	case st.Tries.Exhausted():
		return text + ", although the boot loader has given up on it"
	case st.Tries.Counted:
		return fmt.Sprintf("%s, tried up to %s before the last good one is", text, plural(st.Tries.Left, "time"))
	}
	return text
}

func describeActivation(last *generation.Activation) string {
	text := fmt.Sprintf("to generation %d, %s", last.To, last.Time.Local().Format(time.DateTime))
	switch last.Scope {
	case generation.AtBoot:
		text += ", at the next start"
	case generation.Once:
		text += ", for once"
	}
	switch last.Outcome {
	case generation.Done:
		if len(last.Reboot) > 0 {
			return text + ", needs a reboot: " + strings.Join(last.Reboot, ", ")
		}
		return text + ", done"
	case generation.Failed:
		return text + ", failed: " + last.Error
	}
	return text + ", interrupted: run sysc switch again to complete it"
}

func (a *app) rollbackCommand() *cobra.Command {
	var to int
	cmd := &cobra.Command{
		Use:     "rollback [HOME]",
		Short:   "Make the previous generation current again, or the one that --to names",
		Example: "  sysc rollback --root /tmp/machine\n  sysc rollback --root /tmp/machine --to 3\n  sysc rollback home",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.onlyHome(args); err != nil {
				return err
			}
			return a.goTo(cmd.Context(), generation.Number(to), generation.Always)
		},
	}
	a.rootFlag(cmd)
	a.backupFlag(cmd)
	cmd.Flags().IntVar(&to, "to", 0, "the `number` of the generation to go to")
	return cmd
}

// goTo puts a generation that is there in force; 0 is the one before.
func (a *app) goTo(ctx context.Context, to generation.Number, scope generation.Scope) error {
	req, err := a.request()
	if err != nil {
		return err
	}
	if req.Scope = scope; scope != generation.Always && req.Machine == nil {
		return errNotHere
	}
	req.Events = a.tellStep
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := a.useStore(&req, st); err != nil {
		return err
	}
	result, err := activate.Rollback(ctx, req, to)
	if err != nil {
		if result == nil && !errors.Is(err, context.Canceled) {
			return &exitCode{code: exitNotActivated, cause: err}
		}
		return err
	}
	a.printNotes(result)
	if a.json {
		return a.printResult(result)
	}
	if result.Unchanged {
		a.say("Nothing to do: generation %d is current already.", result.Generation.Number)
		return nil
	}
	if scope == generation.Always && len(result.Reboot) == 0 {
		a.say("Rolled back from generation %d to generation %d.", result.Previous, result.Generation.Number)
	} else {
		a.say("%s", describeSwitch(result.Generation.Address(), result))
	}
	return failedUnits(result)
}

// printNotes tells what a switch or rollback has to say beside its outcome.
func (a *app) printNotes(result *activate.Result) {
	for _, path := range result.Kept {
		a.say("Kept %s: it was changed by hand.", path)
	}
	for _, note := range result.Notes {
		a.say("Note: %s", note)
	}
}
