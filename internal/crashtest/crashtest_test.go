package crashtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const childEnv = "CRASHTEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child makes directories a, b and c, each from another thread's point of view,
// then replaces c by d.
func child(dir string) error {
	for _, name := range []string{"a", "b", "c"} {
		done := make(chan error)
		go func() { done <- os.Mkdir(filepath.Join(dir, name), 0o755) }()
		if err := <-done; err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(dir, "c"), filepath.Join(dir, "d"))
}

func TestRunKillsBeforeEveryStep(t *testing.T) {
	var dir string
	var got []string
	steps := Run(t, func() *exec.Cmd {
		dir = t.TempDir()
		return Self(t, childEnv+"="+dir)
	}, func(n int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		got = append(got, strings.Join(names, " "))
	})
	want := []string{"", "a", "a b", "a b c", "a b d"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("states %q, want %q", got, want)
	}
	if steps != 4 {
		t.Errorf("%d steps, want 4", steps)
	}
}

// Stopped is called once per step that was asked for, while the program is there
// and before it is killed.
func TestRunSome(t *testing.T) {
	var dir string
	var stopped, checked []int
	entries := func() int {
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		return len(all)
	}
	steps := RunSome(t, Some{First: 2, Every: 2, Stopped: func() {
		stopped = append(stopped, entries())
		if err := os.Mkdir(filepath.Join(dir, "stopped"), 0o755); err != nil {
			t.Error(err)
		}
	}}, func() *exec.Cmd {
		dir = t.TempDir()
		return Self(t, childEnv+"="+dir)
	}, func(n int) {
		checked = append(checked, n, entries())
	})
	if fmt.Sprint(stopped) != "[1 3]" || fmt.Sprint(checked) != "[2 2 4 4 5 3]" || steps != 4 {
		t.Errorf("stopped with %v entries, checked %v, %d steps", stopped, checked, steps)
	}
}

func TestStepsHoldsWhatMatters(t *testing.T) {
	list := " " + strings.Join(Steps(), " ") + " "
	for _, want := range []string{"renameat2", "linkat", "symlinkat", "unlinkat", "mkdirat", "fsync", "fdatasync", "syncfs"} {
		if !strings.Contains(list, " "+want+" ") {
			t.Errorf("%s is no step", want)
		}
	}
}

func TestTraceReportsExit(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	res, err := trace(Self(t, childEnv+"="+dir), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.killed || res.status.ExitStatus() != 1 {
		t.Errorf("killed %v, exit %d; want exit 1", res.killed, res.status.ExitStatus())
	}
}
