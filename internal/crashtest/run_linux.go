package crashtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run calls start for a command and runs it, killed before its first step, then
// another one killed before its second step, and so on, until one is not killed.
// After each run it calls check with the number of the step that was not made;
// the last call is with the number of steps and 1, after the whole program.
// start prepares what the command works on; check fails the test when the state
// is bad. The run that is not killed has to exit with 0.
//
// The command's output must be nil or files, as nobody reads pipes; nil output is
// shown when the last run fails. Run returns the number of steps of the whole
// program. Tests may run in parallel with it.
func Run(t testing.TB, start func() *exec.Cmd, check func(n int)) int {
	t.Helper()
	return RunSome(t, Some{First: 1, Every: 1}, start, check)
}

// Some says which steps [RunSome] takes, and what it does there.
type Some struct {
	// First is the first step to stop at, from 1, and Every how far it is from one
	// to the next.
	First, Every int
	// Stopped, if not nil, is called while the program stands before the step,
	// before it is killed. Its other threads come to a stop at their next system
	// call. It runs in another goroutine than the test's: it must not call FailNow.
	Stopped func()
}

// RunSome is [Run] for some of the steps. The last call of check is after the
// whole program, too.
func RunSome(t testing.TB, some Some, start func() *exec.Cmd, check func(n int)) int {
	t.Helper()
	for n := some.First; ; n += some.Every {
		cmd := start()
		output, err := os.CreateTemp(t.TempDir(), "output")
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Stdout == nil {
			cmd.Stdout = output
		}
		if cmd.Stderr == nil {
			cmd.Stderr = output
		}
		res, err := trace(cmd, n, some.Stopped)
		if err != nil {
			t.Fatalf("crashtest: run %d: %v", n, err)
		}
		text, _ := os.ReadFile(output.Name())
		output.Close()
		if !res.killed && res.status.ExitStatus() != 0 {
			t.Fatalf("crashtest: the run that was not killed ended with %v:\n%s", res.status, text)
		}
		if !res.killed {
			n = res.steps + 1
		}
		check(n)
		if t.Failed() {
			t.Fatalf("crashtest: killed before step %d, which was %s; output:\n%s", n, res.step, text)
		}
		if !res.killed {
			return res.steps
		}
	}
}

// Self returns a command that runs the present test binary with one more
// environment variable, as "NAME=value", by which its TestMain knows what to do.
func Self(t testing.TB, env string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), env)
	return cmd
}

// A result tells how a traced run ended.
type result struct {
	killed bool
	steps  int                // that were made or about to be made
	step   string             // where it was killed
	status syscall.WaitStatus // of the command
}

// options of ptrace(2): tell system calls from signals, follow every thread and
// child, and kill them all if the test dies.
const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

// trace runs cmd and kills it before its n-th step, after it has called stopped,
// if that is not nil.
func trace(cmd *exec.Cmd, n int, stopped func()) (result, error) {
	type answer struct {
		result
		err error
	}
	done := make(chan answer)
	go func() {
		// Only the thread that attached may trace. It is not unlocked: it ends with
		// the goroutine.
		runtime.LockOSThread()
		r, err := traceHere(cmd, n, stopped)
		done <- answer{r, err}
	}()
	a := <-done
	return a.result, a.err
}

func traceHere(cmd *exec.Cmd, n int, stopped func()) (result, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	defer cmd.Process.Release()
	tr := &tracer{leader: cmd.Process.Pid, at: n, atStep: stopped, tracees: map[int]bool{}}
	if err := tr.loop(); err != nil {
		tr.kill()
		return result{}, err
	}
	return tr.result, nil
}

type tracer struct {
	result
	leader  int
	at      int          // the step to kill at
	atStep  func()       // called before that, or nil
	tracees map[int]bool // threads by id
}

// loop handles stops until no tracee is left.
func (tr *tracer) loop() error {
	for {
		var ws unix.WaitStatus
		// __WNOTHREAD: not the children of the test's other threads.
		pid, err := unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		}
		if ws.Exited() || ws.Signaled() {
			delete(tr.tracees, pid)
			if pid == tr.leader {
				tr.status = syscall.WaitStatus(ws)
			}
			continue
		}
		if err := tr.stopped(pid, ws); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// stopped looks at a stopped thread and lets it go on.
func (tr *tracer) stopped(pid int, ws unix.WaitStatus) error {
	const syscallStop = unix.SIGTRAP | 0x80
	signal := ws.StopSignal()
	if !tr.tracees[pid] {
		// The first stop of any thread: SIGTRAP of the command's exec, or SIGSTOP.
		tr.tracees[pid] = true
		if pid == tr.leader {
			if err := unix.PtraceSetOptions(pid, traceOptions); err != nil {
				return fmt.Errorf("set options of ptrace: %w", err)
			}
		}
		signal = 0
	}
	switch {
	case signal == syscallStop:
		signal = 0
		if err := tr.syscall(pid); err != nil {
			return err
		}
	case signal == unix.SIGTRAP:
		signal = 0 // an event such as a clone
	}
	return unix.PtraceSyscall(pid, int(signal))
}

// A syscallInfo is struct ptrace_syscall_info of ptrace(2), as far as it is used.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	number uint64
	args   [6]uint64
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO, Linux 5.3
	opEntry        = 1      // PTRACE_SYSCALL_INFO_ENTRY
)

// syscall counts the step that a thread is about to make, and kills everything
// when it is the one.
func (tr *tracer) syscall(pid int) error {
	if tr.killed {
		return nil
	}
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(pid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("read system call: %w", errno)
	}
	name, ok := stepNames[info.number]
	if info.op != opEntry || !ok {
		return nil
	}
	if tr.steps++; tr.steps == tr.at {
		tr.killed = true
		tr.step = name
		if tr.atStep != nil {
			tr.atStep()
		}
		tr.kill()
	}
	return nil
}

func (tr *tracer) kill() {
	for pid := range tr.tracees {
		// A thread's id may be killed like a process; what is gone is gone.
		unix.Kill(pid, unix.SIGKILL)
	}
}

// Steps returns the names of the system calls that count as steps, sorted.
func Steps() []string {
	var names []string
	for _, name := range stepNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
