package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sysc/modules"
)

func (a *app) evalCommand() *cobra.Command {
	var system string
	var raw bool
	cmd := &cobra.Command{
		Use:   "eval EXPRESSION",
		Short: "Print the value of an expression",
		Long: `Print the value of an expression, in which all names of the definition are
known, and config and option of one system. Only what it needs is evaluated, so it
works beside mistakes elsewhere. Nothing is built: the path of a result is shown as
<derivation.NAME.out>.`,
		Example: "  sysc eval 'config.packages'\n  sysc eval --raw 'config.file[\"/etc/motd\"].content'\n  sysc eval --json local.ports",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eval(cmd.Context(), system, args[0], raw)
		},
	}
	cmd.Flags().StringVar(&system, "system", "", "the `NAME` of the system (default: the only one, or the one called like this machine)")
	cmd.Flags().BoolVar(&raw, "raw", false, "print a string, number or bool as it is, without quotes and newline")
	a.projectFlags(cmd)
	return cmd
}

func (a *app) eval(ctx context.Context, system, expr string, raw bool) error {
	if raw && a.json {
		return errors.New("--raw and --json exclude each other")
	}
	e, err := a.newEvaluation(ctx, system)
	if err != nil {
		return err
	}
	v, err := e.value(expr)
	if err != nil {
		return err
	}
	switch {
	case raw && !v.Sensitive && !v.HasRaw:
		return errors.New("only a string, number or bool can be printed raw; leave --raw out, or take --json")
	case raw && v.Sensitive:
		return errors.New("the value is sensitive")
	case raw:
		fmt.Fprint(a.out, v.Raw)
	case a.json && v.Sensitive:
		return a.printJSON(struct {
			Sensitive bool `json:"sensitive"`
		}{true})
	case a.json:
		fmt.Fprintf(a.out, "%s\n", v.JSON)
	default:
		fmt.Fprintln(a.out, shownValue(v))
	}
	return nil
}

// shownValue is a value for people.
func shownValue(v modules.Value) string {
	if v.Sensitive {
		return "(sensitive)"
	}
	return v.Text
}

// An evaluation is where expressions of users are evaluated.
type evaluation struct {
	app     *app
	project *modules.Project
	system  *modules.System // nil outside of any
}

// newEvaluation opens the definition, and the system of that name or the one that
// is meant without.
func (a *app) newEvaluation(ctx context.Context, system string) (*evaluation, error) {
	project, err := a.loadProject(ctx)
	if err != nil {
		return nil, err
	}
	e := &evaluation{app: a, project: project}
	name, err := project.SystemAddress(system, hostname(), a.userName())
	if err != nil && system == "" {
		return e, nil // names of the module are known all the same
	}
	if err != nil {
		return nil, err
	}
	s, diags := project.Open(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	e.system = s
	return e, nil
}

// value evaluates an expression; what is wrong with it is shown.
func (e *evaluation) value(expr string) (modules.Value, error) {
	evaluate := e.project.Value
	if e.system != nil {
		evaluate = e.system.Value
	}
	v, diags := evaluate(expr)
	files := map[string][]byte{"expression": []byte(expr)}
	for name, text := range e.project.Files() {
		files[name] = text
	}
	err := e.app.diagnose(diags, files)
	if err != nil && e.system == nil && len(e.project.Systems()) > 1 {
		e.app.say("There are several systems. For config of one of them say --system NAME: %s.", slices.Clone(e.project.Systems()))
	}
	return v, err
}
