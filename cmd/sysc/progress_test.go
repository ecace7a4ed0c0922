package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
)

// newShown is a progress without a clock.
func newShown(show renderer) *progress {
	return &progress{jobs: 1, steps: map[derivations.Hash]*step{}, named: map[string]int{}, started: time.Now(), stop: make(chan struct{}), show: show}
}

func event(kind build.EventKind, i int, e build.Event) build.Event {
	e.Kind, e.Hash, e.Name = kind, derivations.Hash{byte(i)}, fmt.Sprintf("step%d", i)
	if e.Builder == "" {
		e.Builder = derivations.BuilderExec
	}
	return e
}

func TestLiveRenderer(t *testing.T) {
	s := &screen{t: t, width: 90}
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return s.width, 24 }})
	p.show.draw(p)
	s.check()
	hello := build.Event{Origin: derivations.Origin{Label: "derivation.hello"}}
	for i := range 3 {
		p.event(event(build.Planned, i, hello))
	}
	fetch := build.Event{Builder: builtin.BuilderFetch, Total: 2048, Origin: derivations.Origin{Label: "system.laptop"}}
	p.event(event(build.Planned, 3, fetch))
	p.event(event(build.Started, 3, fetch))
	p.event(event(build.Progress, 3, fetch))
	fetch.Done = 1024
	p.event(event(build.Progress, 3, fetch))
	for i := range 2 {
		p.event(event(build.Started, i, hello))
	}
	p.show.draw(p)
	live := []string{
		"# 0 of 4 steps, fetched 1.0 KiB of 2.0 KiB, #",
		"├─ derivation.hello", "│  ├─ build step0  #", "│  └─ build step1  #",
		"└─ system.laptop", "   └─ fetch step3  50 % of 2.0 KiB, #",
	}
	s.check(live...)

	// Lines that stay come above, in the same write.
	writes := s.writes
	p.event(event(build.Waiting, 1, build.Event{Line: "pid 7"}))
	s.check(append([]string{"waiting for pid 7"}, live...)...)
	if s.writes != writes+1 {
		t.Errorf("%d writes, want 1", s.writes-writes)
	}

	// Fewer lines leave nothing behind, and what has failed will not be fetched.
	p.event(event(build.Finished, 0, hello))
	p.event(event(build.Failed, 3, build.Event{Builder: builtin.BuilderFetch, Err: errors.New("no")}))
	p.show.draw(p)
	s.check("waiting for pid 7", "failed: step3", "# 2 of 4 steps, #", "└─ derivation.hello", "   └─ build step1  #")
	p.show.finish(p)
	s.check("waiting for pid 7", "failed: step3", "1 built, 1 failed, 2 not done, fetched 1.0 KiB, #")
	if s.row != 3 || s.column != 0 {
		t.Errorf("the cursor is left in row %d, column %d", s.row, s.column)
	}
}

// What others say stands above the lines, too.
func TestSayAbove(t *testing.T) {
	s := &screen{t: t, width: 80}
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return s.width, 24 }})
	a := newApp(io.Discard, s, func(string) string { return "" })
	a.say("first")
	a.drawn = p
	p.event(event(build.Planned, 0, build.Event{}))
	p.show.draw(p)
	s.check("first", "# 0 of 1 step, #")
	a.say("Waiting for %s", "the store")
	s.check("first", "Waiting for the store")
	p.show.draw(p)
	s.check("first", "Waiting for the store", "# 0 of 1 step, #")
	p.show.finish(p)
	a.say("last")
	s.check("first", "Waiting for the store", "last")
}

// What does not change is not written again.
func TestLiveRendererIdle(t *testing.T) {
	s, height := &screen{t: t, width: 80}, 24
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return s.width, height }})
	p.event(event(build.Planned, 0, build.Event{}))
	p.started = time.Now().Add(-time.Hour) // so long that tenths are not shown
	p.show.draw(p)
	writes := s.writes
	for range 5 {
		p.show.draw(p)
	}
	if s.writes > writes+1 { // a second may have ended
		t.Errorf("%d writes", s.writes-writes)
	}
	// But the terminal may have lost it.
	writes = s.writes
	height--
	p.show.draw(p)
	if s.writes != writes+1 {
		t.Errorf("%d writes after a change of size", s.writes-writes)
	}
}

