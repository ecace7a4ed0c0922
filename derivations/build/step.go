package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
)

// step does one job under its lock, and returns what is to be registered; its
// release then gives the lock back.
func (r *realiser) step(ctx context.Context, j *job) (_ *commit, err error) {
	unlock, err := r.store.Lock(r.begin, "build "+j.key.String(), func(holder string) {
		r.emit(j, Event{Kind: Waiting, Line: holder})
	})
	if err != nil && r.begin.Err() != nil {
		err = context.Cause(r.begin)
	}
	if err != nil {
		return nil, r.failed(ctx, j, nil, "", err)
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	c, err := r.result(ctx, j)
	if err != nil {
		return nil, err
	}
	c.release = unlock
	if j.check {
		if c.found, err = r.check(ctx, j, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// result returns what a job comes to: what somebody else made of it meanwhile, or
// what it makes now.
func (r *realiser) result(ctx context.Context, j *job) (*commit, error) {
	if !j.rebuild {
		if c, err := r.recorded(ctx, j); err != nil {
			return nil, r.failed(ctx, j, nil, "", err)
		} else if c != nil {
			return c, nil
		}
		if c := r.learned(ctx, j); c != nil {
			return c, nil
		}
	}
	log := newStepLog(LogPath(r.store.LogDir(), j.key), func(line string) {
		r.emit(j, Event{Kind: LogLine, Line: line})
	})
	log.limit = cmp.Or(j.d.RunLimits.Log, log.limit)
	start := time.Now()
	objects, kept, err := r.perform(ctx, j, log, false)
	if err != nil {
		return nil, r.failed(ctx, j, log, kept, err)
	}
	j.took = time.Since(start)
	log.close() // a log that cannot be kept does not spoil the result
	c := &commit{job: j, outputs: make(map[string]store.Path)}
	for name, o := range objects {
		o.Deriver = j.hash.String()
		c.objects = append(c.objects, o)
		c.realisations = append(c.realisations, store.Realisation{Derivation: j.key, Output: name, Path: o.Path})
		c.outputs[name] = o.Path
	}
	return c, nil
}

// knownPath returns the path that an output of a resolved job is known to have, whether its
// object is there or not; store.ErrNotExist, wrapped, where it is not known.
func (r *realiser) knownPath(ctx context.Context, j *job, output string) (store.Path, error) {
	if path, ok := derivations.FixedPath(j.d); ok {
		return path, nil
	}
	return r.store.Realisation(ctx, j.key, output)
}

// recorded returns a commit of nothing when somebody else has done the job
// meanwhile, otherwise nil.
func (r *realiser) recorded(ctx context.Context, j *job) (*commit, error) {
	c := &commit{job: j, outputs: make(map[string]store.Path), cached: true}
	for _, name := range j.d.OutputNames() {
		path, err := r.knownPath(ctx, j, name)
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		_, err = r.store.Object(ctx, path)
		if errors.Is(err, store.ErrNotExist) {
			// It may be whole again: what was damaged in it was an input's, say.
			_, err = r.store.Adopt(ctx, path)
		}
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		c.outputs[name] = path
	}
	return c, nil
}

// perform runs the builder, a program perhaps in other circumstances. kept is its
// directory when that was left behind.
func (r *realiser) perform(ctx context.Context, j *job, log *stepLog, varied bool) (objects map[string]store.Object, kept string, err error) {
	if err := r.sources.ensure(ctx, j.resolved.Sources); err != nil {
		return nil, "", err
	}
	temp := tempDir{ctx: ctx, store: r.store}
	defer func() {
		if err != nil && r.opts.KeepFailed && j.d.Builder == derivations.BuilderExec && ctx.Err() == nil {
			var keepErr error
			kept, keepErr = keepFailed(&temp, j)
			err = errors.Join(err, keepErr)
			return
		}
		r.removals.remove(&temp)
	}()
	if j.d.Builder == derivations.BuilderExec {
		objects, err = r.exec(ctx, j, &temp, log, varied)
	} else {
		objects, err = r.builtin(ctx, j, &temp, log)
	}
	if err != nil {
		return nil, "", err
	}
	if err := r.checkFixed(ctx, j, objects); err != nil {
		return nil, "", err
	}
	return objects, "", r.checkLimits(ctx, j, objects)
}

// A tempDir is a temporary directory that is made when somebody asks for it.
type tempDir struct {
	ctx   context.Context
	store Store
	dir   string
	clear func() error
}

func (t *tempDir) path() (string, error) {
	if t.dir != "" {
		return t.dir, nil
	}
	var err error
	t.dir, t.clear, err = t.store.TempDir(t.ctx, "build")
	return t.dir, err
}

// keep moves the directory, if there is one, to where it stays for a while.
func (t *tempDir) keep(name string) (string, error) {
	if t.dir == "" {
		return "", nil
	}
	return t.store.KeepFailed(t.dir, name)
}

func (t *tempDir) remove() error {
	if t.clear == nil {
		return nil
	}
	return t.clear()
}

// removals removes temporary directories while other steps go on: a root of a hundred
// thousand files takes seconds.
type removals struct {
	running sync.WaitGroup

	mu  sync.Mutex
	err error
}

func (r *removals) remove(t *tempDir) {
	if t.clear == nil {
		return // nobody made it
	}
	r.running.Go(func() {
		if err := t.remove(); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.err = errors.Join(r.err, err)
		}
	})
}

// wait returns when all is gone, with what went wrong.
func (r *removals) wait() error {
	r.running.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// builtin does a step of this process.
func (r *realiser) builtin(ctx context.Context, j *job, temp *tempDir, log *stepLog) (map[string]store.Object, error) {
	do, ok := r.opts.Builtins[j.d.Builder]
	if !ok {
		return nil, fmt.Errorf("this sysc has no builder %q", j.d.Builder)
	}
	step := &builtin.Step{
		Derivation: j.resolved, Places: j.origin.Places, Store: r.store, Download: r.opts.Client, Registries: r.opts.Registries, Mirrors: r.opts.Mirrors, Past: r.opts.Past,
		TempDir: temp.path, DownloadDir: r.opts.DownloadDir, Progress: r.progress(j),
		Parallel: r.parallel, Log: log,
	}
	if r.opts.DownloadDir != "" {
		if err := os.MkdirAll(r.opts.DownloadDir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := do(ctx, step); err != nil {
		return nil, err
	}
	objects := make(map[string]store.Object)
	for _, name := range j.d.OutputNames() {
		result, ok := step.Result(name)
		if !ok {
			return nil, &OutputError{Output: name, Cause: fmt.Errorf("builder %q made nothing", j.d.Builder)}
		}
		o, err := r.store.MakeObject(ctx, j.d.ObjectName(name), result.Kind, result.Tree, result.References)
		if err != nil {
			return nil, err
		}
		objects[name] = o
	}
	return objects, nil
}

const (
	// wideSteps is how many steps may decode in parallel at once. The other jobs
	// decode their packages one block after another beside it.
	wideSteps = 1
	// wideWorkers is with how many goroutines it does, at most. Each needs a block of a
	// big package, 24 to 32 MiB, and a dictionary of up to 64.
	wideWorkers = 4
)

// parallel hands out goroutines to steps, so that the memory that all of them
// need together is bounded whatever the number of jobs.
func (r *realiser) parallel() (workers int, release func()) {
	select {
	case r.wide <- struct{}{}:
		return min(wideWorkers, runtime.GOMAXPROCS(0)), func() { <-r.wide }
	default:
		return 1, func() {}
	}
}

// checkFixed compares the result with what is known beforehand.
func (r *realiser) checkFixed(ctx context.Context, j *job, objects map[string]store.Object) error {
	want := j.d.Fixed
	if want == nil {
		return nil
	}
	o := objects[derivations.DefaultOutput]
	wrong := func(format string, args ...any) error {
		return &OutputError{Output: derivations.DefaultOutput, Cause: fmt.Errorf(format, args...)}
	}
	if o.Kind == store.KindRoot && want.Kind != store.KindRoot {
		return wrong("want a %v, got a %v", want.Kind, o.Kind)
	}
	if len(o.References) > 0 || len(o.SelfReferences) > 0 {
		return wrong("what is known beforehand cannot name store objects, but it names %v", o.References)
	}
	got := derivations.Fixed{Kind: o.Kind, Digest: o.Tree, Size: want.Size}
	if o.Kind == store.KindFile {
		t, err := r.store.Tree(ctx, o.Tree)
		if err != nil {
			return err
		}
		e, _ := t.Lookup(store.FileEntry)
		got.Digest, got.Executable = e.Digest, e.Executable()
	}
	if got != *want {
		return &MismatchError{Want: *want, Got: got, URLs: addresses(j.d)}
	}
	if path, ok := derivations.FixedPath(j.d); ok && path != o.Path {
		return wrong("the file has %d bytes, want %d", o.Size, want.Size)
	}
	return nil
}

// failed describes a failure, which is ctx's when that has ended. log may be nil.
func (r *realiser) failed(ctx context.Context, j *job, log *stepLog, kept string, cause error) *Error {
	if ctx.Err() != nil {
		cause = context.Cause(ctx)
	}
	e := &Error{Hash: j.hash, Derivation: j.d, Origin: j.origin, Builder: j.d.Builder, KeptDir: kept, Cause: cause}
	if j.d.Builder == derivations.BuilderExec {
		e.Builder = j.d.Args[0]
	}
	var exit *ExitError
	if errors.As(cause, &exit) {
		e.ExitCode = exit.Code
	}
	if log != nil {
		e.Tail = log.tail()
		if err := log.close(); err == nil && log.written() {
			e.LogPath = log.path
		}
	}
	return e
}

// checkPlatform reports why a program cannot run here.
func checkPlatform(d *derivations.Derivation) error {
	here := runtime.GOOS + "/" + runtime.GOARCH
	if d.Platform != derivations.PlatformAny && d.Platform != here {
		return &PlatformError{Want: d.Platform, Here: here}
	}
	return nil
}
