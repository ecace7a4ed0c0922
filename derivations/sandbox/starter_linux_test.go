package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shared returns what sandboxes of a test share, until it ends.
func shared(t *testing.T) *Shared {
	t.Helper()
	s := &Shared{}
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// starters returns the processes of this one that start sandboxes.
func starters(t *testing.T) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	must(t, err)
	for _, list := range lists {
		children, _ := os.ReadFile(list) // of a thread that may have ended
		for _, child := range strings.Fields(string(children)) {
			line, err := os.ReadFile("/proc/" + child + "/cmdline")
			if err == nil && string(line) == starterName+"\x00" {
				pid, err := strconv.Atoi(child)
				must(t, err)
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestStarter(t *testing.T) {
	s := &Shared{}
	var all sync.WaitGroup
	for code := range 8 {
		f := newFixture(t).builder("exit", fmt.Sprint(code))
		f.spec.Shared = s
		f.spec.WritableRoot = code%2 == 1
		all.Go(func() {
			if res, err := Run(t.Context(), f.spec); err != nil || res.ExitCode != code {
				t.Errorf("got %+v, %v, want %d", res, err, code)
			}
		})
	}
	all.Wait()
	if got := starters(t); len(got) != 1 {
		t.Errorf("starters: %v", got)
	}
	must(t, s.Close())
	if got := starters(t); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
	// Without it, it works all the same.
	f := newFixture(t).builder("arguments", "x")
	f.spec.Shared = s
	if got := f.output(); got != "[\"x\"]\n" {
		t.Errorf("got %q", got)
	}
	if got := starters(t); len(got) != 0 {
		t.Errorf("another one: %v", got)
	}
}

func TestStarterPassesErrorsOn(t *testing.T) {
	s, err := newStarter()
	must(t, err)
	null := devNull(t)
	_, err = s.start(&Spec{UID: 1, GID: 1}, &host{uid: -1, gid: -1}, []*os.File{null, null, null, null})
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
	must(t, s.close())
}

func TestStarterThatIsKilled(t *testing.T) {
	f := newFixture(t).builder("beat", "/build/beat")
	f.spec.Shared = &Shared{}
	path := filepath.Join(f.build, "beat")
	go func() {
		waitFor(path)
		for _, pid := range starters(t) {
			unix.Kill(pid, unix.SIGKILL)
		}
	}()
	if _, err := Run(t.Context(), f.spec); err == nil {
		t.Error("no error")
	}
	checkStill(t, path)
	f.spec.Shared.Close() // it says how the starter ended
}

// TestStarterOfNobody starts one without a socket.
func TestStarterOfNobody(t *testing.T) {
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{starterName}}
	done := make(chan error, 1)
	must(t, cmd.Start())
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		t.Error("it stays")
	}
}
