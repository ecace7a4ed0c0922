package sandbox

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif (seccomp_unotify(2)).
type notification struct {
	id    uint64
	pid   uint32 // of the thread that asks, as seen here
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	errno int32 // negative
	flags uint32
}

// A listener is where a filter's questions arrive.
type listener struct {
	fd int
	// The kernel's structures may be longer than ours in times to come.
	notification []uint64
}

// longestResponse is how long the kernel's struct seccomp_notif_resp may be, in
// words: it has three.
const longestResponse = 16

// installFilter puts the filter on the calling thread. With questions it
// returns the descriptor of a listener, otherwise -1.
func installFilter(p program, questions bool) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	install := func(flags uintptr) (int, unix.Errno) {
		fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		runtime.KeepAlive(p)
		return int(fd), errno
	}
	if !questions {
		if _, errno := install(0); errno != 0 {
			return -1, errno
		}
		return -1, nil
	}
	// A caller that is answered must not start over because of a signal, or a
	// program with many signals (Go's) never gets an answer. Linux 5.19.
	fd, errno := install(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	if errno == unix.EINVAL {
		fd, errno = install(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	}
	if errno != 0 {
		return -1, errno
	}
	return fd, nil
}

func newListener(fd int) (*listener, error) {
	var sizes struct{ notification, response, data uint16 }
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	if errno != 0 {
		return nil, errno
	}
	if sizes.response > longestResponse*8 {
		return nil, unix.E2BIG
	}
	// Asker and answerer take turns, so they had better share a processor.
	// Linux 6.6; without it all works, slower.
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	size := max(uintptr(sizes.notification), unsafe.Sizeof(notification{}))
	return &listener{fd: fd, notification: make([]uint64, (size+7)/8)}, nil
}

// receive waits for a question. ENOENT and EINTR mean: once more.
// What it returns is good until the next one.
func (l *listener) receive() (*notification, error) {
	clear(l.notification) // the kernel wants zeros
	p := unsafe.Pointer(&l.notification[0])
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(p)); errno != 0 {
		return nil, errno
	}
	return (*notification)(p), nil
}

// valid reports whether the one who asked still waits, and thus is still the
// process of that id.
func (l *listener) valid(id uint64) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_ID_VALID, uintptr(unsafe.Pointer(&id)))
	return errno == 0
}

// answer makes the call return 0, or fail with errno.
func (l *listener) answer(id uint64, errno unix.Errno) error {
	return l.send(response{id: id, errno: -int32(errno)})
}

// answerWith makes the call return a value.
func (l *listener) answerWith(id uint64, value int64) error {
	return l.send(response{id: id, val: value})
}

// proceed lets the kernel do the call, as if nobody had been asked. It looks at
// the arguments anew: it must not matter what they are by then.
func (l *listener) proceed(id uint64) error {
	return l.send(response{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// send is safe for concurrent use.
func (l *listener) send(resp response) error {
	var words [longestResponse]uint64
	p := unsafe.Pointer(&words[0])
	*(*response)(p) = resp
	_, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(p))
	if err != 0 && err != unix.ENOENT { // ENOENT: killed meanwhile
		return err
	}
	return nil
}
