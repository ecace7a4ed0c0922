package builtin

import (
	"errors"
	"io"
	"sync"

	xz "github.com/mikelolasagasti/xz"
)

// A parallelXZ decodes the blocks of one stream ahead of its reader. It holds
// workers+1 decoded blocks at most. Close it to end the workers.
type parallelXZ struct {
	file   io.ReaderAt
	blocks []xzBlock
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

func newParallelXZ(file io.ReaderAt, blocks []xzBlock, workers int) *parallelXZ {
	p := &parallelXZ{file: file, blocks: blocks, stop: make(chan struct{})}
	p.done = make([]chan xzResult, len(blocks))
	for i := range p.done {
		p.done[i] = make(chan xzResult, 1)
	}
	workers = min(workers, len(blocks))
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
	var z *xz.Reader
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
		b := p.blocks[i]
		if int64(cap(buf)) < b.size {
			buf = make([]byte, b.size)
		}
		buf = buf[:b.size]
		var err error
		z, err = decodeXZ(z, p.file, b, buf)
		p.done[i] <- xzResult{buf, err}
		if err != nil {
			return
		}
	}
}

func (p *parallelXZ) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.blocks) {
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
	if p.at == len(p.blocks) {
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
	p.rest, p.err = nil, errXZClosed
	return nil
}
