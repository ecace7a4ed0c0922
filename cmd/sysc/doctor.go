package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sysc/derivations/sandbox"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine lacks for building, and how to fix it",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			problems := sandbox.Probe(cmd.Context())
			if a.json {
				return a.printJSON(problems)
			}
			for _, p := range problems {
				fmt.Fprintf(a.out, "%s\n  fix: %s\n", p.What, p.Fix)
			}
			if len(problems) > 0 {
				return &exitCode{code: exitError, cause: fmt.Errorf("%s found", plural(len(problems), "problem"))}
			}
			fmt.Fprintln(a.out, "sandboxes work here")
			return nil
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sysc %s\n", version)
			return err
		},
	}
}
