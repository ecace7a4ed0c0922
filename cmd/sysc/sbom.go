package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/distro/debian"
	"sysc/systems/generation"
	"sysc/systems/sbom"
)

func (a *app) sbomCommand() *cobra.Command {
	format := "spdx"
	cmd := &cobra.Command{
		Use:   "sbom [SYSTEM]",
		Short: "Print what a system consists of as a software bill of materials",
		Long: `Print what a system consists of as a software bill of materials: each package with its
version, the hash of its file, its address in package-url's form, and the licences that
its machine-readable copyright file names, as an SPDX license expression. SYSTEM is the
number of a generation, by default the current one, or a system object as sysc build
prints it. The same system gives the same bytes.`,
		Example: "  sysc sbom > laptop.spdx.json\n  sysc sbom ./result --format cyclonedx",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			write := sbom.SPDX
			switch format {
			case "spdx":
			case "cyclonedx":
				write = sbom.CycloneDX
			default:
				return fmt.Errorf("unknown format %q: there are spdx and cyclonedx (see %s --help)", format, cmd.CommandPath())
			}
			system, err := a.billedSystem(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *localstore.Store) error {
				if err := declareLicenses(cmd.Context(), st, system); err != nil {
					return err
				}
				return write(a.out, system)
			})
		},
	}
	a.rootFlag(cmd)
	cmd.Flags().StringVar(&format, "format", format, "write `FORMAT`: spdx (2.3) or cyclonedx (1.6), as JSON")
	return cmd
}

// billedSystem reads a generation, or a system object.
func (a *app) billedSystem(ctx context.Context, args []string) (*sbom.System, error) {
	if len(args) == 0 {
		record, err := a.currentGeneration()
		if err != nil {
			return nil, err
		}
		return a.billedGeneration(record)
	}
	n, err := generation.ParseNumber(args[0])
	if err != nil {
		return a.billedObject(ctx, args[0])
	}
	record, err := a.generationRecord(n)
	if err != nil {
		return nil, err
	}
	return a.billedGeneration(record)
}

func (a *app) billedGeneration(record *generation.Record) (*sbom.System, error) {
	manifest, err := a.recordedManifest(record)
	if err != nil {
		return nil, err
	}
	revision := record.Provenance.Revision
	if record.Provenance.Dirty {
		revision += "-dirty"
	}
	return &sbom.System{Manifest: manifest, Digest: record.Manifest, Created: record.Created, Revision: revision, Version: version}, nil
}

// billedObject reads a system object, of which nobody knows when it was made: the bill
// says 1970.
func (a *app) billedObject(ctx context.Context, arg string) (bill *sbom.System, err error) {
	p, err := systemPath(arg)
	if err != nil {
		return nil, err
	}
	err = a.withStore(ctx, func(st *localstore.Store) error {
		system, err := systems.Load(ctx, st, p)
		if err != nil {
			return err
		}
		bill = &sbom.System{Manifest: system.Manifest, Digest: system.Digest, Created: time.Unix(0, 0), Version: version}
		return nil
	})
	return bill, err
}

// declareLicenses looks the packages' licences up, if the system's root is there.
func declareLicenses(ctx context.Context, st *localstore.Store, s *sbom.System) error {
	licenses := map[string]sbom.License{}
	for i := range s.Manifest.Packages {
		name := s.Manifest.Packages[i].Name
		file, err := debian.RootCopyright(ctx, st, s.Manifest.Root.Tree, name)
		if err != nil {
			return err
		}
		if file != nil {
			expression, refs := file.Expression()
			licenses[name] = sbom.License{Expression: expression, Refs: refs}
		}
	}
	s.License = func(p *systems.Package) sbom.License { return licenses[p.Name] }
	return nil
}
