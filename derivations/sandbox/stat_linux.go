package sandbox

import (
	"bytes"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A statCall is a stat(2), or a relative of it, that the builder asks for.
type statCall struct {
	file fileArg
	// buffer is the address of the answer in the caller's memory: a struct
	// statx if extended, otherwise a struct stat.
	buffer   uint64
	extended bool
	mask     int // of statx(2)
}

func decodeFstatat(args *[6]uint64) statCall {
	return statCall{
		file:   fileArg{dir: int32(args[0]), path: args[1], flags: int(int32(args[3]))},
		buffer: args[2],
	}
}

func decodeCommonStatCall(nr int32, args *[6]uint64) (statCall, bool) {
	switch nr {
	case unix.SYS_FSTAT:
		return statCall{file: fileArg{dir: int32(args[0]), self: true}, buffer: args[1]}, true
	case unix.SYS_STATX:
		return statCall{
			file:   fileArg{dir: int32(args[0]), path: args[1], flags: int(int32(args[2]))},
			buffer: args[4], extended: true, mask: int(uint32(args[3])),
		}, true
	}
	return statCall{}, false
}

// statxSync are the flags of statx(2) about files on other machines
// (AT_STATX_SYNC_TYPE).
const statxSync = unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC

// statFlags are the flags of calls that [recorder.show] looks into.
// The kernel refuses the rest, or finds a meaning in it.
const statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH | unix.AT_NO_AUTOMOUNT | statxSync

// statBuffers are what a question about a file is worked out in. There are very
// many, almost all about files without a recorded owner, and these are to be
// found out without allocations.
type statBuffers struct {
	name  []byte // of a file, as this process reaches it
	path  []byte // of a file, as the caller names it
	value [64]byte
	attr  []byte // OwnerXattr as the kernel wants it
}

func newRecorder(l *listener) *recorder {
	return &recorder{listener: l, stats: statBuffers{
		name: make([]byte, 0, 2*unix.PathMax),
		path: make([]byte, unix.PathMax),
		attr: append([]byte(OwnerXattr), 0),
	}}
}

// show answers a call that shows an owner if there is a recorded one, and
// reports whether it did. Otherwise, which includes every failure, the kernel
// is to answer. An error means that the recorder itself cannot go on.
func (r *recorder) show(n *notification, call *statCall) (bool, error) {
	if call.file.flags&^statFlags != 0 || !r.mayHaveOwner(n.pid, &call.file) {
		return false, nil
	}
	fd, errno, err := r.target(n, &call.file)
	if err != nil || errno != 0 {
		return false, err
	}
	defer unix.Close(fd)
	owner, ok := r.ownerAt(fd)
	if !ok {
		return false, nil
	}
	answer, errno := call.answer(fd, owner)
	// Up to here files were only looked at. The caller's memory is its own only
	// if it still waits.
	if errno != 0 || !r.listener.valid(n.id) {
		return false, nil
	}
	return writeMemory(int(n.pid), call.buffer, answer), nil
}

// mayHaveOwner reports whether the file has a recorded owner, in at most two
// system calls. It may be wrong about a file that the caller finds elsewhere
// than this process does, and then in favour of having one; but for links into
// /proc/self, which show the owner on disk.
func (r *recorder) mayHaveOwner(pid uint32, file *fileArg) bool {
	b := &r.stats
	b.name = append(b.name[:0], "/proc/"...)
	b.name = strconv.AppendUint(b.name, uint64(pid), 10)
	if file.self {
		return r.hasOwner(b.descriptor(file.dir), false)
	}
	path, errno := b.readPath(pid, file)
	nofollow := file.flags&unix.AT_SYMLINK_NOFOLLOW != 0
	switch {
	case errno != 0:
		return false
	case len(path) == 0:
		return file.flags&unix.AT_EMPTY_PATH != 0 && r.hasOwner(b.base(file.dir), false)
	case r.chrooted:
		return true
	case path[0] != '/':
		b.name = append(append(b.base(file.dir), '/'), path...)
	case bytes.HasPrefix(path, procSelf):
		b.name = append(append(b.name, '/'), path[len(procSelf):]...)
	default:
		b.name = append(b.name[:0], path...)
	}
	return r.hasOwner(b.name, nofollow)
}

var procSelf = []byte("/proc/self/")

// descriptor and base append to a process's directory in proc the name of what
// is open at a descriptor, or of what paths relative to dir start from.
func (b *statBuffers) descriptor(fd int32) []byte {
	return strconv.AppendInt(append(b.name, "/fd/"...), int64(fd), 10)
}

func (b *statBuffers) base(dir int32) []byte {
	if dir == unix.AT_FDCWD {
		return append(b.name, "/cwd"...)
	}
	return b.descriptor(dir)
}

// hasOwner reports whether the file of that name has a recorded owner, or the
// name is too long to tell.
func (r *recorder) hasOwner(name []byte, nofollow bool) bool {
	call := uintptr(unix.SYS_GETXATTR)
	if nofollow {
		call = unix.SYS_LGETXATTR
	}
	r.stats.name = append(name, 0)
	_, errno := r.getxattr(call)
	return errno == 0 || errno == unix.ENAMETOOLONG
}

// ownerAt returns the recorded owner of the file open at fd, if there is one
// other than root.
func (r *recorder) ownerAt(fd int) (Owner, bool) {
	b := &r.stats
	b.name = append(b.name[:0], "/proc/self/fd/"...)
	b.name = append(strconv.AppendInt(b.name, int64(fd), 10), 0)
	size, errno := r.getxattr(unix.SYS_GETXATTR)
	if errno != 0 {
		return Owner{}, false
	}
	owner, ok := ParseOwner(string(b.value[:size]))
	return owner, ok && owner != Owner{}
}

// getxattr reads the attribute of the file called stats.name into stats.value.
func (r *recorder) getxattr(call uintptr) (int, unix.Errno) {
	b := &r.stats
	n, _, errno := unix.RawSyscall6(call, uintptr(unsafe.Pointer(&b.name[0])), uintptr(unsafe.Pointer(&b.attr[0])),
		uintptr(unsafe.Pointer(&b.value[0])), uintptr(len(b.value)), 0, 0)
	return int(n), errno
}

// answer returns what the call writes for the file open at fd if owner owns it.
func (c *statCall) answer(fd int, owner Owner) ([]byte, unix.Errno) {
	if c.extended {
		var st unix.Statx_t
		flags := c.file.flags&statxSync | unix.AT_EMPTY_PATH
		if err := unix.Statx(fd, "", flags, c.mask, &st); err != nil {
			return nil, errnoOf(err)
		}
		st.Uid, st.Gid = owner.UID, owner.GID
		return unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st)), 0
	}
	// On 64-bit architectures this is the kernel's struct stat.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errnoOf(err)
	}
	st.Uid, st.Gid = owner.UID, owner.GID
	return unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st)), 0
}

