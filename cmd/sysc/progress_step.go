package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/bytesize"
)

// A step is one of a build that is planned and has not ended.
type step struct {
	name, builder    string
	label            string        // what of the definition it is made for
	expected, behind time.Duration // see build.Event
	since            time.Time     // when it started, or zero
	done, total      int64         // in bytes; total is -1 when it is not known
	advanced         bool          // done is known
	before           int64         // what of done was there from an earlier run
}

func newStep(e build.Event) *step {
	return &step{name: e.Name, builder: e.Builder, label: cmp.Or(e.Origin.Label, "other"), expected: e.Expected, behind: e.Behind, total: e.Total}
}

// fetches reports whether the step is the download of a file.
func (s *step) fetches() bool {
	return s.builder == builtin.BuilderFetch || s.builder == builtin.BuilderImage || s.builder == build.BuilderCache
}

// runsProgram reports whether the step runs a program, so that nobody knows
// beforehand how long it will take.
func (s *step) runsProgram() bool { return s.builder == derivations.BuilderExec }

func (s *step) running() bool { return !s.since.IsZero() }

// advance takes note of how far the step is.
func (s *step) advance(done, total int64) {
	if !s.advanced && s.fetches() {
		s.before = done
	}
	s.advanced, s.done, s.total = true, done, total
	s.before = min(s.before, done) // it may begin anew
}

// fetched is how many bytes have come for the step.
func (s *step) fetched() int64 {
	if !s.fetches() {
		return 0
	}
	return s.done - s.before
}

// toFetch is how many bytes come for the step in all, as far as known.
func (s *step) toFetch() int64 {
	if !s.fetches() {
		return 0
	}
	return max(s.total, s.done) - s.before
}

// stepTitle names a step for people: "fetch gcc.deb", "build hello-1.0".
func stepTitle(builder, name string) string {
	verb := strings.TrimPrefix(builder, derivations.BuiltinPrefix)
	switch builder {
	case builtin.BuilderGit, builtin.BuilderImage, build.BuilderCache:
		verb = "fetch"
	case derivations.BuilderExec:
		verb = "build"
	}
	return verb + " " + name
}

// leastTitle is how many columns of a step's name are worth more than facts.
const leastTitle = 16

// describe shows a running step in at most width columns.
func (s *step) describe(width int, now time.Time) string {
	const gap = "  "
	title := stepTitle(s.builder, s.name)
	facts := joinFacts(width-len(gap)-min(utf8.RuneCountInString(title), leastTitle), s.facts(now.Sub(s.since))...)
	if facts == "" {
		return shorten(title, width)
	}
	return shorten(title, width-len(gap)-utf8.RuneCountInString(facts)) + gap + facts
}

// facts are how far a step is that runs for so long.
func (s *step) facts(elapsed time.Duration) []fact {
	var part, rate string
	switch {
	case s.total > 0 && s.done < s.total:
		part = fmt.Sprintf("%d %%", 100*s.done/s.total)
		if s.fetches() || s.builder == builtin.BuilderUnpack { // others do not count bytes
			part += " of " + bytesize.Format(s.total)
		}
		rate = formatRate(s.fetched(), elapsed)
	case s.fetches(), s.builder == builtin.BuilderGit: // nobody knows how much there will be
		if s.done > 0 {
			part = bytesize.Format(s.done)
		}
	}
	return []fact{{part, 3}, {rate, 2}, {s.duration(elapsed), 1}}
}

// leastExpected is from which duration on people want to know how long a step will
// take.
const leastExpected = 3 * time.Second

// duration compares how long the step has run with how long it should take.
func (s *step) duration(elapsed time.Duration) string {
	switch {
	case s.expected < leastExpected:
		return formatDuration(elapsed)
	case elapsed <= s.expected:
		return fmt.Sprintf("%s of about %s", formatDuration(elapsed), formatEstimate(s.expected))
	}
	return fmt.Sprintf("%s, usually %s", formatDuration(elapsed), formatEstimate(s.expected))
}

// rest is how long the step will run still. known is false when nobody knows: it has
// not run before, or takes longer than it did.
func (s *step) rest(now time.Time) (rest time.Duration, known bool) {
	rest = s.expected
	if s.running() {
		rest -= now.Sub(s.since)
	}
	return max(rest, 0), rest > 0
}
