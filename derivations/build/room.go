package build

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"sysc/internal/cgroup"
)

// A memoryPool is the memory that steps share which say how much they may need. Those
// that can run wait in it, and only the first of them is ever let out: a large one would
// wait for ever if smaller ones went past it. Steps that say nothing are not its concern.
type memoryPool struct {
	queue queue
	total int64 // 0: not known yet, see measure
	used  int64
	// measure returns the bytes that there are.
	measure func() int64
}

// first returns the step that is to begin next, or nil if there is none, or no room for
// it. One that needs more than there is begins when no other runs.
func (m *memoryPool) first() *job {
	if len(m.queue) == 0 {
		return nil
	}
	if m.total == 0 {
		m.total = m.measure()
	}
	j := m.queue[0]
	if m.used > 0 && m.used+m.need(j) > m.total {
		return nil
	}
	return j
}

// need is what a step counts for: what is more than all would never fit.
func (m *memoryPool) need(j *job) int64 { return min(j.d.RunLimits.Memory, m.total) }

// take lets the first step out.
func (m *memoryPool) take() *job {
	j := m.queue.pop()
	m.used += m.need(j)
	return j
}

// release gives back what a step took, if it took anything.
func (m *memoryPool) release(j *job) { m.used -= m.need(j) }

// availableMemory returns how many bytes of memory new programs can have without
// swapping, by the kernel's estimate and the limits of this process's control group.
// Where the kernel does not tell, there is no end to it.
func availableMemory(proc fs.FS) int64 {
	n := int64(math.MaxInt64)
	if info, err := fs.ReadFile(proc, "meminfo"); err == nil {
		if available, err := memAvailable(string(info)); err == nil {
			n = available
		}
	}
	if limit, ok := cgroup.Available(proc); ok {
		n = min(n, limit)
	}
	return max(n, 1)
}

// memAvailable reads the field of that name in /proc/meminfo, see proc_meminfo(5).
func memAvailable(info string) (int64, error) {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			const kibi = 1 << 10
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64/kibi {
				return 0, fmt.Errorf("meminfo: %q", line)
			}
			return n * kibi, nil
		}
	}
	return 0, fmt.Errorf("meminfo: no MemAvailable")
}

// hostMemory is availableMemory of this machine.
func hostMemory() int64 { return availableMemory(os.DirFS("/proc")) }
