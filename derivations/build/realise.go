package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sysc/derivations"
	"sysc/store"
)

// Realise makes what is wanted valid in the store and returns the paths.
//
// An error is what errors.Join makes of the [*Error] of each step that failed,
// in the order of the graph: one, unless KeepGoing. Then the map has what was
// realised all the same. When ctx ends, the error is its cause, wrapped; what
// was running is gone without a trace, what had finished is registered. When Drain
// left something undone, the error is [ErrDrained], wrapped, and those of steps
// that failed meanwhile.
//
// With DryRun the map has those paths that are known without building, and
// whether they are valid is not said.
func Realise(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref, o *Options) (map[derivations.Ref]store.Path, error) {
	opts, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("realise: %w", err)
	}
	defer opts.withSandbox()()
	plan := recallingPlanner
	if len(opts.Rebuild)+len(opts.Check) > 0 {
		plan = newPlanner // what runs again may be behind what is there
	}
	p, err := plan(ctx, st, g, want, opts.Cache)
	if err != nil {
		return nil, fmt.Errorf("realise: %w", err)
	}
	if err := p.runAgain(opts.Rebuild, opts.Check); err != nil {
		return nil, fmt.Errorf("realise: %w", err)
	}
	missing, err := p.missing(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("realise: %w", err)
	}
	if len(missing) > 0 {
		p.weigh(missing, readHistory(st.LogDir()))
	}
	r := &realiser{planner: p, opts: opts, began: time.Now()}
	for _, j := range missing {
		r.emit(j, Event{Kind: Planned, Total: plannedSize(j.d)})
	}
	if opts.DryRun {
		return p.paths(want), nil
	}
	defer p.keepOutcomes(ctx)
	if len(missing) == 0 {
		return p.paths(want), nil
	}
	if err := r.checkMirrors(ctx, missing); err != nil {
		return nil, err
	}
	if s, ok := opts.Exec.(*Sandbox); ok {
		s.takeGroup()
	}
	err = r.run(ctx, want)
	r.remember()
	return p.paths(want), err
}

// plannedSize is the size of a step's result in bytes, or -1.
func plannedSize(d *derivations.Derivation) int64 {
	if n := fixedSize(d); n > 0 {
		return n
	}
	return -1
}

// paths returns what is known of refs.
func (p *planner) paths(refs []derivations.Ref) map[derivations.Ref]store.Path {
	out := make(map[derivations.Ref]store.Path, len(refs))
	for _, ref := range refs {
		if path := p.path(ref); path != "" && p.jobs[ref.Derivation].state != failed {
			out[ref] = path
		}
	}
	return out
}

// A realiser runs jobs. All fields but those below mu belong to the goroutine
// that called run.
type realiser struct {
	*planner
	opts     Options
	began    time.Time
	commits  *committer
	messages chan message
	ready    [classes]queue
	free     [classes]int
	memory   memoryPool // in place of ready[processor] for steps that say what they need
	active   int        // jobs that run or are being committed

	removals removals
	wide     chan struct{} // holds a token for each step that decodes in parallel

	anyFailed bool
	// begin ends, by endBegin, when no job shall start any more that does not run.
	begin    context.Context
	endBegin context.CancelCauseFunc

	mu      sync.Mutex // serialises events
	sources sourceAdder
}

// A message tells the scheduler that a job has left its slot (slot is set), or
// how it ended; of a failure both.
type message struct {
	job     *job
	slot    bool
	outputs map[string]store.Path
	cached  bool
	found   error
	err     error
}

func (r *realiser) run(parent context.Context, want []derivations.Ref) (err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer func() {
		if left := r.removals.wait(); left != nil {
			err = errors.Join(err, fmt.Errorf("realise: %w", left))
		}
	}()
	r.wide = make(chan struct{}, wideSteps)
	r.messages = make(chan message, 2*len(r.list))
	r.commits = newCommitter(ctx, r.store, func(c *commit, err error) {
		r.messages <- message{job: c.job, outputs: c.outputs, cached: c.cached, found: c.found, err: err}
	})
	defer r.commits.close()
	r.sources = sourceAdder{store: r.store, graph: r.graph, commits: r.commits}
	r.begin, r.endBegin = context.WithCancelCause(ctx)
	defer r.endBegin(nil)
	r.free = [classes]int{processor: r.opts.Jobs, network: r.opts.Downloads}
	r.memory = memoryPool{total: r.opts.Memory, measure: hostMemory}

	for _, ref := range slices.Concat(want, r.again()) {
		if err := r.require(ctx, ref); err != nil {
			return fmt.Errorf("realise: %w", err)
		}
	}
	var broken error // of the store, not of a step
	for r.start(ctx); r.active > 0; r.start(ctx) {
		var err error
		select {
		case <-r.drain(): // start sees to it
		case m := <-r.messages:
			err = r.handle(ctx, m)
		}
		if err != nil && broken == nil {
			broken = err
			cancel(err)
		}
		if r.anyFailed && !r.opts.KeepGoing && r.begin.Err() == nil {
			cancel(errStopped)
		}
	}
	switch {
	case parent.Err() != nil:
		return fmt.Errorf("realise: %w", context.Cause(parent))
	case broken != nil:
		return fmt.Errorf("realise: %w", broken)
	}
	if errors.Is(context.Cause(r.begin), ErrDrained) && !r.complete(want) {
		return errors.Join(r.failures(), fmt.Errorf("realise: %w", ErrDrained))
	}
	return r.failures()
}

