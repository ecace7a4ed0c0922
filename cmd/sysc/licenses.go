package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/distro/debian"
)

func (a *app) licensesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "licenses [SYSTEM]",
		Aliases: []string{"licences"},
		Short:   "List which licences a system's packages are under",
		Long: `List which licences a system's packages are under, as their machine-readable copyright
files say, by Debian's names; and the packages that have no such file. SYSTEM is the number of
a generation, by default the current one, or a system object as sysc build prints it.`,
		Example: "  sysc licenses\n  sysc licenses ./result --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.licenses(cmd.Context(), args) },
	}
	a.rootFlag(cmd)
	return cmd
}

// A licenseReport is what sysc licenses prints; docs/schemas/licenses.json describes it.
type licenseReport struct {
	FormatVersion string            `json:"format_version"`
	System        string            `json:"system"`
	Packages      []packageLicenses `json:"packages"`
}

type packageLicenses struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	// Readable tells whether there is a machine-readable file.
	Readable bool     `json:"machine_readable"`
	Licenses []string `json:"licenses"`
	SPDX     string   `json:"spdx,omitempty"`
}

func (a *app) licenses(ctx context.Context, args []string) error {
	report := licenseReport{FormatVersion: "1.0", Packages: []packageLicenses{}}
	err := a.withSystemRoot(ctx, args, func(st *localstore.Store, m *systems.Manifest) error {
		report.System = m.Name
		for _, p := range m.Packages {
			one := packageLicenses{Name: p.Name, Version: p.Version, Architecture: p.Architecture, Licenses: []string{}}
			file, err := debian.RootCopyright(ctx, st, m.Root.Tree, p.Name)
			if err != nil {
				return err
			}
			if file != nil {
				one.Readable = true
				one.Licenses = append(one.Licenses, file.Licenses...)
				one.SPDX, _ = file.Expression()
			}
			report.Packages = append(report.Packages, one)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(report)
	}
	a.printLicenses(&report)
	return nil
}

// printLicenses prints packages by licence.
func (a *app) printLicenses(r *licenseReport) {
	by := map[string][]string{}
	var unknown []string
	for _, p := range r.Packages {
		for _, l := range p.Licenses {
			if !slices.Contains(by[l], p.Name) {
				by[l] = append(by[l], p.Name)
			}
		}
		if len(p.Licenses) == 0 {
			unknown = append(unknown, p.Name)
		}
	}
	for _, l := range slices.SortedFunc(maps.Keys(by), func(x, y string) int {
		return strings.Compare(strings.ToLower(x)+"\x00"+x, strings.ToLower(y)+"\x00"+y)
	}) {
		fmt.Fprintf(a.out, "%s: %s\n", printableLine(l), strings.Join(by[l], ", "))
	}
	if len(unknown) > 0 {
		fmt.Fprintf(a.out, "%s without a file that programs can read: %s\n", plural(len(unknown), "package"), strings.Join(unknown, ", "))
	}
}
