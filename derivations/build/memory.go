package build

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sysc/internal/bytesize"
	"sysc/internal/cgroup"
)

// A MemoryError says that a program failed while the kernel killed for lack of
// memory. It unwraps to how the program ended, and to ENOMEM if that was the reason:
// see [MemoryError.Unwrap].
type MemoryError struct {
	Killed int64 // processes of the whole machine
	// Certain is set when they were the program's own, as its control group tells.
	Certain bool
	Limit   int64 // of its memory in bytes, 0 for none or when it is not known
	Cause   error
}

func (e *MemoryError) Error() string {
	processes := "a process"
	if e.Killed > 1 {
		processes = fmt.Sprintf("%d processes", e.Killed)
	}
	switch {
	case !e.Certain:
		return fmt.Sprintf("%v; memory ran out meanwhile: the kernel killed %s", e.Cause, processes)
	case e.Limit > 0:
		return fmt.Sprintf("%v; it may use %s of memory and wanted more: the kernel killed %s of it", e.Cause, bytesize.Format(e.Limit), processes)
	}
	return fmt.Sprintf("%v; memory ran out: the kernel killed %s of it", e.Cause, processes)
}

// Unwrap returns the cause, and ENOMEM if it is certain or the program was killed.
// A program that ended by itself may have failed for a reason of its own, while the
// kernel killed elsewhere: then building again is not known to help.
func (e *MemoryError) Unwrap() []error {
	var exit *ExitError
	if e.Certain || errors.As(e.Cause, &exit) && exit.killed() {
		return []error{unix.ENOMEM, e.Cause}
	}
	return []error{e.Cause}
}

// killedForMemory returns how many processes the kernel has killed for lack of memory
// since it started, or -1 where it does not say (Linux before 4.13, other systems'
// idea of /proc).
func killedForMemory() int64 {
	counters, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(counters)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}

// orMemory returns why a program failed that began when before processes had been
// killed, and ended when it were after, see killedForMemory: err, or that memory ran out.
func orMemory(err *ExitError, before, after int64) error {
	if before < 0 || after < 0 {
		err.Unsure = true
		return err
	}
	if after > before {
		return &MemoryError{Killed: after - before, Cause: err}
	}
	return err
}

// explain returns why a program failed, by what its control group tells.
func (r ExecResult) explain(err *ExitError, limits cgroup.Limits) error {
	if r.Outcome.Killed > 0 {
		return &MemoryError{Killed: r.Outcome.Killed, Certain: true, Limit: limits.Memory, Cause: err}
	}
	if r.Outcome.Refused > 0 {
		return fmt.Errorf("%w; it may have %d processes at once and wanted more", err, limits.Processes)
	}
	return err
}
