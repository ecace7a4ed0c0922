package main

import (
	"cmp"
	"slices"
	"strings"
)

// mostInteresting chooses those of the running steps, the first before others, that
// fit in so many rows as a tree, with a row that says how many there are if these
// are not all.
func mostInteresting(steps []*step, rows int) []*step {
	if rowsOf(steps) <= rows {
		return steps
	}
	n := len(steps)
	for n > 0 && rowsOf(steps[:n])+1 > rows {
		n--
	}
	return steps[:n]
}

// A node is something of the definition with steps that are made for it, in the tree of
// what runs.
type node struct {
	label string
	steps []*step
}

// nodesOf makes a tree of steps.
func nodesOf(steps []*step) []node {
	var nodes []node
	for _, s := range steps {
		i := slices.IndexFunc(nodes, func(n node) bool { return n.label == s.label })
		if i < 0 {
			i = len(nodes)
			nodes = append(nodes, node{label: s.label})
		}
		nodes[i].steps = append(nodes[i].steps, s)
	}
	slices.SortFunc(nodes, func(a, b node) int { return cmp.Compare(a.label, b.label) })
	return nodes
}

// isStep reports whether nothing runs for the node but a step that says what the
// label does: "build hello-1.0" for derivation.hello, "fetch a.tar" for a call of fetchurl.
func (n node) isStep() bool {
	_, name, _ := strings.Cut(n.label, ".")
	own := n.steps[0].name
	return len(n.steps) == 1 && (own == name || strings.HasPrefix(own, name+"-") || strings.HasSuffix(n.label, ")"))
}

// rowsOf is how many rows a tree of steps takes.
func rowsOf(steps []*step) int {
	rows := len(steps)
	for _, n := range nodesOf(steps) {
		if !n.isStep() {
			rows++
		}
	}
	return rows
}

const twigWidth = 3

// twig draws what leads to a node of a tree, and to what is below that.
func twig(last bool) (fork, under string) {
	if last {
		return "└─ ", "   "
	}
	return "├─ ", "│  "
}
