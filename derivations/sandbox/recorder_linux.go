package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unchanged is the id that leaves an owner or group as it was (chown(2)).
const unchanged = ^uint32(0)

// A fileArg is how a call names a file.
type fileArg struct {
	// dir is what the path is relative to, a descriptor of the caller's or
	// AT_FDCWD. With self it is the file itself, and there is no path.
	dir  int32
	self bool
	// path is the address of the path in the caller's memory.
	path uint64
	// flags are those of fchownat(2), of which target knows AT_SYMLINK_NOFOLLOW
	// and AT_EMPTY_PATH.
	flags int
}

// An ownerCall is a chown(2), or a relative of it, that the builder asks for.
type ownerCall struct {
	file     fileArg
	uid, gid uint32
}

func decodeCommonOwnerCall(nr int32, args [6]uint64) ownerCall {
	if nr == unix.SYS_FCHOWN {
		return ownerCall{file: fileArg{dir: int32(args[0]), self: true}, uid: uint32(args[1]), gid: uint32(args[2])}
	}
	return ownerCall{
		file: fileArg{dir: int32(args[0]), path: args[1], flags: int(int32(args[4]))},
		uid:  uint32(args[2]), gid: uint32(args[3]),
	}
}

// A recorder answers the calls that change or show an owner or an access control list, and those that show
// circumstances that are not the machine's. It uses a thread of its own, with its
// own root and working directory.
type recorder struct {
	listener *listener
	clock    *clock // nil for the machine's
	listing  listing
	root     int // the sandbox's root directory
	proc     place
	rootStat unix.Stat_t
	// chrooted is whether any process may have another root than the sandbox's.
	chrooted bool
	stats    statBuffers
}

// startRecorder serves the listener until the process ends.
func (in *initProcess) startRecorder(fd int, c *Circumstances) error {
	l, err := newListener(fd)
	if err != nil {
		return kernelStep(err, "ask for sizes of notifications")
	}
	clock, err := newClock(c.ClockShift)
	if err != nil {
		return step(err, "set the clock of the day")
	}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		r := newRecorder(l)
		r.clock = clock
		err := r.open()
		ready <- err
		if err == nil {
			// Without answers the builder would wait for ever.
			in.report(reply{}, step(r.serve(), "record owners"))
			os.Exit(1)
		}
	}()
	return step(<-ready, "start the recorder of owners")
}

// open gives the calling thread its own idea of root and working directory.
func (r *recorder) open() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	var err error
	if r.root, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if r.proc.fd, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	return unix.Fstat(r.root, &r.rootStat)
}

func (r *recorder) serve() error {
	for {
		n, err := r.listener.receive()
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.handle(n); err != nil {
			return err
		}
	}
}

// handle answers n. An error means that the recorder itself cannot go on.
func (r *recorder) handle(n *notification) error {
	switch {
	case n.nr == unix.SYS_CHROOT:
		r.chrooted = true
		return r.listener.proceed(n.id)
	case n.nr == unix.SYS_GETDENTS64:
		size, errno, answered := r.list(n)
		switch {
		case !answered:
			return r.listener.proceed(n.id)
		case errno != 0:
			return r.listener.answer(n.id, errno)
		}
		return r.listener.answerWith(n.id, size)
	case r.clock.isClockCall(n.nr):
		return r.serveClock(n)
	}
	if call, ok := decodeStatCall(n.nr, &n.args); ok {
		shown, err := r.show(n, &call)
		switch {
		case err != nil:
			return err
		case shown:
			return r.listener.answer(n.id, 0)
		}
		return r.listener.proceed(n.id)
	}
	if call, ok := decodeXattrCall(n.nr, &n.args); ok {
		return r.serveXattr(n, &call)
	}
	errno, err := r.change(n)
	if err != nil {
		return err
	}
	return r.listener.answer(n.id, errno)
}

// change makes the change of owner that n asks for and returns the caller's
// errno. An error means that the recorder itself cannot go on.
func (r *recorder) change(n *notification) (unix.Errno, error) {
	call := decodeOwnerCall(n.nr, n.args)
	if call.file.flags&^(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return unix.EINVAL, nil
	}
	fd, errno, err := r.target(n, &call.file)
	if err != nil || errno != 0 {
		return errno, err
	}
	defer unix.Close(fd)
	// Up to here only files were opened. If the caller was killed, they may have
	// been another's, that got its process id.
	if !r.listener.valid(n.id) {
		return unix.EINTR, nil // nobody reads that
	}
	return record(fd, call.uid, call.gid), nil
}

