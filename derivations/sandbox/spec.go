package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// OwnerXattr is the extended attribute in which a writable root keeps the
// owner of every entry that does not belong to 0:0, as "uid:gid" in decimal.
const OwnerXattr = "user.sysc.owner"

// The ids that a builder with a read-only root sees itself as, unless its Spec
// says otherwise.
const (
	DefaultUID = 1000
	DefaultGID = 100
)

// buildUser is the name of that user, and of its group.
const buildUser = "build"

// A Spec says what to run and what it can see.
type Spec struct {
	// Root is the host's directory that becomes the builder's root. It is shown
	// read-only, except for what is mounted over it: /proc, /dev, /tmp, /run, and
	// /var/tmp if it exists, and in /etc, if that is a directory or missing, passwd,
	// group and hosts of the sandbox's own, and no machine-id. A directory /sys is
	// not shown. It must not be the host's own root.
	Root string
	// WritableRoot lets the builder change Root as a pretended superuser; see
	// the package comment. Nothing that it puts below /tmp and /run reaches Root.
	// The file system of Root must keep user extended attributes. It is shown with
	// its own /etc and /var/tmp.
	WritableRoot bool
	// Binds are the other files and directories of the host to show. A Target
	// that Root does not have is made in a read-only root if its parent is one of
	// the directories that are mounted over it or the top; in a writable root
	// below /build, /sysc, /tmp and /run only, and leaves no trace.
	Binds []Bind
	// Argv is the builder, as a path inside, and its arguments. A program without
	// a slash is looked for in the PATH of Env.
	Argv []string
	// Env is the whole environment, as "NAME=value".
	Env []string
	// Dir is the working directory inside. Empty means /build if there is one,
	// otherwise the root.
	Dir string
	// Output gets what the builder writes to its standard output and error, in
	// order. It is called from one goroutine. Nil discards.
	Output io.Writer
	// Input is what the builder reads as standard input; nil means nothing.
	Input *os.File
	// Terminal connects the builder to a terminal, in place of Input and Output; nil
	// does not.
	Terminal *Terminal
	// Hostname is what the builder's machine is called; empty means "localhost".
	Hostname string
	// UID and GID are what the builder sees itself as. Zero means
	// [DefaultUID] and [DefaultGID]; with WritableRoot they must be zero, and are.
	UID, GID int
	// Circumstances are what else the builder finds of the machine and the moment.
	Circumstances Circumstances
	// Group is the directory of a control group of version 2, open, for everything
	// that runs; nil means the caller's. It is not shown inside.
	Group *os.File
	// Shared saves work when many builders run; nil means that this one runs alone.
	Shared *Shared
	// Timeout ends the build, with an error that is [context.DeadlineExceeded].
	// Zero means no limit.
	Timeout time.Duration

	without protection // for tests
}

// A Bind shows a file or directory of the host inside.
type Bind struct {
	// Source is the host's path. The last element must not be a symbolic link.
	Source string
	// Target is the clean absolute path inside; not the root, nor anything in
	// /proc or /dev.
	Target string
	// Writable shows it writable. A Source that the builder can write must be
	// unreachable for other users of the host: one of the directories that lead
	// to it, or it itself, must be searchable by its owner only.
	Writable bool
	// Public allows others to reach a writable Source, for who trusts the builder as
	// far as that: it may make files there that all can write, though not set-id ones.
	Public bool
	// Beneath is what a writable directory shows besides. Nil means nothing.
	Beneath *Entries
}

// A Result tells how a builder ended.
type Result struct {
	// ExitCode is the builder's exit status, or 128 and the signal's number.
	ExitCode int
	// Signal is what killed the builder; zero if it exited by itself.
	Signal syscall.Signal
	// UserTime and SystemTime are what the builder and the descendants that it
	// waited for used of the processor.
	UserTime, SystemTime time.Duration
	// MaxRSS is the largest resident set of one of these, in bytes.
	MaxRSS int64
}

