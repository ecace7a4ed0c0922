package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nativeSetID are this architecture's further ways to make a set-id file at
// path; "existing" is one to change.
func nativeSetID(path, existing uintptr, mode uintptr) map[string]func() unix.Errno {
	call := func(nr, a, b, c uintptr) func() unix.Errno {
		return func() unix.Errno {
			_, _, e := unix.RawSyscall(nr, a, b, c)
			return e
		}
	}
	return map[string]func() unix.Errno{
		"chmod": call(unix.SYS_CHMOD, existing, mode, 0),
		"open":  call(unix.SYS_OPEN, path, unix.O_CREAT|unix.O_WRONLY, mode),
		"creat": call(unix.SYS_CREAT, path, mode, 0),
		"mknod": call(unix.SYS_MKNOD, path, unix.S_IFREG|mode, 0),
	}
}

// foreignCall makes a system call of 32-bit x86: getpid.
func foreignCall() {
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(code, []byte{
		0xb8, 20, 0, 0, 0, // mov $20, %eax
		0xcd, 0x80, // int $0x80
		0xc3, // ret
	})
	entry := &code[0]
	call := &entry
	(*(*func())(unsafe.Pointer(&call)))()
	fmt.Println("it came back")
}

const foreignCallsExist = true
