package sandbox

import (
	"errors"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Main becomes the first process of a sandbox, or what starts those, if that is what
// [Run] started this process for, and reports whether it was; the caller must then return from its
// main function at once. Otherwise it does nothing, in no time. args is os.Args.
//
// Call it first in the main function of every program that uses [Run], and in
// TestMain of tests that do.
func Main(args []string) (handled bool) {
	if len(args) == 1 && args[0] == starterName {
		serveStarts()
		return true
	}
	// The name alone could be given by anybody; whoever also makes it process 1
	// of a pid namespace means it.
	if len(args) != 1 || args[0] != initName || os.Getpid() != 1 {
		return false
	}
	in := &initProcess{control: os.NewFile(controlFD, "control")}
	in.report(in.run())
	return true
}

// An initProcess is process 1 of a sandbox.
type initProcess struct {
	control *os.File
	once    sync.Once
}

// report sends the outcome, once.
func (in *initProcess) report(rep reply, err error) {
	in.once.Do(func() {
		if err != nil {
			se := makeStepError(err, false, "run sandbox").(*stepError)
			rep = reply{Op: text(se.op), Errno: se.errno, Kernel: se.kernel}
		}
		// If nobody listens any more, there is nobody to tell.
		_ = writeFrame(in.control, rep)
	})
}

// run is the life of process 1: get in, start the builder, reap.
func (in *initProcess) run() (reply, error) {
	unix.CloseOnExec(controlFD)
	var req request
	if err := readFrame(in.control, &req); err != nil {
		return reply{}, step(err, "read request")
	}
	if err := closeInherited(req.lastFD()); err != nil {
		return reply{}, step(err, "close inherited files")
	}
	// The builder has the same user id. This keeps it from tracing this process
	// and from its memory and descriptors in /proc.
	if !req.lacks(hiddenInit) {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return reply{}, step(err, "protect process 1")
		}
	}

	unix.Umask(0)
	if err := enterFilesystem(&req); err != nil {
		return reply{}, err
	}
	unix.Umask(0o022)
	if err := setUpHost(&req); err != nil {
		return reply{}, err
	}
	if err := setLimits(); err != nil {
		return reply{}, step(err, "set resource limits")
	}
	// From here on somebody may send signals, and this process have to wait.
	// Goroutines that wait cost threads, so they were not started before.
	catchSignals()
	pid, err := in.startBuilder(&req)
	if err != nil || req.Probe {
		return reply{}, err
	}
	go in.watch()
	return reap(pid)
}

// watch ends the sandbox when the caller is gone, whatever became of the
// parent-death signal.
func (in *initProcess) watch() {
	var b [1]byte
	in.control.Read(b[:])
	os.Exit(1)
}

// setUpHost names the machine and brings its only interface up.
func setUpHost(req *request) error {
	if err := unix.Sethostname(req.Hostname); err != nil {
		return kernelStep(err, "set host name")
	}
	if err := unix.Setdomainname([]byte("(none)")); err != nil {
		return kernelStep(err, "set domain name")
	}
	if req.lacks(ownNetwork) {
		return nil
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return kernelStep(err, "open a socket")
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return kernelStep(unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo), "bring loopback up")
}

// startBuilder starts the builder and, for a writable root, the recorder of its
// owners, and returns its process id.
func (in *initProcess) startBuilder(req *request) (int, error) {
	attr := &syscall.ProcAttr{
		Dir: string(req.Dir),
		Env: stringsOf(req.Env),
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	argv := stringsOf(req.Argv)
	program, err := "", error(nil)
	if !req.Probe {
		if program, err = findProgram(argv[0], attr.Env); err != nil {
			return 0, err
		}
		if err := unix.Access(attr.Dir, unix.X_OK); err != nil {
			return 0, step(err, "enter working directory %s", attr.Dir)
		}
	}
	stdin, err := in.openInput(req)
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	attr.Files = []uintptr{stdin.Fd(), 1, 2}
	if req.Terminal {
		attr.Files = []uintptr{stdin.Fd(), stdin.Fd(), stdin.Fd()}
		attr.Sys.Setctty = true // standard input, that is
	}
	if req.WritableRoot {
		if err := checkXattrs(); err != nil {
			return 0, err
		}
	}

	type started struct {
		pid, listener int
		err           error
	}
	ready := make(chan started)
	go func() {
		// Capabilities and filter belong to a thread, and a child has those of the
		// thread that forks. This one is never used for anything else, and lives as
		// long as the process: the filter must keep one user for its listener to
		// block rather than fail.
		runtime.LockOSThread()
		s := started{listener: -1}
		if s.listener, s.err = confine(req); s.err == nil && !req.Probe {
			s.pid, s.err = syscall.ForkExec(program, argv, attr)
			s.err = step(s.err, "start %s", program)
		}
		ready <- s
		select {}
	}()
	s := <-ready
	if s.err == nil && s.listener >= 0 && !req.Probe {
		s.err = in.startRecorder(s.listener, &req.Circumstances)
	}
	return s.pid, s.err
}

// openInput opens what the builder reads as standard input.
func (in *initProcess) openInput(req *request) (*os.File, error) {
	switch {
	case req.Terminal:
		return in.openTerminal(&req.TerminalSize)
	case req.Input:
		return os.NewFile(0, "input"), nil
	}
	return os.Open(os.DevNull)
}

// confine takes from the calling thread what a builder must not have.
// The listener is where the filter's questions arrive, or -1.
func confine(req *request) (listener int, err error) {
	keep := []uintptr(nil)
	if req.WritableRoot {
		keep = superuserCaps
	}
	if req.Circumstances.OneProcessor {
		if err := useOneProcessor(); err != nil {
			return -1, step(err, "choose a processor")
		}
	}
	// Whoever started sysc may have changed how programs are laid out (setarch).
	const perLinux = 0
	if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, perLinux, 0, 0); errno != 0 {
		return -1, step(errno, "set personality")
	}
	if !req.lacks(fewCapabilities) {
		if err := limitThread(keep); err != nil {
			return -1, step(err, "drop privileges")
		}
	}
	if !req.lacks(landlockRules) {
		if err := restrict(req); err != nil {
			return -1, kernelStep(err, "set Landlock rules")
		}
	}
	if req.lacks(callFilter) {
		return -1, nil
	}
	asks := req.WritableRoot || req.Circumstances.asks()
	listener, err = installFilter(filter(req.WritableRoot, &req.Circumstances), asks)
	return listener, kernelStep(err, "install system call filter")
}

// useOneProcessor keeps the calling thread, and what is forked from it, on the
// first processor that it may use.
func useOneProcessor() error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for i := range 8 * int(unsafe.Sizeof(all)) {
		if all.IsSet(i) {
			one.Set(i)
			break
		}
	}
	return unix.SchedSetaffinity(0, &one)
}

// findProgram returns the path of a program given without a slash.
func findProgram(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	search := ""
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
		}
	}
	for dir := range strings.SplitSeq(search, ":") {
		if !path.IsAbs(dir) {
			continue
		}
		candidate := path.Join(dir, name)
		var st unix.Stat_t
		if unix.Stat(candidate, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", step(unix.ENOENT, "find %s in PATH %q", name, search)
}

// reap waits for all that ends, until the builder does.
func reap(builder int) (reply, error) {
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, 0, &usage)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return reply{}, step(err, "wait")
		case pid == builder && (status.Exited() || status.Signaled()):
			return reply{
				Status:     uint32(status),
				UserTime:   usage.Utime.Nano(),
				SystemTime: usage.Stime.Nano(),
				MaxRSS:     usage.Maxrss * 1024,
			}, nil
		}
	}
}
