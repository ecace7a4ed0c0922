package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// boxGraph returns a graph of layers, everything in one needing everything in the
// next.
func boxGraph(layers ...int) *sketch {
	g := &sketch{title: "<&>"}
	var below []string
	for i := len(layers) - 1; i >= 0; i-- {
		var these []string
		for j := range layers[i] {
			hash := fmt.Sprintf("%064d", i*100+j)
			g.nodes = append(g.nodes, sketchNode{id: hash, name: fmt.Sprintf("%s-%d", strings.Repeat("n", j+1), i), kind: "exec<", title: "&"})
			for _, b := range below {
				g.edges = append(g.edges, sketchEdge{from: hash, to: b})
			}
			these = append(these, hash)
		}
		below = these
	}
	return g
}

// No two boxes lie upon one another, and everything is below what needs it.
func TestLayOut(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 1}, {1, 5, 2}, {1, 2, 9, 1, 4}} {
		g := boxGraph(sizes...)
		boxes, layers := layOut(g)
		if len(boxes) != len(g.nodes) || len(layers) != len(sizes) {
			t.Errorf("%v: %d boxes in %d layers", sizes, len(boxes), len(layers))
		}
		for _, e := range g.edges {
			if boxes[e.from].y+svgBoxHeight >= boxes[e.to].y {
				t.Errorf("%v: %s is not above %s", sizes, e.from, e.to)
			}
		}
		for _, a := range boxes {
			for _, b := range boxes {
				if a != b && a.y == b.y && a.x < b.x+b.width && b.x < a.x+a.width {
					t.Errorf("%v: %+v is upon %+v", sizes, a, b)
				}
			}
			if a.x < 0 || a.y < 0 {
				t.Errorf("%v: %+v is outside", sizes, a)
			}
		}
	}
}

func TestSVGIsXML(t *testing.T) {
	g := boxGraph(1, 3)
	var text strings.Builder
	g.writeSVG(&text)
	elements := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(text.String())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, text.String())
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	if elements["rect"] != len(g.nodes) || elements["path"] != len(g.edges) || elements["svg"] != 1 {
		t.Errorf("elements %v", elements)
	}
}

// What is needed comes first, as far as there is no cycle, and a cycle can be drawn.
func TestSketchSort(t *testing.T) {
	s := &sketch{
		nodes: []sketchNode{{id: "a"}, {id: "b"}, {id: "c"}, {id: "d"}},
		edges: []sketchEdge{{from: "a", to: "b"}, {from: "b", to: "c"}, {from: "c", to: "a"}, {from: "d", to: "a"}},
	}
	s.sort()
	var order string
	for _, n := range s.nodes {
		order += n.id
	}
	if order != "cbad" {
		t.Errorf("order %s", order)
	}
	if boxes, _ := layOut(s); boxes["d"].y >= boxes["a"].y || boxes["a"].y >= boxes["b"].y || boxes["b"].y >= boxes["c"].y {
		t.Errorf("boxes %+v", boxes)
	}
}
