package build

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"time"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/cgroup"
	"sysc/internal/download"
	"sysc/internal/ocifetch"
)

const defaultDownloads = 8

// Options say how to realise. nil means the zero value.
type Options struct {
	// Jobs is how many steps may use a processor at once. 0 means as many as there
	// are processors.
	Jobs int
	// Downloads is how many files may be fetched at once. 0 means 8.
	Downloads int
	// Cores is what a program is told in SYSC_CORES. 0 means the number of
	// processors.
	Cores int
	// Memory is what steps may need together that say in their RunLimits how much, in
	// bytes; one that needs more than all of it runs when no other of them does. 0 means
	// what the machine has available when the first of them begins.
	Memory int64
	// Timeout and MaxSilence bound every program as its derivation's RunLimits do;
	// the lesser counts. 0 means no bound.
	Timeout, MaxSilence time.Duration
	// Limits bound what every program uses of the machine; where that cannot be done,
	// programs fail with a [*LimitsError].
	Limits cgroup.Limits
	// Builtins are the steps of this process by builder name; nil means
	// builtin.Standard.
	Builtins map[string]builtin.Func
	// Client fetches. nil means a new one.
	Client *download.Client
	// Registries gets images. nil means one that uses Client and has no passwords but
	// those of netrc.
	Registries *ocifetch.Client
	// Cache has what need not be built. nil means that nothing has.
	Cache Cache
	// Mirrors are what "mirror://" addresses mean.
	Mirrors builtin.Mirrors
	// Past are asked for what those have no longer.
	Past builtin.Mirrors
	// DownloadDir is a private directory where interrupted downloads stay for the
	// next run. "" means that they do not stay.
	DownloadDir string
	// Exec runs programs. nil means [Sandbox].
	Exec Executor
	// Events is told what happens. It is called by several goroutines, but never
	// by two at once, and should return quickly. nil means that nobody listens.
	Events func(Event)
	// Drain, when it is closed, lets those steps finish that run, and no other begin.
	// nil means never.
	Drain <-chan struct{}
	// Rebuild are steps to run although their results are there, whose places the new
	// ones take.
	Rebuild []derivations.Hash
	// Check are programs to run once more, in other circumstances. One whose results
	// differ then, or that fails then, has done its work all the same, but is told of
	// by an [*Error] with a [*CheckError].
	Check []derivations.Hash
	// KeepFailed keeps the directory of a failed program for a while; the [*Error]
	// names it.
	KeepFailed bool
	// KeepGoing does what can still be done after a failure.
	KeepGoing bool
	// DryRun only plans: it sends the Planned events and builds nothing.
	DryRun bool
}

// withDefaults fills in all but Exec, and refuses what would let nothing run at all.
func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	for _, limit := range []struct {
		of string
		n  int
	}{{"jobs", out.Jobs}, {"downloads", out.Downloads}, {"cores", out.Cores}} {
		if limit.n < 0 {
			return out, fmt.Errorf("%d %s: the number cannot be negative", limit.n, limit.of)
		}
	}
	if out.Timeout < 0 || out.MaxSilence < 0 {
		return out, fmt.Errorf("a time limit of %v: it cannot be negative", min(out.Timeout, out.MaxSilence))
	}
	if out.Memory < 0 {
		return out, fmt.Errorf("%d bytes of memory: the number cannot be negative", out.Memory)
	}
	if out.Limits.Memory < 0 || out.Limits.Processes < 0 {
		return out, fmt.Errorf("a limit of %d: it cannot be negative", min(out.Limits.Memory, out.Limits.Processes))
	}
	out.Jobs = cmp.Or(out.Jobs, runtime.GOMAXPROCS(0))
	out.Downloads = cmp.Or(out.Downloads, defaultDownloads)
	out.Cores = cmp.Or(out.Cores, runtime.GOMAXPROCS(0))
	if out.Builtins == nil {
		out.Builtins = builtin.Standard()
	}
	if out.Client == nil {
		out.Client = download.New(out.Downloads, nil)
	}
	return out, nil
}

// withSandbox sees to it that there is an Executor. done gives up one that nobody else
// has.
func (o *Options) withSandbox() (done func()) {
	if o.Exec != nil {
		return func() {}
	}
	own := &Sandbox{}
	o.Exec = own
	return func() { _ = own.Close() } // nothing depends on it any more
}

// An EventKind tells what an [Event] is about.
type EventKind uint8

const (
	// Planned: the step may have to run. All of these come first.
	Planned EventKind = iota + 1
	// Started: the step runs now.
	Started
	// Progress: it is at Done of Total, in bytes for downloads and archives. The
	// first of a download tells how much was there before.
	Progress
	// LogLine: it wrote a line, without its end.
	LogLine
	// Waiting: another process does the same step; Line says which.
	Waiting
	// Finished: its outputs are valid. Cached is set when it did not run.
	Finished
	// Failed: Err says why.
	Failed
	// Warning: something about a step's result that its user should know, in Line.
	Warning
	// Different: a program that was to be checked made something else in other
	// circumstances, or failed; Err says what.
	Different
	// Draining: no more steps begin, and Done steps run still. It is about no step
	// in particular.
	Draining
)

// String returns the kind's name in lower case.
func (k EventKind) String() string {
	names := [...]string{"", "planned", "started", "progress", "log", "waiting", "finished", "failed", "warning", "different", "draining"}
	if int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// An Event is something that happened to one step.
type Event struct {
	Kind    EventKind
	Hash    derivations.Hash
	Name    string
	Builder string
	Origin  derivations.Origin
	// Done and Total count for Progress, in bytes, and Total for Planned: the size
	// of the result. Total is -1 when it is not known.
	Done, Total int64
	// Expected is for Planned and Started how long the step will take, by how long
	// it took before; 0 when that is not known. Behind is how long the steps will
	// take that need it, one after the other: those of the longest chain, without
	// what is not known.
	Expected, Behind time.Duration
	Line             string
	Err              error
	Cached           bool
}

// lineWriter calls a function with each line that is written.
type lineWriter struct {
	line func(string)
	rest []byte
}

// maxLine bounds a line that is passed on, in bytes; a longer one is cut.
const maxLine = 4096

var _ io.Writer = (*lineWriter)(nil)

func (w *lineWriter) Write(p []byte) (int, error) {
	for _, c := range p {
		if c == '\n' {
			w.flush()
			continue
		}
		if len(w.rest) == maxLine {
			w.flush()
		}
		w.rest = append(w.rest, c)
	}
	return len(p), nil
}

func (w *lineWriter) flush() {
	w.line(string(w.rest))
	w.rest = w.rest[:0]
}

// end passes on what came without an end of line.
func (w *lineWriter) end() {
	if len(w.rest) > 0 {
		w.flush()
	}
}
