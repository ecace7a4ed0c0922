package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"sysc/internal/filelock"
)

// followEvery is how often is looked whether a log has grown.
const followEvery = 100 * time.Millisecond

// LogIsWritten reports whether there is a running log at path and its step is alive.
func LogIsWritten(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	return filelock.Held(f)
}

// FollowLog opens a running log. Reading it waits for what is written, until the
// step ends, or ctx does. One that was killed leaves a log that breaks off, which
// is io.ErrUnexpectedEOF.
func FollowLog(ctx context.Context, path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(&growing{ctx, f}, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open log %s: %w", path, err)
	}
	return logReader{z, f}, nil
}

// growing reads a file that somebody writes who holds its lock.
type growing struct {
	ctx  context.Context
	file *os.File
}

func (g *growing) Read(p []byte) (int, error) {
	for {
		// In this order: what is written before the lock is given up is read.
		written, err := filelock.Held(g.file)
		if err != nil {
			return 0, err
		}
		if n, err := g.file.Read(p); n > 0 || err != io.EOF || !written {
			return n, err
		}
		timer := time.NewTimer(followEvery)
		select {
		case <-g.ctx.Done():
			timer.Stop()
			return 0, context.Cause(g.ctx)
		case <-timer.C:
		}
	}
}
