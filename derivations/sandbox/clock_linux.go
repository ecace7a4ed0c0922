package sandbox

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A clock shows callers a time of the day that is ahead.
//
// Programs ask for the time without a system call: the kernel maps code into them
// for that (vdso(7)). So each program gets, before it could have asked, a private
// copy of that code that makes the calls, and these are answered here. What a
// program has as descriptors or memory is its own, as before.
type clock struct {
	shift time.Duration
	// proc is a proc of its own: that of the builder is read-only.
	proc place
	// patches are what is to be written over the mapped code, by where in it.
	patches map[uint64][]byte
}

// newClock returns nil for no shift.
func newClock(shift time.Duration) (*clock, error) {
	if shift == 0 {
		return nil, nil
	}
	base, err := ownVDSO()
	if err != nil {
		return nil, err
	}
	c := &clock{shift: shift, patches: make(map[uint64][]byte)}
	if base == 0 {
		return c, nil // so everybody makes the calls
	}
	if c.proc.fd, err = newMount("proc", plain|unix.MOUNT_ATTR_NOEXEC); err != nil {
		return nil, kernelStep(err, "mount a second /proc")
	}
	symbols, err := symbolsAt(base)
	if err != nil {
		return nil, fmt.Errorf("read the code of the clock: %w", err)
	}
	for _, s := range symbols {
		if nr, ok := clockFunctions[s.Name]; ok {
			c.patches[s.Value] = callCode(nr)
		}
	}
	return c, nil
}

// ownVDSO returns where this process has the mapped code. It is the same in every
// process, but for the address.
func ownVDSO() (uint64, error) {
	vector, err := unix.Auxv()
	if err != nil {
		return 0, err
	}
	for _, entry := range vector {
		if entry[0] == auxVDSO {
			return uint64(entry[1]), nil
		}
	}
	return 0, nil
}

// auxVDSO is AT_SYSINFO_EHDR (getauxval(3)).
const auxVDSO = 33

// symbolsAt returns the functions of the ELF image that begins at base in this
// process.
func symbolsAt(base uint64) ([]elf.Symbol, error) {
	const most = 64 << 10 // pages that it does not have are not read
	var image bytes.Buffer
	for page := make([]byte, pageSize); image.Len() < most; {
		n, errno := transfer(unix.SYS_PROCESS_VM_READV, os.Getpid(), base+uint64(image.Len()), page)
		if errno != 0 || n == 0 {
			break
		}
		image.Write(page[:n])
	}
	file, err := elf.NewFile(bytes.NewReader(image.Bytes()))
	if err != nil {
		return nil, err
	}
	return file.DynamicSymbols()
}

// isClockCall reports whether a call is about the time, or one that C libraries and
// Go's runtime make as a program begins.
func (c *clock) isClockCall(nr int32) bool {
	switch nr {
	case unix.SYS_SET_TID_ADDRESS, unix.SYS_SCHED_GETAFFINITY, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_FUTEX:
		return c != nil
	}
	return c != nil && slices.Contains(timeCalls, uint32(nr))
}

// serveClock answers a call for which isClockCall holds.
func (r *recorder) serveClock(n *notification) error {
	switch {
	case n.nr == unix.SYS_SET_TID_ADDRESS, n.nr == unix.SYS_SCHED_GETAFFINITY:
		// A failure means that this program sees the right time, no more.
		_ = r.clock.patch(n.pid)
		return r.listener.proceed(n.id)
	case n.nr == unix.SYS_FUTEX:
		return r.wait(n)
	}
	now := r.clock.now(n)
	if !r.listener.valid(n.id) {
		return nil
	}
	pid := int(n.pid)
	switch n.nr {
	case unix.SYS_CLOCK_GETTIME:
		return r.listener.answer(n.id, writeWords(pid, n.args[1], uint64(now.Unix()), uint64(now.Nanosecond())))
	case unix.SYS_GETTIMEOFDAY:
		errno := unix.Errno(0)
		if n.args[0] != 0 {
			errno = writeWords(pid, n.args[0], uint64(now.Unix()), uint64(now.Nanosecond()/1000))
		}
		if n.args[1] != 0 && errno == 0 {
			errno = writeWords(pid, n.args[1], 0) // a time zone, which is always UTC
		}
		return r.listener.answer(n.id, errno)
	}
	if n.args[0] != 0 {
		if errno := writeWords(pid, n.args[0], uint64(now.Unix())); errno != 0 {
			return r.listener.answer(n.id, errno)
		}
	}
	return r.listener.answerWith(n.id, now.Unix())
}

// now returns the time that a call asks for.
func (c *clock) now(n *notification) time.Time {
	id := int32(unix.CLOCK_REALTIME)
	if n.nr == unix.SYS_CLOCK_GETTIME {
		id = int32(n.args[0])
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return time.Now().Add(c.shift)
	}
	return time.Unix(ts.Unix()).Add(c.shift)
}

// wait answers futex(2) with a time of the day until which a caller waits at most.
// The kernel would wait for too long. Callers must expect to be woken for nothing,
// so that is what happens to them until the time has come.
func (r *recorder) wait(n *notification) error {
	var limit [2]uint64
	at := n.args[3]
	if at == 0 || !readWords(int(n.pid), at, limit[:]) {
		return r.listener.proceed(n.id)
	}
	left := time.Until(time.Unix(int64(limit[0]), int64(limit[1])).Add(-r.clock.shift))
	if left <= 0 {
		return r.listener.answer(n.id, unix.ETIMEDOUT)
	}
	const often = 2 * time.Millisecond
	id := n.id
	time.AfterFunc(min(left, often), func() { _ = r.listener.answer(id, 0) })
	return nil
}

// patch writes over the mapped code of a process what makes the calls.
func (c *clock) patch(pid uint32) error {
	if len(c.patches) == 0 {
		return nil
	}
	base, err := c.vdsoOf(pid)
	if err != nil || base == 0 {
		return err
	}
	memory, err := c.open(pid, "mem", unix.O_RDWR)
	if err != nil {
		return err
	}
	defer memory.Close()
	for offset, code := range c.patches {
		at := int64(base + offset)
		found := make([]byte, len(code))
		if _, err := memory.ReadAt(found, at); err == nil && bytes.Equal(found, code) {
			continue
		}
		if _, err := memory.WriteAt(code, at); err != nil {
			return err
		}
	}
	return nil
}

// vdsoOf returns where a process has the mapped code, 0 for nowhere.
func (c *clock) vdsoOf(pid uint32) (uint64, error) {
	file, err := c.open(pid, "auxv", unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	const most = 4096 // the kernel's has some 400 bytes
	vector, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return 0, err
	}
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.NativeEndian.Uint64(vector) == auxVDSO {
			return binary.NativeEndian.Uint64(vector[8:]), nil
		}
	}
	return 0, nil
}

// open opens a file of a process in proc.
func (c *clock) open(pid uint32, name string, flags int) (*os.File, error) {
	name = fmt.Sprintf("%d/%s", pid, name)
	fd, err := unix.Openat(c.proc.fd, name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// writeWords and readWords copy 64-bit words to and from the memory of a process.
func writeWords(pid int, address uint64, words ...uint64) unix.Errno {
	data := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	if !writeMemory(pid, address, data) {
		return unix.EFAULT
	}
	return 0
}

func readWords(pid int, address uint64, words []uint64) bool {
	data := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	n, errno := transfer(unix.SYS_PROCESS_VM_READV, pid, address, data)
	return errno == 0 && n == len(data)
}
