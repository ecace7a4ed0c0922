package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
)

func (a *app) logCommand() *cobra.Command {
	var flags logFlags
	cmd := &cobra.Command{
		Use:   "log [TARGET]",
		Short: "Print what a build step wrote",
		Long: `Print what a build step wrote when it ran last, whether it failed or not.

A TARGET is what sysc build takes; or an object, by its store path or a link to it;
or the hash of a derivation, as the message of a failure, sysc graph and sysc
derivation show have it.

On a terminal, what a program wrote to drive one is left out, except for colours.
With --raw, and elsewhere, every byte is printed.`,
		Example: "  sysc log derivation.hello\n  sysc log ./result\n  sysc log -f system.laptop",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.log(cmd.Context(), strings.Join(args, ""), flags)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().BoolVarP(&flags.follow, "follow", "f", false, "follow the step of the target that runs now, until it ends")
	cmd.Flags().BoolVar(&flags.raw, "raw", false, "print every byte, on a terminal too")
	return cmd
}

// logFlags are what `sysc log` is asked for.
type logFlags struct{ follow, raw bool }

// A loggedStep is a step that may have a log.
type loggedStep struct {
	name string
	key  store.DerivationHash
}

// loggedSteps are those that a target stands for: itself, in one or several ways
// of coming about, and those behind it, the nearest first.
type loggedSteps struct {
	label         string
	itself, below []loggedStep
}

func (a *app) log(ctx context.Context, arg string, flags logFlags) error {
	steps, err := a.loggedSteps(ctx, arg)
	if err != nil {
		return err
	}
	dir, err := a.storePath()
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, "log")
	if flags.follow {
		for _, s := range slices.Concat(steps.itself, steps.below) {
			running := build.RunningLogPath(dir, s.key)
			if alive, err := build.LogIsWritten(running); err != nil || alive {
				return errors.Join(err, a.followLog(ctx, s, running, flags.raw))
			}
		}
	}
	path, unended := newestLog(dir, steps.itself)
	if path == "" {
		return steps.noLog(dir)
	}
	log, err := build.OpenLog(path)
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", steps.label, err)
	}
	err = errors.Join(a.printLog(log, flags.raw), log.Close())
	if !unended || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if alive, err := build.LogIsWritten(path); err != nil || alive {
		a.say("It still runs: sysc log -f follows it.")
		return err
	}
	a.say("It was killed.")
	return nil
}

// followLog prints a running log until its step ends.
func (a *app) followLog(ctx context.Context, s loggedStep, path string, raw bool) error {
	log, err := build.FollowLog(ctx, path)
	if err != nil {
		return fmt.Errorf("follow the log of %s: %w", s.name, err)
	}
	if s.name != "" {
		a.say("Following %s.", s.name)
	}
	err = errors.Join(a.printLog(log, raw), log.Close())
	if errors.Is(err, io.ErrUnexpectedEOF) {
		a.say("It was killed.")
		return nil
	}
	return err
}

// newestLog chooses the log of the step that ran last, and reports whether it is that
// of one that did not end. It returns "" when there is none.
func newestLog(dir string, steps []loggedStep) (path string, unended bool) {
	var newest os.FileInfo
	for _, s := range steps {
		for _, at := range []string{build.LogPath(dir, s.key), build.RunningLogPath(dir, s.key)} {
			info, err := os.Stat(at)
			if err == nil && (newest == nil || info.ModTime().After(newest.ModTime())) {
				newest, path = info, at
				unended = at == build.RunningLogPath(dir, s.key)
			}
		}
	}
	return path, unended
}

// noLog says that there is nothing to print, and where there is something.
func (s *loggedSteps) noLog(dir string) error {
	const most = 10
	text := fmt.Sprintf("%s has no log: it has not run, or wrote nothing, or its log was collected", s.label)
	found := 0
	for _, below := range s.below {
		if path, _ := newestLog(dir, []loggedStep{below}); path == "" {
			continue
		}
		if found++; found == 1 {
			text += "\nSteps that it needs have some:"
		}
		if found <= most {
			text += fmt.Sprintf("\n  sysc log %s  # %s", below.key, below.name)
		}
	}
	if found > most {
		text += fmt.Sprintf("\n  and %d more", found-most)
	}
	return errors.New(text)
}

// loggedSteps finds what an argument of log names.
func (a *app) loggedSteps(ctx context.Context, arg string) (steps *loggedSteps, err error) {
	if key, err := store.ParseDerivationHash(arg); err == nil {
		dir, err := a.storePath()
		if err != nil {
			return nil, err
		}
		steps := &loggedSteps{label: arg, itself: []loggedStep{{key: key}}}
		if path, _ := newestLog(filepath.Join(dir, "log"), steps.itself); path != "" {
			return steps, nil
		}
		return a.stepsOfHash(ctx, derivations.Hash(key))
	}
	if p, err := objectPath(arg); err == nil {
		return a.stepsOfObject(ctx, p)
	}
	def, t, err := a.evaluateOne(ctx, modules.WantOne, arg)
	if err != nil {
		return nil, err
	}
	return a.stepsBehind(ctx, def.Graph(), t.Ref, t.Label)
}

// stepsOfObject finds the steps that made an object.
func (a *app) stepsOfObject(ctx context.Context, p store.Path) (*loggedSteps, error) {
	steps := &loggedSteps{label: string(p)}
	err := a.withStore(ctx, func(st *localstore.Store) error {
		realisations, err := st.RealisationsOf(ctx, []store.Path{p})
		for _, r := range realisations {
			steps.itself = append(steps.itself, loggedStep{key: r.Derivation})
		}
		return err
	})
	return steps, err
}

// stepsOfHash finds a derivation of the definition.
func (a *app) stepsOfHash(ctx context.Context, hash derivations.Hash) (*loggedSteps, error) {
	label := hash.String()
	def, err := a.evaluate(ctx, modules.WantAll)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("there is no log of %s, and no definition to look in", label), err)
	}
	d, ok := def.Graph().Derivation(hash)
	if !ok {
		return nil, fmt.Errorf("there is no log of %s, and no derivation in %s has that hash", label, def.Dir())
	}
	return a.stepsBehind(ctx, def.Graph(), derivations.Ref{Derivation: hash, Output: d.OutputNames()[0]}, label)
}

// stepsBehind finds a step of a graph, and those that it needs.
func (a *app) stepsBehind(ctx context.Context, g *derivations.Graph, ref derivations.Ref, label string) (*loggedSteps, error) {
	found := &loggedSteps{label: label}
	err := a.withStore(ctx, func(st *localstore.Store) error {
		steps, err := build.Steps(ctx, st, g, []derivations.Ref{ref})
		for _, s := range slices.Backward(steps) {
			logged := loggedStep{name: s.Name, key: s.Key}
			switch {
			case !s.Resolved: // so it never ran
			case s.Hash == ref.Derivation:
				found.itself = append(found.itself, logged)
			default:
				found.below = append(found.below, logged)
			}
		}
		return err
	})
	return found, err
}

// printLog copies what a program wrote to standard output.
func (a *app) printLog(log io.Reader, raw bool) error {
	if raw || !isTerminal(a.out) {
		_, err := io.Copy(a.out, log)
		return err
	}
	filter := &terminalFilter{w: a.out, colour: a.colour(a.out)}
	_, err := io.Copy(filter, log)
	return errors.Join(err, filter.close())
}