// What fits is shown, programs first. What makes a thing itself needs no heading.
func TestLiveRendererHeights(t *testing.T) {
	height := 24
	s := &screen{t: t, width: 60}
	p := newShown(&liveRenderer{w: s, size: func() (int, int) { return s.width, height }})
	for i := range 20 {
		e := event(build.Planned, i, build.Event{Builder: builtin.BuilderUnpack, Origin: derivations.Origin{Label: "system.laptop"}})
		if i >= 16 {
			e = event(build.Planned, i, build.Event{Origin: derivations.Origin{Label: "derivation.hello"}})
		}
		switch i {
		case 18:
			e.Origin.Label = `fetchurl("https://example.org/step18")`
		case 19:
			e.Name, e.Origin.Label = "step19-1.0", "derivation.step19"
		}
		p.event(e)
		p.steps[e.Hash].since = time.Unix(int64(i), 0)
	}
	all := []string{
		"├─ derivation.hello", "│  ├─ build step16", "│  └─ build step17", "├─ build step19-1.0", "├─ build step18",
		"├─ system.laptop", "│  ├─ unpack step0", "│  ├─ unpack step1", "│  ├─ unpack step2", "│  ├─ unpack step3", "│  └─ unpack step4",
		"└─ … and 11 more steps",
	}
	for _, c := range []struct {
		height int
		want   []string
	}{
		{80, all},
		{24, all},
		{10, []string{"├─ derivation.hello", "│  ├─ build step16", "│  └─ build step17", "├─ build step19-1.0", "├─ build step18", "├─ system.laptop", "│  └─ unpack step0", "└─ … and 15 more steps"}},
		{9, []string{"├─ derivation.hello", "│  ├─ build step16", "│  └─ build step17", "├─ build step19-1.0", "├─ build step18", "└─ … and 16 more steps"}},
		{6, []string{"├─ derivation.hello", "│  ├─ build step16", "│  └─ build step17", "└─ … and 18 more steps"}},
		{5, []string{"├─ derivation.hello", "│  └─ build step16", "└─ … and 19 more steps"}},
		{4, []string{"└─ … and 20 more steps"}},
		{3, []string{"└─ … and 20 more steps"}},
		{2, nil},
		{1, nil},
	} {
		height = c.height
		p.show.draw(p)
		got := s.text()[1:]
		for i, row := range got {
			if cut := strings.LastIndex(row, "  "); cut > 4 {
				got[i] = row[:cut]
			}
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%d rows: -want +got:\n%s", c.height, diff)
		}
	}
}

// A terminal may change its size at any time, and leaves nothing stale, whether it
// breaks lines or cuts them.
func TestLiveRendererWidths(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		s := &screen{t: t, width: 100}
		said := 100
		p := newShown(&liveRenderer{w: s, size: func() (int, int) { return said, 24 }})
		fetch := build.Event{Builder: builtin.BuilderFetch, Total: 20 << 20, Origin: derivations.Origin{Label: "derivation." + strings.Repeat("long-", 10)}}
		for i := range 3 {
			e := event(build.Planned, i, fetch)
			e.Name = "a-package-with-a-long-name_1.2.3-4_amd64.deb"
			p.event(e)
			e.Kind = build.Started
			p.event(e)
			e.Kind, e.Done = build.Progress, 5<<20
			p.event(e)
		}
		p.event(event(build.Waiting, 0, build.Event{Line: "pid 7"}))
		for _, width := range []int{99, 60, 37, 36, 80, 24, 20, 100} {
			s.resize(width, breaks)
			p.event(event(build.Progress, 0, fetch)) // and one draws before it knows
			p.show.draw(p)
			said = width
			p.show.draw(p)
			rows := s.text()
			if len(rows) != 6 || rows[0] != "waiting for pid 7" || !strings.Contains(rows[1], " 0 of 3 steps") || !strings.HasPrefix(rows[2], "└─ derivation.long") {
				t.Fatalf("%d columns, breaks %t:\n%s", width, breaks, strings.Join(rows, "\n"))
			}
			for _, row := range rows {
				if n := len([]rune(row)); n >= width {
					t.Errorf("%q has %d columns of %d", row, n, width)
				}
			}
		}
		p.show.finish(p)
	}
}

