package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sysc/derivations/build"
	"sysc/store"
)

func (a *app) logCommand() *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "log STEP",
		Short: "Print the log of a build step, by the name that its failure showed",
		Long: `Print the log of a build step, by the name that its failure showed.

On a terminal, what a program wrote to drive one is left out, except for colours.
With --raw, and elsewhere, every byte is printed.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			hash, err := store.ParseDerivationHash(args[0])
			if err != nil {
				return err
			}
			dir, err := a.storePath()
			if err != nil {
				return err
			}
			log, err := build.OpenLog(build.LogPath(filepath.Join(dir, "log"), hash))
			if err != nil {
				return fmt.Errorf("read the log of %s: %w", args[0], err)
			}
			return errors.Join(a.printLog(log, raw), log.Close())
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print every byte, on a terminal too")
	return cmd
}

// printLog copies what a program wrote to standard output.
func (a *app) printLog(log io.Reader, raw bool) error {
	file, ok := a.out.(*os.File)
	if raw || !ok || !term.IsTerminal(int(file.Fd())) {
		_, err := io.Copy(a.out, log)
		return err
	}
	filter := &terminalFilter{w: a.out, colour: a.colour(a.out)}
	_, err := io.Copy(filter, log)
	return errors.Join(err, filter.close())
}
