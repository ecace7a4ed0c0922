package debian

import (
	"io"
	"sync"
)

// How far a readAhead is ahead: enough that two goroutines wait for each other
// some fifty times for Debian's largest index, not two thousand times.
const (
	aheadBlock  = 1 << 20 // bytes
	aheadBlocks = 4
)

// A readAhead reads in a goroutine of its own what somebody will read soon, so
// that making the bytes and using them keep a processor busy each. An io.Pipe
// hands over every few kilobytes, and then the two work by turns.
type readAhead struct {
	full  chan []byte // closed at the end
	free  chan []byte
	block []byte // what is not read yet of the current block
	whole []byte // the current block
	err   error  // why full was closed; read it afterwards only

	quit sync.Once
	stop chan struct{}
	done chan struct{}
}

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{
		full: make(chan []byte, aheadBlocks), free: make(chan []byte, aheadBlocks),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadBlocks {
		a.free <- nil
	}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.done)
	defer close(a.full)
	for {
		var block []byte
		select {
		case block = <-a.free:
		case <-a.stop:
			a.err = io.ErrClosedPipe
			return
		}
		if block == nil {
			block = make([]byte, aheadBlock)
		}
		n := 0
		var err error
		for n < aheadBlock && err == nil {
			var more int
			more, err = r.Read(block[n:aheadBlock])
			n += more
		}
		if n > 0 {
			a.full <- block[:n] // never blocks: there are no more blocks than room
		}
		if err != nil {
			a.err = err
			return
		}
	}
}

// Read implements io.Reader.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.block) == 0 {
		if a.whole != nil {
			a.free <- a.whole
			a.whole = nil
		}
		block, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.block, a.whole = block, block[:cap(block)]
	}
	n := copy(p, a.block)
	a.block = a.block[n:]
	return n, nil
}

// Close ends the goroutine and waits for it. The reader below may be used again
// afterwards.
func (a *readAhead) Close() {
	a.quit.Do(func() { close(a.stop) })
	<-a.done
}
