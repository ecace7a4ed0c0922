package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"sysc/derivations/sandbox"
	"sysc/internal/cgroup"
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
	// Limits bound what it uses of the machine.
	Limits cgroup.Limits
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
	// Grouped is set when it had a control group, which told Outcome.
	Grouped bool
	Outcome cgroup.Outcome
}

// Sandbox runs programs by package sandbox, each in a control group of its own where
// that is possible. Its zero value is ready.
type Sandbox struct {
	shared sandbox.Shared

	once     sync.Once
	parent   *cgroup.Parent // nil when there are no groups
	noGroups error          // why
}

// takeGroup takes over the control group of this process, if it may. What was started
// before remains where it is and would be in the way, so this comes first.
func (s *Sandbox) takeGroup() {
	s.once.Do(func() {
		var dir string
		if dir, s.noGroups = cgroup.Find(os.DirFS("/proc")); s.noGroups == nil {
			s.parent, s.noGroups = cgroup.Open(dir)
		}
	})
}

// group makes a control group. There is none, nor an error, where none is possible and
// nothing is to be limited.
func (s *Sandbox) group(limits cgroup.Limits) (*cgroup.Group, error) {
	s.takeGroup()
	if s.parent != nil {
		return s.parent.Make(limits)
	}
	if limits != (cgroup.Limits{}) {
		return nil, &LimitsError{s.noGroups}
	}
	return nil, nil
}

// A LimitsError says that what programs use cannot be limited on this machine.
type LimitsError struct{ Cause error }

func (e *LimitsError) Error() string {
	return fmt.Sprintf("the memory and processes of a build cannot be limited here: %v", e.Cause)
}

// Unwrap returns the cause.
func (e *LimitsError) Unwrap() error { return e.Cause }

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
func (s *Sandbox) Run(ctx context.Context, r ExecRequest) (result ExecResult, err error) {
	group, err := s.group(r.Limits)
	if err != nil || group == nil {
		if err == nil {
			result, err = s.run(ctx, r, nil)
		}
		return result, err
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	dir, err := group.Directory()
	if err != nil {
		return ExecResult{}, err
	}
	defer dir.Close()
	result, err = s.run(ctx, r, dir)
	if errors.Is(err, sandbox.ErrGroup) {
		if r.Limits != (cgroup.Limits{}) {
			return ExecResult{}, &LimitsError{err}
		}
		return s.run(ctx, r, nil)
	}
	outcome, outcomeErr := group.Outcome()
	if err != nil && ctx.Err() == nil && outcome.Killed > 0 {
		// What was killed may have been the first process of the sandbox.
		return ExecResult{}, &MemoryError{Killed: outcome.Killed, Certain: true, Limit: r.Limits.Memory, Cause: err}
	}
	result.Grouped, result.Outcome = true, outcome
	return result, errors.Join(err, outcomeErr)
}

// run runs it in a control group, or the caller's.
func (s *Sandbox) run(ctx context.Context, r ExecRequest, group *os.File) (ExecResult, error) {
	spec := sandbox.Spec{
		Root: r.Root, WritableRoot: r.WritableRoot, Argv: r.Args, Env: r.Env, Dir: r.Dir, Output: r.Output,
		Input: r.Input, Terminal: r.Terminal,
		Shared: &s.shared, Group: group,
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
