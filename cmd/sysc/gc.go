package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/internal/bytesize"
	"sysc/store/localstore"
	"sysc/systems/generation"
)

// gcFlags are what `sysc gc` is asked for.
type gcFlags struct {
	localstore.GCOptions
	maxFree   string
	explain   string
	keep      int
	olderThan string
}

func (a *app) gcCommand() *cobra.Command {
	var flags gcFlags
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove from the store what no generation, link or root needs",
		Long: `Remove from the store what no generation, link or root needs, and no process
uses: no sysc that is at work, and none that runs from an object, has a file of
it open, or has it in its environment.

With --root and --keep or --older-than, delete generations of that machine first:
all but the newest N, those that are older, or, with both, those that are both.
The current one, the one that runs and pinned ones stay in any case.`,
		Example: "  sysc gc --dry-run\n  sysc gc --root /tmp/machine --keep 5 --older-than 30d\n  sysc gc --explain ./result",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return a.gc(cmd.Context(), &flags)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.DryRun, "dry-run", false, "change nothing, say what would go")
	f.StringVar(&flags.maxFree, "max-free", "", "stop when about `SIZE` (500M, 2G) is free")
	f.StringVar(&flags.explain, "explain", "", "say what keeps `OBJECT`, and do nothing else")
	f.IntVar(&flags.keep, "keep", 0, "keep the newest `N` generations, delete the others")
	f.StringVar(&flags.olderThan, "older-than", "", "delete generations older than `AGE` (36h, 30d)")
	a.rootFlag(cmd)
	return cmd
}

// check refuses what would be passed over in silence.
func (f *gcFlags) check(given func(name string) bool) error {
	if given("explain") {
		for _, other := range []string{"dry-run", "max-free", "keep", "older-than", "root"} {
			if given(other) {
				return fmt.Errorf("--explain collects nothing: leave out --%s", other)
			}
		}
	}
	if given("root") && !given("keep") && !given("older-than") {
		return errors.New("--root goes with --keep or --older-than, which say what generations go")
	}
	if given("keep") && f.keep < 1 {
		return fmt.Errorf("read --keep: %d is no number of generations that can stay: at least the current one does", f.keep)
	}
	return nil
}

func (a *app) gc(ctx context.Context, flags *gcFlags) (err error) {
	if flags.maxFree != "" {
		if flags.MaxFree, err = bytesize.Parse(flags.maxFree); err != nil {
			return fmt.Errorf("read --max-free: %w", err)
		}
	}
	st, err := a.openFullStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if flags.explain != "" {
		return a.gcExplain(ctx, st, flags.explain)
	}
	deleted, err := a.deleteOld(ctx, st, flags)
	if err != nil {
		return err
	}
	m := a.newStoreMeter()
	result, err := st.GC(ctx, flags.GCOptions)
	m.end()
	if err != nil {
		return err
	}
	if a.json {
		result.Objects = list(result.Objects)
		return a.printJSON(struct {
			Generations []generation.Number `json:"generations"`
			localstore.GCResult
		}{deleted, result})
	}
	verb := "Removed"
	if flags.DryRun {
		verb = "Would remove"
		for _, p := range result.Objects {
			fmt.Fprintln(a.out, p)
		}
	}
	if len(deleted) > 0 {
		a.say("%s %s of %s.", verb, plural(len(deleted), "generation"), a.root)
	}
	stay := "stay"
	if result.Kept == 1 {
		stay = "stays"
	}
	a.say("%s %s, %s; %s %s.", verb, plural(len(result.Objects), "object"), bytesize.Format(result.Bytes), plural(result.Kept, "object"), stay)
	return nil
}

// deleteOld deletes the generations that the flags name, and returns which. In a dry
// run it has the store do as if they were deleted.
func (a *app) deleteOld(ctx context.Context, st *localstore.Store, flags *gcFlags) ([]generation.Number, error) {
	if flags.keep == 0 && flags.olderThan == "" {
		return []generation.Number{}, nil
	}
	age := time.Duration(0)
	if flags.olderThan != "" {
		var err error
		if age, err = parseAge(flags.olderThan); err != nil {
			return nil, fmt.Errorf("read --older-than: %w", err)
		}
	}
	profile, err := a.openProfile()
	if err != nil {
		return nil, err
	}
	defer profile.Close()
	records, err := profile.List()
	if err != nil {
		return nil, err
	}
	current, err := profile.Current()
	if err != nil {
		return nil, err
	}
	pinned, err := profile.Pinned()
	if err != nil {
		return nil, err
	}
	machine, err := a.machine()
	if err != nil {
		return nil, err
	}
	stay := append(pinned, a.booted(machine))
	if current != nil {
		stay = append(stay, current.Number)
	}
	old := oldGenerations(records, stay, flags.keep, age, time.Now())
	if len(old) == 0 {
		return old, nil
	}
	if flags.DryRun {
		flags.Without = systemLinks(machine, old)
		return old, nil
	}
	return old, a.deleteFrom(ctx, st, machine, old)
}

// oldGenerations chooses from records, oldest first, what a policy deletes. A
// keep or age of 0 is none; those in stay are left alone.
func oldGenerations(records []*generation.Record, stay []generation.Number, keep int, age time.Duration, now time.Time) []generation.Number {
	old := []generation.Number{}
	for i, r := range records {
		newest := keep > 0 && i >= len(records)-keep
		young := age > 0 && now.Sub(r.Created) <= age
		if newest || young || slices.Contains(stay, r.Number) {
			continue
		}
		old = append(old, r.Number)
	}
	return old
}

func (a *app) gcExplain(ctx context.Context, st *localstore.Store, arg string) error {
	p, err := objectPath(arg)
	if err != nil {
		return err
	}
	keepers, err := st.KeptBy(ctx, p)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list(keepers))
	}
	if len(keepers) == 0 {
		fmt.Fprintf(a.out, "nothing keeps %s: the next sysc gc removes it\n", p)
		return nil
	}
	for _, k := range keepers {
		fmt.Fprintln(a.out, describeKeeper(k))
		for i, at := range k.Chain {
			fmt.Fprintf(a.out, "%s└─ %s\n", strings.Repeat("   ", i), at)
		}
	}
	return nil
}

func describeKeeper(k localstore.Keeper) string {
	switch {
	case k.Root.Process != nil:
		return describeProcess(k.Root.Process)
	case k.Root.Name == "":
		return "a process that has the store open"
	case k.Root.Unreachable:
		return k.Root.Link + " (not reachable now; it counts for a while)"
	case k.Root.Link != "":
		return k.Root.Link
	}
	return "root " + k.Root.Name
}

// processUses says what a process does with an object, by where that was found.
var processUses = map[string]string{
	"exe": "runs from it", "cwd": "is in it", "root": "has its root in it", "fd": "has a file of it open",
	"maps": "has a file of it mapped", "mountinfo": "has it mounted", "environ": "has it in its environment",
}

func describeProcess(p *localstore.Process) string {
	return fmt.Sprintf("process %d (%s), which %s", p.PID, printable(p.Name), processUses[p.By])
}
