package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"sysc/internal/filelock"
	"sysc/store"
)

const (
	// tailLines is how many of the last lines an Error has.
	tailLines = 20
	// maxLog bounds what is stored of one log, in bytes before compression; what
	// comes later is counted, and the last lines of it are kept.
	maxLog = 256 << 20
	// flushAfter is how long at most what a step wrote is held back from who
	// follows its log.
	flushAfter = 250 * time.Millisecond

	logSuffix        = ".zst"
	runningLogSuffix = ".part"
)

// LogPath returns where a step's log is, below a store's LogDir: "ab/abcd….zst",
// by the hash of the resolved derivation.
func LogPath(logDir string, key store.DerivationHash) string {
	name := key.String()
	return filepath.Join(logDir, name[:2], name+logSuffix)
}

// RunningLogPath returns where a step's log is while it runs, or, when it was killed,
// what there is of it. Whoever writes it holds a lock of it (flock(2)).
func RunningLogPath(logDir string, key store.DerivationHash) string {
	return runningLogPath(LogPath(logDir, key))
}

func runningLogPath(path string) string {
	return strings.TrimSuffix(path, logSuffix) + runningLogSuffix
}

// OpenLog opens a stored log. Reading one that breaks off ends with
// io.ErrUnexpectedEOF.
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

	mu      sync.Mutex // of what follows: a timer flushes
	file    *os.File
	encoder *zstd.Encoder
	flusher *time.Timer // set while there is something to flush
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil && l.err == nil && len(p) > 0 {
		l.err = l.create()
	}
	room := max(l.limit-l.size, 0)
	l.size += int64(len(p))
	if l.err == nil {
		_, l.err = l.encoder.Write(p[:min(room, int64(len(p)))])
	}
	if l.err == nil && l.flusher == nil && len(p) > 0 {
		l.flusher = time.AfterFunc(flushAfter, l.flush)
	}
	return len(p), nil
}

// flush makes what was written readable.
func (l *stepLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flusher = nil
	if l.err == nil && !l.closed {
		l.err = l.encoder.Flush()
	}
}

func (l *stepLog) create() error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	file, err := createRunning(runningLogPath(l.path))
	if err != nil {
		return err
	}
	l.file = file
	l.encoder, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	return err
}

// createRunning makes a file and locks it, in place of what a step has left that was
// killed. Only those who look whether the step is alive hold its lock, for moments.
func createRunning(path string) (*os.File, error) {
	return filelock.HoldNew(func() (*os.File, error) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	})
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
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.err
	}
	l.closed = true
	if l.flusher != nil {
		l.flusher.Stop()
	}
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
	// Named while it is locked: nobody shall find it and nobody at work on it.
	if l.err == nil {
		l.err = os.Rename(l.file.Name(), l.path)
	}
	if l.err != nil {
		os.Remove(l.file.Name())
	}
	if l.err = errors.Join(l.err, l.file.Close()); l.err != nil {
		l.err = fmt.Errorf("write log: %w", l.err)
	}
	return l.err
}
