package modules

import (
	"context"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/modules/option"
)

// An OptionGraph is which options of a system read which others.
type OptionGraph struct {
	// Nodes are the options that texts define, and what reads and is read, sorted by
	// path; Edges are sorted by paths.
	Nodes []OptionNode
	Edges []OptionEdge
}

// An OptionNode is an option, or a part of one.
type OptionNode struct {
	Path string
	// Type is as written; "group" and the like for what has none.
	Type string
	// Defined are the places of its definitions, not counting defaults.
	Defined []diag.Range
}

// An OptionEdge is that an option reads another.
type OptionEdge struct {
	From, To string
	// Reads is "value", "keys" for which keys there are, or "is_defined".
	Reads string
	// Condition is set when a condition reads it that From stands under.
	Condition bool
}

// OptionGraph evaluates all options of a system and returns which read which.
func (p *Project) OptionGraph(ctx context.Context, name string) (OptionGraph, diag.List) {
	s, diags := p.Open(ctx, name)
	if s == nil || diags.HasErrors() {
		return OptionGraph{}, diags
	}
	e := s.w.evaluator(s.Name, s.e.platform, s.made)
	e.options.Trace()
	e.options.CheckNames()
	e.options.Root().Force()
	if diags := e.diagnostics(); diags.HasErrors() {
		return OptionGraph{}, diags
	}
	var g OptionGraph
	known := map[string]bool{}
	add := func(n *option.Node) string {
		path := n.Path()
		if !known[path] {
			known[path] = true
			g.Nodes = append(g.Nodes, OptionNode{path, n.TypeText(), n.Places()})
		}
		return path
	}
	defined, edges := e.options.Dependencies()
	for _, n := range defined {
		add(n)
	}
	for _, d := range edges {
		g.Edges = append(g.Edges, OptionEdge{add(d.From), add(d.To), d.Reads, d.Condition})
	}
	slices.SortFunc(g.Nodes, func(a, b OptionNode) int { return strings.Compare(a.Path, b.Path) })
	g.Edges = slices.Compact(g.Edges)
	return g, e.diagnostics()
}
