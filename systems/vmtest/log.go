package vmtest

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

// A log is a file with what a console shows, and when.
type log struct {
	*os.File
	begin   time.Time
	midLine bool
}

func newLog(path string) (*log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &log{File: f, begin: time.Now()}, nil
}

// Write puts the seconds since the beginning in front of each line.
func (l *log) Write(p []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(p) {
		if !l.midLine {
			fmt.Fprintf(&out, "%8.2f ", time.Since(l.begin).Seconds())
		}
		out.Write(line)
		l.midLine = !bytes.HasSuffix(line, []byte("\n"))
	}
	if _, err := l.File.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
