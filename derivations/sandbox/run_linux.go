package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs a builder and waits for it. A builder that fails is a Result, not an
// error; errors are a Spec that cannot be followed, a program that cannot be
// started, a machine without the means ([*UnavailableError]), and ctx's end, as
// context.Cause(ctx), wrapped. When Run returns, in whatever way, no process and
// no mount of the build is left.
//
// It is safe for concurrent use. It occupies an operating system thread while
// the builder runs. The user that calls needs to reach Root and the sources of
// the binds without special privilege.
func Run(ctx context.Context, spec Spec) (Result, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return Result{}, fmt.Errorf("run builder: %w", err)
	}
	result, err := run(ctx, spec, false)
	if err != nil {
		var unavailable *UnavailableError
		if errors.As(err, &unavailable) {
			return Result{}, err
		}
		return Result{}, fmt.Errorf("run %s: %w", spec.Argv[0], err)
	}
	return result, nil
}

func run(ctx context.Context, spec Spec, probe bool) (result Result, err error) {
	ctx, cancel := spec.timed(ctx)
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	if err := CheckCaller(); err != nil {
		return Result{}, err
	}
	if err := checkPrivate(spec); err != nil {
		return Result{}, err
	}
	if spec.WritableRoot {
		remove, err := makeMountPoints(spec)
		if err != nil {
			return Result{}, err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}

	// The parent-death signal that start asks for is sent when the thread that
	// forked ends, not the process (golang.org/issue/27505).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	behind, err := openHost(&spec)
	if err != nil {
		return Result{}, err
	}
	child, err := start(spec, behind)
	behind.close()
	if err != nil {
		return Result{}, err
	}
	stop := context.AfterFunc(ctx, func() { child.process.Kill() })
	defer stop()

	req := newRequest(spec)
	req.handMounts(len(behind.mounts))
	req.Probe = probe
	rep, err := child.talk(req)
	if cause := context.Cause(ctx); cause != nil {
		return Result{}, cause
	}
	if err != nil {
		return Result{}, err
	}
	return rep.result()
}

// A child is process 1 of a sandbox, seen from outside.
type child struct {
	process process1
	control *os.File
	// terminal is the one to connect it with, or nil.
	terminal *Terminal
	output   chan error // closed after the copying of the output ended
}

// start starts process 1 in its namespaces. It must be called on a locked
// thread that outlives the child.
func start(spec Spec, behind *host) (*child, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	input := spec.Input
	if input == nil {
		if input, err = os.Open(os.DevNull); err != nil {
			ours.Close()
			return nil, err
		}
		defer input.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer w.Close()
	// For programs that open /dev/stdout.
	if err := w.Chown(behind.uid, behind.gid); err != nil {
		ours.Close()
		r.Close()
		return nil, err
	}

	process, err := startProcess1(&spec, behind, append([]*os.File{input, w, w, theirs}, behind.mounts...))
	if err != nil {
		ours.Close()
		r.Close()
		if spec.Group != nil && errors.Is(err, unix.ENOSYS) {
			return nil, fmt.Errorf("%w: %w", ErrGroup, err)
		}
		return nil, unavailable(err)
	}
	c := &child{process: process, control: ours, terminal: spec.Terminal, output: make(chan error, 1)}
	go func() {
		defer r.Close()
		defer close(c.output)
		out := spec.Output
		if out == nil {
			out = io.Discard
		}
		if _, err := io.Copy(out, r); err != nil {
			c.output <- fmt.Errorf("copy output: %w", err)
		}
	}()
	return c, nil
}

// startProcess1 starts it through the starter, if there is one.
func startProcess1(spec *Spec, behind *host, files []*os.File) (process1, error) {
	if spec.Shared != nil && len(behind.mounts) <= mostHanded {
		if s := spec.Shared.starter(); s != nil {
			return s.start(spec, behind, files)
		}
	}
	attr := namespaces(spec, behind)
	enterGroup(attr, spec.Group)
	process, err := startInit(files, attr)
	if err != nil {
		return nil, err
	}
	return childProcess{process}, nil
}

func controlPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

// namespaces describes process 1: the only user is the one of the host's that
// stands behind the builder, under the ids that the builder is to see.
func namespaces(spec *Spec, behind *host) *syscall.SysProcAttr {
	uid, gid := spec.UID, spec.GID
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: behind.uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: behind.gid, Size: 1}},
		Setsid:      true,
		Pdeathsig:   syscall.SIGKILL,
	}
	if spec.without&ownNetwork != 0 {
		attr.Cloneflags &^= unix.CLONE_NEWNET
	}
	if spec.without&ownIPC != 0 {
		attr.Cloneflags &^= unix.CLONE_NEWIPC
	}
	if uid != 0 {
		// A user other than 0 loses its capabilities in execve(2), unless they are
		// ambient (capabilities(7)).
		attr.AmbientCaps = setupCaps
	}
	if mayDropGroups() {
		// Without privilege the kernel lets nobody into a user namespace who could
		// leave a group, for groups may also take rights away.
		attr.GidMappingsEnableSetgroups = true
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attr
}

