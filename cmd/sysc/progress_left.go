package main

import (
	"math"
	"time"

	"sysc/derivations/builtin"
)

// A stopwatch measures the time in which at least one of several things goes on.
// Its zero value is ready for use.
type stopwatch struct {
	running int
	since   time.Time // when the first of them began
	before  time.Duration
}

func (w *stopwatch) start() {
	if w.running++; w.running == 1 {
		w.since = time.Now()
	}
}

func (w *stopwatch) stop() {
	if w.running--; w.running == 0 {
		w.before += time.Since(w.since)
	}
}

func (w *stopwatch) elapsed() time.Duration {
	if w.running == 0 {
		return w.before
	}
	return w.before + time.Since(w.since)
}

// timeLeft guesses how long the build will take still: "about 2 min left", or "" when
// too little is known.
//
// It takes at least as long as the longest chain of steps, and as all steps together
// divided among the processors; and the downloads, with the steps behind one of them.
// What is not known counts as nothing. Of what sysc does itself that does not matter, but it
// does of programs.
func (p *progress) timeLeft(now time.Time) string {
	var work, chain time.Duration
	var bytes int64
	behindFetch := time.Duration(math.MaxInt64)
	known, unknown := 0, 0
	for _, s := range p.steps {
		rest, ok := s.rest(now)
		switch {
		case s.fetches():
			bytes += s.toFetch() - s.fetched()
			behindFetch = min(behindFetch, s.behind)
			if s.total < 0 {
				unknown++
			}
		case s.builder == builtin.BuilderGit, s.runsProgram() && !ok:
			unknown++
		case s.runsProgram():
			known++
		}
		work += rest
		chain = max(chain, rest+s.behind)
	}
	left := max(work/time.Duration(p.jobs), chain)
	if bytes > 0 {
		fetch, ok := p.fetchTime(bytes)
		if !ok {
			return ""
		}
		left = max(left, fetch+behindFetch)
	}
	switch {
	case left < time.Second, left > longestGuess, unknown > known && bytes == 0:
		return ""
	case unknown > 0:
		return "at least " + formatEstimate(left) + " left"
	}
	return "about " + formatEstimate(left) + " left"
}

// fetchTime is how long so many bytes will take at the rate so far, if that says
// anything yet.
func (p *progress) fetchTime(bytes int64) (time.Duration, bool) {
	elapsed := p.fetching.elapsed()
	if elapsed < settled || p.fetched <= 0 {
		return 0, false
	}
	seconds := elapsed.Seconds() * float64(bytes) / float64(p.fetched)
	return time.Duration(seconds * float64(time.Second)), seconds <= longestGuess.Seconds()
}
