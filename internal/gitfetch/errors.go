package gitfetch

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// An Error is git that failed.
type Error struct {
	Remote Remote
	// Doing is git's command.
	Doing string
	// Output are the last lines that git wrote, without control characters.
	Output string
	cause  error
}

func (e *Error) Error() string {
	text := e.Output
	if text == "" {
		text = e.cause.Error()
	}
	return fmt.Sprintf("git %s %s: %s", e.Doing, e.Remote, text)
}

// Unwrap returns the exit status, or syscall.ENOSPC when the disk is full.
func (e *Error) Unwrap() error {
	if strings.Contains(e.Output, "No space left on device") {
		return syscall.ENOSPC
	}
	return e.cause
}

// A MissingError says that a repository does not give a commit.
type MissingError struct {
	Remote Remote
	Commit string
	// Ref is where it was looked for too, "" for nowhere.
	Ref string
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("fetch %s: commit %s is not there, neither by its name nor in any branch or tag", e.Remote, e.Commit)
	if e.Ref != "" {
		return text + fmt.Sprintf(" nor in %q", e.Ref)
	}
	return text + ". If another ref has it, name that as ref"
}

// A SizeError says that a repository sends more than it may.
type SizeError struct {
	Remote Remote
	Limit  int64 // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("fetch %s: more than %d bytes", e.Remote, e.Limit)
}

// errSilent is why git is ended when nothing happens.
var errSilent = errors.New("the server fell silent")

// passing are texts of git, curl and ssh about what may be over in a while.
var passing = []string{
	"Could not resolve host", "Temporary failure in name resolution", "Failed to connect", "Couldn't connect", "Connection refused",
	"Connection timed out", "Operation timed out", "Operation too slow", "Connection reset", "Network is unreachable", "No route to host",
	"early EOF", "unexpected disconnect", "the remote end hung up unexpectedly", "Recv failure",
	"returned error: 429", "returned error: 500", "returned error: 502", "returned error: 503", "returned error: 504",
}

// IsTransient reports whether the same fetch may well work in a while.
func IsTransient(err error) bool {
	var failed *Error
	if errors.Is(err, errSilent) {
		return true
	}
	if !errors.As(err, &failed) {
		return false
	}
	for _, text := range passing {
		if strings.Contains(failed.Output, text) {
			return true
		}
	}
	return false
}
