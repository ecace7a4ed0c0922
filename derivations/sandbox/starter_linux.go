package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A starter is a small process that starts the processes 1 of many sandboxes. To be
// born with a user namespace they have to be forked, and not only their parent's
// page tables are copied then: everything that the parent writes to afterwards is,
// too. For a process with a large heap that is more work than the rest of a sandbox.
//
// It ends when its socket does, with the process that has the other end, and takes
// the sandboxes along.
type starter struct {
	process *os.Process
	socket  *os.File
}

// starterName is the name (argv[0]) that this program is started under to become a
// starter, with a socket as descriptor controlFD.
const starterName = "sysc:sandbox-starter"

// mostHanded is how many mounts can be handed to the starter: the kernel passes 253
// descriptors in a message (SCM_MAX_FD).
const mostHanded = 240

// A startRequest is what namespaces needs to know. Descriptors come with it: a socket
// for the answers, and those of process 1.
type startRequest struct {
	UID, GID         int
	HostUID, HostGID int
	Without          protection `json:",omitempty"`
	Group            bool       `json:",omitempty"` // the last descriptor is Spec.Group
}

// A startReply says how the start ended, with a descriptor of the process (pidfd) if
// there is one, and later how the process ended.
type startReply struct {
	Errno syscall.Errno `json:",omitempty"`
	Error string        `json:",omitempty"`
	State string        `json:",omitempty"`
}

// newStarter starts a starter. It does not end with a thread of this process, but
// with its socket.
func newStarter() (*starter, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "starter"), os.NewFile(uintptr(fds[1]), "starter")
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer null.Close()
	process, err := os.StartProcess("/proc/self/exe", []string{starterName}, &os.ProcAttr{
		Env:   []string{"GOMAXPROCS=1"},
		Files: []*os.File{null, null, os.Stderr, theirs},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return &starter{process: process, socket: ours}, nil
}

func (s *starter) close() error {
	err := s.socket.Close()
	_, waitErr := s.process.Wait()
	return errors.Join(err, waitErr)
}

// start starts process 1 with its standard files, control and mounts.
func (s *starter) start(spec *Spec, behind *host, files []*os.File) (process1, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	answers := os.NewFile(uintptr(fds[0]), "answers")
	handed := []int{fds[1]}
	for _, f := range files {
		handed = append(handed, int(f.Fd()))
	}
	if spec.Group != nil {
		handed = append(handed, int(spec.Group.Fd()))
	}
	request, err := json.Marshal(startRequest{spec.UID, spec.GID, behind.uid, behind.gid, spec.without, spec.Group != nil})
	if err == nil {
		err = unix.Sendmsg(int(s.socket.Fd()), request, unix.UnixRights(handed...), nil, 0)
	}
	unix.Close(fds[1]) // so that the end of the starter is the end of answers
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask the starter of sandboxes: %w", err), answers.Close())
	}
	var reply startReply
	handle, err := receive(answers, &reply)
	if err == nil && reply.Errno != 0 {
		err = &os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: reply.Errno}
	} else if err == nil && len(handle) != 1 {
		err = errors.New("start sandbox: " + reply.Error)
	}
	if err != nil {
		return nil, errors.Join(err, answers.Close())
	}
	return &startedProcess{handle: handle[0], answers: answers}, nil
}

// receive reads a message and the descriptors that come with it. io.EOF means that
// the other end is gone.
func receive(socket *os.File, v any) ([]*os.File, error) {
	data := make([]byte, 4096)
	rights := make([]byte, unix.CmsgSpace(4*(mostHanded+8)))
	n, size, flags, _, err := unix.Recvmsg(int(socket.Fd()), data, rights, unix.MSG_CMSG_CLOEXEC)
	for err == unix.EINTR {
		n, size, flags, _, err = unix.Recvmsg(int(socket.Fd()), data, rights, unix.MSG_CMSG_CLOEXEC)
	}
	switch {
	case err != nil:
		return nil, os.NewSyscallError("recvmsg", err)
	case n == 0:
		return nil, io.EOF
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(rights[:size])
	for i := range messages {
		fds, rightsErr := unix.ParseUnixRights(&messages[i])
		err = errors.Join(err, rightsErr)
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "handed"))
		}
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.Join(err, errors.New("a message is cut off"))
	}
	return files, errors.Join(err, json.Unmarshal(data[:n], v))
}

