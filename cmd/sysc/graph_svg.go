package main

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"unicode/utf8"
)

// maxDrawn is how many boxes are drawn as SVG.
const maxDrawn = 100

// Sizes in the units of the drawing.
const (
	svgLetter    = 8 // width of a letter
	svgBoxHeight = 40
	svgGap       = 20
	svgLayerGap  = 60
)

// A svgBox is a node with its place: left and top corner, and width.
type svgBox struct {
	node        *sketchNode
	layer       int
	weight      float64 // where in its layer it wants to be
	x, y, width int
}

// writeSVG draws a graph in layers: what is wanted on top, everything below all that
// needs it.
func (s *sketch) writeSVG(w io.Writer) {
	boxes, layers := layOut(s)
	width, height := 0, svgGap+len(layers)*(svgBoxHeight+svgLayerGap)-svgLayerGap+svgGap
	for _, b := range boxes {
		width = max(width, b.x+b.width+svgGap)
	}
	fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"monospace\" font-size=\"12\">\n", width, height)
	fmt.Fprintf(w, "<title>%s</title>\n<g fill=\"none\" stroke=\"#888\">\n", html.EscapeString(s.title))
	for _, e := range s.edges {
		from, to := boxes[e.from], boxes[e.to]
		x1, y1, x2, y2 := from.x+from.width/2, from.y+svgBoxHeight, to.x+to.width/2, to.y
		dashes := ""
		if e.dashed {
			dashes = ` stroke-dasharray="4"`
		}
		fmt.Fprintf(w, "<path d=\"M%d %dC%d %d %d %d %d %d\"%s/>\n", x1, y1, x1, y1+svgLayerGap/2, x2, y2-svgLayerGap/2, x2, y2, dashes)
	}
	fmt.Fprint(w, "</g>\n")
	for _, n := range s.nodes {
		b := boxes[n.id]
		fmt.Fprintf(w, "<g><title>%s</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"#fff\" stroke=\"#333\"/>", html.EscapeString(n.title), b.x, b.y, b.width, svgBoxHeight)
		for i, line := range []string{n.name, n.kind} {
			const lineHeight, first = 15, 17
			fmt.Fprintf(w, "<text x=\"%d\" y=\"%d\">%s</text>", b.x+svgLetter, b.y+first+i*lineHeight, html.EscapeString(line))
		}
		fmt.Fprint(w, "</g>\n")
	}
	fmt.Fprintln(w, "</svg>")
}

// layOut gives every node its place. What is needed comes before what needs it, and
// where it does not, the arrow leads up.
func layOut(s *sketch) (boxes map[string]*svgBox, layers [][]*svgBox) {
	boxes = make(map[string]*svgBox, len(s.nodes))
	users, position := make(map[string][]string), make(map[string]int)
	for i, n := range s.nodes {
		position[n.id] = i
	}
	for _, e := range s.edges {
		if position[e.to] < position[e.from] {
			users[e.to] = append(users[e.to], e.from)
		}
	}
	for i := range slices.Backward(s.nodes) { // users come first
		n := &s.nodes[i]
		letters := max(utf8.RuneCountInString(n.name), utf8.RuneCountInString(n.kind))
		b := &svgBox{node: n, width: (letters + 2) * svgLetter}
		for _, u := range users[n.id] {
			b.layer = max(b.layer, boxes[u].layer+1)
		}
		boxes[n.id] = b
		for len(layers) <= b.layer {
			layers = append(layers, nil)
		}
		layers[b.layer] = append(layers[b.layer], b)
	}
	for i, layer := range layers {
		placeLayer(layer, svgGap+i*(svgBoxHeight+svgLayerGap), boxes, users)
	}
	return boxes, layers
}

// placeLayer puts the boxes of a layer side by side, each about where those stand
// that need it.
func placeLayer(layer []*svgBox, y int, boxes map[string]*svgBox, users map[string][]string) {
	for _, b := range layer {
		above := users[b.node.id]
		for _, u := range above {
			b.weight += float64(boxes[u].x+boxes[u].width/2) / float64(len(above))
		}
	}
	slices.SortFunc(layer, func(a, b *svgBox) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.node.name, b.node.name), cmp.Compare(a.node.id, b.node.id))
	})
	x := svgGap
	for _, b := range layer {
		b.x, b.y = max(x, int(b.weight)-b.width/2), y
		x = b.x + b.width + svgGap
	}
}
