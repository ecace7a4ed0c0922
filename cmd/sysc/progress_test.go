package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
)

// A screen is a terminal that understands what a liveRenderer writes.
type screen struct {
	t      *testing.T
	rows   []string
	row    int
	column int
	writes int
}

var screenToken = regexp.MustCompile(`\x1b\[(\d*)([A-Za-z])|\r|\n|[^\x1b\r\n]+`)

func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	for _, m := range screenToken.FindAllStringSubmatch(string(p), -1) {
		switch {
		case m[0] == "\r":
			s.column = 0
		case m[0] == "\n":
			s.row, s.column = s.row+1, 0
		case m[2] == "A":
			n, err := strconv.Atoi(m[1])
			if err != nil {
				s.t.Errorf("%q: %v", m[0], err)
			}
			if s.row -= n; s.row < 0 {
				s.t.Errorf("above the screen")
			}
		case m[2] == "K":
			s.line()
			s.rows[s.row] = string([]rune(s.rows[s.row])[:s.column])
		case m[2] == "J":
			s.line()
			s.rows[s.row] = string([]rune(s.rows[s.row])[:s.column])
			s.rows = s.rows[:s.row+1]
		case m[2] != "":
			s.t.Errorf("unknown sequence %q", m[0])
		default:
			s.line()
			old, text := []rune(s.rows[s.row]), []rune(m[0])
			if end := s.column + len(text); end < len(old) {
				text = append(text, old[end:]...)
			}
			s.rows[s.row] = string(append(old[:s.column], text...))
			s.column += len([]rune(m[0]))
		}
	}
	return len(p), nil
}

func (s *screen) line() {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, "")
	}
}

var changing = regexp.MustCompile(`\d+(\.\d+)?s\b|[█░]+`)

// check compares the screen, without what changes with time.
func (s *screen) check(want ...string) {
	s.t.Helper()
	var got []string
	for _, row := range s.rows {
		got = append(got, changing.ReplaceAllString(row, "#"))
	}
	for len(got) > 0 && got[len(got)-1] == "" {
		got = got[:len(got)-1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("-want +got:\n%s", diff)
	}
}

// newShown is a progress without a clock.
func newShown(show renderer) *progress {
	return &progress{running: map[string]*runningStep{}, started: time.Now(), stop: make(chan struct{}), show: show}
}

func event(kind build.EventKind, i int, e build.Event) build.Event {
	e.Kind, e.Hash, e.Name = kind, derivations.Hash{byte(i)}, fmt.Sprintf("step%d", i)
	if e.Builder == "" {
		e.Builder = derivations.BuilderExec
	}
	return e
}

func TestLiveRenderer(t *testing.T) {
	s := &screen{t: t}
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return 90, 24 }})
	p.show.draw(p)
	s.check()
	for i := range 3 {
		p.event(event(build.Planned, i, build.Event{}))
	}
	fetch := build.Event{Builder: builtin.BuilderFetch, Total: 2048}
	p.event(event(build.Planned, 3, fetch))
	p.event(event(build.Started, 0, build.Event{}))
	p.event(event(build.Started, 3, fetch))
	fetch.Done = 1024
	p.event(event(build.Progress, 3, fetch))
	p.show.draw(p)
	s.check("# 0 of 4 steps, fetched 1.0 KiB of 2.0 KiB, #", "  build step0  #", "  fetch step3  1.0 KiB of 2.0 KiB  #")

	// Lines that stay come above, in the same write.
	writes := s.writes
	p.event(event(build.Waiting, 1, build.Event{Line: "pid 7"}))
	s.check("waiting for pid 7", "# 0 of 4 steps, fetched 1.0 KiB of 2.0 KiB, #", "  build step0  #", "  fetch step3  1.0 KiB of 2.0 KiB  #")
	if s.writes != writes+1 {
		t.Errorf("%d writes, want 1", s.writes-writes)
	}

	// Fewer lines leave nothing behind.
	p.event(event(build.Finished, 0, build.Event{}))
	p.event(event(build.Failed, 3, build.Event{Builder: builtin.BuilderFetch, Err: errors.New("no")}))
	p.show.draw(p)
	s.check("waiting for pid 7", "failed: step3", "# 2 of 4 steps, fetched 1.0 KiB of 2.0 KiB, #")
	p.show.finish(p)
	s.check("waiting for pid 7", "failed: step3", "1 built, 1 failed, 2 not done, fetched 1.0 KiB, #")
}