// enterGroup has what is started begin in a control group, if there is one.
func enterGroup(attr *syscall.SysProcAttr, group *os.File) {
	if group != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(group.Fd())
	}
}

// talk hands req in, waits for the end of the sandbox, and returns its report.
// Everything of the child is closed and reaped afterwards.
func (c *child) talk(req request) (reply, error) {
	defer c.control.Close()
	// An error of writing means that the child is gone; why, the rest will tell.
	writeErr := writeFrame(c.control, req)
	rep, readErr := c.await()
	state, waitErr := c.process.Wait()
	// Nobody is left who could hold the pipe's other end.
	outErr := <-c.output
	switch {
	case waitErr != nil:
		return reply{}, waitErr
	case readErr != nil:
		err := fmt.Errorf("first process of the sandbox ended without a report (%v)", state)
		return reply{}, errors.Join(err, writeErr, outErr)
	case outErr != nil:
		return reply{}, outErr
	}
	return rep, nil
}

// await returns the report. Until it comes, the terminal is connected.
func (c *child) await() (rep reply, err error) {
	if c.terminal != nil {
		inside, early, err := receiveTerminal(c.control)
		if err != nil || inside == nil {
			return early, err
		}
		connected, err := connect(c.terminal, inside)
		if err != nil {
			return reply{}, errors.Join(err, c.process.Kill())
		}
		defer func() { err = errors.Join(err, connected.end()) }()
	}
	err = readFrame(c.control, &rep)
	return rep, err
}

func (r reply) result() (Result, error) {
	if len(r.Op) > 0 {
		err := error(&stepError{op: string(r.Op), errno: r.Errno})
		if r.Kernel {
			return Result{}, unavailable(err)
		}
		return Result{}, err
	}
	res := Result{
		UserTime:   time.Duration(r.UserTime),
		SystemTime: time.Duration(r.SystemTime),
		MaxRSS:     r.MaxRSS,
	}
	switch ws := syscall.WaitStatus(r.Status); {
	case ws.Signaled():
		res.Signal = ws.Signal()
		res.ExitCode = 128 + int(res.Signal)
	default:
		res.ExitCode = ws.ExitStatus()
	}
	return res, nil
}

// A stepError is one step inside that went wrong.
type stepError struct {
	op     string
	errno  syscall.Errno
	kernel bool
}

func (e *stepError) Error() string {
	if e.errno == 0 {
		return e.op
	}
	return e.op + ": " + e.errno.Error()
}

func (e *stepError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// checkPrivate makes sure that what a builder may write cannot be reached by
// other users while it is there: it may make set-id and world-writable files
// (CVE-2024-38531).
func checkPrivate(spec Spec) error {
	var writable []string
	if spec.WritableRoot {
		writable = append(writable, spec.Root)
	}
	for _, b := range spec.Binds {
		if b.Writable && !b.Public {
			writable = append(writable, b.Source)
		}
	}
	for _, p := range writable {
		private, err := isPrivate(p)
		if err != nil {
			return err
		}
		if !private {
			return fmt.Errorf("other users can reach %s, which the builder writes: chmod 0700 it or a directory that leads to it", p)
		}
	}
	return nil
}

func isPrivate(name string) (bool, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	// The kernel's idea of where that is, whatever links led there.
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return false, err
	}
	for dir := real; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return false, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
		if st.Mode&0o011 == 0 && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return true, nil
		}
		if dir == "/" {
			return false, nil
		}
	}
}

// mountPoints are the directories of a writable root that are mounted over.
func mountPoints(binds []Bind) []string {
	points := []string{"proc", "dev", "tmp", "run"}
	for _, top := range []string{"build", "sysc"} {
		for _, b := range binds {
			if below(b.Target, "/"+top) {
				points = append(points, top)
				break
			}
		}
	}
	return points
}

// makeMountPoints makes the directories that a writable root lacks,
// and returns what removes them again.
func makeMountPoints(spec Spec) (remove func() error, err error) {
	root, err := unix.Open(spec.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: spec.Root, Err: err}
	}
	var made []string
	remove = func() error {
		defer unix.Close(root)
		var errs []error
		for _, name := range made {
			// Only an empty directory can go, and it is empty: the builder saw a
			// mount there, and could neither rename nor remove it.
			if err := unix.Unlinkat(root, name, unix.AT_REMOVEDIR); err != nil {
				errs = append(errs, &os.PathError{Op: "remove", Path: spec.Root + "/" + name, Err: err})
			}
		}
		return errors.Join(errs...)
	}
	for _, name := range mountPoints(spec.Binds) {
		switch err := unix.Mkdirat(root, name, 0o755); err {
		case nil:
			made = append(made, name)
		case unix.EEXIST:
		default:
			err := &os.PathError{Op: "mkdir", Path: spec.Root + "/" + name, Err: err}
			return nil, errors.Join(err, remove())
		}
	}
	return remove, nil
}
