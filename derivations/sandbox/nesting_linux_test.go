package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// coreTests are those that are run once more in other places.
const coreTests = "^(TestExit|TestSurroundings|TestReadOnlyRoot|TestNothingElseIsVisible|TestProcCannotActOnTheHost|" +
	"TestNetworkIsLoopbackOnly|TestNoSetIDFile|TestCancelKillsEverything|TestOwnersAreRecorded|TestWritableRootWithMountPoints)$"

// again runs tests of this binary in a process with attributes of its own.
func again(t *testing.T, attr *syscall.SysProcAttr, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// inUserNamespace describes a process that is root of a user namespace, which
// may not change its groups: what unshare -Ur makes, and rootless containers are.
func inUserNamespace(more uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | more,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

func TestInUserNamespaceWithoutSetgroups(t *testing.T) {
	if out, err := again(t, inUserNamespace(0), selfPath(t), "builder", "read-setgroups"); out != "deny\n" {
		t.Fatalf("setgroups is %q (%v), want deny", out, err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	out, err := again(t, inUserNamespace(0), selfPath(t), "-test.v", "-test.run", coreTests)
	checkRan(t, out, err)
}

// Tests that run as root would not notice what needs root.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // all tests are that
	}
	const nobody = 65534
	// The directory of the test binary is for its owner only.
	dir, err := os.MkdirTemp("", "sysc-nobody-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chown(dir, nobody, nobody))
	program := filepath.Join(dir, "tests")
	copyProgram(t, selfPath(t), program)
	t.Setenv("TMPDIR", dir)
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := again(t, attr, program, "-test.v", "-test.run", coreTests)
	checkRan(t, out, err)
}

// checkRan makes sure that tests passed, rather than that there were none.
func checkRan(t *testing.T, out string, err error) {
	t.Helper()
	if err != nil || strings.Count(out, "\n--- PASS: ") < strings.Count(coreTests, "|")+1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
}

// Containers cover parts of /proc. There the kernel gives nobody a fresh proc,
// and sysc must say which of the container's settings that is.
func TestWhereProcIsCovered(t *testing.T) {
	attr := inUserNamespace(unix.CLONE_NEWNS)
	if os.Geteuid() == 0 {
		// Only as the machine's own root one can unmount what may be mounted
		// elsewhere, which serves the kernel as well.
		attr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	t.Setenv("TMPDIR", t.TempDir())
	out, err := again(t, attr, selfPath(t), "builder", "cover-proc", "-test.v", "-test.run", "^TestExit$/^exit=0$")
	if strings.Contains(out, "another proc") {
		checkPass(t, out, err)
		return
	}
	for _, want := range []string{"make sandbox: mount /proc: operation not permitted", "fix: docker: --security-opt systempaths=unconfined;"} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("missing %q (%v) in\n%s", want, err, out)
		}
	}
	if strings.Count(out, "fix: ") > 1 {
		t.Errorf("more than one advice:\n%s", out)
	}
}

func checkPass(t *testing.T, out string, err error) {
	t.Helper()
	if err != nil || !strings.Contains(out, "\n    --- PASS: ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Root's builders are nobody on the host, and what they make is root's.
func TestRootsBuildersAreNobody(t *testing.T) {
	if os.Geteuid() != 0 || !mapped("/proc/self/uid_map") {
		return // TestSurroundings and TestReadOnlyRoot say what others' are
	}
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		ctx, cancel := context.WithCancel(t.Context())
		_, over := background(ctx, f, func(*fixture) {}, "offer", fmt.Sprintf("nobody-%d", os.Getpid()))
		f.await("ready")
		for _, pid := range descendants(t, os.Getpid()) {
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			must(t, err)
			if want := fmt.Sprintf("\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\nGid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", rootsBuilder); !strings.Contains(string(data), want) {
				t.Errorf("writable root %v: process %d is somebody:\n%s", writable, pid, data)
			}
		}
		f.tell("stop")
		over()
		cancel()
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(f.build, "out"), &st))
		if st.Uid != 0 || st.Gid != 0 {
			t.Errorf("writable root %v: the output belongs to %d:%d", writable, st.Uid, st.Gid)
		}
	}
}

// descendants returns the processes below parent. Of a test with a sandbox there
// are two at least.
func descendants(t *testing.T, parent int) (pids []int) {
	t.Helper()
	defer func() {
		if parent == os.Getpid() && len(pids) < 2 {
			t.Fatalf("found processes %v", pids)
		}
	}()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	must(t, err)
	for _, name := range lists {
		data, err := os.ReadFile(name)
		must(t, err)
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			must(t, err)
			pids = append(append(pids, pid), descendants(t, pid)...)
		}
	}
	return pids
}

// Root's builds hand each mount over as a descriptor, if there may be so many.
func TestManyBinds(t *testing.T) {
	f := newFixture(t).builder("read", "/sysc/store/i0", "/sysc/store/i99")
	input := filepath.Join(filepath.Dir(f.build), "input")
	must(t, os.WriteFile(input, []byte("x"), 0o644))
	for i := range 100 {
		f.spec.Binds = append(f.spec.Binds, Bind{Source: input, Target: fmt.Sprintf("/sysc/store/i%d", i)})
	}
	f.expect("/sysc/store/i0: ok", "/sysc/store/i99: ok")
	if os.Getenv("SYSC_TEST_FEW_FILES") == "" {
		t.Setenv("SYSC_TEST_FEW_FILES", "1")
		out, err := again(t, nil, "/bin/sh", "-c", `ulimit -n 60 && exec "$0" -test.run '^TestManyBinds$'`, selfPath(t))
		if err != nil {
			t.Errorf("with few descriptors: %v\n%s", err, out)
		}
	}
}

// overlayfs, as under a container, translates no owners; there root's builders
// remain root.
func TestWithoutTranslation(t *testing.T) {
	if os.Geteuid() != 0 {
		return // others never translate
	}
	dir := privateDir(t)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	script := `mount --make-rprivate / && cd "$1" && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged &&
		TMPDIR=$1/merged exec "$0" -test.v -test.run '^(TestExit|TestReadOnlyRoot|TestOwnersAreRecorded)$'`
	out, err := again(t, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}, "/bin/sh", "-c", script, selfPath(t), dir)
	if err != nil || strings.Count(out, "\n--- PASS: ") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}
