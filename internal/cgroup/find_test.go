package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

// A machine has a directory in place of the kernel's.
type machine struct {
	t    *testing.T
	proc fstest.MapFS
	dir  string // of this process's group
}

func newMachine(t *testing.T) *machine {
	top := t.TempDir()
	m := &machine{t: t, dir: filepath.Join(top, "a", "b"), proc: fstest.MapFS{
		"self/cgroup":    {Data: []byte("3:pids:/\n0::/outer/a/b\n")},
		"self/mountinfo": {Data: fmt.Appendf(nil, "2 1 0:2 /outer %s rw - cgroup2 cgroup2 rw\n", top)},
		"1/comm":         {Data: []byte("init\n")},
	}}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.write("cgroup.controllers", "cpu memory pids\n")
	m.write("cgroup.subtree_control", "")
	m.write("cgroup.procs", strconv.Itoa(os.Getpid())+"\n")
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	m := newMachine(t)
	if got, err := Find(m.proc); got != m.dir || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, m.dir)
	}
}

func TestFindObstacles(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*machine)
		is     func(error) bool
	}{
		"version 1": {
			func(m *machine) { m.proc["self/cgroup"].Data = []byte("3:pids:/\n") },
			func(err error) bool { return errors.Is(err, ErrVersion) },
		},
		"not mounted": {
			func(m *machine) { m.proc["self/mountinfo"].Data = nil },
			func(err error) bool { return errors.Is(err, ErrVersion) },
		},
		"another part of it is mounted": {
			func(m *machine) { m.proc["self/cgroup"].Data = []byte("0::/other\n") },
			func(err error) bool { return errors.Is(err, ErrVersion) },
		},
		"no controller of processes": {
			func(m *machine) { m.write("cgroup.controllers", "cpu memory\n") },
			func(err error) bool {
				var missing *ControllerError
				return errors.As(err, &missing) && missing.Controller == "pids"
			},
		},
		"a shell in it": {
			func(m *machine) { m.write("cgroup.procs", fmt.Sprintf("%d\n0\n", os.Getpid())) },
			func(err error) bool {
				var delegation *DelegationError
				return errors.As(err, &delegation) && delegation.Others == 1
			},
		},
		"systemd's": {
			func(m *machine) { m.proc["1/comm"].Data = []byte("systemd\n") },
			func(err error) bool {
				var delegation *DelegationError
				return errors.As(err, &delegation) && delegation.Others == 0
			},
		},
	} {
		m := newMachine(t)
		c.change(m)
		if dir, err := Find(m.proc); err == nil || !c.is(err) {
			t.Errorf("%s: got %q, %v", what, dir, err)
		}
	}
}

// Of systemd's groups, those are taken that it has given.
func TestFindDelegated(t *testing.T) {
	m := newMachine(t)
	m.proc["1/comm"].Data = []byte("systemd\n")
	if err := unix.Setxattr(m.dir, "user.delegate", []byte("1"), 0); err != nil {
		t.Skipf("needs extended attributes: %v", err)
	}
	if got, err := Find(m.proc); got != m.dir || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, m.dir)
	}
}
