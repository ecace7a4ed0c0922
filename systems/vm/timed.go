package vm

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// A TimedWriter puts the seconds since it was made in front of each line that is
// written, as of a console. It is not for concurrent use.
type TimedWriter struct {
	to      io.Writer
	begin   time.Time
	midLine bool
}

// NewTimedWriter returns a writer to another one.
func NewTimedWriter(to io.Writer) *TimedWriter { return &TimedWriter{to: to, begin: time.Now()} }

// Write implements io.Writer.
func (w *TimedWriter) Write(p []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(p) {
		if !w.midLine {
			fmt.Fprintf(&out, "%8.2f ", time.Since(w.begin).Seconds())
		}
		out.Write(line)
		w.midLine = !bytes.HasSuffix(line, []byte("\n"))
	}
	if _, err := w.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
