package main

import (
	"bytes"
	"testing"
	"time"

	"sysc/store/localstore"
)

func TestStepLine(t *testing.T) {
	const gib = 1 << 30
	whole := localstore.Step{Name: "Adding files", Files: 120, Bytes: gib, Size: 4 * gib, Part: 0.25}
	for _, c := range []struct {
		step    localstore.Step
		elapsed time.Duration
		width   int
		want    string
	}{
		{whole, 4 * time.Second, 0, "Adding files: 120 files, 1.0 GiB of 4.0 GiB, 25 %, 256.0 MiB/s, 12s left"},
		{whole, 4 * time.Second, 79, "Adding files: 120 files, 1.0 GiB of 4.0 GiB, 25 %, 256.0 MiB/s, 12s left"},
		{whole, 4 * time.Second, 60, "Adding files: 120 files, 1.0 GiB of 4.0 GiB, 25 %, 12s left"},
		{whole, 4 * time.Second, 40, "Adding files: 120 files, 25 %, 12s left"},
		{whole, 4 * time.Second, 30, "Adding files: 120 files, 25 %"},
		{whole, 4 * time.Second, 20, "Adding files: 25 %"},
		{whole, 4 * time.Second, 2, "Adding files"}, // the meter clips it
		{whole, time.Second / 2, 0, "Adding files: 120 files, 1.0 GiB of 4.0 GiB, 25 %, 0.5s"},
		{localstore.Step{Name: "Adding files", Files: 1, Bytes: 10}, 20 * time.Second, 0, "Adding files: 1 file, 10 B, 0 B/s, 20s"},
		{localstore.Step{Name: "Verifying objects", Files: 7, Part: 0.01}, time.Minute, 0, "Verifying objects: 7 files, 1 %, 1m00s"},
		{localstore.Step{Name: "Importing", Bytes: 6 << 20, Size: 600 << 20, Part: 0.01}, time.Minute, 0, "Importing: 6.0 MiB of 600.0 MiB, 1 %, 102.4 KiB/s, 1h39m0s left"},
		{localstore.Step{Name: "Importing", Bytes: 6, Size: 6e12, Part: 1e-12}, time.Minute, 0, "Importing: 6 B of 5.5 TiB, 0 %, 0 B/s, 1m00s"},
		{localstore.Step{Name: "Importing", Bytes: 6, Size: 6, Part: 1}, time.Minute, 0, "Importing: 6 B of 6 B, 100 %, 0 B/s, 0s left"},
		{localstore.Step{Name: "Writing to disk"}, 0, 0, "Writing to disk: 0.0s"},
	} {
		if got := stepLine(c.step, c.elapsed, c.width); got != c.want {
			t.Errorf("%+v after %v in %d columns:\n%q, want\n%q", c.step, c.elapsed, c.width, got, c.want)
		}
	}
}

// What a meter writes, and when.
func TestMeter(t *testing.T) {
	began := time.Unix(1_780_000_000, 0)
	step := localstore.Step{}
	var out bytes.Buffer
	m := &meter{w: &out, step: func() localstore.Step { return step }}
	after := func(d time.Duration, want string) {
		t.Helper()
		out.Reset()
		m.draw(began.Add(d))
		if out.String() != want {
			t.Errorf("after %v: %q, want %q", d, out.String(), want)
		}
	}
	width := 79
	m.width = func() int { return width }
	m.next = began.Add(meterPatience)
	after(meterPatience, "") // nothing is done yet
	step = localstore.Step{Name: "Adding files", Began: began, Files: 1}
	after(meterPatience-1, "")
	after(700*time.Millisecond, "\rAdding files: 1 file, 0.7s\x1b[J\r")
	after(701*time.Millisecond, "") // it looks the same
	after(800*time.Millisecond, "\rAdding files: 1 file, 0.8s\x1b[J\r")
	width = 22
	after(900*time.Millisecond, "\rAdding files: 1 file\x1b[J\r")
	width = 5
	after(900*time.Millisecond, "\rAddi…\x1b[J\r")
	width = 79
	after(-time.Second, "")
	after(2*time.Second, "\rAdding files: 1 file, 2.0s\x1b[J\r")

	out.Reset()
	m.above(func() { out.WriteString("talk\n") })
	m.above(func() { out.WriteString("more\n") })
	if got, want := out.String(), "\r\x1b[J\rtalk\nmore\n"; got != want {
		t.Errorf("talk above the line: %q, want %q", got, want)
	}
	after(3*time.Second, "\rAdding files: 1 file, 3.0s\x1b[J\r")

	m = &meter{w: &out, step: m.step, next: began.Add(plainInterval)}
	after(plainInterval-1, "")
	after(plainInterval, "Adding files: 1 file, 5.0s\n")
	after(2*plainInterval-1, "")
	after(2*plainInterval, "Adding files: 1 file, 10s\n")
}

// Who gets which meter.
func TestMeterMode(t *testing.T) {
	for _, c := range []struct {
		mode        string
		live, plain bool
	}{{"auto", false, true}, {"plain", false, true}, {"tree", true, false}, {"none", false, false}, {"json", false, false}} {
		a := newApp(&bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
		a.progress = c.mode
		m := a.newStoreMeter()
		if live, plain := m != nil && m.width != nil, m != nil && m.width == nil; live != c.live || plain != c.plain {
			t.Errorf("--progress %s without a terminal: live %v, plain %v", c.mode, live, plain)
		}
		m.end()
		m.end()
	}
}

// A meter of the store tells nothing of what the store did before.
func TestStoreMeter(t *testing.T) {
	a := newApp(&bytes.Buffer{}, &bytes.Buffer{}, func(string) string { return "" })
	a.progress = "auto"
	open := func() *localstore.Store {
		st, err := localstore.Open(t.Context(), t.TempDir(), a.storeOptions())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		return st
	}
	st := open()
	if _, err := st.Optimise(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := a.newStoreMeter()
	defer m.end()
	if got := m.step(); got.Name != "" {
		t.Errorf("before anything is done: %+v", got)
	}
	if _, err := st.Optimise(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := m.step(); got.Name != "Linking files" {
		t.Errorf("of what is done now: %+v", got)
	}
}
