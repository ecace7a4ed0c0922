package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openTerminal opens a terminal of the sandbox's own, of a size, sends its other end
// to the caller, and returns it.
func (in *initProcess) openTerminal(size *unix.Winsize) (*os.File, error) {
	master, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, kernelStep(err, "open a terminal")
	}
	defer unix.Close(master)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return nil, step(err, "unlock the terminal")
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return nil, step(errno, "open the terminal's other end")
	}
	slave := os.NewFile(fd, "terminal")
	// The builder may ask before the caller has got the other end.
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
		return nil, errors.Join(step(err, "set the terminal's size"), slave.Close())
	}
	frame, err := encodeFrame(reply{})
	if err == nil {
		err = unix.Sendmsg(int(in.control.Fd()), frame, unix.UnixRights(master), nil, 0)
	}
	if err != nil {
		return nil, errors.Join(step(err, "hand the terminal over"), slave.Close())
	}
	return slave, nil
}

// receiveTerminal returns what openTerminal sent, or, without a file, how the sandbox
// ended before that.
func receiveTerminal(control *os.File) (*os.File, reply, error) {
	var head [4]byte
	rights := make([]byte, unix.CmsgSpace(4))
	n, size, _, _, err := unix.Recvmsg(int(control.Fd()), head[:], rights, unix.MSG_CMSG_CLOEXEC)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, reply{}, err
	}
	if _, err := io.ReadFull(control, head[n:]); err != nil {
		return nil, reply{}, err
	}
	var rep reply
	if err := readBody(control, head, &rep); err != nil || size == 0 {
		return nil, rep, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:size])
	if err != nil || len(messages) != 1 {
		return nil, rep, fmt.Errorf("receive the terminal: %d messages (%v)", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, rep, fmt.Errorf("receive the terminal: %d files (%v)", len(fds), err)
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), rep, nil
}

// A connection copies between a person's terminal and that of a builder.
type connection struct {
	outside *Terminal
	inside  *os.File
	before  *term.State
	wake    *os.File // closed to end the copying of what is typed
	resized chan os.Signal
	typing  sync.WaitGroup
	showing sync.WaitGroup
}

// connect begins to copy. It owns inside.
func connect(outside *Terminal, inside *os.File) (*connection, error) {
	c := &connection{outside: outside, inside: inside, resized: make(chan os.Signal, 1)}
	asleep, wake, err := os.Pipe()
	if err != nil {
		inside.Close()
		return nil, err
	}
	c.wake = wake
	if c.before, err = term.MakeRaw(int(outside.In.Fd())); err != nil {
		return nil, errors.Join(err, asleep.Close(), wake.Close(), inside.Close())
	}
	signal.Notify(c.resized, unix.SIGWINCH)
	c.resize() // it may have changed since the request
	go func() {
		for range c.resized {
			c.resize()
		}
	}()
	c.typing.Go(func() {
		defer asleep.Close()
		c.copyTyped(int(asleep.Fd()))
	})
	c.showing.Go(func() {
		// It ends with an error when nobody has the terminal inside any more.
		_, _ = io.Copy(outside.Out, inside)
	})
	return c, nil
}

// resize makes the terminal inside as large as the one outside. If that does not say
// how large it is, the one inside does not either.
func (c *connection) resize() {
	size := c.outside.size()
	_ = unix.IoctlSetWinsize(int(c.inside.Fd()), unix.TIOCSWINSZ, &size)
}

// size is zero for a terminal that does not say how large it is.
func (t *Terminal) size() unix.Winsize {
	size, err := unix.IoctlGetWinsize(int(t.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return unix.Winsize{}
	}
	return *size
}

// copyTyped copies what is typed until asleep wakes up, and takes no byte more.
func (c *connection) copyTyped(asleep int) {
	in := int(c.outside.In.Fd())
	buf := make([]byte, 4096)
	for {
		ready := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(asleep), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); err != nil {
			if err == unix.EINTR {
				continue
			}
			return
		}
		if ready[1].Revents != 0 {
			return
		}
		n, err := unix.Read(in, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		if _, err := c.inside.Write(buf[:n]); err != nil {
			return
		}
	}
}

// end puts the terminal outside in its former state. It must be called when nobody
// is inside any more.
func (c *connection) end() error {
	signal.Stop(c.resized)
	close(c.resized)
	c.showing.Wait()
	c.wake.Close()
	c.typing.Wait()
	return errors.Join(c.inside.Close(), term.Restore(int(c.outside.In.Fd()), c.before))
}
