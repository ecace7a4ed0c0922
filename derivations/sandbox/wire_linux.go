package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is the name (argv[0]) that this program is started under to become
// process 1 of a sandbox. It comes with a socket as descriptor controlFD.
const (
	initName  = "sysc:sandbox-init"
	controlFD = 3
)

// maxFrame bounds what either side accepts, in bytes.
// The kernel bounds arguments and environment to 6 MiB together.
const maxFrame = 32 << 20

// A text is a string that survives JSON whatever bytes it has:
// paths, arguments and environment need not be UTF-8.
type text []byte

// A request is a Spec on its way into the sandbox.
type request struct {
	Root text
	// RootFD, wireBind.FD and wireEntries.FD are the mount itself, if it is handed in;
	// otherwise 0. Handed is how many there are.
	RootFD       int `json:",omitempty"`
	Handed       int `json:",omitempty"`
	WritableRoot bool
	Binds        []wireBind
	Argv, Env    []text
	Dir          text
	Hostname     text
	// Circumstances are those that the builder finds.
	Circumstances Circumstances
	// Input and Terminal are what the builder reads: what was handed in, or a terminal
	// of the sandbox's own; otherwise nothing.
	Input, Terminal bool `json:",omitempty"`
	// TerminalSize is what the terminal has from the beginning.
	TerminalSize unix.Winsize
	// Probe makes the sandbox and stops before a builder would start.
	Probe bool
	// Without is what a test takes away.
	Without protection `json:",omitempty"`
}

// lacks reports whether p was taken away.
func (r *request) lacks(p protection) bool { return r.Without&p != 0 }

type wireBind struct {
	Source, Target text
	Writable       bool
	Beneath        *wireEntries `json:",omitempty"`
	FD             int          `json:",omitempty"`
}

// A reply is how the inside ended: by an error of its own if Op is set,
// otherwise as the builder's wait status says.
type reply struct {
	Op    text          `json:",omitempty"`
	Errno syscall.Errno `json:",omitempty"`
	// Kernel marks an error that means that the machine lacks something, rather
	// than that the Spec is wrong.
	Kernel bool `json:",omitempty"`
	Status uint32
	// Times in nanoseconds, size in bytes.
	UserTime, SystemTime, MaxRSS int64
}

func newRequest(s Spec) request {
	r := request{
		Root:          text(s.Root),
		WritableRoot:  s.WritableRoot,
		Argv:          texts(s.Argv),
		Env:           texts(s.Env),
		Dir:           text(s.Dir),
		Hostname:      text(s.Hostname),
		Circumstances: s.Circumstances,
		Input:         s.Input != nil,
		Terminal:      s.Terminal != nil,
		Without:       s.without,
	}
	if s.Terminal != nil {
		r.TerminalSize = s.Terminal.size()
	}
	for _, b := range s.Binds {
		r.Binds = append(r.Binds, wireBind{Source: text(b.Source), Target: text(b.Target), Writable: b.Writable, Beneath: newWireEntries(b.Beneath)})
	}
	return r
}

// handMounts tells that n mounts are handed in, in the order of host.mounts, or none.
func (r *request) handMounts(n int) {
	if n == 0 {
		return
	}
	next := firstMountFD
	take := func() int {
		next++
		return next - 1
	}
	r.Handed = n
	r.RootFD = take()
	for i := range r.Binds {
		r.Binds[i].FD = take()
		if beneath := r.Binds[i].Beneath; beneath != nil {
			beneath.FD = take()
		}
	}
}

// lastFD is the last descriptor that was handed in on purpose.
func (r *request) lastFD() int { return controlFD + r.Handed }

func texts(list []string) []text {
	out := make([]text, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

func stringsOf(list []text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = string(t)
	}
	return out
}

// writeFrame writes v as JSON behind its length.
func writeFrame(w io.Writer, v any) error {
	frame, err := encodeFrame(v)
	if err == nil {
		_, err = w.Write(frame)
	}
	return err
}

func encodeFrame(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data)))
	return append(frame, data...), nil
}

// readFrame reads what writeFrame wrote. It returns io.EOF when there is none.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	return readBody(r, head, v)
}

// readBody reads what follows the length.
func readBody(r io.Reader, head [4]byte, v any) error {
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("message of %d bytes", n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
