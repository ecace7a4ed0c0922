package main

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
)

// TestSignals: each signal asks less gently, and none is lost.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		building bool
		signals  []os.Signal
		want     []string
	}{
		{true, []os.Signal{os.Interrupt}, []string{"drain"}},
		{true, []os.Signal{os.Interrupt, os.Interrupt, os.Interrupt}, []string{"drain", "stop", "exit"}},
		{true, []os.Signal{os.Interrupt, syscall.SIGTERM}, []string{"drain", "stop"}},
		{true, []os.Signal{syscall.SIGTERM, os.Interrupt}, []string{"stop", "exit"}},
		{true, []os.Signal{syscall.SIGHUP}, []string{"stop"}},
		{false, []os.Signal{os.Interrupt, os.Interrupt}, []string{"stop", "exit"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		exited := false
		s := &signals{cancel: cancel, exit: func() { exited = true }}
		var drain <-chan struct{}
		if test.building {
			drain, _ = s.drain()
		}
		var got []string
		add := func(what string, is bool) {
			if is && !slices.Contains(got, what) {
				got = append(got, what)
			}
		}
		for _, sig := range test.signals {
			s.receive(sig)
			select {
			case <-drain:
				add("drain", true)
			default:
			}
			add("stop", ctx.Err() != nil)
			add("exit", exited)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("building %t, %v: got %q, want %q", test.building, test.signals, got, test.want)
		}
	}
}

// TestSignalsBetweenBuilds: what is asked between two builds counts for the next.
func TestSignalsBetweenBuilds(t *testing.T) {
	_, cancel := context.WithCancel(t.Context())
	s := &signals{cancel: cancel}
	_, end := s.drain()
	if end() {
		t.Error("nobody asked")
	}
	drain, end := s.drain()
	s.receive(os.Interrupt)
	<-drain
	if !end() {
		t.Error("it was asked")
	}
	drain, _ = s.drain()
	<-drain
}