// What matters most of a step is left when a line is short.
func TestDescribeStep(t *testing.T) {
	const kib, second = 1 << 10, time.Second
	compiler := step{name: "gcc-14-x86-64-linux-gnu_14.2.0-19_amd64.deb", builder: builtin.BuilderFetch, done: 30 * kib, total: 120 * kib}
	for _, c := range []struct {
		step  step
		runs  time.Duration
		width int
		want  string
	}{
		{compiler, 12 * second, 100, "fetch gcc-14-x86-64-linux-gnu_14.2.0-19_amd64.deb  25 % of 120.0 KiB, 2.5 KiB/s, 12s"},
		{compiler, 12 * second, 76, "fetch gcc-14-x86-64-linux-gnu_14.2.0-19_…  25 % of 120.0 KiB, 2.5 KiB/s, 12s"},
		{compiler, 12 * second, 50, "fetch gcc-14-x86-64…  25 % of 120.0 KiB, 2.5 KiB/s"},
		{compiler, 12 * second, 36, "fetch gcc-14-x86…  25 % of 120.0 KiB"},
		{compiler, 12 * second, 20, "fetch gcc-14-x86-64…"},
		{compiler, second / 2, 100, "fetch gcc-14-x86-64-linux-gnu_14.2.0-19_amd64.deb  25 % of 120.0 KiB, 0.5s"},
		{step{name: "a", builder: builtin.BuilderFetch, done: 5, total: 5}, 2 * second, 80, "fetch a  5 B, 2.0s"},
		{step{name: "a", builder: builtin.BuilderFetch, done: 5, total: -1}, second / 2, 80, "fetch a  5 B, 0.5s"},
		{step{name: "a", builder: builtin.BuilderGit, total: -1}, second / 2, 80, "fetch a  0.5s"},
		{step{name: "a", builder: builtin.BuilderGit, done: 5, total: -1}, second / 2, 80, "fetch a  5 B, 0.5s"},
		{step{name: "a", builder: builtin.BuilderUnpack}, second / 2, 80, "unpack a  0.5s"},
		{step{name: "a", builder: builtin.BuilderUnpack, done: 30 * kib, total: 120 * kib, expected: 5 * second}, 2 * second, 80, "unpack a  25 % of 120.0 KiB, 2.0s of about 5s"},
		{step{name: "a", builder: builtin.BuilderCompose, done: 1, total: 3}, second / 2, 80, "compose a  33 %, 0.5s"},
		{step{name: "a", builder: builtin.BuilderUnpack, done: kib, total: kib}, 2 * second, 80, "unpack a  2.0s"},
		{step{name: "a", builder: "builtin:system"}, second / 2, 80, "system a  0.5s"},
		{step{name: "a", builder: derivations.BuilderExec}, 90 * second, 80, "build a  1m30s"},
		{step{name: "a", builder: derivations.BuilderExec, expected: second}, second / 2, 80, "build a  0.5s"},
		{step{name: "a", builder: derivations.BuilderExec, expected: 41 * second}, 12 * second, 80, "build a  12s of about 40s"},
		{step{name: "a", builder: derivations.BuilderExec, expected: 41 * second}, 41*second + second/2, 80, "build a  42s, usually 40s"},
		{step{name: "a", builder: derivations.BuilderExec, expected: 3 * time.Minute}, 75 * second, 80, "build a  1m15s of about 3 min"},
	} {
		now := time.Now()
		c.step.since = now.Add(-c.runs)
		if got := c.step.describe(c.width, now); got != c.want {
			t.Errorf("in %d columns: got %q, want %q", c.width, got, c.want)
		}
	}
}