// ErrDrained is why steps did not begin when Options.Drain was closed. It is
// context.Canceled, too.
var ErrDrained = fmt.Errorf("no more steps shall begin: %w", context.Canceled)

// drain returns what is closed to stop the beginning of steps, until it is.
func (r *realiser) drain() <-chan struct{} {
	if r.begin.Err() != nil {
		return nil
	}
	return r.opts.Drain
}

// emitDraining tells how many steps run still.
func (r *realiser) emitDraining() {
	n := r.opts.Jobs - r.free[processor] + r.opts.Downloads - r.free[network]
	if n == 0 || r.opts.Events == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opts.Events(Event{Kind: Draining, Done: int64(n)})
}

// complete reports whether all that is wanted is there.
func (r *realiser) complete(want []derivations.Ref) bool {
	return !slices.ContainsFunc(want, func(ref derivations.Ref) bool { return r.jobs[ref.Derivation].state != done })
}

// errStopped is why steps are cancelled when another one has failed.
var errStopped = errors.New("another step failed")

// handle takes note of what happened to a job.
func (r *realiser) handle(ctx context.Context, m message) error {
	j := m.job
	if m.slot {
		r.free[j.class()]++
		if !j.fetching {
			r.memory.release(j)
		}
		if m.err == nil {
			return nil
		}
	}
	if errors.Is(m.err, errNotCached) {
		r.active--
		j.fetching, j.tried, j.state = false, true, blocked
		if ctx.Err() != nil {
			r.fail(ctx, j, context.Cause(ctx))
			return nil
		}
		return r.advance(ctx, j)
	}
	r.active--
	if m.err != nil {
		r.fail(ctx, j, m.err)
		return nil
	}
	for name, path := range m.outputs {
		j.outputs[name] = path
		r.valid[path] = true
	}
	if j.found = m.found; j.found != nil {
		r.emit(j, Event{Kind: Different, Err: j.found})
	}
	return r.finish(ctx, j, m.cached)
}

// require sees to it that an output becomes known and valid.
func (r *realiser) require(ctx context.Context, ref derivations.Ref) error {
	j := r.jobs[ref.Derivation]
	j.needed[ref.Output] = true
	switch j.state {
	case done:
		if ok, err := r.present(ctx, j); ok || err != nil {
			return err
		}
	case idle:
	default:
		return nil
	}
	j.state = blocked
	return r.advance(ctx, j)
}

// advance brings a blocked job forward: it waits for inputs whose paths are not
// known, then looks the job up, then waits for inputs that are not there, and
// queues it.
func (r *realiser) advance(ctx context.Context, j *job) error {
	wait := func(needs func(derivations.Ref) (bool, error)) error {
		for _, in := range j.d.Inputs {
			if need, err := needs(in); err != nil || !need {
				if err != nil {
					return err
				}
				continue
			}
			if err := r.require(ctx, in); err != nil {
				return err
			}
			switch dep := r.jobs[in.Derivation]; dep.state {
			case failed:
				r.fail(ctx, j, &SkippedError{Needs: dep.d.Name})
				return nil
			case done:
			default:
				dep.waiting = append(dep.waiting, j)
				j.pending++
			}
		}
		return nil
	}
	if err := wait(func(in derivations.Ref) (bool, error) { return r.path(in) == "" || r.jobs[in.Derivation].rebuild, nil }); err != nil || j.pending > 0 || j.state != blocked {
		return err
	}
	if err := r.lookUp(ctx, j); err != nil {
		return err
	}
	if ok, err := r.present(ctx, j); err != nil {
		return err
	} else if ok && !j.again() {
		return r.finish(ctx, j, true)
	}
	if r.fetchable(j) {
		j.fetching, j.state = true, queued
		r.ready[network].push(j)
		return nil
	}
	err := wait(func(in derivations.Ref) (bool, error) {
		ok, err := r.isValid(ctx, r.path(in))
		return !ok, err
	})
	if err != nil || j.pending > 0 || j.state != blocked {
		return err
	}
	j.state = queued
	if j.d.RunLimits.Memory > 0 {
		r.memory.queue.push(j)
	} else {
		r.ready[j.class()].push(j)
	}
	return nil
}

