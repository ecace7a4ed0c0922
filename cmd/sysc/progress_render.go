package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
)

// A liveRenderer keeps a few lines at the bottom of a terminal up to date: one
// on the whole build, then the running steps. Each change is one write, in which
// every line is written over the one before, so that nothing flickers.
type liveRenderer struct {
	w      io.Writer
	size   func() (width, height int) // 0 when it does not say
	colour bool
	width  int // of the terminal when lines was drawn
	lines  int // drawn and still on the screen
}

const maxLiveSteps = 8

func (r *liveRenderer) event(p *progress, e build.Event, _ *step) {
	if line, ok := notice(e); ok {
		r.write(p, line)
	}
}

// notice is the line about an event that a user should know of whatever else is
// shown.
func notice(e build.Event) (line string, ok bool) {
	switch e.Kind {
	case build.Waiting:
		return "waiting for " + e.Line, true
	case build.Warning:
		return fmt.Sprintf("warning: %s: %s", e.Name, e.Line), true
	case build.Failed:
		return "failed: " + e.Name, true
	case build.Draining:
		return fmt.Sprintf("finishing %s, press Ctrl-C again to stop them", plural(int(e.Done), "running step")), true
	}
	return "", false
}

func (r *liveRenderer) draw(p *progress) {
	if p.total > 0 {
		r.write(p)
	}
}

// write writes lines that stay, and the live ones below them.
func (r *liveRenderer) write(p *progress, above ...string) {
	width, height := r.size()
	if width < 20 {
		width = 80
	}
	var screen strings.Builder
	// A narrower terminal has broken the lines, and nobody knows where the first of
	// them is now: those are left alone.
	if r.lines > 0 && width >= r.width {
		fmt.Fprintf(&screen, "\x1b[%dA", r.lines)
	}
	screen.WriteString("\r")
	for _, line := range above {
		screen.WriteString(line + "\x1b[K\n")
	}
	live := r.live(p, width, height)
	for _, line := range live {
		screen.WriteString(clip(line, width-1) + "\x1b[K\n")
	}
	screen.WriteString("\x1b[J")
	r.lines, r.width = len(live), width
	io.WriteString(r.w, screen.String())
}

func (r *liveRenderer) live(p *progress, width, height int) []string {
	if p.total == 0 {
		return nil
	}
	const indent = "  "
	cells := min(max(width/8, 4), 20)
	lines := []string{r.bar(p, cells) + " " + p.summary(width-cells-2)}
	running, now := p.running(), time.Now()
	for i, s := range running {
		if i == min(maxLiveSteps, max(height-3, 1)) {
			return append(lines, fmt.Sprintf("%s… and %d more", indent, len(running)-i))
		}
		lines = append(lines, indent+s.describe(width-len(indent)-1, now))
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

func (r *liveRenderer) erase() {
	if r.lines > 0 {
		fmt.Fprintf(r.w, "\x1b[%dA\r\x1b[J", r.lines)
		r.lines = 0
	}
}

func (r *liveRenderer) finish(p *progress) {
	r.erase()
	if p.done > 0 {
		fmt.Fprintln(r.w, p.outcome())
	}
}

// clip cuts a line to so many characters; escape sequences at its beginning do
// not count.
func clip(line string, width int) string {
	visible, escape := 0, false
	for i, c := range line {
		switch {
		case c == '\x1b':
			escape = true
		case escape:
			escape = c != 'm'
		default:
			if visible++; visible > width {
				return line[:i]
			}
		}
	}
	return line
}

// A plainRenderer writes lines that make sense in a log: each step that may
// take long as it starts, how long it took, and a summary now and then.
type plainRenderer struct {
	w    io.Writer
	last time.Time
}

const plainInterval = 5 * time.Second

func (r *plainRenderer) event(p *progress, e build.Event, s *step) {
	switch {
	case e.Kind == build.Started && e.Builder == derivations.BuilderExec:
		fmt.Fprintf(r.w, "build %s\n", e.Name)
	case e.Kind == build.Finished && e.Builder == derivations.BuilderExec && s != nil && s.running():
		fmt.Fprintf(r.w, "built %s in %s\n", e.Name, formatDuration(time.Since(s.since)))
	}
	if line, ok := notice(e); ok {
		fmt.Fprintln(r.w, line)
	}
}

func (r *plainRenderer) draw(p *progress) {
	if r.last.IsZero() {
		r.last = p.started
	}
	if p.total > 0 && time.Since(r.last) >= plainInterval {
		r.last = time.Now()
		fmt.Fprintln(r.w, p.summary(math.MaxInt))
	}
}

func (r *plainRenderer) finish(p *progress) {
	if p.done > 0 {
		fmt.Fprintln(r.w, p.outcome())
	}
}

// A jsonRenderer writes each event as a JSON object on a line.
type jsonRenderer struct{ w *json.Encoder }

type jsonEvent struct {
	Type       string `json:"type"`
	ElapsedMS  int64  `json:"elapsed_ms"` // since the command began
	Derivation string `json:"derivation"`
	Name       string `json:"name"`
	Builder    string `json:"builder"`
	Origin     string `json:"origin,omitempty"`
	Done       int64  `json:"done,omitempty"`
	Total      int64  `json:"total,omitempty"`
	ExpectedMS int64  `json:"expected_ms,omitempty"`
	BehindMS   int64  `json:"behind_ms,omitempty"`
	Line       string `json:"line,omitempty"`
	Cached     bool   `json:"cached,omitempty"`
	Error      string `json:"error,omitempty"`
}

func (r *jsonRenderer) event(p *progress, e build.Event, _ *step) {
	out := jsonEvent{Type: e.Kind.String(), ElapsedMS: time.Since(p.started).Milliseconds(), Derivation: e.Hash.String(), Name: e.Name, Builder: e.Builder,
		Origin: e.Origin.Label, Done: e.Done, Total: e.Total, ExpectedMS: e.Expected.Milliseconds(), BehindMS: e.Behind.Milliseconds(),
		Line: e.Line, Cached: e.Cached}
	if e.Kind == build.Draining {
		out.Derivation = "" // it is about none
	}
	if e.Err != nil {
		out.Error = e.Err.Error()
	}
	if err := r.w.Encode(out); err != nil {
		p.show = silentRenderer{} // nobody reads any more
	}
}

func (r *jsonRenderer) draw(*progress)   {}
func (r *jsonRenderer) finish(*progress) {}
