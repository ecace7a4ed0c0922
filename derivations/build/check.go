package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sysc/derivations"
	"sysc/store"
)

// Programs returns those steps behind what is wanted that run a program: on each way
// the first one, or, with all, all of them. They are in the order of the graph.
func Programs(g *derivations.Graph, want []derivations.Ref, all bool) []derivations.Hash {
	var programs []derivations.Hash
	wanted := make(map[derivations.Hash]bool)
	for _, ref := range want {
		wanted[ref.Derivation] = true
	}
	for _, h := range slices.Backward(g.Behind(want)) { // users come before inputs
		d, _ := g.Derivation(h)
		if d.Builder == derivations.BuilderExec && (all || wanted[h]) {
			programs = append(programs, h)
			continue
		}
		if wanted[h] {
			for _, in := range d.Inputs {
				wanted[in.Derivation] = true
			}
		}
	}
	slices.Reverse(programs)
	return programs
}

// A CheckError says that what a program makes depends on circumstances: the date, the
// number of processors, the order in which directories list their entries, the names
// of machine and user, chance.
type CheckError struct {
	// Outputs are those that differ.
	Outputs []OutputDifference
	// Cause is why it made nothing at all, or nil.
	Cause error
}

// An OutputDifference is an output that came out in two ways.
type OutputDifference struct {
	Output string
	// Usual is what it is, and Other what it was in other circumstances. Both are
	// objects of the store, the latter until garbage is collected.
	Usual, Other store.Path
	// Files are the first that differ, by path, and More is how many others there are.
	// Places where each names itself or another output do not count. When there are none, the
	// two refer to different objects.
	Files []FileDifference
	More  int
}

func (e *CheckError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("it fails in other circumstances: %v", e.Cause)
	}
	var b strings.Builder
	b.WriteString("it makes something else in other circumstances")
	for _, o := range e.Outputs {
		fmt.Fprintf(&b, "\n  output %q\n    usual %s\n    other %s", o.Output, o.Usual.Logical(), o.Other.Logical())
		for _, f := range o.Files {
			fmt.Fprintf(&b, "\n    %s", f)
		}
		switch {
		case o.More > 0:
			fmt.Fprintf(&b, "\n    and %d more", o.More)
		case len(o.Files) == 0:
			b.WriteString("\n    they differ in what they refer to alone")
		}
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Cause }

// checkedAfter is how long after the beginning of everything a check begins, so that
// times of files in whole seconds differ from those of the build before it.
const checkedAfter = time.Second + 100*time.Millisecond

// check runs a program once more, in other circumstances, and returns how that
// differs from the result that is to be committed, or nil. The error is that of
// ctx, or of the machine.
func (r *realiser) check(ctx context.Context, j *job, c *commit) (found, err error) {
	select {
	case <-time.After(checkedAfter - time.Since(r.began)):
	case <-ctx.Done():
	}
	c.cached = false // it runs now
	log := newStepLog(LogPath(r.store.LogDir(), checkKey(j.key)), func(line string) {
		r.emit(j, Event{Kind: LogLine, Line: line})
	})
	objects, kept, err := r.perform(ctx, j, log, true)
	switch {
	case err != nil && (ctx.Err() != nil || !isFailure(err)):
		return nil, r.failed(ctx, j, log, kept, err)
	case err != nil:
		return r.failed(ctx, j, log, kept, &CheckError{Cause: err}), nil
	}
	different, err := r.differences(ctx, j, c, objects)
	if err != nil {
		return nil, r.failed(ctx, j, log, "", fmt.Errorf("compare results: %w", err))
	}
	log.close()
	if len(different) == 0 {
		return nil, nil
	}
	e := r.failed(ctx, j, log, "", &CheckError{Outputs: different})
	e.Tail = nil // nothing in it tells why
	return e, nil
}

// isFailure reports whether err is about the program: a timeout may be, and a result
// that is not the one known beforehand.
func isFailure(err error) bool {
	var limit *LimitError
	var mismatch *MismatchError
	return IsFault(err) || errors.As(err, &limit) || errors.As(err, &mismatch)
}

// checkKey names the log of a check.
func checkKey(key store.DerivationHash) store.DerivationHash {
	return sha256.Sum256(append([]byte("sysc-check-1\n"), key[:]...))
}

// differences compares what a commit has with what came out of a check. Both will be
// objects of the store.
func (r *realiser) differences(ctx context.Context, j *job, c *commit, objects map[string]store.Object) ([]OutputDifference, error) {
	usual := make(map[string]store.Object)
	for _, o := range c.objects {
		for name, path := range c.outputs {
			if path == o.Path {
				usual[name] = o
			}
		}
	}
	ids := make(map[string]string)
	var changed []string
	for _, name := range j.d.OutputNames() {
		path, other := c.outputs[name], objects[name]
		if path == other.Path {
			continue
		}
		if _, ok := usual[name]; !ok {
			o, err := r.store.Object(ctx, path)
			if err != nil {
				return nil, err
			}
			usual[name] = o
		}
		changed = append(changed, name)
		ids[other.Path.ID()] = path.ID()
	}
	var different []OutputDifference
	for _, name := range changed {
		was, other := usual[name], objects[name]
		d := OutputDifference{Output: name, Usual: was.Path, Other: other.Path}
		if err := r.compareFiles(ctx, &d, was.Tree, other.Tree, ids); err != nil {
			return nil, err
		}
		if was.Kind == store.KindFile && other.Kind == store.KindFile {
			for i := range d.Files {
				d.Files[i].Path = ""
			}
		}
		different = append(different, d)
	}
	if len(different) > 0 {
		for _, name := range j.d.OutputNames() { // they may refer to one another
			other := objects[name]
			other.Deriver = j.hash.String()
			c.objects = append(c.objects, other)
		}
	}
	return different, nil
}
