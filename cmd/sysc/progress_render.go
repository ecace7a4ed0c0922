package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
)

// notice is the line about an event that a user should know of whatever else is
// shown.
func (p *progress) notice(e build.Event) (line string, ok bool) {
	switch e.Kind {
	case build.Waiting:
		return "waiting for " + e.Line, true
	case build.Warning:
		return fmt.Sprintf("warning: %s: %s", p.name(e), e.Line), true
	case build.Failed:
		return "failed: " + p.name(e), !wasSkipped(e)
	case build.Different:
		return "not reproducible: " + p.name(e), true
	case build.Draining:
		return fmt.Sprintf("finishing %s, press Ctrl-C again to stop them", plural(int(e.Done), "running step")), true
	}
	return "", false
}

// wasSkipped reports whether an event is about a step that failed because another one
// did.
func wasSkipped(e build.Event) bool {
	var skipped *build.SkippedError
	return errors.As(e.Err, &skipped)
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
		fmt.Fprintf(r.w, "build %s\n", p.name(e))
	case e.Kind == build.Finished && e.Builder == derivations.BuilderExec && s != nil && s.running():
		fmt.Fprintf(r.w, "built %s in %s\n", p.name(e), formatDuration(time.Since(s.since)))
	}
	if line, ok := p.notice(e); ok {
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
	ElapsedMS  int64  `json:"elapsed_ms"` // since the build began
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
