package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"sysc/derivations/build"
	"sysc/store"
)

func (a *app) logCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "log STEP",
		Short: "Print the log of a build step, by the name that its failure showed",
		Args:  usageArgs(cobra.ExactArgs(1)),
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
			_, err = io.Copy(a.out, log)
			return errors.Join(err, log.Close())
		},
	}
}
