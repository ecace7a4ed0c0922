package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/sandbox"
	"sysc/modules"
	"sysc/store/localstore"
)

func (a *app) developCommand() *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "develop [TARGET] [-- COMMAND [ARG...]]",
		Short: "Enter the environment that a derivation is built in",
		Long: `Run a shell, or a command, where the program of a derivation would be run: with its
packages, inputs and variables, and without network. The current directory is shown
in it, to work on, at /build/NAME; nothing else of this machine is.

What is made at $out and elsewhere is gone afterwards. ` + build.ScriptPath + ` does
what a build does.`,
		Example: "  sysc develop derivation.hello\n  sysc develop derivation.hello -- make check",
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, command := atDash(cmd, args)
			if len(targets) > 1 {
				return fmt.Errorf("develop enters one environment, not %d: a command comes after --", len(targets))
			}
			return a.develop(cmd.Context(), strings.Join(targets, ""), command, flags)
		},
	}
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	return cmd
}

// atDash splits arguments at "--".
func atDash(cmd *cobra.Command, args []string) (before, after []string) {
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}

func (a *app) develop(ctx context.Context, arg string, command []string, flags buildFlags) error {
	def, t, err := a.evaluateOne(ctx, modules.WantOne, arg)
	if err != nil {
		return err
	}
	return a.enter(ctx, def, t, command, flags, "In the environment of %s. This directory is /build/%s; "+build.ScriptPath+" builds; exit leaves.")
}

// enter runs a command, or a shell, in the environment of a target. hint, which a
// terminal shows, takes the target and the name of the directory; "" for none.
func (a *app) enter(ctx context.Context, def *modules.Answer, t *modules.Target, command []string, flags buildFlags, hint string) error {
	return a.withStore(ctx, func(st *localstore.Store) error {
		return a.enterDerivation(ctx, st, def, t.Entered().Derivation, command, flags, func(dir string) string {
			if hint == "" {
				return ""
			}
			return fmt.Sprintf(hint, t.Label, dir)
		})
	})
}

// enterDerivation runs a command, or a shell, where a derivation would be built. A
// terminal shows the hint.
func (a *app) enterDerivation(ctx context.Context, st *localstore.Store, def *modules.Answer, hash derivations.Hash, command []string, flags buildFlags, hint func(dir string) string) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	d, _ := def.Graph().Derivation(hash)
	if _, err := a.realise(ctx, st, def, d.Inputs, flags); err != nil {
		return err
	}
	o := a.enterOptions(d.Name, command)
	o.Dir = here
	if text := hint(filepath.Base(here)); o.Terminal != nil && text != "" {
		a.say("%s", text)
	}
	result, err := build.Develop(ctx, st, def.Graph(), derivations.Ref{Derivation: hash, Output: d.OutputNames()[0]}, o)
	return commandError(result, err)
}

// enterOptions connects a command with what this one is connected with.
func (a *app) enterOptions(name string, command []string) *build.EnterOptions {
	o := &build.EnterOptions{Command: command, Input: a.in, Output: a.out}
	out, isFile := a.out.(*os.File)
	if !isFile || a.in == nil || !isTerminal(out) || !isTerminal(a.in) {
		return o
	}
	o.Terminal = &sandbox.Terminal{In: a.in, Out: out}
	o.Env = []string{"TERM=" + a.getenv("TERM"), "PS1=" + name + ":$PWD\\$ "}
	return o
}

// commandError makes the exit code of a command ours.
func commandError(result build.ExecResult, err error) error {
	if err == nil && result.ExitCode != 0 {
		return &exitCode{code: result.ExitCode}
	}
	return err
}

func (a *app) shellCommand() *cobra.Command {
	var failed bool
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "shell (ENVIRONMENT | --failed [NAME]) [-- COMMAND [ARG...]]",
		Short: "Enter an environment of the definition, or what a failed build has left",
		Long: `Run a shell, or a command, in an environment of the definition: with its packages
and variables, and without network. The current directory is shown in it, to work
on, at /build/NAME; nothing else of this machine is. What is made elsewhere is gone
afterwards.

With --failed, enter the directory of a build that failed and was kept by
--keep-failed, as the build left it, with everything that it had. NAME is the name
of the directory, or a path to it; without one it is the newest. What is changed
there stays, for as long as the directory does.`,
		Example: "  sysc shell environment.dev\n  sysc shell environment.dev -- make check\n  sysc build --keep-failed; sysc shell --failed\n  sysc shell --failed hello-1 -- cat config.log",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, command := atDash(cmd, args)
			switch {
			case len(names) > 1:
				return fmt.Errorf("shell enters one place, not %d: a command comes after --", len(names))
			case failed:
				return a.shell(cmd.Context(), strings.Join(names, ""), command)
			}
			return a.environmentShell(cmd.Context(), strings.Join(names, ""), command, flags)
		},
	}
	a.projectFlags(cmd)
	a.buildFlags(cmd, &flags)
	cmd.Flags().BoolVar(&failed, "failed", false, "enter the directory of a failed build")
	return cmd
}

// environmentShell enters an environment block, the only one by default.
func (a *app) environmentShell(ctx context.Context, name string, command []string, flags buildFlags) error {
	def, t, err := a.evaluateOne(ctx, modules.WantEnvironment, name)
	if err != nil {
		return err
	}
	return a.enter(ctx, def, t, command, flags, "In %s. This directory is /build/%s; exit leaves.")
}

func (a *app) shell(ctx context.Context, name string, command []string) error {
	return a.withStore(ctx, func(st *localstore.Store) error {
		dir, err := failedDir(st.FailedDir(), name)
		if err != nil {
			return err
		}
		failed, err := build.ReadFailed(dir)
		if err != nil {
			return err
		}
		o := a.enterOptions(failed.Derivation.Name, command)
		if o.Terminal != nil {
			a.say("In %s, as the build left it. %s builds once more; exit leaves.", dir, build.ScriptPath)
		}
		result, err := build.EnterFailed(ctx, st, dir, o)
		return commandError(result, err)
	})
}

// failedDir returns the directory that a name means, by default the newest in kept.
func failedDir(kept, name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return filepath.Abs(name)
	}
	entries, err := os.ReadDir(kept)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var newest os.FileInfo
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // its user has removed it
		}
		names = append(names, e.Name())
		if e.Name() == name {
			return filepath.Join(kept, name), nil
		}
		if newest == nil || info.ModTime().After(newest.ModTime()) {
			newest = info
		}
	}
	switch {
	case newest == nil:
		return "", errors.New("no failed build is kept: build with --keep-failed")
	case name != "":
		slices.Sort(names)
		return "", fmt.Errorf("no failed build of that name is kept: %s (there are %s)", name, strings.Join(names, ", "))
	}
	return filepath.Join(kept, newest.Name()), nil
}
