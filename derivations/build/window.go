package build

import (
	"errors"
	"io"
	"sync"

	"sysc/store"
)

// chunk is how much of a file is looked at at once, in bytes.
const chunk = 1 << 20

// chunks are buffers of that size.
var chunks = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// eachWindow goes through a file, as the function of that name does.
func (e outputEntry) eachWindow(fn func(offset int64, window []byte)) error {
	f, err := e.open(0)
	if err != nil {
		return err
	}
	defer f.Close()
	return eachWindow(f, fn)
}

// eachWindow calls fn with windows of what r yields that overlap by an id less one
// byte. A window is fn's while it runs.
func eachWindow(r io.Reader, fn func(offset int64, window []byte)) error {
	bufp := chunks.Get().(*[]byte)
	defer chunks.Put(bufp)
	buf := *bufp
	have, offset := 0, int64(0)
	for {
		n, err := io.ReadFull(r, buf[have:])
		have += n
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		fn(offset, buf[:have])
		if err != nil {
			return nil
		}
		keep := min(have, store.IDLen-1)
		copy(buf, buf[have-keep:have])
		offset += int64(have - keep)
		have = keep
	}
}
