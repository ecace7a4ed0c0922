package build

import (
	"context"
	"io"
	"os"
	"time"

	"sysc/derivations/sandbox"
)

// An Executor runs one program in isolation: with the root, binds and
// environment that the request says, no network, and nothing left running when
// it returns. A program that fails is a result, not an error.
type Executor interface {
	Run(ctx context.Context, r ExecRequest) (ExecResult, error)
}

// An ExecRequest is a program to run.
type ExecRequest struct {
	// Root is the host's directory that becomes the program's root, read-only
	// unless WritableRoot.
	Root         string
	WritableRoot bool
	// Binds are shown in addition, later ones over earlier ones.
	Binds []Bind
	// Args is the argument vector, program first, a path inside.
	Args []string
	// Env is the whole environment, sorted, as "NAME=value".
	Env []string
	// Dir is the working directory inside.
	Dir string
	// Output gets standard output and error.
	Output io.Writer
	// Input and Terminal are for programs that a person uses; see sandbox.Spec.
	Input    *os.File
	Terminal *sandbox.Terminal
	// Varied runs it as on another machine, at another time: what it makes should not
	// depend on that.
	Varied bool
}

// A Bind shows a file or directory of the host inside.
type Bind struct {
	Source, Target string
	Writable       bool
	// Public allows a writable directory that others can reach.
	Public bool
	// Beneath is what a writable directory shows besides, read-only; nil means
	// nothing.
	Beneath *sandbox.Entries
}

// An ExecResult tells how a program ended.
type ExecResult struct {
	ExitCode int
	Signal   string // what killed it, "" for none
}

// Sandbox runs programs by package sandbox. Its zero value is ready.
type Sandbox struct{ shared sandbox.Shared }

// Close gives up what runs have in common.
func (s *Sandbox) Close() error { return s.shared.Close() }

// vary changes everything that a sandbox can change without taking something away.
func vary(spec *sandbox.Spec) {
	spec.Hostname = "elsewhere"
	if !spec.WritableRoot {
		spec.UID, spec.GID = sandbox.DefaultUID+1, sandbox.DefaultGID+1
	}
	spec.Circumstances = sandbox.Circumstances{OneProcessor: true, ReverseListings: true, ClockShift: variedShift}
}

// variedShift is how far ahead the clock is for a check: another year, month, day of
// the week and hour.
const variedShift = 400*24*time.Hour + 5*time.Hour + 17*time.Minute

// Run implements [Executor].
func (s *Sandbox) Run(ctx context.Context, r ExecRequest) (ExecResult, error) {
	spec := sandbox.Spec{
		Root: r.Root, WritableRoot: r.WritableRoot, Argv: r.Args, Env: r.Env, Dir: r.Dir, Output: r.Output,
		Input: r.Input, Terminal: r.Terminal,
		Shared: &s.shared,
	}
	if r.Varied {
		vary(&spec)
	}
	for _, b := range r.Binds {
		spec.Binds = append(spec.Binds, sandbox.Bind{Source: b.Source, Target: b.Target, Writable: b.Writable, Public: b.Public, Beneath: b.Beneath})
	}
	result, err := sandbox.Run(ctx, spec)
	if err != nil {
		return ExecResult{}, err
	}
	out := ExecResult{ExitCode: result.ExitCode}
	if result.Signal != 0 {
		out.Signal = result.Signal.String()
	}
	return out, nil
}
