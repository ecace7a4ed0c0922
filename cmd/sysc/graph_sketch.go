package main

import (
	"fmt"
	"io"
	"strings"
)

// A sketch is a graph to be drawn: boxes with two lines in them, and arrows.
type sketch struct {
	title string
	nodes []sketchNode
	edges []sketchEdge
}

// A sketchNode is a box. Its title is shown where somebody points at it.
type sketchNode struct {
	id, name, kind, title string
}

// A sketchEdge is an arrow from what needs something to what is needed.
type sketchEdge struct {
	from, to, label string
	dashed          bool
}

// sort puts what is needed before what needs it. In a cycle that is not possible,
// and one of its arrows leads the other way.
func (s *sketch) sort() {
	needs, byID := map[string][]string{}, map[string]sketchNode{}
	for _, e := range s.edges {
		needs[e.from] = append(needs[e.from], e.to)
	}
	for _, n := range s.nodes {
		byID[n.id] = n
	}
	type frame struct {
		id   string
		rest []string
	}
	var sorted []sketchNode
	seen := map[string]bool{}
	for _, n := range s.nodes {
		var stack []frame
		enter := func(id string) {
			if !seen[id] {
				seen[id] = true
				stack = append(stack, frame{id, needs[id]})
			}
		}
		enter(n.id)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.rest) == 0 {
				sorted = append(sorted, byID[top.id])
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.rest[0]
			top.rest = top.rest[1:]
			enter(next)
		}
	}
	s.nodes = sorted
}

// writeDOT writes the graph for Graphviz.
func (s *sketch) writeDOT(w io.Writer) {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	fmt.Fprintf(w, "digraph \"%s\" {\n\trankdir=LR\n\tnode [shape=box]\n", quote.Replace(s.title))
	for _, n := range s.nodes {
		fmt.Fprintf(w, "\t\"%s\" [label=\"%s\\n%s\"]\n", quote.Replace(n.id), quote.Replace(n.name), quote.Replace(n.kind))
	}
	for _, e := range s.edges {
		var attrs []string
		if e.label != "" {
			attrs = append(attrs, fmt.Sprintf("label=\"%s\"", quote.Replace(e.label)))
		}
		if e.dashed {
			attrs = append(attrs, "style=dashed")
		}
		text := ""
		if len(attrs) > 0 {
			text = " [" + strings.Join(attrs, " ") + "]"
		}
		fmt.Fprintf(w, "\t\"%s\" -> \"%s\"%s\n", quote.Replace(e.from), quote.Replace(e.to), text)
	}
	fmt.Fprintln(w, "}")
}
