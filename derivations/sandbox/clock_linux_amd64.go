package sandbox

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// timeCalls is time(2), which newer architectures lack.
var timeCalls = []uint32{unix.SYS_TIME}

// clockFunctions are those functions of the mapped code that tell the time of the
// day, with the calls that do the same (vdso(7)).
var clockFunctions = map[string]uint32{
	"__vdso_clock_gettime": unix.SYS_CLOCK_GETTIME,
	"__vdso_gettimeofday":  unix.SYS_GETTIMEOFDAY,
	"__vdso_time":          unix.SYS_TIME,
}

// callCode is a function that makes a system call with its own arguments: both
// pass the first three in the same registers.
func callCode(nr uint32) []byte {
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, nr) // mov eax, nr
	return append(code, 0x0f, 0x05, 0xc3)                      // syscall; ret
}
