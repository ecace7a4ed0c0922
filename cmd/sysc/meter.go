package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"sysc/internal/bytesize"
)

// A meter shows how many bytes of a long piece of work are done: on a terminal a
// line that changes, elsewhere nothing. It is safe for concurrent use.
type meter struct {
	w    io.Writer // nil: show nothing
	what string

	mu    sync.Mutex
	began time.Time
	shown time.Time
}

// newMeter returns a meter for what is being done, as in "Importing".
func (a *app) newMeter(what string) *meter {
	m := &meter{what: what, began: time.Now()}
	if a.progress != "none" && a.width(a.err) > 0 {
		m.w = a.err
	}
	return m
}

// show is told how much is done; a total of 0 is not known.
func (m *meter) show(done, total int64) {
	const interval = 100 * time.Millisecond
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.w == nil || now.Sub(m.began) < interval || now.Sub(m.shown) < interval {
		return
	}
	m.shown = now
	text := fmt.Sprintf("%s: %s", m.what, bytesize.Format(done))
	if total > 0 {
		text += fmt.Sprintf(" of %s (%d %%)", bytesize.Format(total), done*100/total)
	}
	rate := float64(done) / now.Sub(m.began).Seconds()
	fmt.Fprintf(m.w, "\r\x1b[K%s, %s/s", text, bytesize.Format(int64(rate)))
}

// end removes the line.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.w != nil && !m.shown.IsZero() {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
	m.w = nil
}