// finish marks a job as done and goes on with those that waited for it.
func (r *realiser) finish(ctx context.Context, j *job, cached bool) error {
	j.state = done
	r.emit(j, Event{Kind: Finished, Cached: cached})
	j.fetching = false
	waiting := j.waiting
	j.waiting = nil
	for _, w := range waiting {
		if w.pending--; w.pending == 0 && w.state == blocked && r.begin.Err() == nil {
			if err := r.advance(ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// fail marks a job, and all that wait for it, as failed.
func (r *realiser) fail(ctx context.Context, j *job, err error) {
	if j.state == failed {
		return
	}
	j.state, j.err = failed, err
	r.anyFailed = true
	if ctx.Err() == nil && !errors.Is(err, ErrDrained) {
		r.emit(j, Event{Kind: Failed, Err: err})
	}
	skipped := error(&SkippedError{Needs: j.d.Name})
	if errors.Is(err, ErrDrained) {
		skipped = err // no failure either
	}
	for _, w := range j.waiting {
		r.fail(ctx, w, skipped)
	}
	j.waiting = nil
}

// failures joins the errors of the steps that failed themselves, and what checks
// found.
func (r *realiser) failures() error {
	var errs []error
	for _, j := range r.list {
		if j.found != nil {
			errs = append(errs, j.found)
		}
		var skipped *SkippedError
		if j.state != failed || errors.As(j.err, &skipped) || errors.Is(j.err, errStopped) || errors.Is(j.err, ErrDrained) {
			continue
		}
		errs = append(errs, j.err)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// start runs what can run.
func (r *realiser) start(ctx context.Context) {
	select {
	case <-r.drain(): // before anything else begins
		r.endBegin(ErrDrained)
		r.emitDraining()
	default:
	}
	for c := range r.ready {
		for r.free[c] > 0 && r.begin.Err() == nil {
			j := r.next(class(c))
			if j == nil {
				break
			}
			j.state = running
			r.free[c]--
			r.active++
			r.emit(j, Event{Kind: Started})
			go r.work(ctx, j)
		}
	}
}

// next takes the job of a class that is to begin now, nil for none.
func (r *realiser) next(c class) *job {
	ready := &r.ready[c]
	if c == processor {
		if j := r.memory.first(); j != nil && (len(*ready) == 0 || before(j, (*ready)[0])) {
			return r.memory.take()
		}
	}
	if len(*ready) == 0 {
		return nil
	}
	return ready.pop()
}

// work runs a job in a goroutine of its own. It uses of the job what does not
// change any more.
func (r *realiser) work(ctx context.Context, j *job) {
	do := r.step
	if j.fetching {
		do = r.take
	}
	c, err := do(ctx, j)
	if err != nil {
		// In one message, or the slot would be taken before the failure is known.
		r.messages <- message{job: j, slot: true, err: err}
		return
	}
	r.messages <- message{job: j, slot: true}
	r.commits.add(c)
}

// emit sends an event about a job.
func (r *realiser) emit(j *job, e Event) {
	if r.opts.Events == nil {
		return
	}
	e.Hash, e.Name, e.Builder, e.Origin = j.hash, j.d.Name, j.d.Builder, j.origin
	if j.offered && !j.tried || j.fetching && e.Kind == Finished {
		e.Builder = BuilderCache
	}
	if e.Kind == Planned || e.Kind == Started {
		e.Expected, e.Behind = j.expected, j.behind
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opts.Events(e)
}

// remember adds to the history how long steps took. How long downloads take is up
// to the network.
func (r *realiser) remember() {
	var runs []run
	for _, j := range r.list {
		if j.took > 0 && j.class() != network {
			runs = append(runs, run{builder: j.d.Builder, name: j.d.Name, took: j.took})
		}
	}
	if len(runs) > 0 {
		addHistory(r.store.LogDir(), runs) // without it the guesses are worse, no more
	}
}

// progressEvery is how often a step's progress is passed on at most.
const progressEvery = 50 * time.Millisecond

// progress returns a function that passes a job's progress on.
func (r *realiser) progress(j *job) func(done, total int64) {
	var mu sync.Mutex
	var last time.Time
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if done != total && now.Sub(last) < progressEvery {
			return
		}
		last = now
		r.emit(j, Event{Kind: Progress, Done: done, Total: total})
	}
}
