package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"sysc/derivations/build"
)

// A liveRenderer keeps a few lines at the bottom of a terminal up to date: one
// on the whole build, then the running steps, below what of the definition they are
// made for.
// Each change is one write, in which every line is written over the one before, so
// that nothing flickers.
type liveRenderer struct {
	w      io.Writer
	size   func() (width, height int) // 0 when it does not say
	colour bool
	shown  frame // what was drawn last, and is still on the screen
}

// A frame is what the lines are drawn with from where the cursor is, on a terminal of
// that size. Its zero value has none.
type frame struct {
	text          string
	width, height int
}

const (
	maxLiveRows  = 12 // of running steps
	leastColumns = 20 // that make sense
)

func (r *liveRenderer) event(p *progress, e build.Event, _ *step) {
	if line, ok := p.notice(e); ok {
		r.write(line+eraseLine+"\n", r.frame(p))
	}
}

func (r *liveRenderer) draw(p *progress) {
	if f := r.frame(p); f != r.shown {
		r.write("", f)
	}
}

// finish puts the outcome in the place of the lines.
func (r *liveRenderer) finish(p *progress) {
	var outcome string
	if p.done > 0 {
		outcome = p.outcome() + eraseLine + "\n"
	}
	if outcome != "" || r.shown.text != "" {
		r.write(outcome, frame{})
	}
}

func (r *liveRenderer) clear() {
	if r.shown.text != "" {
		r.write("", frame{})
	}
}

// write writes lines that stay, and a frame below them.
func (r *liveRenderer) write(above string, f frame) {
	io.WriteString(r.w, "\r"+above+cmp.Or(f.text, eraseBelow))
	r.shown = f
}

func (r *liveRenderer) frame(p *progress) frame {
	if p.total == 0 {
		return frame{}
	}
	width, height := r.size()
	if width < leastColumns {
		width, height = defaultWidth, 24
	}
	var text strings.Builder
	text.WriteString(cutLines)
	lines := r.lines(p, width-1, min(height-2, maxLiveRows)) // one that fills the last column may wrap
	for i, line := range lines {
		if i > 0 {
			text.WriteString("\n")
		}
		text.WriteString(line + eraseLine)
	}
	text.WriteString(eraseBelow + wrapLines + "\r")
	if up := len(lines) - 1; up > 0 {
		fmt.Fprintf(&text, cursorUp, up)
	}
	return frame{text.String(), width, height}
}

// lines are at most one on the build and rows on steps, none longer than width.
func (r *liveRenderer) lines(p *progress, width, rows int) []string {
	cells := min(max(width/8, 4), 20)
	lines := []string{r.bar(p, cells) + " " + p.summary(width-cells-1)}
	running, now := p.running(), time.Now()
	steps := mostInteresting(running, rows)
	nodes := nodesOf(steps)
	more := len(running) - len(steps)
	for i, n := range nodes {
		fork, under := twig(i == len(nodes)-1 && more == 0)
		if n.isStep() {
			lines = append(lines, fork+n.steps[0].describe(width-twigWidth, now))
			continue
		}
		lines = append(lines, fork+shorten(n.label, width-twigWidth))
		for k, s := range n.steps {
			fork, _ := twig(k == len(n.steps)-1)
			lines = append(lines, under+fork+s.describe(width-2*twigWidth, now))
		}
	}
	if more > 0 && rows > 0 {
		fork, _ := twig(true)
		lines = append(lines, shorten(fmt.Sprintf("%s… and %s", fork, plural(more, "more step")), width))
	}
	return lines
}

// bar draws how much of the steps is done.
func (r *liveRenderer) bar(p *progress, cells int) string {
	full := min(cells*p.done/max(p.total, 1), cells)
	bar := strings.Repeat("█", full) + strings.Repeat("░", cells-full)
	if r.colour {
		return "\x1b[36m" + bar + "\x1b[0m"
	}
	return bar
}
