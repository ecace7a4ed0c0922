package builtin

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow is the largest window a zstd frame may ask for, in bytes: what
// "zstd --ultra -22" uses.
const maxZstdWindow = 128 << 20

// The first bytes of what gzip and zstd write.
const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// Decompress returns what r decompresses to. The compression is told by the
// first bytes: xz, gzip, zstd, bzip2, or none. workers is how many goroutines
// may decode at once.
func Decompress(r *io.SectionReader, workers int) (io.ReadCloser, error) {
	var magic [6]byte
	n, err := r.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	start := string(magic[:n])
	input := func() io.Reader { return bufio.NewReaderSize(io.NewSectionReader(r, 0, r.Size()), 64<<10) }
	switch {
	case start == xzMagic:
		return newXZReader(r, workers)
	case strings.HasPrefix(start, gzipMagic):
		return gzip.NewReader(input())
	case strings.HasPrefix(start, zstdMagic):
		return newZstdReader(input())
	case strings.HasPrefix(start, "BZh"):
		return io.NopCloser(bzip2.NewReader(input())), nil
	}
	return io.NopCloser(input()), nil
}

func newZstdReader(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// A limitedReader fails when there is more to read than its limit.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, fmt.Errorf("archive decompresses to too much")
	}
	return n, err
}
