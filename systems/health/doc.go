// Package health asks a machine whether it is well: it carries out the health checks
// of a system where it is called. [Run] repeats each check until it holds or its time
// is over, all of them at once; a [Report] is what came out.
package health

import (
	"context"
	"sync"
	"time"

	"sysc/systems"
)

// A Report is what came out of a machine's health checks.
type Report struct {
	// Time is when they began, in whole seconds of UTC.
	Time    time.Time `json:"time"`
	Results []Result  `json:"results"` // in the order of the checks
}

// Good reports whether all required checks hold.
func (r *Report) Good() bool {
	for _, x := range r.Results {
		if !x.OK && !x.Wanted {
			return false
		}
	}
	return true
}

// A Result is what came out of one check.
type Result struct {
	Name string `json:"name"`
	// Asks says in a few words what was asked.
	Asks   string `json:"asks"`
	OK     bool   `json:"ok"`
	Wanted bool   `json:"wanted,omitempty"` // the machine is good without it
	// Attempts is how often it was tried, Took how long that was, in milliseconds.
	Attempts int   `json:"attempts"`
	Took     int64 `json:"took_ms"`
	// Problem is why the last attempt failed, Log what a program or unit said
	// last, in lines.
	Problem string   `json:"problem,omitempty"`
	Log     []string `json:"log,omitempty"`
}

// Pauses between attempts: the first, and the longest.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// Run carries out checks, where it is called, and returns what came out when each holds
// or its time is over. It ends early, with an error, only when ctx does.
func Run(ctx context.Context, checks []systems.HealthCheck, now time.Time) (*Report, error) {
	report := &Report{Time: now.UTC().Truncate(time.Second), Results: make([]Result, len(checks))}
	var group sync.WaitGroup
	for i, c := range checks {
		group.Go(func() { report.Results[i] = run(ctx, c) })
	}
	group.Wait()
	return report, ctx.Err()
}

// run repeats one check.
func run(ctx context.Context, c systems.HealthCheck) Result {
	r := Result{Name: c.Name, Asks: c.Describe(), Wanted: c.Wanted}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Duration())
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		r.Attempts++
		a := attempt(ctx, c)
		// What was cut off by the end of the time says less than the attempt before.
		if a.err == nil || r.Problem == "" || !over(ctx) {
			r.OK, r.Problem, r.Log = a.err == nil, "", a.log
			if a.err != nil {
				r.Problem = a.err.Error()
			}
		}
		if r.OK || !wait(ctx, pause) {
			break
		}
	}
	if r.OK {
		r.Log = nil
	} else if c.Unit != "" {
		r.Log = journal(c.Unit)
	}
	r.Took = time.Since(begin).Milliseconds()
	return r
}

// wait reports whether there is time left after a pause.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
