package export

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"sysc/store"
	"sysc/store/tree"
)

// A frame is a frame's head.
type frame struct {
	kind   kind
	length int64
	before store.Digest // of the stream before it, for frames that have one
}

// A reader reads frames. Nothing is allocated on a frame's word.
type reader struct {
	src  io.Reader
	buf  *bufio.Reader
	seek io.Seeker // or nil
	size int64     // of what seek leads through; 0 otherwise

	hash     hash.Hash // of all but the contents of blobs
	at       int64     // bytes read or skipped
	total    int64     // length of the stream, as its header says
	progress Progress
}

// unknownTotal is the length of a stream whose header was not read.
const unknownTotal = math.MaxInt64

// A brokenError says that the stream could not be read to its end.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

var errCutOff = errors.New("it ends too early")

// broken makes an error of reading one of the stream. What is cut off never looks
// like a regular end.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCutOff
	}
	return &brokenError{err}
}

func newReader(src io.Reader, progress Progress) *reader {
	r := &reader{src: src, buf: bufio.NewReaderSize(src, bufferSize), hash: sha256.New(), total: unknownTotal, progress: progress}
	if s, ok := src.(io.Seeker); ok {
		r.setSeeker(s)
	}
	return r
}

// setSeeker finds out whether one can really seek: a pipe is an os.File, too.
func (r *reader) setSeeker(s io.Seeker) {
	here, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return
	}
	if _, err := s.Seek(here, io.SeekStart); err != nil {
		return
	}
	r.seek, r.size = s, end-here
}

func (r *reader) magic() error {
	got := make([]byte, len(magic))
	n, err := io.ReadFull(r.buf, got)
	if string(got[:n]) != magic[:n] {
		return errors.New("it is no export of a store that this version knows")
	}
	if err != nil {
		return broken(err)
	}
	r.advance(got)
	return nil
}

// setTotal tells how long the stream says it is.
func (r *reader) setTotal(total uint64) error {
	if total > tree.MaxSize || int64(total) < r.at {
		return fmt.Errorf("it says that it has %d bytes", total)
	}
	r.total = int64(total)
	if r.seek != nil && r.size > r.total {
		return errTrailing
	}
	return nil
}

var errTrailing = errors.New("something follows its end")

// advance takes note of bytes that were read.
func (r *reader) advance(data []byte) {
	r.hash.Write(data)
	r.passed(int64(len(data)))
}

func (r *reader) passed(n int64) {
	r.at += n
	if r.progress != nil && r.total != unknownTotal {
		r.progress(r.at, r.total)
	}
}

// next reads a frame's head.
func (r *reader) next() (frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r.buf, head[:]); err != nil {
		return frame{}, broken(err)
	}
	f := frame{kind: kind(head[0])}
	if f.kind == kindContents || f.kind == kindEnd {
		r.hash.Sum(f.before[:0])
	}
	r.advance(head[:])
	length := binary.LittleEndian.Uint64(head[1:])
	if r.at > r.total || length > uint64(r.total-r.at) {
		return frame{}, fmt.Errorf("%s of %d bytes goes beyond the stream's end", f.kind, length)
	}
	f.length = int64(length)
	return f, nil
}

// payload reads all that a frame has, if that is at most limit bytes.
func (r *reader) payload(f frame, limit int64) ([]byte, error) {
	if f.length > limit {
		return nil, fmt.Errorf("%s of %d bytes, at most %d", f.kind, f.length, limit)
	}
	if f.length <= bufferSize {
		data := make([]byte, f.length)
		if _, err := io.ReadFull(r.buf, data); err != nil {
			return nil, broken(err)
		}
		r.advance(data)
		return data, nil
	}
	var data bytes.Buffer // grows with what comes
	if _, err := io.CopyN(&data, r.buf, f.length); err != nil {
		return nil, broken(err)
	}
	r.advance(data.Bytes())
	return data.Bytes(), nil
}

// checkSum reads a frame that has the digest of what is before it.
func (r *reader) checkSum(f frame) error {
	var want store.Digest
	if f.length != int64(len(want)) {
		return fmt.Errorf("%s of %d bytes", f.kind, f.length)
	}
	data, err := r.payload(f, f.length)
	if err != nil {
		return err
	}
	if copy(want[:], data); want != f.before {
		return fmt.Errorf("%s: its digest is not that of the stream", f.kind)
	}
	return nil
}

// digest reads the digest that a blob's frame begins with, and returns the
// length of the contents.
func (r *reader) digest(f frame) (d store.Digest, size int64, err error) {
	if f.length < int64(len(d)) {
		return d, 0, fmt.Errorf("%s of %d bytes", f.kind, f.length)
	}
	if _, err := io.ReadFull(r.buf, d[:]); err != nil {
		return d, 0, broken(err)
	}
	r.advance(d[:])
	return d, f.length - int64(len(d)), nil
}

// contents returns a blob's n bytes. Where they are cut off is no end of file.
func (r *reader) contents(n int64) *contents { return &contents{r: r, left: n} }

type contents struct {
	r    *reader
	left int64
	err  error
}

func (c *contents) Read(buf []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.buf.Read(buf[:min(int64(len(buf)), c.left)])
	c.left -= int64(n)
	c.r.passed(int64(n))
	if err != nil {
		c.err = broken(err)
		return n, c.err
	}
	return n, nil
}

// skip passes over n bytes of a blob, without reading them when it can.
func (r *reader) skip(ctx context.Context, n int64) error {
	if r.seek == nil {
		return r.discard(ctx, n)
	}
	if n > r.size-r.at {
		return broken(io.ErrUnexpectedEOF)
	}
	buffered := min(n, int64(r.buf.Buffered()))
	if _, err := r.buf.Discard(int(buffered)); err != nil {
		return broken(err)
	}
	if buffered < n {
		if _, err := r.seek.Seek(n-buffered, io.SeekCurrent); err != nil {
			return broken(err)
		}
		r.buf.Reset(r.src)
	}
	r.passed(n)
	return nil
}

func (r *reader) discard(ctx context.Context, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := r.buf.Discard(int(min(n, bufferSize)))
		n -= int64(done)
		r.passed(int64(done))
		if err != nil {
			return broken(err)
		}
	}
	return nil
}

// finish expects that nothing is left.
func (r *reader) finish() error {
	if r.at != r.total {
		return fmt.Errorf("it has %d bytes, and says that it has %d", r.at, r.total)
	}
	switch _, err := r.buf.ReadByte(); {
	case err == nil:
		return errTrailing
	case err != io.EOF:
		return broken(err)
	}
	return nil
}
