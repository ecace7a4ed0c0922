package sandbox

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// timeCalls is empty: time(2) is none of this architecture's.
var timeCalls []uint32

// clockFunctions are those functions of the mapped code that tell the time of the
// day, with the calls that do the same (vdso(7)).
var clockFunctions = map[string]uint32{
	"__kernel_clock_gettime": unix.SYS_CLOCK_GETTIME,
	"__kernel_gettimeofday":  unix.SYS_GETTIMEOFDAY,
}

// callCode is a function that makes a system call with its own arguments: both
// pass them in the same registers.
func callCode(nr uint32) []byte {
	code := binary.LittleEndian.AppendUint32(nil, 0xd2800008|nr<<5) // mov x8, nr
	code = binary.LittleEndian.AppendUint32(code, 0xd4000001)       // svc 0
	return binary.LittleEndian.AppendUint32(code, 0xd65f03c0)       // ret
}