// An UnavailableError says that this machine does not let sysc make a sandbox.
type UnavailableError struct {
	// Problems are what was found to be in the way; never empty.
	Problems []Problem
	// Cause is what the kernel answered.
	Cause error
}

// ErrGroup says that Spec.Group is not possible here: clone3(2) is missing, before Linux
// 5.7 or in containers that deny it.
var ErrGroup = errors.New("the kernel starts nothing in control groups")

// A Problem is one thing that is in the way of sandboxes, with its remedy.
type Problem struct {
	// What is wrong, in one sentence.
	What string
	// Fix is what to do about it: a command to type where there is one.
	Fix string
}

// Error lists the problems with their remedies, one a line.
func (e *UnavailableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "make sandbox: %v", e.Cause)
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s\n    fix: %s", p.What, p.Fix)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// withDefaults checks s as far as that is possible without a look at the disk,
// and returns it with its defaults filled in.
func (s Spec) withDefaults() (Spec, error) {
	if err := checkHostPath(s.Root); err != nil {
		return s, fmt.Errorf("root: %w", err)
	}
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return s, errors.New("no program to run")
	}
	for _, list := range [][]string{s.Argv, s.Env} {
		for _, text := range list {
			if strings.IndexByte(text, 0) >= 0 {
				return s, fmt.Errorf("zero byte in %q", text)
			}
		}
	}
	if s.Dir != "" && !filepath.IsAbs(s.Dir) {
		return s, fmt.Errorf("working directory %q is not absolute", s.Dir)
	}
	if err := checkBinds(s.Binds); err != nil {
		return s, err
	}
	if s.Dir == "" {
		s.Dir = "/"
		if slices.ContainsFunc(s.Binds, func(b Bind) bool { return b.Target == "/build" }) {
			s.Dir = "/build"
		}
	}
	if s.Hostname == "" {
		s.Hostname = "localhost"
	}
	if s.Circumstances.ClockShift < 0 {
		return s, fmt.Errorf("a clock that is %v late", -s.Circumstances.ClockShift)
	}
	if s.UID < 0 || s.GID < 0 {
		return s, fmt.Errorf("negative id %d:%d", s.UID, s.GID)
	}
	if s.WritableRoot {
		if s.UID != 0 || s.GID != 0 {
			return s, fmt.Errorf("ids %d:%d with a writable root", s.UID, s.GID)
		}
		return s, nil
	}
	if s.UID == 0 {
		s.UID = DefaultUID
	}
	if s.GID == 0 {
		s.GID = DefaultGID
	}
	return s, nil
}

func checkHostPath(path string) error {
	switch {
	case !filepath.IsAbs(path) || filepath.Clean(path) != path:
		return fmt.Errorf("%q is not a clean absolute path", path)
	case path == "/":
		return errors.New("the host's own root cannot be shown")
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("zero byte in %q", path)
	}
	return nil
}

func checkBinds(binds []Bind) error {
	seen := make(map[string]bool, len(binds))
	for _, b := range binds {
		if err := checkHostPath(b.Source); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		if err := checkHostPath(b.Target); err != nil {
			return fmt.Errorf("bind target: %w", err)
		}
		if below(b.Target, "/proc") || below(b.Target, "/dev") {
			return fmt.Errorf("bind target %s is the sandbox's own", b.Target)
		}
		if seen[b.Target] {
			return fmt.Errorf("two binds at %s", b.Target)
		}
		seen[b.Target] = true
		if err := b.checkEntries(); err != nil {
			return fmt.Errorf("bind at %s: %w", b.Target, err)
		}
	}
	return nil
}

// below reports whether path is dir or below it; both are clean.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// timed applies the Spec's time limit to ctx.
func (s Spec) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	cause := fmt.Errorf("still running after %v: %w", s.Timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, s.Timeout, cause)
}
