package build

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
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
	made, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(program, made, 0o755); err != nil {
		t.Fatal(err)
	}
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

func TestMemoryErrorNeedsEvidence(t *testing.T) {
	if now := killedForMemory(); now < 0 {
		t.Errorf("/proc/vmstat says %d", now)
	}
	failed := &ExitError{Program: "x", Signal: unix.SIGKILL.String()}
	if err := orMemory(failed, 1<<40); err != error(failed) || failed.Unsure {
		t.Errorf("nothing was killed: %v", err)
	}
	if got, want := orMemory(failed, -1).Error(), "x was killed, perhaps for lack of memory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
