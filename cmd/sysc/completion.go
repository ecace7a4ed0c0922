package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/internal/lazyregexp"
	"sysc/modules"
	"sysc/modules/lint"
)

// A completion finds what may stand for an argument, in a definition.
type completion func(p *modules.Project) []string

// completions are the verbs whose arguments are known to a shell, by their paths.
// Never written to.
var completions = map[string]completion{
	"build": targets, "run": programs, "develop": derivationTargets, "log": targets, "graph": targets, "why-rebuild": targets, "derivation show": targets,
	"shell": environmentTargets, "plan": systemTargets, "switch": systemTargets,
	"rollback": homeTargets, "status": homeTargets, "drift": homeTargets, "generations list": homeTargets,
	"explain": optionPaths, "options": optionPaths, "update": pinned,
}

// complete lets shells complete arguments and values of flags.
func (a *app) complete(root *cobra.Command) {
	for path, find := range completions {
		cmd, rest, err := root.Find(strings.Fields(path))
		if err != nil || len(rest) > 0 {
			panic("complete: no verb " + path) // not in the list of verbs
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if path == "switch" {
			directive = cobra.ShellCompDirectiveDefault // a saved plan
		}
		cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.known(cmd.Context(), find), directive
		}
	}
	for _, f := range []struct {
		verb, flag string
		values     []string
	}{
		{"lint", "only", lint.Names()}, {"lint", "disable", lint.Names()},
		{"graph", "type", []string{"derivations", "modules", "options"}}, {"graph", "format", []string{"dot", "svg", "json"}},
	} {
		cmd, _, _ := root.Find([]string{f.verb}) // the values are wrong otherwise, which the test tells
		if err := cmd.RegisterFlagCompletionFunc(f.flag, cobra.FixedCompletions(f.values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(fmt.Sprintf("complete: %s --%s: %v", f.verb, f.flag, err))
		}
	}
}

// known asks the definition, as far as it can be read. Whoever presses a key wants
// no messages, and nothing to be fetched.
func (a *app) known(ctx context.Context, find completion) []string {
	a.err = io.Discard
	project, err := a.loadProjectFetching(ctx, false)
	if err != nil {
		return nil
	}
	return find(project)
}

// plainKey is the key of a family that needs no quotes in a shell.
var plainKey = lazyregexp.New(`^([^\[]+)\["([A-Za-z0-9_-]+)"\]$`)

// addressed are names behind a word and a dot, with keys as a shell takes them; those
// with other keys are left out.
func addressed(kind string, names []string) []string {
	var out []string
	for _, name := range names {
		if m := plainKey().FindStringSubmatch(name); m != nil {
			name = m[1] + "." + m[2]
		}
		if strings.Contains(name, "[") {
			continue
		}
		out = append(out, kind+"."+name)
	}
	return out
}

func systemTargets(p *modules.Project) []string {
	return slices.Concat(addressed("system", p.Systems()), homeTargets(p))
}
func homeTargets(p *modules.Project) []string       { return addressed("home", p.Homes()) }
func derivationTargets(p *modules.Project) []string { return addressed("derivation", p.Derivations()) }
func environmentTargets(p *modules.Project) []string {
	return addressed("environment", p.Environments())
}

func programs(p *modules.Project) []string {
	return slices.Concat(derivationTargets(p), environmentTargets(p))
}

func targets(p *modules.Project) []string { return slices.Concat(programs(p), systemTargets(p)) }

// optionPaths are the options of a definition, without those of labelled ones.
func optionPaths(p *modules.Project) []string {
	var out []string
	for _, d := range p.Documentation() {
		if !d.Internal && d.RenamedTo == "" && !strings.Contains(d.Path, "[") {
			out = append(out, d.Path)
		}
	}
	return out
}

// pinned are the names of inputs and modules that can be moved forward.
func pinned(p *modules.Project) []string { return append(p.Inputs(), p.RemoteModules()...) }
