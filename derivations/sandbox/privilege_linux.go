package sandbox

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setupCaps are what process 1 needs in its own user namespace: mounts, the
// loopback interface, giving the rest up, and the directory of an overlay that is
// closed to everybody.
var setupCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}

// superuserCaps are what the builder of a writable root keeps, in its user
// namespace: rights over files, not over the kernel.
var superuserCaps = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER,
	unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETFCAP,
	unix.CAP_SYS_CHROOT, unix.CAP_NET_BIND_SERVICE,
}

// mayDropGroups reports whether this process could call setgroups(2).
func mayDropGroups() bool {
	// A user namespace that was made without privilege denies it for good, to its
	// root and to every namespace inside it (user_namespaces(7)). There is no such
	// file where there are no user namespaces.
	if setgroups, err := os.ReadFile("/proc/self/setgroups"); err == nil && string(setgroups) != "allow\n" {
		return false
	}
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SETGID) != 0
}

// limitThread leaves the calling thread, and what is forked from it, with keep
// of its capabilities and without a way to gain others. It must be locked, and
// not be used for anything else afterwards.
func limitThread(keep []uintptr) error {
	var set [2]uint32
	for _, c := range keep {
		set[c/32] |= 1 << (c % 32)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	for c := uintptr(0); ; c++ {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == unix.EINVAL { // past the last that the kernel knows
			break
		}
		if err != nil {
			return err
		}
		if has == 1 && set[c/32]&(1<<(c%32)) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				return err
			}
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		data[i] = unix.CapUserData{Effective: set[i], Permitted: set[i]}
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// closeInherited closes the descriptors that whoever started sysc left open:
// those that came through execve(2) because they are not close-on-exec. What was
// handed in on purpose, up to last, only becomes close-on-exec.
func closeInherited(last int) error {
	for fd := controlFD; fd <= last; fd++ {
		unix.CloseOnExec(fd)
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return err
	}
	for _, name := range names {
		fd := 0
		for _, digit := range name {
			fd = fd*10 + int(digit-'0')
		}
		if fd <= last {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// setLimits gives the builder the same resource limits on every machine where
// they could show in a result.
func setLimits() error {
	// 1 also keeps a core_pattern that is a pipe from running (coredump in
	// Linux's fs/coredump.c), which 0 does not.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		return err
	}
	soft := map[int]uint64{unix.RLIMIT_NOFILE: 1024, unix.RLIMIT_STACK: 8 << 20}
	for which, want := range soft {
		var lim unix.Rlimit
		if err := unix.Getrlimit(which, &lim); err != nil {
			return err
		}
		lim.Cur = min(want, lim.Max)
		if err := unix.Setrlimit(which, &lim); err != nil {
			return err
		}
	}
	return nil
}

// catchSignals keeps process 1 alive whatever the builder sends it, and makes
// the builder start with default dispositions: what is caught is reset by
// execve(2), what is ignored is not, and sysc may have been started under nohup.
func catchSignals() {
	ignored := make(chan os.Signal, 1)
	for s := syscall.Signal(1); s < 32; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGURG, syscall.SIGPROF,
			syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGSYS:
			// The kernel's, and those that Go's runtime needs.
		default:
			signal.Notify(ignored, s)
		}
	}
	resetRealtimeSignals()
}

// A sigaction is the kernel's struct of that name, the same on amd64 and arm64;
// zero is the default disposition.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// resetRealtimeSignals gives signals 32 to 64 their default disposition where
// they are ignored. Package signal leaves the first of them alone, which are C
// libraries' own; a parent that was started by one may have them ignored.
func resetRealtimeSignals() {
	const first, last, ignore = 32, 64, 1
	var byDefault sigaction
	for s := uintptr(first); s <= last; s++ {
		var now sigaction
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, s, 0, uintptr(unsafe.Pointer(&now)), unsafe.Sizeof(now.mask), 0, 0)
		if errno == 0 && now.handler == ignore {
			unix.RawSyscall6(unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&byDefault)), 0, unsafe.Sizeof(now.mask), 0, 0)
		}
	}
}
