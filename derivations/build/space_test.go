package build

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOrFull(t *testing.T) {
	cause := &ExitError{Program: "/bin/sh", Code: 1}
	if err := orFull(cause, t.TempDir()); err != error(cause) {
		t.Errorf("with room: got %v", err)
	}
	if err := orFull(cause, filepath.Join(t.TempDir(), "gone")); err != error(cause) {
		t.Errorf("without the directory: got %v", err)
	}
	// No file system like /proc has any room.
	err := orFull(cause, "/proc")
	var full *FullError
	var exit *ExitError
	if !errors.As(err, &full) || full.Free != 0 || !errors.Is(err, unix.ENOSPC) || !errors.As(err, &exit) {
		t.Errorf("without room: got %v", err)
	}
}

func TestFreeBytes(t *testing.T) {
	st := unix.Statfs_t{Bsize: 4096, Bfree: 100, Bavail: 1}
	if got := freeBytes(&st, 0); got != 409600 {
		t.Errorf("the superuser has the reserve: got %d", got)
	}
	if got := freeBytes(&st, 1000); got != 4096 {
		t.Errorf("others have not: got %d", got)
	}
}
