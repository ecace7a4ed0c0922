package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of this file show that attacks of other tests are real: each
// succeeds where the protection is missing that it tries.

// Control of TestProcCannotActOnTheHost.
func TestProcAttemptsAreReal(t *testing.T) {
	f := newFixture(t)
	f.spec.without = readOnlyProc
	f.builder("read", "/proc/kallsyms").expect("/proc/kallsyms: ok")
}

// Control of TestProcessOneIsOutOfReach: any one of three walls is enough, and
// without them process 1 is an open book.
func TestInitPeekIsReal(t *testing.T) {
	walls := []protection{hiddenInit, fewCapabilities, landlockRules}
	if LandlockVersion() < leastLandlock {
		walls = walls[:2]
	}
	all := hiddenInit | fewCapabilities | landlockRules
	peek := func(without protection) (succeeded int) {
		f := newFixture(t)
		f.spec.without = without
		return strings.Count(f.builder("init-peek").output(), ": ok\n")
	}
	if got := peek(all); got == 0 {
		t.Error("nothing of process 1 can be seen without walls")
	}
	for _, wall := range walls {
		if got := peek(all &^ wall); got > 0 {
			t.Errorf("wall %#x alone: %d attempts succeeded", wall, got)
		}
	}
}

// Control of TestRefusedCalls: these calls get further without the filter. Not
// every kernel has all of the others.
func TestRefusedCallsAreReal(t *testing.T) {
	calls := map[string]uintptr{
		"0,0,0,0,0":                           unix.SYS_MOUNT,
		"0,0":                                 unix.SYS_UMOUNT2,
		"0,0,1":                               unix.SYS_OPEN_TREE,
		"0":                                   unix.SYS_CHROOT,
		"0,0,0,0":                             unix.SYS_OPENAT2,
		"0,0,0":                               unix.SYS_KEYCTL,
		"0,0,0,1,0":                           unix.SYS_SETXATTR,
		"0,0,0,1":                             unix.SYS_FGETXATTR,
		"17,3,0":                              unix.SYS_SOCKET,
		"0x0400000":                           unix.SYS_PERSONALITY,
		"0,0,0,0,1":                           unix.SYS_PERF_EVENT_OPEN,
		fmt.Sprintf("0,%d,0", unix.TIOCSTI):   unix.SYS_IOCTL,
		fmt.Sprint(unix.CLONE_NEWUSER):        unix.SYS_UNSHARE,
		fmt.Sprint(unix.CLONE_NEWNS):          unix.SYS_UNSHARE,
		fmt.Sprintf("0,0,%d", unix.S_ISUID):   unix.SYS_FCHMODAT2,
		fmt.Sprintf("0,%d", unix.S_ISUID):     unix.SYS_FCHMOD,
		fmt.Sprintf("0,0,%d,0", unix.S_ISGID): unix.SYS_MKNODAT,
	}
	args := []string{"syscalls"}
	for a, nr := range calls {
		args = append(args, fmt.Sprintf("%d:%s", nr, a))
	}
	f := newFixture(t)
	f.builder(args...)
	with := strings.Split(f.output(), "\n")
	f.spec.without = callFilter | fewCapabilities | landlockRules
	without := strings.Split(f.output(), "\n")
	for i, call := range args[1:] {
		if with[i] == without[i] {
			t.Errorf("call %s: %q with and without the filter", call, with[i])
		}
	}
}

// Control of TestOrphansEndWithTheBuilder and TestCancelKillsEverything: the
// orphan lives on where there is no sandbox.
func TestOrphansAreReal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beat")
	// A subreaper gets the orphan, so that it can be found and ended.
	must(t, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	out, err := exec.Command(selfPath(t), "builder", "orphans", path).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before, err := os.Stat(path)
	must(t, err)
	orphan := childOf(t, os.Getpid(), path)
	defer func() {
		unix.Kill(orphan, unix.SIGKILL)
		unix.Wait4(orphan, nil, 0, nil)
	}()
	waitLonger(t, path, before.Size())
}

// childOf returns the child whose arguments contain text.
func childOf(t *testing.T, parent int, text string) int {
	t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	must(t, err)
	for _, name := range children {
		data, err := os.ReadFile(name)
		must(t, err)
		for _, field := range strings.Fields(string(data)) {
			if args, err := os.ReadFile("/proc/" + field + "/cmdline"); err == nil && strings.Contains(string(args), text) {
				var pid int
				fmt.Sscan(field, &pid)
				return pid
			}
		}
	}
	t.Fatal("the orphan is gone")
	return 0
}

// waitLonger waits until the file is longer than size.
func waitLonger(t *testing.T, path string, size int64) {
	t.Helper()
	(&fixture{t: t}).until(path+" to grow", func() bool {
		st, err := os.Stat(path)
		return err == nil && st.Size() > size
	})
}

// Control of TestNothingElseIsVisible: the files that it asks for are there.
func TestHostFilesAreReal(t *testing.T) {
	f := newFixture(t)
	host := filepath.Join(f.spec.Root, "../secret")
	must(t, os.WriteFile(host, []byte("secret"), 0o666))
	must(t, os.WriteFile(filepath.Join(f.build, "entry"), nil, 0o666))
	out, err := exec.Command(selfPath(t), "builder", "read", host, "/../../../.."+host, f.build).Output()
	if err != nil || strings.Count(string(out), ": ok\n") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Control of TestIgnoredSignalsAreReset.
func TestIgnoredSignalsAreReal(t *testing.T) {
	script := fmt.Sprintf(`trap "" HUP INT TSTP TTIN TTOU CHLD PIPE; exec %q builder surroundings`, selfPath(t))
	out, err := exec.Command("/bin/sh", "-c", script).Output()
	if err != nil || !strings.Contains(string(out), "ignored=") || strings.Contains(string(out), "ignored=0000000000000000") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Control of TestRootsBuildersAreNobody: what belongs to the host's root is closed to
// a nobody, even where the wall before it is missing, and open to root.
func TestNobodyIsReal(t *testing.T) {
	if os.Geteuid() != 0 || !mapped("/proc/self/uid_map") {
		return // others' builders are never root
	}
	for without, want := range map[protection]string{readOnlyProc: "EACCES", readOnlyProc | nobodyBehind: "ok"} {
		f := newFixture(t)
		f.spec.without = without | landlockRules
		f.builder("open", "/proc/sys/kernel/core_pattern").expect("/proc/sys/kernel/core_pattern: " + want)
	}
}