// target opens the file that the call is about, as the caller would.
func (r *recorder) target(n *notification, file *fileArg) (int, unix.Errno, error) {
	if file.self {
		fd, err := r.descriptor(n.pid, file.dir)
		return fd, errnoOf(err), nil
	}
	read, errno := r.stats.readPath(n.pid, file)
	if errno != 0 {
		return -1, errno, nil
	}
	path := string(read)
	if path == "" && file.flags&unix.AT_EMPTY_PATH != 0 {
		fd, err := r.base(n.pid, file.dir)
		return fd, errnoOf(err), nil
	}
	// Here that name would mean this process.
	if number, ok := strings.CutPrefix(path, "/proc/self/fd/"); ok && file.flags&unix.AT_SYMLINK_NOFOLLOW == 0 {
		if d, err := strconv.ParseInt(number, 10, 32); err == nil {
			fd, err := r.descriptor(n.pid, int32(d))
			return fd, errnoOf(err), nil
		}
	}
	base := unix.AT_FDCWD
	if !strings.HasPrefix(path, "/") {
		var err error
		if base, err = r.base(n.pid, file.dir); err != nil {
			return -1, errnoOf(err), nil
		}
		defer unix.Close(base)
	}
	how := &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC,
		// Such links in /proc/self lead to what this process has: the program
		// itself, which is a file of the host.
		Resolve: unix.RESOLVE_NO_MAGICLINKS,
	}
	if file.flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		how.Flags |= unix.O_NOFOLLOW
	}
	return r.openAs(n.pid, base, path, how)
}

// openAs opens a path under the root directory of the caller, which may have
// called chroot(2).
func (r *recorder) openAs(pid uint32, base int, path string, how *unix.OpenHow) (int, unix.Errno, error) {
	if !r.chrooted {
		fd, err := unix.Openat2(base, path, how)
		return fd, errnoOf(err), nil
	}
	root, err := r.link(pid, "root", unix.O_DIRECTORY)
	if err != nil {
		return -1, errnoOf(err), nil
	}
	defer unix.Close(root)
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return -1, errnoOf(err), nil
	}
	if st.Dev == r.rootStat.Dev && st.Ino == r.rootStat.Ino {
		fd, err := unix.Openat2(base, path, how)
		return fd, errnoOf(err), nil
	}
	if err := enterRoot(root); err != nil {
		return -1, errnoOf(err), nil
	}
	fd, openErr := unix.Openat2(base, path, how)
	if err := enterRoot(r.root); err != nil {
		return -1, 0, fmt.Errorf("return to root: %w", err)
	}
	return fd, errnoOf(openErr), nil
}

func enterRoot(fd int) error {
	if err := unix.Fchdir(fd); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// base opens what paths of the caller that are relative to dir start from.
func (r *recorder) base(pid uint32, dir int32) (int, error) {
	if dir == unix.AT_FDCWD {
		return r.link(pid, "cwd", 0)
	}
	return r.descriptor(pid, dir)
}

// descriptor opens what a descriptor of the caller is open at.
func (r *recorder) descriptor(pid uint32, fd int32) (int, error) {
	if fd < 0 {
		return -1, unix.EBADF
	}
	opened, err := r.link(pid, fmt.Sprintf("fd/%d", fd), 0)
	if err == unix.ENOENT {
		err = unix.EBADF
	}
	return opened, err
}

// link opens what a link in the caller's directory in proc leads to.
func (r *recorder) link(pid uint32, name string, flags int) (int, error) {
	return unix.Openat(r.proc.fd, fmt.Sprintf("%d/%s", pid, name), unix.O_PATH|unix.O_CLOEXEC|flags, 0)
}

// record makes uid and gid the recorded owner of the file open at fd.
func record(fd int, uid, gid uint32) unix.Errno {
	// The real call, to the only owner that there really is, clears the set-id
	// bits and file capabilities as chown(2) must, and fails where it would fail.
	if err := unix.Fchownat(fd, "", 0, 0, unix.AT_EMPTY_PATH); err != nil {
		return errnoOf(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errnoOf(err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return 0 // others cannot carry the attribute (xattr(7))
	}
	name := fmt.Sprintf("/proc/self/fd/%d", fd)
	var old [64]byte
	n, err := unix.Getxattr(name, OwnerXattr, old[:])
	owner, ok := ParseOwner(string(old[:max(n, 0)]))
	if err != nil || !ok {
		owner = Owner{}
	}
	if uid != unchanged {
		owner.UID = uid
	}
	if gid != unchanged {
		owner.GID = gid
	}
	if owner == (Owner{}) {
		err = unix.Removexattr(name, OwnerXattr)
	} else {
		err = unix.Setxattr(name, OwnerXattr, []byte(owner.String()), 0)
	}
	switch err {
	case nil, unix.ENODATA:
		return 0
	case unix.ENOTSUP:
		return 0 // not in the root, which was tried: a tmpfs before Linux 6.6
	}
	return errnoOf(err)
}

// checkXattrs makes sure that owners can be recorded in the root.
func checkXattrs() error {
	err := unix.Setxattr("/", OwnerXattr+".probe", []byte("1"), 0)
	if err == nil {
		err = unix.Removexattr("/", OwnerXattr+".probe")
	}
	return step(err, "record owners in the root: its file system must keep user extended attributes; use a store on another")
}

func errnoOf(err error) unix.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(unix.Errno); ok {
		return errno
	}
	return unix.EIO
}