// A process1 is the first process of a sandbox, seen from outside.
type process1 interface {
	// Kill ends it and everything in the sandbox, in a moment.
	Kill() error
	// Wait returns how it ended, for people, when nothing of it is left. It gives up
	// what the process1 holds.
	Wait() (state string, err error)
}

// A childProcess is one that this process has started.
type childProcess struct{ *os.Process }

func (p childProcess) Wait() (string, error) {
	state, err := p.Process.Wait()
	if err != nil {
		return "", err
	}
	return state.String(), nil
}

// A startedProcess is one that a starter has started.
type startedProcess struct {
	answers *os.File

	mu     sync.Mutex
	handle *os.File // pidfd, nil when it has ended
}

func (p *startedProcess) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle == nil {
		return os.ErrProcessDone
	}
	return unix.PidfdSendSignal(int(p.handle.Fd()), unix.SIGKILL, nil, 0)
}

func (p *startedProcess) Wait() (string, error) {
	var reply startReply
	_, err := receive(p.answers, &reply)
	if err == io.EOF {
		err = errors.New("the starter of sandboxes ended, and they with it")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err = errors.Join(err, p.answers.Close(), p.handle.Close())
	p.handle = nil
	return reply.State, err
}

// serveStarts is the life of a starter.
func serveStarts() {
	// Sandboxes end with the thread that forked them, and it is to be the one that
	// ends last.
	runtime.LockOSThread()
	socket := os.NewFile(controlFD, "requests")
	unix.CloseOnExec(controlFD)
	var running sync.WaitGroup
	for {
		var request startRequest
		files, err := receive(socket, &request)
		if err != nil {
			break // whoever asked is gone, or somebody plays
		}
		startOne(&request, files, &running)
	}
	// Normally there is none. What is left is killed with this process.
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}

// startOne answers one request.
func startOne(request *startRequest, files []*os.File, running *sync.WaitGroup) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	least := 5 // the answers, three standard files, control
	if request.Group {
		least++
	}
	if len(files) < least {
		return
	}
	answers, passed, handle := files[0], files[1:], -1
	attr := namespaces(
		&Spec{UID: request.UID, GID: request.GID, without: request.Without},
		&host{uid: request.HostUID, gid: request.HostGID})
	attr.PidFD = &handle
	if last := len(passed) - 1; request.Group {
		enterGroup(attr, passed[last])
		passed = passed[:last]
	}
	process, err := startInit(passed, attr)
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		answer(answers, startReply{Errno: errno}, -1)
		return
	case err != nil:
		answer(answers, startReply{Error: err.Error()}, -1)
		return
	case handle < 0: // before Linux 5.3
		process.Kill()
		process.Wait()
		answer(answers, startReply{Error: "the kernel has no handles of processes"}, -1)
		return
	}
	answer(answers, startReply{}, handle)
	unix.Close(handle)
	files = files[1:] // the answers are not given up yet
	running.Go(func() {
		defer answers.Close()
		state, err := process.Wait()
		reply := startReply{State: state.String()}
		if err != nil {
			reply.State = err.Error()
		}
		answer(answers, reply, -1)
	})
}

// answer sends a reply, with a descriptor unless it is negative. If nobody listens any
// more, there is nobody to tell.
func answer(socket *os.File, reply startReply, fd int) {
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	if data, err := json.Marshal(reply); err == nil {
		_ = unix.Sendmsg(int(socket.Fd()), data, rights, nil, unix.MSG_NOSIGNAL)
	}
}

// startInit starts process 1 with its standard files, control and mounts.
func startInit(files []*os.File, attr *syscall.SysProcAttr) (*os.Process, error) {
	// /proc/self/exe remains this very program when its file is replaced.
	return os.StartProcess("/proc/self/exe", []string{initName}, &os.ProcAttr{
		// Process 1 does one thing at a time; more would cost it wake-ups.
		Env:   []string{"GOMAXPROCS=1"},
		Files: files,
		Sys:   attr,
	})
}
