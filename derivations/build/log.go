package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"sysc/store"
)

const (
	// tailLines is how many of the last lines an Error has.
	tailLines = 20
	// maxLog bounds what is stored of one log, in bytes before compression; what
	// comes later is counted, and the last lines of it are kept.
	maxLog = 256 << 20
)

// LogPath returns where a step's log is, below a store's LogDir: "ab/abcd….zst",
// by the hash of the resolved derivation.
func LogPath(logDir string, key store.DerivationHash) string {
	name := key.String()
	return filepath.Join(logDir, name[:2], name+".zst")
}

// OpenLog opens a stored log.
func OpenLog(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open log %s: %v", path, err)
	}
	return logReader{z, f}, nil
}

type logReader struct {
	*zstd.Decoder
	file *os.File
}

func (r logReader) Close() error {
	r.Decoder.Close()
	return r.file.Close()
}

// A stepLog keeps what a step writes: raw and compressed in a file, which is
// made when the first byte comes, and line by line for whoever listens. It must
// not be written to by two goroutines at once.
type stepLog struct {
	path  string
	limit int64 // of what is stored, in bytes
	lines lineWriter
	last  []string // the last tailLines lines

	file    *os.File
	encoder *zstd.Encoder
	size    int64
	err     error // of writing the file
	closed  bool
}

func newStepLog(path string, listen func(line string)) *stepLog {
	l := &stepLog{path: path, limit: maxLog}
	l.lines.line = func(line string) {
		if len(l.last) == tailLines {
			l.last = append(l.last[:0], l.last[1:]...)
		}
		l.last = append(l.last, line)
		listen(line)
	}
	return l
}

// Write never fails: a log that cannot be stored is no reason to break a
// program off.
func (l *stepLog) Write(p []byte) (int, error) {
	l.lines.Write(p)
	if l.file == nil && l.err == nil && len(p) > 0 {
		l.err = l.create()
	}
	room := max(l.limit-l.size, 0)
	l.size += int64(len(p))
	if l.err == nil {
		_, l.err = l.encoder.Write(p[:min(room, int64(len(p)))])
	}
	return len(p), nil
}

func (l *stepLog) create() error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(l.path), ".log-")
	if err != nil {
		return err
	}
	l.file = file
	l.encoder, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	return err
}

// written reports whether there is a file, once the log is closed.
func (l *stepLog) written() bool { return l.file != nil && l.err == nil }

// tail returns the last lines.
func (l *stepLog) tail() []string {
	l.lines.end()
	return l.last
}

// close gives the file its name.
func (l *stepLog) close() error {
	if l.closed {
		return l.err
	}
	l.closed = true
	l.lines.end()
	if l.file == nil {
		return l.err
	}
	if l.encoder != nil && l.err == nil {
		if l.size > l.limit {
			fmt.Fprintf(l.encoder, "\n[%d bytes left out]\n", l.size-l.limit)
			for _, line := range l.last {
				fmt.Fprintln(l.encoder, line)
			}
		}
		l.err = l.encoder.Close()
	}
	l.err = errors.Join(l.err, l.file.Close())
	if l.err == nil {
		l.err = os.Rename(l.file.Name(), l.path)
	}
	if l.err != nil {
		os.Remove(l.file.Name())
		l.err = fmt.Errorf("write log: %w", l.err)
	}
	return l.err
}
