package build

import (
	"context"
	"errors"
	"io"
	"testing"

	"sysc/store"
)

// Who follows a log gets what is written while it is, and then its end.
func TestFollowLog(t *testing.T) {
	dir, key := t.TempDir(), store.DerivationHash{1}
	running := RunningLogPath(dir, key)
	if alive, err := LogIsWritten(running); alive || err != nil {
		t.Errorf("before: %t, %v", alive, err)
	}
	l := newStepLog(LogPath(dir, key), func(string) {})
	io.WriteString(l, "one\n")
	r, err := FollowLog(t.Context(), running)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if alive, err := LogIsWritten(running); !alive || err != nil {
		t.Errorf("while it runs: %t, %v", alive, err)
	}
	want := func(text string) {
		t.Helper()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != text {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
	want("one\n") // flushed by itself
	io.WriteString(l, "two\n")
	want("two\n")
	io.WriteString(l, "three\n")
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || string(rest) != "three\n" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
}

func TestFollowLogEnds(t *testing.T) {
	dir, key := t.TempDir(), store.DerivationHash{1}
	l := newStepLog(LogPath(dir, key), func(string) {})
	io.WriteString(l, "begun")
	l.flush()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := FollowLog(ctx, RunningLogPath(dir, key))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, len("begun"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
	again, err := FollowLog(t.Context(), RunningLogPath(dir, key))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	l.file.Close() // as the kernel does for a process that was killed
	if got, err := io.ReadAll(again); string(got) != "begun" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("killed: %q, %v", got, err)
	}
	l.close()
}
