package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

func (a *app) runCommand() *cobra.Command {
	var program string
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "run TARGET [-- ARG...]",
		Short: "Build a derivation or environment, and run its program",
		Long: `Build a derivation, and run the program that it has made: bin/NAME, where NAME is the
derivation's, or the only one in bin, or the result itself when that is a program. Of
an environment, the program called like it is run. --program names another one.

It runs in a sandbox: among the packages that the derivation was built with, or those
of the environment, without network. The current directory is shown in it, to work on,
at /build/NAME; nothing else of this machine is. The exit code is the program's.`,
		Example: "  sysc run derivation.hello -- --greeting=hi\n  sysc run environment.dev --program make -- check",
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, args := atDash(cmd, args)
			if len(targets) > 1 {
				return fmt.Errorf("run takes one target, not %d: arguments of the program come after --", len(targets))
			}
			return a.runProgram(cmd.Context(), strings.Join(targets, ""), program, args, flags)
		},
	}
	cmd.Flags().StringVar(&program, "program", "", "run the program `NAME`")
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	return cmd
}

func (a *app) runProgram(ctx context.Context, arg, program string, args []string, flags buildFlags) error {
	def, t, err := a.evaluateOne(ctx, modules.WantOne, arg)
	if err != nil {
		return err
	}
	d, _ := def.Graph().Derivation(t.Ref.Derivation)
	switch {
	case t.Shell != nil:
		err := a.enter(ctx, def, t, append([]string{cmp.Or(program, blockName(t.Label))}, args...), flags, "")
		if errors.Is(err, fs.ErrNotExist) && program == "" {
			err = fmt.Errorf("%w: say with --program which one of %s is meant", err, t.Label)
		}
		return err
	case strings.HasPrefix(t.Label, "system."):
		return fmt.Errorf("run %s: a system is no program; run takes a derivation or an environment", t.Label)
	case d.Builder != derivations.BuilderExec:
		return fmt.Errorf("run %s: sysc itself makes it (%s), so it comes with no packages to run among. Name it in the packages of an environment, and run that", t.Label, d.Builder)
	}
	return a.withStore(ctx, func(st *localstore.Store) error {
		paths, err := a.realise(ctx, st, def, []derivations.Ref{t.Ref}, flags)
		if err != nil {
			return err
		}
		name, err := a.findProgram(ctx, st, paths[t.Ref], program, blockName(t.Label))
		if err != nil {
			return fmt.Errorf("run %s: %w", t.Label, err)
		}
		return a.runMade(ctx, st, def, t, path.Join(paths[t.Ref].Logical(), name), args, flags)
	})
}

// blockName is the name in an address, as hello in module.m.derivation.hello["key"].
func blockName(address string) string {
	for _, kind := range []string{"derivation", "environment"} {
		if i := strings.LastIndex(address, kind+"."); i >= 0 {
			name, _, _ := strings.Cut(address[i+len(kind)+1:], "[")
			return name
		}
	}
	return address
}

// findProgram returns the path of a program in an object, "" for the object itself.
// wanted is its name, or "" for the one called like the derivation or the only one.
func (a *app) findProgram(ctx context.Context, st *localstore.Store, at store.Path, wanted, derivation string) (string, error) {
	o, err := st.Object(ctx, at)
	if err != nil {
		return "", err
	}
	if o.Kind == store.KindFile {
		if wanted != "" {
			return "", fmt.Errorf("it has made a file, and no directory with bin/%s in it", wanted)
		}
		return "", nil
	}
	const bin = "bin"
	names, err := programsIn(ctx, st, o.Tree, bin)
	if err != nil {
		return "", err
	}
	name := wanted
	if wanted == "" {
		name = derivation
		if len(names) == 1 {
			name = names[0]
		}
	}
	switch {
	case slices.Contains(names, name):
		return path.Join(bin, name), nil
	case len(names) == 0:
		return "", errors.New("it has made no program: there is none in bin")
	case wanted != "":
		return "", fmt.Errorf("there is no program %s in bin: there are %s", wanted, strings.Join(names, ", "))
	}
	return "", fmt.Errorf("there are several programs in bin, and none is called %s. Choose with --program: %s", derivation, strings.Join(names, ", "))
}

// programsIn returns the programs in a directory of a tree, sorted: executable files,
// and links, which lead to some.
func programsIn(ctx context.Context, st *localstore.Store, root store.Digest, dir string) ([]string, error) {
	e, err := tree.Find(ctx, st, root, dir)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil || e.Type != tree.Dir {
		return nil, err
	}
	t, err := st.Tree(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range t.Entries {
		if e.Type == tree.Link || e.Type == tree.File && e.Mode&0o111 != 0 {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// runMade runs a program of a target that is built, among the packages that it was
// built with: where a derivation would be built that runs it.
func (a *app) runMade(ctx context.Context, st *localstore.Store, def *modules.Answer, t *modules.Target, program string, args []string, flags buildFlags) error {
	g := def.Graph()
	d, _ := g.Derivation(t.Ref.Derivation)
	output, err := g.Placeholder(t.Ref)
	if err != nil {
		return err
	}
	hash, err := g.Add(derivations.Derivation{
		Name: "run", Platform: d.Platform, Builder: derivations.BuilderExec, Args: []string{output}, Root: d.Root,
	}, derivations.Origin{Label: t.Label})
	if err != nil {
		return err
	}
	return a.enterDerivation(ctx, st, def, hash, append([]string{program}, args...), flags, func(string) string { return "" })
}
