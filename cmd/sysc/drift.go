package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/generation"
)

func (a *app) driftCommand() *cobra.Command {
	var detailed bool
	cmd := &cobra.Command{
		Use:   "drift [HOME]",
		Short: "Show what differs from the current generation by hand",
		Long: `Compare the files of a machine with what its current generation made them: the
directories that the generation owns, as /usr and /etc, and declared files elsewhere.
What a machine keeps in its own directories, as /home and /var, is no drift. Times and
owners are not compared. Nothing is changed. Of a home, home or home.NAME, the links and
directories that it put into the home directory are compared, and the files behind them.`,
		Example: "  sysc drift --root /tmp/machine\n  sysc drift --root /tmp/machine --detailed-exitcode   # 2 when something differs",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.onlyHome(args); err != nil {
				return err
			}
			return a.drift(cmd.Context(), detailed)
		},
	}
	a.rootFlag(cmd)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "end with 2 when something differs")
	return cmd
}

func (a *app) drift(ctx context.Context, detailed bool) error {
	current, err := a.currentGeneration()
	if err != nil {
		return err
	}
	var changes []systems.FileChange
	err = a.withStore(ctx, func(st *localstore.Store) (err error) {
		changes, err = a.findDrift(ctx, st, current)
		return err
	})
	if errors.Is(err, store.ErrNotExist) {
		err = fmt.Errorf("%w: the store does not have what the generation was made of; --store names another one", err)
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(struct {
			FormatVersion string               `json:"format_version"`
			Generation    int                  `json:"generation"`
			Differences   []systems.FileChange `json:"differences"`
		}{"1.0", int(current.Number), list(changes)})
	} else {
		a.printDrift(current, changes)
	}
	if err == nil && detailed && len(changes) > 0 {
		return &exitCode{code: exitChanges}
	}
	return err
}

// findDrift finds differences, with the lines of texts.
func (a *app) findDrift(ctx context.Context, st *localstore.Store, current *generation.Record) ([]systems.FileChange, error) {
	machine, err := a.machine()
	if err != nil {
		return nil, err
	}
	home := ""
	if a.home != nil {
		home = a.home.dir
	}
	found, err := activate.FindDrift(ctx, machine, home, st, current)
	if err != nil {
		return nil, err
	}
	places := map[store.Digest]activate.Drift{}
	for _, d := range found {
		if !d.New.IsZero() {
			places[d.New] = d
		}
	}
	contents := func(d store.Digest) ([]byte, bool) {
		if at, ok := places[d]; ok {
			return readThere(at.In, at.Place, d)
		}
		return contentsOf(ctx, st, nil)(d)
	}
	var out []systems.FileChange
	for _, d := range found {
		c := systems.FileChange{EntryChange: systems.EntryChange{Action: d.Action, Name: d.Name, Details: d.Details}, Old: d.Old, New: d.New}
		note := ""
		if !d.Old.IsZero() && !d.New.IsZero() {
			if c.Diff, note = systems.TextDiff(d.Old, d.New, contents); note != "" {
				c.Details = append(c.Details, note)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// readThere reads a file below a directory, if it still is what it was.
func readThere(dir, place string, digest store.Digest) ([]byte, bool) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, false
	}
	defer root.Close()
	f, err := root.OpenFile(place, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDiffed+1))
	return data, err == nil && len(data) <= maxDiffed && store.DigestOf(data) == digest
}

func (a *app) printDrift(current *generation.Record, changes []systems.FileChange) {
	for _, c := range changes {
		fmt.Fprintf(a.out, "%s %s\n", c.Action.Symbol(), printableLine(c.Name))
		for _, detail := range c.Details {
			fmt.Fprintf(a.out, "    %s\n", printableLine(detail))
		}
		for i, line := range c.Diff {
			if i > 0 || line[0] != '@' {
				fmt.Fprintf(a.out, "    %s %s\n", line[:1], printableLine(line[1:]))
			}
		}
	}
	if len(changes) == 0 {
		a.say("Nothing differs from generation %d.", current.Number)
		return
	}
	a.say("%s from generation %d.", plural(len(changes), "difference"), current.Number)
}
