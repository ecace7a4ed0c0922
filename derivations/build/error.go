package build

import (
	"fmt"
	"strings"
	"syscall"

	"sysc/derivations"
	"sysc/store"
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
}

// killedCode is what a shell exits with when SIGKILL ended what it ran.
const killedCode = 128 + int(syscall.SIGKILL)

func (e *ExitError) Error() string {
	// Nobody here sent that signal: it would be another error. The kernel sends it
	// when memory runs out, and tells nobody.
	const perhaps = "perhaps for lack of memory"
	switch {
	case e.Signal == syscall.SIGKILL.String():
		return fmt.Sprintf("%s was killed, %s", e.Program, perhaps)
	case e.Signal != "":
		return fmt.Sprintf("%s was killed: %s", e.Program, e.Signal)
	case e.Code == killedCode:
		return fmt.Sprintf("%s exited with code %d: something that it ran was killed, %s", e.Program, e.Code, perhaps)
	}
	return fmt.Sprintf("%s exited with code %d", e.Program, e.Code)
}

// A MismatchError says that a result known beforehand is another one.
type MismatchError struct {
	Kind      store.Kind
	Want, Got store.Digest
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("wrong result\n  expected %v %s\n  got      %v %s", e.Kind, e.Want, e.Kind, e.Got)
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
