package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/bytesize"
)

// A progress shows the events of a build. Its zero value shows nothing.
// event is safe for concurrent use; finish must be called once at the end.
type progress struct {
	mu      sync.Mutex
	show    renderer
	total   int // steps that will run
	done    int // of these, however they ended:
	built   int
	cached  int // somebody else did them, or nothing that they need has changed
	failed  int
	whole   bool  // everything that was wanted is there
	bytes   int64 // to fetch, as far as known, and fetched
	fetched int64
	running map[string]*runningStep
	started time.Time
	stop    chan struct{}
	stopped sync.WaitGroup
}

// A runningStep is a step that has started and not finished.
type runningStep struct {
	name, builder string
	since         time.Time
	done, total   int64
}

// A renderer puts what a progress knows in front of somebody.
type renderer interface {
	// event is called for every event, with the step if that was running, and draw
	// about ten times a second.
	event(p *progress, e build.Event, step *runningStep)
	draw(p *progress)
	// finish removes what is not meant to stay.
	finish(p *progress)
}

// newProgress chooses the renderer: mode is "auto", "tree", "plain", "json" or
// "none".
func newProgress(w io.Writer, mode string, colour bool) (*progress, error) {
	p := &progress{running: map[string]*runningStep{}, started: time.Now(), stop: make(chan struct{})}
	switch mode {
	case "auto":
		if isTerminal(w) {
			p.show = &liveRenderer{w: w, size: func() (int, int) { return terminalSize(w) }, colour: colour}
		} else {
			p.show = &plainRenderer{w: w}
		}
	case "tree":
		p.show = &liveRenderer{w: w, size: func() (int, int) { return 80, 24 }, colour: colour}
	case "plain":
		p.show = &plainRenderer{w: w}
	case "json":
		p.show = &jsonRenderer{w: json.NewEncoder(w)}
	case "none":
		p.show = silentRenderer{}
	default:
		return nil, fmt.Errorf("read --progress %q: want auto, tree, plain, json or none", mode)
	}
	p.stopped.Go(p.tick)
	return p, nil
}

// tick redraws until finish is called.
func (p *progress) tick() {
	const interval = 100 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.show.draw(p)
			p.mu.Unlock()
		}
	}
}

// finish ends it; err is how the build ended.
func (p *progress) finish(err error) {
	close(p.stop)
	p.stopped.Wait()
	p.whole = err == nil
	p.show.finish(p)
}

// event takes one event of a build.
func (p *progress) event(e build.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := e.Hash.String()
	step := p.running[key]
	switch e.Kind {
	case build.Planned:
		p.total++
		if e.Builder == builtin.BuilderFetch {
			p.bytes += max(e.Total, 0)
		}
	case build.Started:
		step = &runningStep{name: e.Name, builder: e.Builder, since: time.Now(), total: -1}
		p.running[key] = step
	case build.Progress:
		if step != nil {
			if step.builder == builtin.BuilderFetch {
				p.fetched += e.Done - step.done
			}
			step.done, step.total = e.Done, e.Total
		}
	case build.Finished, build.Failed:
		p.done++
		p.count(e)
		delete(p.running, key)
	}
	p.show.event(p, e, step)
}

// count takes note of how a step ended.
func (p *progress) count(e build.Event) {
	var skipped *build.SkippedError
	switch {
	case e.Kind == build.Finished && e.Cached:
		p.cached++
	case e.Kind == build.Finished:
		p.built++
	case !errors.As(e.Err, &skipped):
		p.failed++
	}
}

// oldest returns the running steps, those that began first in front.
func (p *progress) oldest() []*runningStep {
	steps := make([]*runningStep, 0, len(p.running))
	for _, s := range p.running {
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b *runningStep) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return steps
}

// summary is one line on the whole build.
func (p *progress) summary() string {
	elapsed := time.Since(p.started)
	line := fmt.Sprintf("%d of %s", p.done, plural(p.total, "step"))
	if p.bytes > 0 {
		line += fmt.Sprintf(", fetched %s of %s", bytesize.Format(p.fetched), bytesize.Format(p.bytes))
		if p.fetched < p.bytes && elapsed > time.Second {
			line += " (" + formatRate(p.fetched, elapsed) + ")"
		}
	}
	return line + ", " + formatDuration(elapsed)
}

// outcome is the last line: what was done, and what of that which might have been did
// not have to be, because an input came out as it was.
func (p *progress) outcome() string {
	unchanged, undone := p.cached, max(p.total-p.built-p.cached-p.failed, 0)
	if p.whole {
		unchanged, undone = max(p.total-p.built, 0), 0
	}
	line := fmt.Sprintf("%d built", p.built)
	for _, part := range []struct {
		n    int
		what string
	}{{unchanged, "unchanged"}, {p.failed, "failed"}, {undone, "not done"}} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if p.fetched > 0 {
		line += ", fetched " + bytesize.Format(p.fetched)
	}
	return line + ", " + formatDuration(time.Since(p.started))
}

// describe names a running step for people.
func (s *runningStep) describe() string {
	verb, ok := map[string]string{builtin.BuilderFetch: "fetch", builtin.BuilderGit: "fetch", builtin.BuilderUnpack: "unpack", derivations.BuilderExec: "build"}[s.builder]
	if !ok {
		verb = strings.TrimPrefix(s.builder, derivations.BuiltinPrefix)
	}
	text := verb + " " + s.name
	if s.builder == builtin.BuilderFetch && s.total > 0 {
		text += fmt.Sprintf("  %s of %s", bytesize.Format(s.done), bytesize.Format(s.total))
		if elapsed := time.Since(s.since); s.done > 0 && elapsed > time.Second {
			text += "  " + formatRate(s.done, elapsed)
		}
	}
	if s.builder == builtin.BuilderGit && s.done > 0 {
		text += "  " + bytesize.Format(s.done) // nobody knows how much there will be
	}
	return text
}

type silentRenderer struct{}

func (silentRenderer) event(*progress, build.Event, *runningStep) {}
func (silentRenderer) draw(*progress)                             {}
func (silentRenderer) finish(*progress)                           {}