// What matters most of a build is left when a line is short.
func TestSummary(t *testing.T) {
	p := newShown(silentRenderer{})
	for i := range 20 {
		p.event(event(build.Planned, i, build.Event{Builder: builtin.BuilderFetch, Total: 1 << 20}))
		p.event(event(build.Started, i, build.Event{Builder: builtin.BuilderFetch}))
	}
	for _, done := range []int64{0, 1 << 20} {
		p.event(event(build.Progress, 0, build.Event{Done: done, Total: 1 << 20}))
	}
	p.event(event(build.Finished, 0, build.Event{}))
	const elapsed = 12 * time.Second
	p.started, p.fetching = time.Now().Add(-elapsed), stopwatch{before: elapsed}
	for width, want := range map[int]string{
		200: "1 of 20 steps, fetched 1.0 MiB of 20.0 MiB, 85.3 KiB/s, 12s, about 4 min left",
		70:  "1 of 20 steps, fetched 1.0 MiB of 20.0 MiB, 12s, about 4 min left",
		60:  "1 of 20 steps, fetched 1.0 MiB of 20.0 MiB, about 4 min left",
		40:  "1 of 20 steps, about 4 min left",
		25:  "1 of 20 steps",
	} {
		if got := p.summary(width); got != want {
			t.Errorf("in %d columns: got %q, want %q", width, got, want)
		}
	}
}

