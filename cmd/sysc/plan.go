package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/boot"
	debversion "sysc/systems/distro/debian/version"
	"sysc/systems/generation"
)

func (a *app) planCommand() *cobra.Command {
	var detailed, all bool
	var out string
	cmd := &cobra.Command{
		Use:   "plan [SYSTEM | HOME]",
		Short: "Show what switch would change, and change nothing",
		Long: `Show what switch would change, and change nothing. With --out the plan is saved in
a file, for sysc switch FILE, which does that or, when the definition, the lock file
or the machine is no longer what it was, nothing. Of a home, home.NAME, it shows as
well what stands in the way.`,
		Example: "  sysc plan --root /tmp/machine\n  sysc plan home.anna\n" +
			"  sysc plan --root /tmp/machine --detailed-exitcode   # 2 when there are changes\n" +
			"  sysc plan --root /tmp/machine --out next.plan",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd.Context(), firstArg(args), out, detailed, all)
		},
	}
	a.rootFlag(cmd)
	a.projectFlags(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "end with 2 when there are changes")
	cmd.Flags().StringVar(&out, "out", "", "save the plan in `FILE`, for sysc switch FILE")
	cmd.Flags().BoolVar(&all, "all", false, "list every package, not only those that the definition names")
	return cmd
}

func firstArg(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// A planned is a plan with what it is about.
type planned struct {
	target  *modules.Target
	current *generation.Record // nil before the first switch
	plan    *systems.Plan
	work    workload
	object  store.Path // of the system, "" when it has to be built first
	boot    *boot.Need // nil when it is not known, or nothing boots
	// conflicts are what stands in the way in a home.
	conflicts []homeConflict
}

// A workload is what realising a system takes.
type workload struct {
	Steps int   `json:"steps"`
	Fetch int64 `json:"fetch"` // bytes
}

func (a *app) plan(ctx context.Context, arg, out string, detailed, all bool) (err error) {
	def, target, err := a.evaluateOne(ctx, modules.WantSystem, arg)
	if err != nil {
		return err
	}
	if err := a.aim(target); err != nil {
		return err
	}
	if out != "" && !a.hasMachine() {
		return errors.New("a plan is saved for one machine: say which with --root DIR")
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
	if a.json {
		err = a.printJSON(p.document())
	} else {
		err = a.printPlan(p, all)
	}
	if err == nil && out != "" {
		err = a.savePlan(out, p, def)
	}
	if err == nil && detailed && !p.plan.Empty() {
		return &exitCode{code: exitChanges}
	}
	return err
}

// makePlan compares a system with what is current.
func (a *app) makePlan(ctx context.Context, st *localstore.Store, def definition, target *modules.Target) (*planned, error) {
	p := &planned{target: target}
	old, err := a.currentManifest(p)
	if err != nil {
		return nil, err
	}
	known, err := a.lookUp(ctx, st, def, p)
	if err != nil {
		return nil, err
	}
	manifest, contents := systems.MakeManifest(*p.target.System, known)
	if p.object != "" {
		system, err := systems.Load(ctx, st, p.object)
		if err != nil {
			return nil, err
		}
		manifest = system.Manifest.WithPositions(manifest)
		if err := a.bootNeed(p, manifest); err != nil {
			return nil, err
		}
	}
	p.plan = systems.Diff(old, manifest, &systems.DiffOptions{
		Contents:        contentsOf(ctx, st, contents),
		CompareVersions: debversion.Compare,
	})
	p.conflicts, err = a.findConflicts(ctx, st, manifest, contents)
	return p, err
}

// currentManifest reads what the machine is made of now; nil when there is no
// machine, or none is named.
func (a *app) currentManifest(p *planned) (*systems.Manifest, error) {
	if !a.hasMachine() {
		return nil, nil
	}
	machine, err := a.machine()
	if err != nil {
		return nil, err
	}
	profile, err := generation.Open(machine)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the first switch makes it
	}
	if err != nil {
		return nil, err
	}
	defer profile.Close()
	if p.current, err = profile.Current(); err != nil || p.current == nil {
		return nil, err
	}
	return activate.ReadManifest(machine, p.current)
}

// lookUp finds out, without building, what realising the target takes. The
// function that it returns replaces placeholders in a text by the paths of
// objects, as far as they are known.
func (a *app) lookUp(ctx context.Context, st *localstore.Store, def definition, p *planned) (func(string) (string, bool), error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	caches, err := a.caches(st, def, client)
	if err != nil {
		return nil, err
	}
	g := def.Graph()
	want := []derivations.Ref{p.target.Ref}
	for _, f := range p.target.System.Files {
		want = append(want, g.Refs(f.Content)...)
		want = append(want, g.Refs(f.Source)...)
	}
	for _, u := range p.target.System.Units {
		want = append(want, g.Refs(u.Content)...)
	}
	paths, err := build.Realise(ctx, st, g, want, &build.Options{
		Builtins: builtins(), DryRun: true, Cache: caches,
		Events: func(e build.Event) {
			if e.Kind == build.Planned {
				p.work.Steps++
				if e.Builder == builtin.BuilderFetch {
					p.work.Fetch += max(e.Total, 0)
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	p.object = paths[p.target.Ref]
	return func(text string) (string, bool) {
		for _, r := range g.Refs(text) {
			placeholder, err := g.Placeholder(r)
			path, known := paths[r]
			if err != nil || !known {
				return "", false
			}
			text = strings.ReplaceAll(text, placeholder, path.Logical())
		}
		return text, true
	}, nil
}

// maxDiffed is the size of the largest file whose lines a plan compares.
const maxDiffed = 1 << 20

// contentsOf finds the contents of files by digest: among those of the
// definition, or in the store.
func contentsOf(ctx context.Context, st *localstore.Store, known systems.Contents) func(store.Digest) ([]byte, bool) {
	return func(d store.Digest) ([]byte, bool) {
		if text, ok := known[d]; ok {
			return []byte(text), true
		}
		f, err := st.OpenBlob(ctx, d)
		if err != nil {
			return nil, false // collected: the plan says that it cannot compare
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxDiffed+1))
		return data, err == nil && len(data) <= maxDiffed
	}
}

// printPlan prints a plan for people.
func (a *app) printPlan(p *planned, all bool) error {
	if p.plan.Empty() {
		fmt.Fprintf(a.out, "%s: no changes.\n", p.heading())
		a.printConflicts(p.conflicts)
		return nil
	}
	fmt.Fprintf(a.out, "%s\n\n", p.heading())
	if err := systems.Render(a.out, p.plan, systems.RenderOptions{Color: a.colour(a.out), All: all}); err != nil {
		return err
	}
	if p.work.Steps > 0 {
		text := "To do: " + plural(p.work.Steps, "step")
		if p.work.Fetch > 0 {
			text += ", fetch " + bytesize.Format(p.work.Fetch)
		}
		fmt.Fprintf(a.out, "%s.\n", text)
	}
	if p.boot != nil {
		fmt.Fprintf(a.out, "Boot partition: %s of %s free.\n", bytesize.Format(p.boot.Bytes), bytesize.Format(p.boot.Free))
	}
	a.printConflicts(p.conflicts)
	return nil
}

// bootNeed notes how much room the system takes on the boot partition, which has to be
// built.
func (a *app) bootNeed(p *planned, m *systems.Manifest) error {
	if a.home != nil || !a.hasMachine() {
		return nil
	}
	machine, err := a.machine()
	if err != nil {
		return err
	}
	p.boot, err = activate.BootNeed(machine, a.bootsHere(), m)
	return err
}

// heading names the system and the generations.
func (p *planned) heading() string {
	switch {
	case p.current == nil:
		return p.target.Label + ": first generation"
	case p.plan.Empty():
		return fmt.Sprintf("%s: generation %d", p.target.Label, p.current.Number)
	}
	return fmt.Sprintf("%s: change of generation %d", p.target.Label, p.current.Number)
}

// A planDocument is a plan as JSON.
type planDocument struct {
	FormatVersion string         `json:"format_version"`
	System        string         `json:"system"`
	Current       int            `json:"current,omitempty"` // generation
	Changes       bool           `json:"changes"`
	Counts        systems.Counts `json:"counts"`
	Work          workload       `json:"work"`
	Boot          *bootSpace     `json:"boot_partition,omitempty"`
	Conflicts     []homeConflict `json:"conflicts,omitempty"`
	*systems.Plan
}

// A bootSpace is what a generation takes of the boot partition at its peak, and what is
// free there, in bytes.
type bootSpace struct {
	Needed int64 `json:"needed"`
	Free   int64 `json:"free"`
}

func (p *planned) document() planDocument {
	d := planDocument{FormatVersion: "1.0", System: p.target.Label, Changes: !p.plan.Empty(), Counts: p.plan.Counts(), Work: p.work, Conflicts: p.conflicts, Plan: p.plan}
	if p.boot != nil {
		d.Boot = &bootSpace{p.boot.Bytes, p.boot.Free}
	}
	if p.current != nil {
		d.Current = int(p.current.Number)
	}
	return d
}
