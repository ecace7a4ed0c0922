package builtin

import (
	"errors"
	"io"
	"sync"
)

// A parallelXZ decodes the blocks of one stream ahead of its reader. It holds
// workers+1 decoded blocks at most. Close it to end the workers.
type parallelXZ struct {
	stream *xzStream
	done   []chan xzResult // for each block, with room for its result
	free   chan []byte     // buffers; whoever holds one may decode
	stop   chan struct{}
	wait   sync.WaitGroup

	mu   sync.Mutex
	next int // the block to decode next

	at      int // the block to read next
	holding bool
	current []byte // the buffer that rest is a part of, when holding
	rest    []byte
	err     error
}

type xzResult struct {
	buf []byte
	err error
}

var errXZClosed = errors.New("xz reader is closed")

func newParallelXZ(stream *xzStream, workers int) *parallelXZ {
	p := &parallelXZ{stream: stream, stop: make(chan struct{})}
	p.done = make([]chan xzResult, len(stream.blocks))
	for i := range p.done {
		p.done[i] = make(chan xzResult, 1)
	}
	workers = min(workers, len(stream.blocks))
	p.free = make(chan []byte, workers+1)
	for range workers + 1 {
		p.free <- nil
	}
	for range workers {
		p.wait.Go(p.work)
	}
	return p
}

// work decodes until no block is left. It takes a buffer before it takes a
// block, so the lowest block that is not decoded yet always has one.
func (p *parallelXZ) work() {
	decoder := decoders.Get().(*xzDecoder)
	defer decoders.Put(decoder)
	for {
		var buf []byte
		select {
		case <-p.stop:
			return
		case buf = <-p.free:
		}
		i := p.take()
		if i < 0 {
			return
		}
		size := p.stream.blocks[i].size
		if int64(cap(buf)) < size {
			buf = takeBlock(size)
		}
		buf = buf[:size]
		err := decoder.decode(p.stream, i, buf)
		p.done[i] <- xzResult{buf, err}
		if err != nil {
			return
		}
	}
}

func (p *parallelXZ) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.stream.blocks) {
		return -1
	}
	p.next++
	return p.next - 1
}

// Read reads the decoded bytes.
func (p *parallelXZ) Read(out []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.advance()
	}
	n := copy(out, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *parallelXZ) advance() {
	if p.holding {
		p.free <- p.current
		p.holding = false
	}
	if p.at == len(p.stream.blocks) {
		p.err = io.EOF
		return
	}
	result := <-p.done[p.at]
	if result.err != nil {
		p.err = result.err
		return
	}
	p.at++
	p.holding, p.current, p.rest = true, result.buf, result.buf
}

// Close ends the workers and waits for them.
func (p *parallelXZ) Close() error {
	close(p.stop)
	p.wait.Wait()
	if p.holding {
		keepBlock(p.current)
	}
	for len(p.free) > 0 {
		keepBlock(<-p.free)
	}
	for _, done := range p.done {
		if len(done) > 0 {
			keepBlock((<-done).buf)
		}
	}
	p.holding, p.current, p.rest, p.err = false, nil, nil, errXZClosed
	return nil
}

// What packages are decoded with is used again for the next ones: each takes tens of
// megabytes, and as garbage they would stay for a while.
var (
	decoders = sync.Pool{New: func() any { return new(xzDecoder) }}
	blocks   sync.Pool // of *[]byte
)

// takeBlock returns a buffer with room for a block.
func takeBlock(size int64) []byte {
	if kept, ok := blocks.Get().(*[]byte); ok && int64(cap(*kept)) >= size {
		return *kept
	}
	return make([]byte, size)
}

func keepBlock(buf []byte) {
	if cap(buf) > 0 {
		blocks.Put(&buf)
	}
}
