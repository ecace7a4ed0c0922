package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules"
	"sysc/systems/distro/debian"
)

func (a *app) whyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "why PACKAGE [TARGET...]",
		Short: "Show which need brought a package into a system",
		Long: `Show the shortest chain of needs that brought a package into systems, derivations and
environments, from one that the definition names or that every root has. PACKAGE may
also be something that a package provides. A TARGET is system.NAME, derivation.NAME or
environment.NAME; without one it is all that have the package.`,
		Example: "  sysc why libssl3t64\n  sysc why perl system.laptop --json",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.why(cmd.Context(), args[0], args[1:]) },
	}
	a.projectFlags(cmd)
	return cmd
}

func (a *app) why(ctx context.Context, name string, targets []string) error {
	reasons, err := searching(ctx, a, "", func(p *modules.Project, opts modules.SearchOptions) ([]modules.PackageReason, diag.List, error) {
		return p.Why(ctx, name, targets, opts)
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(packageReasonsOf(reasons))
	}
	for i, r := range reasons {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		a.printReason(name, r)
	}
	return nil
}

// printReason draws a chain from above.
func (a *app) printReason(asked string, r modules.PackageReason) {
	provided := ""
	if asked != r.Name {
		provided = ", which provides " + asked + ","
	}
	fmt.Fprintf(a.out, "%s %s%s in %s\n", r.Name, r.Package.Version, provided, someOf(r.Addresses, mostNames))
	why := "part of every system: its priority is required"
	switch {
	case r.First == debian.Essential:
		why = "part of every system: it is essential"
	case r.First == debian.AskedFor && r.At.IsZero():
		why = "asked for"
	case r.First == debian.AskedFor:
		why = "asked for at " + placeText("", r.At)
	}
	first, version := r.Name, r.Package.Version
	if len(r.Chain) > 0 {
		first, version = r.Chain[0].Package, r.Chain[0].Version
	}
	fmt.Fprintf(a.out, "  %s %s: %s\n", first, version, why)
	for i, need := range r.Chain {
		next, version := r.Name, r.Package.Version
		if i+1 < len(r.Chain) {
			next, version = r.Chain[i+1].Package, r.Chain[i+1].Version
		}
		fmt.Fprintf(a.out, "  %s└─ %s %s, for %s: %s\n", strings.Repeat("   ", i), next, version, need.Field, need.Relation)
	}
	if names := needing(r.Needs); len(names) > 0 {
		fmt.Fprintf(a.out, "  Needed directly by %s: %s\n", plural(len(names), "package"), someOf(names, mostNames))
	}
}

// needing names the packages that need another.
func needing(needs []debian.Need) []string {
	var names []string
	for _, n := range needs {
		if len(names) == 0 || names[len(names)-1] != n.Package {
			names = append(names, n.Package)
		}
	}
	return names
}

// mostNames is how many names of one kind a reason has.
const mostNames = 8

// someOf names some of many: at the most so many, the number of the others counted.
func someOf(names []string, most int) string {
	if len(names) > most {
		names = append(names[:most-1:most-1], fmt.Sprintf("and %d more", len(names)-most+1))
	}
	return strings.Join(names, ", ")
}

// The following are the reasons as JSON; docs/schemas/why.json.
type (
	packageReasons struct {
		FormatVersion string          `json:"format_version"`
		Reasons       []packageReason `json:"reasons"`
	}
	packageReason struct {
		Targets []string         `json:"targets"`
		Name    string           `json:"name"`
		Version string           `json:"version"`
		First   string           `json:"first"`
		Range   *diag.JSONRange  `json:"range,omitempty"`
		Chain   []packageNeeding `json:"chain"`
		Needs   []packageNeeding `json:"needs"`
	}
	packageNeeding struct {
		Name     string `json:"name"`
		Version  string `json:"version"`
		Field    string `json:"field"`
		Relation string `json:"relation"`
	}
)

func packageReasonsOf(reasons []modules.PackageReason) packageReasons {
	needing := func(needs []debian.Need) []packageNeeding {
		out := []packageNeeding{}
		for _, n := range needs {
			out = append(out, packageNeeding{n.Package, n.Version, n.Field, n.Relation})
		}
		return out
	}
	out := packageReasons{FormatVersion: "1.0", Reasons: []packageReason{}}
	for _, r := range reasons {
		out.Reasons = append(out.Reasons, packageReason{
			Targets: r.Addresses, Name: r.Name, Version: r.Package.Version, First: r.First, Range: rangeJSON(r.At),
			Chain: needing(r.Chain), Needs: needing(r.Needs),
		})
	}
	return out
}
