package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"sysc/lang/diag"
	"sysc/modules"
)

// A drawnModules is a graph of modules as JSON.
type drawnModules struct {
	Target string             `json:"target"` // "" for the whole definition
	Nodes  []drawnModule      `json:"nodes"`
	Edges  []drawnModuleUsing `json:"edges"`
}

type drawnModule struct {
	Address   string `json:"address"`
	Kind      string `json:"kind"`
	Directory string `json:"directory,omitempty"`
	Source    string `json:"source,omitempty"`
	Version   string `json:"version,omitempty"`
	Commit    string `json:"commit,omitempty"`
	Position  string `json:"position,omitempty"`
}

type drawnModuleUsing struct {
	From        string `json:"from"`
	To          string `json:"to"`
	OutputsOnly bool   `json:"outputs_only"`
}

func (a *app) moduleGraph(ctx context.Context, arg string) (graphed, error) {
	project, err := a.loadProject(ctx)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(arg, "system.")
	g, diags := project.ModuleGraph(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	out := &drawnModules{Nodes: []drawnModule{}, Edges: []drawnModuleUsing{}}
	if name != "" {
		out.Target = "system." + name
	}
	for _, n := range g.Nodes {
		out.Nodes = append(out.Nodes, drawnModule{n.Address, n.Kind, n.Directory, n.Source, n.Version, n.Commit, n.Range.String()})
	}
	for _, e := range g.Edges {
		out.Edges = append(out.Edges, drawnModuleUsing(e))
	}
	return out, nil
}

func (g *drawnModules) sketch() *sketch {
	s := &sketch{title: cmp.Or(g.Target, "modules")}
	for _, n := range g.Nodes {
		kind := n.Kind
		if n.Kind == modules.ModuleKind {
			kind = strings.TrimSpace(n.Source + " " + n.Version)
		}
		s.nodes = append(s.nodes, sketchNode{id: n.Address, name: n.Address, kind: kind, title: cmp.Or(n.Position, n.Address)})
	}
	for _, e := range g.Edges {
		edge := sketchEdge{from: e.From, to: e.To, dashed: e.OutputsOnly}
		if e.OutputsOnly {
			edge.label = "outputs"
		}
		s.edges = append(s.edges, edge)
	}
	return s
}

// A drawnOptions is a graph of options as JSON.
type drawnOptions struct {
	Target string               `json:"target"`
	Nodes  []drawnOption        `json:"nodes"`
	Edges  []drawnOptionReading `json:"edges"`
}

type drawnOption struct {
	Path    string           `json:"path"`
	Type    string           `json:"type"`
	Defined []diag.JSONRange `json:"defined"`
}

type drawnOptionReading struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Reads     string `json:"reads"`
	Condition bool   `json:"condition"`
}

func (a *app) optionGraph(ctx context.Context, arg string) (graphed, error) {
	project, err := a.loadProject(ctx)
	if err != nil {
		return nil, err
	}
	name, err := project.SystemAddress(arg, hostname(), a.userName())
	if err != nil {
		return nil, err
	}
	g, diags := project.OptionGraph(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	out := &drawnOptions{Target: name, Nodes: []drawnOption{}, Edges: []drawnOptionReading{}}
	for _, n := range g.Nodes {
		o := drawnOption{Path: n.Path, Type: n.Type, Defined: []diag.JSONRange{}}
		for _, r := range n.Defined {
			o.Defined = append(o.Defined, diag.ToJSON(r))
		}
		out.Nodes = append(out.Nodes, o)
	}
	for _, e := range g.Edges {
		out.Edges = append(out.Edges, drawnOptionReading(e))
	}
	return out, nil
}

func (g *drawnOptions) sketch() *sketch {
	const widest = 40
	s := &sketch{title: g.Target}
	for _, n := range g.Nodes {
		title := n.Type
		for _, r := range n.Defined {
			title += fmt.Sprintf("\n%s:%d", r.Filename, r.Start.Line)
		}
		kind := []rune(n.Type)
		if len(kind) > widest {
			kind = append(kind[:widest], '…')
		}
		s.nodes = append(s.nodes, sketchNode{id: n.Path, name: n.Path, kind: string(kind), title: title})
	}
	for _, e := range g.Edges {
		edge := sketchEdge{from: e.From, to: e.To, dashed: e.Condition}
		if e.Reads != "value" {
			edge.label = e.Reads
		}
		s.edges = append(s.edges, edge)
	}
	return s
}
