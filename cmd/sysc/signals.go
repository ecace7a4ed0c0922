package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// A signals ends a command when its user asks for it, less gently each time: an
// interrupt lets running builds finish, the next one stops them, the third ends
// the process. Other signals begin with stopping. Whoever is stopped cleans up.
type signals struct {
	cancel context.CancelFunc
	exit   func() // ends the process

	mu     sync.Mutex
	drains chan struct{} // of who can finish first, or nil
	asked  int           // the last step that was taken
}

// The steps of ending.
const (
	askedToDrain = 1 + iota
	askedToStop
	askedToExit
)

// handleSignals begins to listen. stop ends that.
func handleSignals(cancel context.CancelFunc) (s *signals, stop func()) {
	s = &signals{cancel: cancel, exit: func() { os.Exit(exitInterrupted) }}
	watched := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup, say
		watched = append(watched, syscall.SIGHUP)
	}
	received := make(chan os.Signal, 3)
	signal.Notify(received, watched...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-received:
				s.receive(sig)
			}
		}
	}()
	return s, func() {
		signal.Stop(received)
		close(done)
	}
}

// receive does what a signal asks for.
func (s *signals) receive(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; sig != os.Interrupt || s.drains == nil {
		s.asked = max(s.asked, askedToStop)
	}
	switch s.asked {
	case askedToDrain:
		close(s.drains)
	case askedToStop:
		s.cancel()
	default:
		s.exit()
	}
}

// drain returns a channel that is closed when what runs shall finish, and nothing
// more begin. end must be called when nothing runs any more, and reports whether it
// was closed. One at a time may finish. A nil signals never asks.
func (s *signals) drain() (drain <-chan struct{}, end func() bool) {
	if s == nil {
		return nil, func() bool { return false }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.drains = c
	if s.asked > 0 {
		close(c)
	}
	return c, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drains = nil
		return s.asked > 0
	}
}
