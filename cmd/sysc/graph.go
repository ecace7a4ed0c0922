package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store"
)

func (a *app) graphCommand() *cobra.Command {
	format, kind := "dot", "derivations"
	cmd := &cobra.Command{
		Use:   "graph [TARGET]",
		Short: "Print a graph of derivations, modules or options",
		Long: `Print the graph of the derivations that a target consists of, without building
anything. A TARGET is what sysc build takes, or the hash of a derivation. Edges lead
from what needs something to what is needed, with the output that it uses.

With --type modules it is the graph of the modules that a system consists of, or
without a TARGET of all; with --type options that of the options that a system
defines, from what reads something to what is read.

SVG is for small graphs, to look at as they are. Others are for Graphviz:
sysc graph | dot -Tsvg > graph.svg`,
		Example: "  sysc graph derivation.hello --format svg > hello.svg\n  sysc graph --type options system.laptop\n  sysc graph --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.json {
				format = "json"
			}
			return a.graph(cmd.Context(), strings.Join(args, ""), kind, format)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "dot", "print `FORMAT`: dot, svg or json")
	cmd.Flags().StringVar(&kind, "type", kind, "print the graph of `THINGS`: derivations, modules or options")
	return cmd
}

// A graphed is a graph, which is printed as JSON or drawn.
type graphed interface {
	sketch() *sketch
}

func (a *app) graph(ctx context.Context, arg, kind, format string) error {
	if format != "dot" && format != "svg" && format != "json" {
		return fmt.Errorf("read --format %q: want dot, svg or json", format)
	}
	find := map[string]func(context.Context, string) (graphed, error){
		"derivations": a.derivationGraph, "modules": a.moduleGraph, "options": a.optionGraph,
	}[kind]
	if find == nil {
		return fmt.Errorf("read --type %q: want derivations, modules or options", kind)
	}
	g, err := find(ctx, arg)
	if err != nil {
		return err
	}
	if format == "json" {
		return a.printJSON(g)
	}
	s := g.sketch()
	s.sort()
	switch {
	case format == "dot":
		return a.printLines(s.writeDOT)
	case len(s.nodes) > maxDrawn:
		return fmt.Errorf("draw %s: it has %d %s, which nobody could read; up to %d are drawn, and Graphviz draws more: sysc graph --type %s %s | dot -Tsvg",
			s.title, len(s.nodes), kind, maxDrawn, kind, s.title)
	}
	return a.printLines(s.writeSVG)
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

func (a *app) derivationGraph(ctx context.Context, arg string) (graphed, error) {
	g, ref, label, err := a.derivationOf(ctx, arg)
	if err != nil {
		return nil, err
	}
	return drawGraph(g, ref, label), nil
}

// derivationOf finds what an argument names: a target of build, or a derivation by
// its hash.
func (a *app) derivationOf(ctx context.Context, arg string) (g *derivations.Graph, ref derivations.Ref, label string, err error) {
	key, err := store.ParseDerivationHash(arg)
	if err != nil {
		def, t, err := a.evaluateOne(ctx, modules.WantOne, arg)
		if err != nil {
			return nil, ref, "", err
		}
		return def.Graph(), t.Ref, t.Label, nil
	}
	def, err := a.evaluate(ctx, modules.WantAll)
	if err != nil {
		return nil, ref, "", err
	}
	hash := derivations.Hash(key)
	d, ok := def.Graph().Derivation(hash)
	if !ok {
		return nil, ref, "", fmt.Errorf("no derivation in %s has the hash %s", def.Dir(), arg)
	}
	return def.Graph(), derivations.Ref{Derivation: hash, Output: d.OutputNames()[0]}, arg, nil
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

func (g *drawnGraph) sketch() *sketch {
	s := &sketch{title: g.Target}
	for _, n := range g.Nodes {
		s.nodes = append(s.nodes, sketchNode{shortHash(n.Hash), n.Name, n.Builder, n.Hash})
	}
	for _, e := range g.Edges {
		label := e.Output
		if label == derivations.DefaultOutput {
			label = ""
		}
		s.edges = append(s.edges, sketchEdge{from: shortHash(e.From), to: shortHash(e.To), label: label})
	}
	return s
}

// shortHash is enough of a hash to tell nodes of one graph apart.
func shortHash(hash string) string { return hash[:16] }
