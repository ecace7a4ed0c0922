package build

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A MemoryError says that a program failed while the kernel killed for lack of
// memory, very likely what it ran. It unwraps to ENOMEM and to how the program ended.
type MemoryError struct {
	Killed int64 // processes of the whole machine
	Cause  error
}

func (e *MemoryError) Error() string {
	processes := "a process"
	if e.Killed > 1 {
		processes = fmt.Sprintf("%d processes", e.Killed)
	}
	return fmt.Sprintf("%v; memory ran out meanwhile: the kernel killed %s", e.Cause, processes)
}

// Unwrap returns ENOMEM and the cause.
func (e *MemoryError) Unwrap() []error { return []error{unix.ENOMEM, e.Cause} }

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

// orMemory returns why a program failed that began when so many processes had been
// killed: err, or that memory ran out.
func orMemory(err *ExitError, before int64) error {
	after := killedForMemory()
	if before < 0 || after < 0 {
		err.Unsure = true
		return err
	}
	if after > before {
		return &MemoryError{Killed: after - before, Cause: err}
	}
	return err
}
