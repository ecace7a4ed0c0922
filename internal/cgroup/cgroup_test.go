package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A fakeKernel answers as the kernel does whose documentation this package follows: a
// group with processes gives no controllers, one with processes or children stays, and
// files are as many as its controllers bring.
type fakeKernel struct {
	groups map[string]*fakeGroup
	kill   bool // has cgroup.kill, as since Linux 5.14
	swap   bool
}

type fakeGroup struct {
	controllers []string // that its parent gives
	gives       []string
	procs       []string
	set         map[string]string
	events      map[string]string
}

func newFakeKernel(controllers ...string) *fakeKernel {
	k := &fakeKernel{groups: make(map[string]*fakeGroup), kill: true, swap: true}
	k.groups["/cg"] = &fakeGroup{controllers: controllers, procs: []string{"7"}, set: make(map[string]string)}
	return k
}

func (k *fakeKernel) mkdir(dir string) error {
	parent := k.groups[filepath.Dir(dir)]
	if parent == nil {
		return unix.ENOENT
	}
	if k.groups[dir] != nil {
		return &os.PathError{Op: "mkdir", Path: dir, Err: unix.EEXIST}
	}
	k.groups[dir] = &fakeGroup{controllers: slices.Clone(parent.gives), set: make(map[string]string), events: make(map[string]string)}
	return nil
}

func (k *fakeKernel) rmdir(dir string) error {
	g := k.groups[dir]
	switch {
	case g == nil:
		return unix.ENOENT
	case len(g.procs) > 0:
		return unix.EBUSY
	}
	for name := range k.groups {
		if filepath.Dir(name) == dir {
			return unix.EBUSY
		}
	}
	delete(k.groups, dir)
	return nil
}

func (k *fakeKernel) read(file string) (string, error) {
	text, ok := k.groups[filepath.Dir(file)].events[filepath.Base(file)]
	if !ok {
		return "", unix.ENOENT
	}
	return text, nil
}

func (k *fakeKernel) write(file, text string) error {
	dir, name := filepath.Split(file)
	g := k.groups[filepath.Clean(dir)]
	if g == nil {
		return unix.ENOENT
	}
	controller, _, _ := strings.Cut(name, ".")
	switch {
	case name == "cgroup.procs" && len(g.gives) > 0:
		return unix.EBUSY
	case name == "cgroup.procs":
		for _, other := range k.groups {
			other.procs = slices.DeleteFunc(other.procs, func(pid string) bool { return pid == text })
		}
		g.procs = append(g.procs, text)
	case name == "cgroup.subtree_control" && len(g.procs) > 0:
		return unix.EBUSY
	case name == "cgroup.subtree_control":
		given := strings.Fields(strings.ReplaceAll(text, "+", ""))
		for _, controller := range given {
			if !slices.Contains(g.controllers, controller) {
				return unix.ENOENT
			}
		}
		g.gives = given
	case name == "cgroup.kill" && k.kill:
		g.procs = nil
	case name == "memory.swap.max" && !k.swap, !slices.Contains(g.controllers, controller):
		return unix.ENOENT
	default:
		g.set[name] = text
	}
	return nil
}

func TestGroups(t *testing.T) {
	k := newFakeKernel("cpu", "memory", "pids")
	p, err := open("/cg", k, 7)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.groups["/cg/sysc.self"].procs; !slices.Equal(got, []string{"7"}) {
		t.Errorf("this process's group has %q", got)
	}
	if got := k.groups["/cg"].gives; !slices.Equal(got, []string{"memory", "pids"}) {
		t.Errorf("given: %q", got)
	}
	bounded, err := p.Make(Limits{Memory: 1 << 20, Processes: 30})
	if err != nil {
		t.Fatal(err)
	}
	free, err := p.Make(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	made := k.groups[bounded.dir]
	if diff := cmp.Diff(map[string]string{"memory.max": "1048576", "memory.swap.max": "0", "pids.max": "30"}, made.set); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := k.groups[free.dir].set; len(got) > 0 {
		t.Errorf("no limits: %q", got)
	}
	made.events["memory.events"] = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"
	made.events["pids.events"] = "max 5\n"
	if got, err := bounded.Outcome(); err != nil || got != (Outcome{Killed: 2, Refused: 5}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := free.Outcome(); err != nil || got != (Outcome{}) {
		t.Errorf("nothing happened: %+v, %v", got, err)
	}
	made.events["memory.events"] = "oom_kill many\n"
	if _, err := bounded.Outcome(); err == nil {
		t.Error("no number, no error")
	}
	made.procs = []string{"8", "9"} // left by whoever was to wait for them
	for _, g := range []*Group{bounded, free} {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(k.groups) != 2 {
		t.Errorf("left over: %v", k.groups)
	}
	// The next process comes to a group that is divided already.
	if _, err := open("/cg", k, 8); err != nil {
		t.Error(err)
	}
}

func TestGroupsWithoutSwap(t *testing.T) {
	k := newFakeKernel("memory", "pids")
	k.swap = false
	p, err := open("/cg", k, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Make(Limits{Memory: 1}); err != nil {
		t.Error(err)
	}
}

// What cannot be divided is left as it was.
func TestOpenGivesBack(t *testing.T) {
	for what, k := range map[string]*fakeKernel{
		"no controller of processes": newFakeKernel("memory"),
		"another process":            newFakeKernel("memory", "pids"),
	} {
		if what == "another process" {
			k.groups["/cg"].procs = append(k.groups["/cg"].procs, "9")
		}
		_, err := open("/cg", k, 7)
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		if what == "another process" && !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s: %v", what, err)
		}
		if len(k.groups) != 1 || len(k.groups["/cg"].gives) != 0 || !slices.Contains(k.groups["/cg"].procs, "7") {
			t.Errorf("%s: %v left over", what, k.groups)
		}
	}
}

// TestKernel kills and removes a group of the kernel's, if there can be one here.
func TestKernel(t *testing.T) {
	parent := kernelGroup(t)
	p := &Parent{dir: parent, files: kernelFiles{}, self: os.Getpid()}
	g, err := p.Make(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := g.Directory()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	if _, err := g.Outcome(); err != nil {
		t.Error(err)
	}
	if n, err := others(g.dir, os.Getpid()); err != nil || n == 0 {
		t.Errorf("%d processes, %v", n, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(g.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left over: %v", err)
	}
}

// kernelGroup makes a control group of version 2 for a test.
func kernelGroup(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a control group")
	}
	top, err := group(os.DirFS("/proc"))
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(top, "sysc-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("needs a control group that can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		t.Skip("needs Linux 5.14")
	}
	return dir
}
