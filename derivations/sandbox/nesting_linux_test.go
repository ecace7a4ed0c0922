package sandbox

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
