package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/internal/bytesize"
)

// A progress shows the events of a build. Its zero value shows nothing.
// event is safe for concurrent use; finish must be called once at the end.
type progress struct {
	mu       sync.Mutex
	show     renderer
	jobs     int // how many steps use a processor at once
	total    int // steps that will run
	done     int // of these, however they ended:
	built    int
	taken    int // from caches
	cached   int // somebody else did them, or nothing that they need has changed
	failed   int
	whole    bool  // everything that was wanted is there
	bytes    int64 // to fetch, as far as known, and fetched
	fetched  int64
	fetching stopwatch
	steps    map[derivations.Hash]*step // that have not ended
	named    map[string]int             // planned steps of each title
	started  time.Time
	stop     chan struct{}
	stopped  sync.WaitGroup
}

// A renderer puts what a progress knows in front of somebody.
type renderer interface {
	// event is called for every event, with the step if that was planned and had not
	// ended, and draw about ten times a second.
	event(p *progress, e build.Event, s *step)
	draw(p *progress)
	// finish removes what is not meant to stay.
	finish(p *progress)
}

// newProgress chooses the renderer by what app.progressMode says.
func newProgress(w io.Writer, mode string, colour bool, jobs int) (*progress, error) {
	p := &progress{jobs: max(jobs, 1), steps: map[derivations.Hash]*step{}, named: map[string]int{}, started: time.Now(), stop: make(chan struct{})}
	switch mode {
	case "tree":
		p.show = &liveRenderer{w: w, size: func() (int, int) { return terminalSize(w) }, colour: colour}
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
	if e.Kind == build.Planned {
		p.total++
		p.named[stepTitle(e.Builder, e.Name)]++
		p.steps[e.Hash] = newStep(e)
		p.bytes += p.steps[e.Hash].toFetch()
	}
	s := p.steps[e.Hash]
	if s != nil {
		p.follow(s, e)
	}
	p.show.event(p, e, s)
}

// follow notes what happened to a planned step.
func (p *progress) follow(s *step, e build.Event) {
	switch e.Kind {
	case build.Started:
		s.since = time.Now()
		if s.fetches() {
			p.fetching.start()
		}
	case build.Progress:
		p.fetched -= s.fetched()
		p.bytes -= s.toFetch()
		s.advance(e.Done, e.Total)
		p.fetched += s.fetched()
		p.bytes += s.toFetch()
	case build.Finished, build.Failed:
		p.done++
		p.count(e)
		delete(p.steps, e.Hash)
		p.bytes -= s.toFetch() - s.fetched() // what of it is not there will not come
		if s.fetches() && s.running() {
			p.fetching.stop()
		}
	}
}

func (p *progress) above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if live, ok := p.show.(*liveRenderer); ok {
		live.clear()
	}
	write()
}

// count takes note of how a step ended.
func (p *progress) count(e build.Event) {
	switch {
	case e.Kind == build.Finished && e.Builder == build.BuilderCache:
		p.taken++
	case e.Kind == build.Finished && e.Cached:
		p.cached++
	case e.Kind == build.Finished:
		p.built++
	case !wasSkipped(e):
		p.failed++
	}
}

// running returns the running steps: programs first, and what began first.
func (p *progress) running() []*step {
	var steps []*step
	for _, s := range p.steps {
		if s.running() {
			steps = append(steps, s)
		}
	}
	slices.SortFunc(steps, func(a, b *step) int {
		switch {
		case a.runsProgram() && !b.runsProgram():
			return -1
		case b.runsProgram() && !a.runsProgram():
			return 1
		}
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.name, b.name))
	})
	return steps
}

// summary is one line on the whole build, of at most width columns.
func (p *progress) summary(width int) string {
	elapsed := time.Since(p.started)
	var bytes, rate string
	if p.fetched < p.bytes {
		bytes = fmt.Sprintf("fetched %s of %s%s", bytesize.Format(p.fetched), p.orMore(), bytesize.Format(p.bytes))
		rate = formatRate(p.fetched, p.fetching.elapsed())
	}
	return joinFacts(width,
		fact{fmt.Sprintf("%d of %s", p.done, plural(p.total, "step")), 5},
		fact{bytes, 3}, fact{rate, 1}, fact{formatDuration(elapsed), 2}, fact{p.timeLeft(time.Now()), 4})
}

// orMore says that there is something to fetch whose size nobody has told yet.
func (p *progress) orMore() string {
	for _, s := range p.steps {
		if s.fetches() && s.total < 0 {
			return "at least "
		}
	}
	return ""
}

// name is what a step is called in a line of its own: several of one name, such as
// roots of one input, are told apart by what of the definition they are made for.
func (p *progress) name(e build.Event) string {
	if p.named[stepTitle(e.Builder, e.Name)] > 1 && e.Origin.Label != "" {
		return e.Name + " for " + e.Origin.Label
	}
	return e.Name
}

// outcome is the last line: what was done, and what of that which might have been did
// not have to be, because an input came out as it was.
func (p *progress) outcome() string {
	unchanged, undone := p.cached, max(p.total-p.built-p.taken-p.cached-p.failed, 0)
	if p.whole {
		unchanged, undone = max(p.total-p.built-p.taken, 0), 0
	}
	line := fmt.Sprintf("%d built", p.built)
	for _, part := range []struct {
		n    int
		what string
	}{{p.taken, "from caches"}, {unchanged, "unchanged"}, {p.failed, "failed"}, {undone, "not done"}} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if p.fetched > 0 {
		line += ", fetched " + bytesize.Format(p.fetched)
	}
	return line + ", " + formatDuration(time.Since(p.started))
}

type silentRenderer struct{}

func (silentRenderer) event(*progress, build.Event, *step) {}
func (silentRenderer) draw(*progress)                      {}
func (silentRenderer) finish(*progress)                    {}
