package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/store"
)

func (a *app) buildCommand() *cobra.Command {
	var flags buildFlags
	var outLink string
	var dryRun bool
	var again againFlags
	cmd := &cobra.Command{
		Use:   "build [TARGET...]",
		Short: "Build systems or derivations and print their store paths",
		Long: `Build what the definition describes and print where it is, one path a line.
A TARGET is system.NAME, derivation.NAME or environment.NAME; without one it is the
only system. Of a block with for_each, derivation.NAME is all, and
derivation.NAME[KEY] is one.

With --check, the programs that make the targets run once more after that: on one
processor, in another year, as another user of another machine, with directories
listed in reverse. If they make something else then, the exit code is 6, and the
files that differ are shown.`,
		Example: "  sysc build\n  sysc build derivation.hello --out-link result\n  sysc build --check --recursive\n  sysc build --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.build(cmd.Context(), args, flags, again, outLink, dryRun)
		},
	}
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	cmd.Flags().StringVarP(&outLink, "out-link", "o", "", "make a `LINK` to the result, which keeps it from garbage collection")
	cmd.Flags().BoolVar(&again.check, "check", false, "run programs once more, in other circumstances, and compare")
	cmd.Flags().BoolVar(&again.rebuild, "rebuild", false, "run programs although their results are there, and take the new ones")
	cmd.Flags().BoolVarP(&again.recursive, "recursive", "r", false, "with --check or --rebuild: all programs that the targets need")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "build nothing, say what would be built and fetched")
	return cmd
}

func (a *app) buildFlags(cmd *cobra.Command, flags *buildFlags) {
	cmd.Flags().VarP((*count)(&flags.jobs), "jobs", "j", "run at most `N` steps at once (0: one per core)")
	cmd.Flags().Var((*count)(&flags.cores), "cores", "tell builders to use `N` cores (0: all)")
	cmd.Flags().Var((*byteLimit)(&flags.memory), "memory", "begin builds that say how much memory they need only as SIZE is enough for them (default: what is free)")
	cmd.Flags().Var((*timeLimit)(&flags.timeout), "timeout", "kill a build that runs longer than `TIME`, as in 90s or 1h30m")
	cmd.Flags().Var((*timeLimit)(&flags.maxSilence), "max-silence", "kill a build that writes nothing for `TIME`")
	cmd.Flags().Var((*byteLimit)(&flags.limits.Memory), "max-memory", "let each build use `SIZE` of memory at most, as in 4G (needs a control group)")
	cmd.Flags().Var((*count64)(&flags.limits.Processes), "max-processes", "let each build have `N` processes and threads at once (needs a control group)")
	cmd.Flags().BoolVarP(&flags.keepGoing, "keep-going", "k", false, "after a failure, do what can still be done")
	cmd.Flags().BoolVar(&flags.keepFailed, "keep-failed", false, "keep the directory of a failed build for a while")
}

// A count is a flag that takes a number, 0 or more.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }
func (c *count) Type() string   { return "count" }

func (c *count) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return errors.New("want a whole number, 0 or more")
	}
	*c = count(n)
	return nil
}

// A count64 is a count of something that there may be more of.
type count64 int64

func (c *count64) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*c), 10)
}

func (c *count64) Type() string { return "count" }

func (c *count64) Set(text string) error {
	var n count
	err := n.Set(text)
	*c = count64(n)
	return err
}

// A byteLimit is a flag that takes a number of bytes, 0 for no limit.
type byteLimit int64

func (l *byteLimit) String() string {
	if *l == 0 {
		return ""
	}
	return bytesize.FormatExact(int64(*l))
}

func (l *byteLimit) Type() string { return "size" }

func (l *byteLimit) Set(text string) error {
	n, err := bytesize.Parse(text)
	if err != nil {
		return err
	}
	*l = byteLimit(n)
	return nil
}

// A timeLimit is a flag that takes a length of time, 0 for no limit.
type timeLimit time.Duration

func (l *timeLimit) String() string {
	if *l == 0 {
		return "" // so that the help shows no default
	}
	return time.Duration(*l).String()
}

func (l *timeLimit) Type() string { return "duration" }

func (l *timeLimit) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("want a length of time, as in 90s or 1h30m")
	}
	*l = timeLimit(d)
	return nil
}

// A builtTarget is what build prints as JSON.
type builtTarget struct {
	Target string `json:"target"`
	// Path is where the result stands on this machine, Object its store path.
	Path   string     `json:"path"`
	Object store.Path `json:"object"`
}

// An againFlags says what is to run although it has been built.
type againFlags struct{ check, rebuild, recursive bool }

func (f *againFlags) validate() error {
	switch {
	case f.recursive && !f.check && !f.rebuild:
		return errors.New("--recursive goes with --check or --rebuild")
	case f.check && f.rebuild:
		return errors.New("--check compares with what there is, which --rebuild replaces: give one of them")
	}
	return nil
}

func (a *app) build(ctx context.Context, args []string, flags buildFlags, again againFlags, outLink string, dryRun bool) (err error) {
	if err := again.validate(); err != nil {
		return err
	}
	if outLink != "" && dryRun {
		return errors.New("--dry-run makes nothing that --out-link could lead to")
	}
	if err := checkOutLink(outLink); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{""}
	}
	def, err := a.evaluate(ctx, modules.WantTargets, args...)
	if err != nil {
		return err
	}
	targets := def.Targets
	var want []derivations.Ref
	for _, t := range targets {
		want = append(want, t.Ref)
	}
	if outLink != "" && len(targets) != 1 {
		return errors.New("--out-link goes with one target")
	}
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var programs []derivations.Hash
	if again.check || again.rebuild {
		programs = build.Programs(def.Graph(), want, again.recursive)
	}
	if again.check {
		flags.check = programs
	}
	if again.rebuild {
		flags.rebuild = programs
	}
	if dryRun {
		return a.planBuild(ctx, st, def, want, flags)
	}
	paths, err := a.realise(ctx, st, def, want, flags)
	if err != nil {
		return err
	}
	if again.check {
		a.say("Checked %s: the same came out in other circumstances.", plural(len(programs), "program"))
	}
	built := make([]builtTarget, len(targets))
	for i, t := range targets {
		p := paths[t.Ref]
		built[i] = builtTarget{Target: t.Label, Path: st.PhysicalPath(p), Object: p}
	}
	if outLink != "" {
		if err := makeOutLink(ctx, st, built[0].Object, outLink); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(built)
	}
	for _, b := range built {
		fmt.Fprintln(a.out, b.Path)
	}
	return nil
}
