package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"sysc/derivations"
	"sysc/store/localstore"
)

// An Error is a step that failed. It unwraps to its Cause.
type Error struct {
	Hash       derivations.Hash
	Derivation *derivations.Derivation
	Origin     derivations.Origin
	// Builder is the program for an exec step, otherwise the builtin's name.
	Builder string
	// ExitCode is a program's exit status, or 0 when it is not about that.
	ExitCode int
	// LogPath is the compressed log, "" when nothing was written. [OpenLog] reads
	// it.
	LogPath string
	// Tail are the last lines of the log.
	Tail []string
	// KeptDir is the directory that KeepFailed kept, in the store; see
	// localstore.KeptFailed.
	KeptDir string
	Cause   error
}

// Error is one line; Tail is for the caller to show.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "build %s", e.Derivation.Name)
	if e.Origin.Label != "" {
		fmt.Fprintf(&b, " (%s)", e.Origin.Label)
	}
	fmt.Fprintf(&b, ": %v", e.Cause)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// An ExitError says that a program failed.
type ExitError struct {
	Program string
	Code    int
	Signal  string // what killed it, "" for none
	// Unsure is set when nobody knows whether the kernel killed for lack of memory.
	Unsure bool
}

// killedCode is what a shell exits with when SIGKILL ended what it ran.
const killedCode = 128 + int(syscall.SIGKILL)

// killed tells whether the program, or the last that a shell ran, ended by SIGKILL.
func (e *ExitError) killed() bool {
	return e.Signal == syscall.SIGKILL.String() || e.Code == killedCode
}

func (e *ExitError) Error() string {
	// Nobody here sent that signal: it would be another error.
	perhaps := ""
	if e.Unsure {
		perhaps = ", perhaps for lack of memory"
	}
	switch {
	case e.Signal == syscall.SIGKILL.String():
		return fmt.Sprintf("%s was killed%s", e.Program, perhaps)
	case e.Signal != "":
		return fmt.Sprintf("%s was killed: %s", e.Program, e.Signal)
	case e.Code == killedCode:
		return fmt.Sprintf("%s exited with code %d: something that it ran was killed%s", e.Program, e.Code, perhaps)
	}
	return fmt.Sprintf("%s exited with code %d", e.Program, e.Code)
}

// A MismatchError says that a result known beforehand is another one.
type MismatchError struct {
	Want, Got derivations.Fixed
	// URLs are where a builtin got it from, without passwords.
	URLs []string
}

// Error writes digests as definitions do, and modes if they differ.
func (e *MismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the result is not the %s that was asked for", e.Want.Mode())
	for _, f := range []struct {
		label string
		*derivations.Fixed
	}{{"expected", &e.Want}, {"got     ", &e.Got}} {
		fmt.Fprintf(&b, "\n  %s %s", f.label, f.Digest)
		if e.Want.Mode() != e.Got.Mode() {
			fmt.Fprintf(&b, " with %s = %q", derivations.OutputHashMode, f.Mode())
		}
	}
	for _, address := range e.URLs {
		fmt.Fprintf(&b, "\n  from     %s", address)
	}
	return b.String()
}

// An OutputError says that what a step made cannot be its output.
type OutputError struct {
	Output string
	Cause  error
}

func (e *OutputError) Error() string { return fmt.Sprintf("output %q: %v", e.Output, e.Cause) }

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Cause }

// badOutput says which output an error is about. It is an OutputError unless the
// system failed, or somebody cancelled it.
func badOutput(ctx context.Context, name string, err error) error {
	var system syscall.Errno
	if ctx.Err() != nil || errors.As(err, &system) {
		return fmt.Errorf("output %q: %w", name, err)
	}
	return &OutputError{Output: name, Cause: err}
}

// A PlatformError says that a program is for another machine.
type PlatformError struct{ Want, Here string }

func (e *PlatformError) Error() string {
	return fmt.Sprintf("it needs a machine of platform %s, this is %s; build it there, and bring the result here with sysc store export and sysc store import", e.Want, e.Here)
}

// IsFault reports whether err is about what a step did or made, rather than about
// the machine, the store, or something that did not arrive.
func IsFault(err error) bool {
	var exit *ExitError
	var output *OutputError
	var cycle *CycleError
	var reference *ReferenceError
	var size *SizeError
	var platform *PlatformError
	return errors.As(err, &exit) || errors.As(err, &output) || errors.As(err, &cycle) ||
		errors.As(err, &reference) || errors.As(err, &size) || errors.As(err, &platform)
}

// A CycleError says that outputs of one program name one another in a circle,
// which objects with ids made of their contents cannot.
type CycleError struct {
	// Uses lead from an output back to itself.
	Uses []OutputUse
}

// An OutputUse is an output that names another one.
type OutputUse struct {
	From, To string
	// Edge says where. Its paths are those that the program made the outputs at;
	// File is "" when From is a file and no directory.
	Edge localstore.Edge
}

func (e *CycleError) Error() string {
	uses := make([]string, len(e.Uses))
	for i, use := range e.Uses {
		where := place(use.Edge)
		switch {
		case use.Edge.File == "":
			where = "the file itself"
		case !use.Edge.Link && !use.Edge.Name:
			where = "file " + where
		}
		uses[i] = fmt.Sprintf("%s refers to %s (in %s)", use.From, use.To, where)
	}
	return "outputs refer to one another in a circle: output " + strings.Join(uses, ", ")
}

// A SkippedError says that a step did not run because one that it needs failed.
type SkippedError struct{ Needs string }

func (e *SkippedError) Error() string { return fmt.Sprintf("%s failed, which it needs", e.Needs) }