// A download of unknown size makes the total a least one, until it has told.
func TestSummaryOfUnknownSizes(t *testing.T) {
	p := newShown(silentRenderer{})
	p.event(event(build.Planned, 0, build.Event{Builder: builtin.BuilderFetch, Total: 1 << 20}))
	p.event(event(build.Planned, 1, build.Event{Builder: builtin.BuilderFetch, Total: -1}))
	check := func(want string) {
		t.Helper()
		if got := p.summary(200); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check("fetched 0 B of at least 1.0 MiB")
	p.event(event(build.Started, 1, build.Event{Builder: builtin.BuilderFetch}))
	p.event(event(build.Progress, 1, build.Event{Builder: builtin.BuilderFetch, Total: 1 << 20}))
	check("fetched 0 B of 2.0 MiB")
}

// How long it will take still, and when that is not said.
func TestTimeLeft(t *testing.T) {
	const second = time.Second
	now := time.Now()
	program := func(expected, ran, behind time.Duration) *step {
		s := &step{builder: derivations.BuilderExec, expected: expected, behind: behind}
		if ran > 0 {
			s.since = now.Add(-ran)
		}
		return s
	}
	inside := func(expected time.Duration) *step { return &step{builder: builtin.BuilderUnpack, expected: expected} }
	fetch := func(done, total int64, behind time.Duration) *step {
		return &step{builder: builtin.BuilderFetch, done: done, total: total, behind: behind}
	}
	for _, c := range []struct {
		what    string
		jobs    int
		fetched int64 // in ten seconds
		steps   []*step
		want    string
	}{
		{"nothing", 1, 0, nil, ""},
		{"nobody knows", 2, 0, []*step{program(0, 0, 0), inside(0)}, ""},
		{"one that runs", 2, 0, []*step{program(40*second, 12*second, 0)}, "about 30s left"},
		{"one after the other", 1, 0, []*step{program(10*second, 0, 0), program(10*second, 0, 0), inside(10 * second), inside(10 * second)}, "about 40s left"},
		{"two at once", 2, 0, []*step{program(10*second, 0, 0), program(10*second, 0, 0), inside(10 * second), inside(10 * second)}, "about 20s left"},
		{"a long one beside short ones", 4, 0, []*step{program(60*second, 0, 0), program(second, 0, 0)}, "about 60s left"},
		{"a chain", 4, 0, []*step{program(10*second, 4*second, 120*second), program(60*second, 0, 60*second), program(60*second, 0, 0)}, "about 2 min left"},
		{"all but done", 1, 0, []*step{program(10*second, 9500*time.Millisecond, 0)}, ""},
		{"late", 1, 0, []*step{program(10*second, 20*second, 0)}, ""},
		{"late, and something behind it", 1, 0, []*step{program(10*second, 20*second, 15*second), program(15*second, 0, 0)}, "at least 15s left"},
		{"new programs", 1, 0, []*step{program(0, second, 15*second), program(15*second, 0, 0)}, "at least 15s left"},
		{"mostly new programs", 1, 0, []*step{program(0, second, 15*second), program(0, 0, 15*second), program(15*second, 0, 0)}, ""},
		{"small new steps", 1, 0, []*step{inside(0), inside(0), inside(0), program(15*second, 0, 0)}, "about 15s left"},
		{"a download", 1, 100, []*step{fetch(100, 300, 0)}, "about 20s left"},
		{"downloads, and the least behind one", 1, 100, []*step{fetch(50, 200, 8*second), fetch(50, 100, 5*second), inside(5 * second), inside(3 * second)}, "about 25s left"},
		{"a download, and new programs", 1, 100, []*step{fetch(0, 200, 0), program(0, 0, 0)}, "at least 20s left"},
		{"a download of unknown size", 1, 100, []*step{fetch(20, -1, 0), program(30*second, second, 0)}, "at least 30s left"},
		{"nothing has come yet", 1, 0, []*step{fetch(0, 200, 0), program(60*second, 0, 0)}, ""},
		{"next to nothing has come", 1, 1, []*step{fetch(0, 1<<60, 0)}, ""},
		{"a repository", 1, 0, []*step{{builder: builtin.BuilderGit, total: -1}, program(30*second, 0, 0)}, "at least 30s left"},
		{"years", 1, 0, []*step{program(1000*time.Hour, 0, 0)}, ""},
	} {
		p := newShown(silentRenderer{})
		p.jobs, p.fetched, p.fetching = c.jobs, c.fetched, stopwatch{before: 10 * second}
		for i, s := range c.steps {
			p.steps[derivations.Hash{byte(i)}] = s
		}
		if got := p.timeLeft(now); got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}

// The rate of downloads is that of the time in which there are any.
func TestStopwatch(t *testing.T) {
	var w stopwatch
	if w.elapsed() != 0 {
		t.Error("it began by itself")
	}
	w.start()
	w.start()
	w.since = w.since.Add(-time.Minute)
	w.stop()
	if got := w.elapsed().Round(time.Minute); got != time.Minute {
		t.Errorf("one runs still: %v", got)
	}
	w.stop()
	before := w.elapsed()
	w.since = w.since.Add(-time.Hour)
	if w.elapsed() != before || before.Round(time.Minute) != time.Minute {
		t.Errorf("none runs: %v", w.elapsed())
	}
	w.start()
	w.since = w.since.Add(-time.Minute)
	if got := w.elapsed().Round(time.Minute); got != 2*time.Minute {
		t.Errorf("another one: %v", got)
	}
}

// What is to be fetched is told by the plan, or by servers, or not at all.
func TestFetched(t *testing.T) {
	p := newShown(silentRenderer{})
	fetch := func(kind build.EventKind, i int, done, total int64) {
		p.event(event(kind, i, build.Event{Builder: builtin.BuilderFetch, Done: done, Total: total}))
	}
	check := func(fetched, bytes int64) {
		t.Helper()
		if p.fetched != fetched || p.bytes != bytes {
			t.Errorf("fetched %d of %d, want %d of %d", p.fetched, p.bytes, fetched, bytes)
		}
	}
	fetch(build.Planned, 0, 0, 100)
	for i := 1; i < 4; i++ {
		fetch(build.Planned, i, 0, -1)
	}
	fetch(build.Planned, 4, 0, 1000)
	check(0, 1100)
	for i := range 4 {
		fetch(build.Started, i, 0, 0)
		fetch(build.Progress, i, 0, p.steps[event(0, i, build.Event{}).Hash].total)
	}
	fetch(build.Progress, 0, 50, 100)
	fetch(build.Progress, 1, 10, 20)
	fetch(build.Progress, 2, 7, -1)
	check(67, 1127)
	fetch(build.Progress, 0, 0, 100) // from another mirror
	check(17, 1127)
	fetch(build.Progress, 0, 100, 100)
	fetch(build.Finished, 0, 0, 0)
	fetch(build.Failed, 1, 0, 0)
	check(117, 1117)
	p.event(event(build.Finished, 4, build.Event{Builder: builtin.BuilderFetch, Cached: true}))
	check(117, 117)
	if p.fetching.running != 2 {
		t.Errorf("%d are running", p.fetching.running)
	}
}

// What an earlier run has left is not fetched, and says nothing of the rate.
func TestFetchedBefore(t *testing.T) {
	p := newShown(silentRenderer{})
	fetch := func(kind build.EventKind, done int64) {
		p.event(event(kind, 0, build.Event{Builder: builtin.BuilderFetch, Done: done, Total: 100}))
	}
	check := func(fetched, bytes int64) {
		t.Helper()
		if p.fetched != fetched || p.bytes != bytes {
			t.Errorf("fetched %d of %d, want %d of %d", p.fetched, p.bytes, fetched, bytes)
		}
	}
	fetch(build.Planned, 0)
	fetch(build.Started, 0)
	fetch(build.Progress, 90)
	check(0, 10)
	fetch(build.Progress, 95)
	check(5, 10)
	fetch(build.Progress, 20) // it was part of something else
	check(0, 80)
	fetch(build.Progress, 100)
	fetch(build.Finished, 0)
	check(80, 80)
}

// What was never planned is no part of what is done.
func TestFinishedUnplanned(t *testing.T) {
	p := newShown(silentRenderer{})
	p.event(event(build.Planned, 0, build.Event{}))
	p.event(event(build.Finished, 1, build.Event{Cached: true}))
	p.event(event(build.Finished, 0, build.Event{}))
	if p.done != 1 || p.total != 1 || p.cached != 0 {
		t.Errorf("%d of %d done, %d cached", p.done, p.total, p.cached)
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
	p.event(event(build.Failed, 9, build.Event{Err: &build.SkippedError{Needs: "step1"}}))
	p.event(event(build.Planned, 2, build.Event{}))
	p.event(event(build.Finished, 2, build.Event{Cached: true}))
	p.show.finish(p)
	want := "build step0\nbuild step1\nbuilt step0 in #\nfailed: step1\n1 built, 1 unchanged, 1 failed, #\n"
	if diff := cmp.Diff(want, changing.ReplaceAllString(out.String(), "#")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Several steps of one name are told apart.
func TestPlainRendererOfEqualNames(t *testing.T) {
	var out strings.Builder
	p := newShown(&plainRenderer{w: &out})
	root := func(kind build.EventKind, i int, e build.Event) {
		e = event(kind, i, e)
		e.Name, e.Origin.Label = "debian-root", fmt.Sprintf("derivation.d%d", i)
		p.event(e)
	}
	for i := range 2 {
		root(build.Planned, i, build.Event{})
	}
	root(build.Started, 0, build.Event{})
	root(build.Finished, 0, build.Event{})
	root(build.Started, 1, build.Event{})
	root(build.Failed, 1, build.Event{})
	want := "build debian-root for derivation.d0\nbuilt debian-root for derivation.d0 in #\nbuild debian-root for derivation.d1\nfailed: debian-root for derivation.d1\n"
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
