package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"sysc/derivations/sandbox"
)

// checkFinding compares a finding's state and part of its fix.
func checkFinding(t *testing.T, name string, got finding, state, fix string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Fix, fix) || (got.Fix == "") != (state == stateOK) || got.What == "" {
		t.Errorf("%s: got %+v, want %s, %q", name, got, state, fix)
	}
}

func TestDoctorsSandbox(t *testing.T) {
	got := checkSandbox([]sandbox.Problem{{What: "one", Fix: "fix one"}, {What: "two", Fix: "fix two"}})
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	checkFinding(t, "problem", got[1], stateProblem, "fix two")
	checkFinding(t, "no problem", checkSandbox(nil)[0], stateOK, "")
}

func TestDoctorsLandlock(t *testing.T) {
	checkFinding(t, "none", checkLandlock(0), stateAdvice, "CONFIG_SECURITY_LANDLOCK=y")
	checkFinding(t, "old", checkLandlock(5), stateAdvice, "Linux 6.12")
	checkFinding(t, "whole", checkLandlock(6), stateOK, "")
}

func TestDoctorsCgroups(t *testing.T) {
	top := t.TempDir()
	own := filepath.Join(top, "user slice")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	e := &examination{proc: fstest.MapFS{
		"self/cgroup": {Data: []byte("3:pids:/\n0::/outer/user slice\n")},
		"self/mountinfo": {Data: []byte("1 0 0:1 / / rw - ext4 /dev/vda rw\n" +
			"2 1 0:2 /outer " + strings.ReplaceAll(top, " ", `\040`) + " rw shared:4 - cgroup2 cgroup2 rw\n")},
	}}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cgroup.controllers", "cpuset memory\n")
	checkFinding(t, "no controller of processes", e.checkCgroups(), stateAdvice, "systemd.unified_cgroup_hierarchy=1")
	write("cgroup.controllers", "memory pids\n")
	checkFinding(t, "not delegated", e.checkCgroups(), stateAdvice, "--scope -p Delegate=yes")
	write("cgroup.procs", fmt.Sprintln(os.Getpid(), "\n9"))
	write("cgroup.subtree_control", "")
	checkFinding(t, "a shell in it", e.checkCgroups(), stateAdvice, "--scope -p Delegate=yes")
	write("cgroup.procs", fmt.Sprintln(os.Getpid()))
	e.proc.(fstest.MapFS)["1/comm"] = &fstest.MapFile{Data: []byte("systemd\n")}
	checkFinding(t, "systemd's", e.checkCgroups(), stateAdvice, "--scope -p Delegate=yes")
	delete(e.proc.(fstest.MapFS), "1/comm")
	checkFinding(t, "delegated", e.checkCgroups(), stateOK, "")
	e.proc = fstest.MapFS{"self/cgroup": {Data: []byte("3:pids:/\n")}, "self/mountinfo": {}}
	checkFinding(t, "version 1", e.checkCgroups(), stateAdvice, "systemd.unified_cgroup_hierarchy=1")
}

func TestDoctorsSpace(t *testing.T) {
	const gib = 1 << 30
	checkFinding(t, "full", spaceFinding("/s", gib-1, 1_000_000, true), stateProblem, "sysc gc")
	checkFinding(t, "many files", spaceFinding("/s", 100*gib, 10, true), stateProblem, "sysc gc")
	checkFinding(t, "no limit of files", spaceFinding("/s", 100*gib, 0, false), stateOK, "")
	checkFinding(t, "little", spaceFinding("/s", 2*gib, 1_000_000, true), stateAdvice, "sysc gc")
	e := &examination{store: filepath.Join(t.TempDir(), "not", "there")}
	if got, err := e.checkSpace(); err != nil || len(got) != 1 {
		t.Errorf("store that is missing: got %+v, %v", got, err)
	}
}

func TestDoctorsClock(t *testing.T) {
	made := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	checkFinding(t, "1970", clockFinding(time.Unix(0, 0), "/sysc", made), stateProblem, "timedatectl set-ntp true")
	checkFinding(t, "another zone", clockFinding(made.Add(-14*time.Hour), "/sysc", made), stateOK, "")
	checkFinding(t, "later", clockFinding(made.AddDate(1, 0, 0), "/sysc", made), stateOK, "")
	e := &examination{store: t.TempDir(), now: time.Unix(0, 0)}
	if got, err := e.checkClock(); err != nil || got[0].State != stateProblem {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDoctorsLeftovers(t *testing.T) {
	e := &examination{store: "/it's here", proc: fstest.MapFS{
		"self/mountinfo": {Data: []byte("1 0 0:1 / /it's\\040here rw - ext4 /dev/vda rw\n" +
			"2 1 0:2 / /it's\\040here/tmp/build-1/root/proc rw - proc proc rw\n")},
		"7/cmdline": {Data: []byte("sysc:sandbox-init\x00")},
		"7/status":  {Data: []byte("Name:\texe\nPPid:\t1\n")},
	}}
	mounts, err := e.checkMounts()
	if err != nil || len(mounts) != 1 {
		t.Fatalf("got %+v, %v", mounts, err)
	}
	checkFinding(t, "mount", mounts[0], stateProblem, `umount -l '/it'\''s here/tmp/build-1/root/proc'`)
	processes, err := e.checkProcesses()
	if err != nil || len(processes) != 1 {
		t.Fatalf("got %+v, %v", processes, err)
	}
	checkFinding(t, "process", processes[0], stateProblem, "kill -9 7")
	if _, err := (&examination{proc: fstest.MapFS{"self/mountinfo": {Data: []byte("nonsense\n")}}}).checkMounts(); err == nil {
		t.Error("nonsense in mountinfo is no error")
	}
}

func TestDoctorsEvaluations(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, state string }{
		{"not made yet", filepath.Join(dir, "a", "b"), stateOK},
		{"there", dir, stateOK},
		{"nowhere", "", stateAdvice},
		{"below a file", filepath.Join(file, "b"), stateAdvice},
		{"a file", file, stateAdvice},
	} {
		got, err := (&examination{evaluations: c.dir}).checkEvaluations()
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: got %+v, %v", c.name, got, err)
		}
		fix := ""
		if c.state == stateAdvice {
			fix = "XDG_CACHE_HOME"
		}
		checkFinding(t, c.name, got[0], c.state, fix)
	}
}
