package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/internal/cgroup"
)

// TestMemoryRunsOut runs itself where there is little memory, and a program there that
// wants much.
func TestMemoryRunsOut(t *testing.T) {
	if os.Getenv("SYSC_TEST_MEMORY") != "" {
		w := newWorld(t).withRoot()
		_, err := w.realise(w.exec("hungry", "eat 300"))
		var memory *MemoryError
		if !errors.As(err, &memory) || !errors.Is(err, unix.ENOMEM) || memory.Killed != 1 {
			t.Errorf("got %v", err)
		}
		return
	}
	group := littleMemory(t)
	program := toolPath(t)
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$1"/cgroup.procs && exec "$0" -test.run '^TestMemoryRunsOut$'`, selfPath(t), group)
	cmd.Env = append(os.Environ(), "SYSC_TEST_MEMORY=1", toolVariable+"="+program)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, bytes.TrimSpace(out))
	}
}

// littleMemory makes a control group of 150 MiB, of either version.
func littleMemory(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a control group")
	}
	for top, limits := range map[string][]string{
		"/sys/fs/cgroup":        {"memory.max", "memory.swap.max"},
		"/sys/fs/cgroup/memory": {"memory.limit_in_bytes"},
	} {
		group := filepath.Join(top, "sysc-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(group) })
		if _, err := os.Stat(filepath.Join(group, "cgroup.procs")); err != nil {
			continue // a directory like any other
		}
		bounded := 0
		for _, limit := range limits {
			value := []byte("157286400")
			if limit == "memory.swap.max" {
				value = []byte("0")
			}
			if os.WriteFile(filepath.Join(group, limit), value, 0o644) == nil {
				bounded++
			}
		}
		if bounded > 0 {
			return group
		}
	}
	t.Skip("needs a control group of memory that can be made")
	return ""
}

func selfPath(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeExecutor is a machine on which every program ends alike.
type fakeExecutor struct {
	result ExecResult
	limits cgroup.Limits // that it was asked for
}

func (e *fakeExecutor) Run(_ context.Context, r ExecRequest) (ExecResult, error) {
	e.limits = r.Limits
	return e.result, nil
}

// What a control group tells is certain, whatever else the machine does.
func TestControlGroupTells(t *testing.T) {
	limits := cgroup.Limits{Memory: 1 << 30, Processes: 100}
	for want, outcome := range map[string]cgroup.Outcome{
		"build x (derivation.x): /bin/tool exited with code 2; it may use 1.0 GiB of memory and wanted more: the kernel killed a process of it": {Killed: 1},
		"build x (derivation.x): /bin/tool exited with code 2; it may have 100 processes at once and wanted more":                               {Refused: 7},
		"build x (derivation.x): /bin/tool exited with code 2":                                                                                  {},
	} {
		w := newWorld(t).withRoot()
		machine := &fakeExecutor{result: ExecResult{ExitCode: 2, Grouped: true, Outcome: outcome}}
		w.opts.Exec, w.opts.Limits = machine, limits
		_, err := w.realise(w.exec("x", "true"))
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if got := errors.Is(err, unix.ENOMEM); got != (outcome.Killed > 0) {
			t.Errorf("%v: lack of memory: %v", err, got)
		}
		if machine.limits != limits {
			t.Errorf("limits of %+v", machine.limits)
		}
	}
}

// Limits that cannot be set are not forgotten.
func TestLimitsWithoutGroups(t *testing.T) {
	w := newWorld(t).withRoot()
	s := &Sandbox{}
	defer s.Close()
	s.once.Do(func() { s.noGroups = cgroup.ErrVersion })
	w.opts.Exec = s
	x := w.exec("x", "write $out x")
	w.opts.Limits = cgroup.Limits{Memory: 1}
	var limits *LimitsError
	if _, err := w.realise(x); !errors.As(err, &limits) || !errors.Is(err, cgroup.ErrVersion) {
		t.Errorf("got %v", err)
	}
	w.opts.Limits = cgroup.Limits{}
	w.mustRealise(x)
}

func TestMemoryErrorNeedsEvidence(t *testing.T) {
	if now := killedForMemory(); now < 0 {
		t.Errorf("/proc/vmstat says %d", now)
	}
	failed := &ExitError{Program: "x", Signal: unix.SIGKILL.String()}
	if err := orMemory(failed, 7, 7); err != error(failed) || failed.Unsure {
		t.Errorf("nothing was killed: %v", err)
	}
	if got, want := orMemory(failed, -1, -1).Error(), "x was killed, perhaps for lack of memory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The kernel's count is the whole machine's: only a program that was killed is said to
// have lacked memory.
func TestMemoryRanOutElsewhere(t *testing.T) {
	for _, test := range []struct {
		exit ExitError
		want bool
	}{
		{ExitError{Program: "x", Code: 3}, false},
		{ExitError{Program: "x", Signal: unix.SIGSEGV.String()}, false},
		{ExitError{Program: "x", Code: killedCode}, true},
		{ExitError{Program: "x", Signal: unix.SIGKILL.String()}, true},
	} {
		err := orMemory(&test.exit, 0, 1)
		var memory *MemoryError
		if !errors.As(err, &memory) || memory.Killed != 1 || !errors.As(err, new(*ExitError)) {
			t.Errorf("%v: got %v", test.exit, err)
		}
		if got := errors.Is(err, unix.ENOMEM); got != test.want {
			t.Errorf("%v: lack of memory: %v", err, got)
		}
	}
}