// readPath reads the path of file, which is good until the next one is read.
func (b *statBuffers) readPath(pid uint32, file *fileArg) ([]byte, unix.Errno) {
	if file.path == 0 && file.flags&unix.AT_EMPTY_PATH != 0 {
		return nil, 0 // Linux 6.11
	}
	return readPath(int(pid), file.path, b.path)
}

// readPath reads a path from the memory of a process into buf, of PathMax bytes.
func readPath(pid int, address uint64, buf []byte) ([]byte, unix.Errno) {
	// Few paths are longer, and what is read may end on the page it begins on.
	const usual = 256
	have := 0
	for have < len(buf) {
		at := address + uint64(have)
		chunk := min(usual, pageSize-at%pageSize, uint64(len(buf)-have))
		n, errno := transfer(unix.SYS_PROCESS_VM_READV, pid, at, buf[have:have+int(chunk)])
		if errno != 0 {
			return nil, errno
		}
		if n == 0 {
			return nil, unix.EFAULT
		}
		if end := bytes.IndexByte(buf[have:have+n], 0); end >= 0 {
			return buf[:have+end], 0
		}
		have += n
	}
	return nil, unix.ENAMETOOLONG
}

// pageSize divides the size of a page on every machine.
const pageSize = 4096

// writeMemory writes data to the memory of a process and reports whether all of
// it got there.
func writeMemory(pid int, address uint64, data []byte) bool {
	n, errno := transfer(unix.SYS_PROCESS_VM_WRITEV, pid, address, data)
	return errno == 0 && n == len(data)
}

// transfer copies between data and the memory of a process (process_vm_readv(2)).
func transfer(call uintptr, pid int, address uint64, data []byte) (int, unix.Errno) {
	local := unix.Iovec{Base: &data[0], Len: uint64(len(data))}
	remote := unix.RemoteIovec{Base: uintptr(address), Len: len(data)}
	n, _, errno := unix.RawSyscall6(call, uintptr(pid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 1, 0)
	return int(n), errno
}
