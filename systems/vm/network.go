package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// A Network connects machines like a cable: every frame that one sends, all others get.
// It exists in this process alone, nothing else on the host can reach it. The zero value
// is a network without machines; its methods are safe for concurrent use.
type Network struct {
	mu    sync.Mutex
	ports map[*networkPort]bool
}

// A networkPort is one machine's end.
type networkPort struct {
	conn *os.File
	out  chan []byte // frames for the machine
}

const (
	// maxFrame is the largest frame that QEMU sends, in bytes: NET_BUFSIZE in its
	// include/net/net.h.
	maxFrame = 4096 + 65536
	// frameHeader is the length of a frame in front of it, in network byte order:
	// QEMU's net/socket.c.
	frameHeader = 4
	// maxQueued are the frames that wait for a machine. What comes then is lost, as on
	// any network.
	maxQueued = 512
)

// connect returns the end of a new port that QEMU is handed, as a stream of frames. The
// port is gone when that end is closed everywhere.
func (n *Network) connect() (*os.File, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("connect network: %w", err)
	}
	p := &networkPort{conn: ours, out: make(chan []byte, maxQueued)}
	n.mu.Lock()
	if n.ports == nil {
		n.ports = map[*networkPort]bool{}
	}
	n.ports[p] = true
	n.mu.Unlock()
	go n.receive(p)
	go p.send()
	return theirs, nil
}

// receive hands what the machine sends to the others until it has ended.
func (n *Network) receive(p *networkPort) {
	for {
		frame, err := readFrame(p.conn)
		n.mu.Lock()
		if err != nil {
			delete(n.ports, p)
			close(p.out)
			n.mu.Unlock()
			return
		}
		for other := range n.ports {
			if other == p {
				continue
			}
			select {
			case other.out <- frame:
			default:
			}
		}
		n.mu.Unlock()
	}
}

// send hands frames to the machine until there are no more.
func (p *networkPort) send() {
	defer p.conn.Close()
	var broken error
	for frame := range p.out {
		if broken == nil {
			_, broken = p.conn.Write(frame)
		}
	}
}

var errFrame = errors.New("frame that is too large")

// readFrame reads one frame, with its length in front.
func readFrame(r io.Reader) ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > maxFrame {
		return nil, errFrame
	}
	frame := make([]byte, frameHeader+n)
	copy(frame, header[:])
	_, err := io.ReadFull(r, frame[frameHeader:])
	return frame, err
}
