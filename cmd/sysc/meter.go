package main

import (
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sysc/internal/bytesize"
	"sysc/store/localstore"
)

// A meter shows how far a long piece of work is: on a terminal a line that
// changes, elsewhere a line now and then. What is done soon is done in silence.
// A nil meter shows nothing. It is safe for concurrent use.
type meter struct {
	w     io.Writer
	width func() int // of a line on the terminal; nil: w is none
	step  func() localstore.Step

	stop    chan struct{}
	stopped sync.WaitGroup

	mu   sync.Mutex
	next time.Time // when to write again
	line string    // on the screen now
}

const (
	meterPatience = 500 * time.Millisecond // how long nothing is shown on a terminal
	meterInterval = 100 * time.Millisecond
)

// newMeter returns a meter that asks step what is being done. end must be called
// before the command prints its result.
func (a *app) newMeter(step func() localstore.Step) *meter {
	m := &meter{w: a.err, step: step, stop: make(chan struct{})}
	patience := plainInterval
	switch a.progressMode() {
	case "tree":
		patience = meterPatience
		m.width = func() int { return lineWidth(a.err) }
	case "plain":
	default:
		return nil
	}
	m.next = time.Now().Add(patience)
	a.drawn = m
	m.stopped.Go(m.tick)
	return m
}

// newStoreMeter returns a meter for what the store is going to do.
func (a *app) newStoreMeter() *meter {
	began := time.Now()
	return a.newMeter(func() localstore.Step {
		s := a.work.Now()
		if s.Began.Before(began) {
			return localstore.Step{} // of an earlier call
		}
		return s
	})
}

// tick draws until end is called.
func (m *meter) tick() {
	ticker := time.NewTicker(meterInterval)
	defer ticker.Stop()
	for {
		select {
		case <-m.stop:
			return
		case now := <-ticker.C:
			m.draw(now)
		}
	}
}

func (m *meter) draw(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.next) {
		return
	}
	s := m.step()
	if s.Name == "" {
		return
	}
	elapsed := max(now.Sub(s.Began), 0) // it may have begun after the tick
	if m.width == nil {
		m.next = now.Add(plainInterval)
		fmt.Fprintln(m.w, stepLine(s, elapsed, 0))
		return
	}
	width := m.width()
	if line := shorten(stepLine(s, elapsed, width), width); line != m.line {
		drawLine(m.w, line)
		m.line = line
	}
}

func (m *meter) above(write func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
	write()
}

func (m *meter) erase() {
	if m.line != "" {
		drawLine(m.w, "")
		m.line = ""
	}
}

// end removes the line. It may be called again.
func (m *meter) end() {
	if m == nil || m.stop == nil {
		return
	}
	close(m.stop)
	m.stopped.Wait()
	m.stop = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
}

// stepLine describes a step that began so long ago, in at most width columns, if
// width is not 0:
// "Adding files: 120 files, 1.2 GiB of 4.0 GiB, 30 %, 400.0 MiB/s, 7s left".
func stepLine(s localstore.Step, elapsed time.Duration, width int) string {
	var files, bytes, part string
	duration := formatDuration(elapsed)
	if s.Files > 0 {
		files = plural(int(s.Files), "file")
	}
	if s.Bytes > 0 {
		if bytes = bytesize.Format(s.Bytes); s.Size > 0 {
			bytes += " of " + bytesize.Format(s.Size)
		}
	}
	if s.Part > 0 {
		part = fmt.Sprintf("%d %%", int(s.Part*100))
	}
	// Only bytes of which there are so many take about the same time each.
	if s.Size > 0 && s.Part > 0 && elapsed >= settled {
		duration = timeLeft(elapsed, s.Part)
	}
	const sep = ": "
	if width == 0 {
		width = math.MaxInt
	}
	facts := joinFacts(width-len(s.Name)-len(sep),
		fact{files, 4}, fact{bytes, 2}, fact{part, 5}, fact{formatRate(s.Bytes, elapsed), 1}, fact{duration, 3})
	if facts == "" {
		return s.Name
	}
	return s.Name + sep + facts
}

// timeLeft guesses from how long a part of the work took: "7s left". Nothing is
// said of more than a day: that is no guess.
func timeLeft(elapsed time.Duration, part float64) string {
	left := elapsed.Seconds() * (1 - part) / part
	if left > longestGuess.Seconds() {
		return formatDuration(elapsed)
	}
	return fmt.Sprintf("%v left", time.Duration(math.Ceil(left))*time.Second)
}

// A transfer is a step of store/export, for a meter. It is safe for concurrent use.
type transfer struct {
	name        string
	began       time.Time
	done, total atomic.Int64
}

func newTransfer(name string) *transfer { return &transfer{name: name, began: time.Now()} }

// progress is an export.Progress.
func (t *transfer) progress(done, total int64) {
	t.total.Store(total)
	t.done.Store(done)
}

func (t *transfer) step() localstore.Step {
	s := localstore.Step{Name: t.name, Began: t.began, Bytes: t.done.Load(), Size: t.total.Load()}
	if s.Size > 0 {
		s.Part = float64(s.Bytes) / float64(s.Size)
	}
	return s
}
