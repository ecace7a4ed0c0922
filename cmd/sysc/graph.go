package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store"
)

func (a *app) graphCommand() *cobra.Command {
	format := "dot"
	cmd := &cobra.Command{
		Use:   "graph [TARGET]",
		Short: "Print the graph of derivations behind a target",
		Long: `Print the graph of the derivations that a target consists of, without building
anything. A TARGET is what sysc build takes, or the hash of a derivation. Edges lead
from what needs something to what is needed, with the output that it uses.

SVG is for small graphs, to look at as they are. Others are for Graphviz:
sysc graph | dot -Tsvg > graph.svg`,
		Example: "  sysc graph derivation.hello --format svg > hello.svg\n  sysc graph --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json {
				format = "json"
			}
			return a.graph(cmd.Context(), strings.Join(args, ""), format)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "dot", "print `FORMAT`: dot, svg or json")
	return cmd
}

// A drawnGraph is a graph of derivations as JSON.
type drawnGraph struct {
	Target string      `json:"target"`
	Nodes  []drawnNode `json:"nodes"` // inputs come before what uses them
	Edges  []drawnEdge `json:"edges"`
}

type drawnNode struct {
	Hash     string `json:"hash"`
	Name     string `json:"name"`
	Builder  string `json:"builder"`
	Label    string `json:"label,omitempty"`
	Position string `json:"position,omitempty"`
}

type drawnEdge struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Output string `json:"output"`
}

func (a *app) graph(ctx context.Context, arg, format string) error {
	write := map[string]func(io.Writer, *drawnGraph){"dot": writeDOT, "svg": writeSVG, "json": nil}
	draw, ok := write[format]
	if !ok {
		return fmt.Errorf("read --format %q: want dot, svg or json", format)
	}
	project, err := a.loadProject(ctx)
	if err != nil {
		return err
	}
	ref, label, err := a.derivationOf(ctx, project, arg)
	if err != nil {
		return err
	}
	g := drawGraph(project.Graph(), ref, label)
	switch {
	case format == "json":
		return a.printJSON(g)
	case format == "svg" && len(g.Nodes) > maxDrawn:
		return fmt.Errorf("draw %s: it has %d derivations, which nobody could read; up to %d are drawn, and Graphviz draws more: sysc graph %s | dot -Tsvg",
			label, len(g.Nodes), maxDrawn, label)
	}
	return a.printLines(func(w io.Writer) { draw(w, g) })
}

// derivationOf finds what an argument names: a target of build, or a derivation by
// its hash.
func (a *app) derivationOf(ctx context.Context, project *modules.Project, arg string) (derivations.Ref, string, error) {
	key, err := store.ParseDerivationHash(arg)
	if err != nil {
		t, err := a.evaluateTarget(ctx, project, arg)
		if err != nil {
			return derivations.Ref{}, "", err
		}
		return t.ref, t.label, nil
	}
	if err := a.evaluateAll(ctx, project); err != nil {
		return derivations.Ref{}, "", err
	}
	hash := derivations.Hash(key)
	d, ok := project.Graph().Derivation(hash)
	if !ok {
		return derivations.Ref{}, "", fmt.Errorf("no derivation in %s has the hash %s", project.Dir(), arg)
	}
	return derivations.Ref{Derivation: hash, Output: d.OutputNames()[0]}, arg, nil
}

func drawGraph(g *derivations.Graph, ref derivations.Ref, label string) *drawnGraph {
	drawn := &drawnGraph{Target: label, Edges: []drawnEdge{}}
	for _, h := range g.Behind([]derivations.Ref{ref}) {
		d, _ := g.Derivation(h)
		o := g.Origin(h)
		drawn.Nodes = append(drawn.Nodes, drawnNode{h.String(), d.Name, d.Builder, o.Label, o.Position})
		for _, in := range d.Inputs {
			drawn.Edges = append(drawn.Edges, drawnEdge{h.String(), in.Derivation.String(), in.Output})
		}
	}
	return drawn
}

// shortHash is enough of a hash to tell nodes of one graph apart.
func shortHash(hash string) string { return hash[:16] }

func writeDOT(w io.Writer, g *drawnGraph) {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	fmt.Fprintf(w, "digraph \"%s\" {\n\trankdir=LR\n\tnode [shape=box]\n", quote.Replace(g.Target))
	for _, n := range g.Nodes {
		fmt.Fprintf(w, "\t\"%s\" [label=\"%s\\n%s\"]\n", shortHash(n.Hash), quote.Replace(n.Name), quote.Replace(n.Builder))
	}
	for _, e := range g.Edges {
		label := ""
		if e.Output != derivations.DefaultOutput {
			label = fmt.Sprintf(" [label=\"%s\"]", quote.Replace(e.Output))
		}
		fmt.Fprintf(w, "\t\"%s\" -> \"%s\"%s\n", shortHash(e.From), shortHash(e.To), label)
	}
	fmt.Fprintln(w, "}")
}
