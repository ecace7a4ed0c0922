package vmtest

import (
	"os"

	"sysc/systems/vm"
)

// A log is a file with what a console shows, and when.
type log struct {
	file *os.File
	*vm.TimedWriter
}

func newLog(path string) (*log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &log{f, vm.NewTimedWriter(f)}, nil
}

func (l *log) Close() error { return l.file.Close() }