func TestLiveRendererSizes(t *testing.T) {
	width := 60
	s := &screen{t: t}
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return width, 6 }})
	for i := range 9 {
		p.event(event(build.Planned, i, build.Event{}))
		p.event(event(build.Started, i, build.Event{}))
	}
	p.show.draw(p)
	s.check("# 0 of 9 steps, #", "  build step0  #", "  build step1  #", "  build step2  #", "  … and 6 more")
	width = 100
	p.show.draw(p)
	s.check("# 0 of 9 steps, #", "  build step0  #", "  build step1  #", "  build step2  #", "  … and 6 more")
	// A narrower one may have broken the lines: nothing above is touched.
	width = 20
	before := s.row
	p.show.draw(p)
	if s.row != before+5 {
		t.Errorf("the cursor is in row %d, want %d", s.row, before+5)
	}
	for _, row := range s.rows[before:] {
		if n := len([]rune(row)); n >= width {
			t.Errorf("%q has %d columns of %d", row, n, width)
		}
	}
}

func TestPlainRenderer(t *testing.T) {
	var out strings.Builder
	p := newShown(&plainRenderer{w: &out})
	for i := range 2 {
		p.event(event(build.Planned, i, build.Event{}))
		p.event(event(build.Started, i, build.Event{}))
	}
	p.event(event(build.Finished, 0, build.Event{}))
	p.event(event(build.Failed, 1, build.Event{}))
	p.event(event(build.Planned, 2, build.Event{}))
	p.event(event(build.Finished, 2, build.Event{Cached: true}))
	p.show.finish(p)
	want := "build step0\nbuild step1\nbuilt step0 in #\nfailed: step1\n1 built, 1 unchanged, 1 failed, #\n"
	if diff := cmp.Diff(want, changing.ReplaceAllString(out.String(), "#")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What did not have to be done is told from what was not.
func TestOutcome(t *testing.T) {
	finished := func(cached bool) build.Event { return build.Event{Kind: build.Finished, Cached: cached} }
	failed := build.Event{Kind: build.Failed, Err: errors.New("no")}
	skipped := build.Event{Kind: build.Failed, Err: fmt.Errorf("x: %w", &build.SkippedError{Needs: "y"})}
	for _, c := range []struct {
		planned int
		events  []build.Event
		err     error
		want    string
	}{
		{2000, []build.Event{finished(false), finished(true)}, nil, "1 built, 1999 unchanged, #"},
		{2, []build.Event{finished(false), finished(false)}, nil, "2 built, #"},
		{1, []build.Event{finished(true), finished(true)}, nil, "0 built, 1 unchanged, #"},
		{5, []build.Event{finished(false), failed, skipped}, errors.New("no"), "1 built, 1 failed, 3 not done, #"},
		{5, []build.Event{finished(false), finished(true)}, errors.New("interrupted"), "1 built, 1 unchanged, 3 not done, #"},
	} {
		var out strings.Builder
		p := newShown(&plainRenderer{w: &out})
		for i := range c.planned {
			p.event(event(build.Planned, i, build.Event{}))
		}
		for i, e := range c.events {
			p.event(event(e.Kind, i, e))
		}
		p.finish(c.err)
		lines := strings.Split(strings.TrimSpace(changing.ReplaceAllString(out.String(), "#")), "\n")
		if got := lines[len(lines)-1]; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
