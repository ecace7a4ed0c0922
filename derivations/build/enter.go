package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/derivations/sandbox"
	"sysc/internal/shellword"
)

// An EnterOptions says what to run where a program is, or was, to be built.
type EnterOptions struct {
	// Options are those of realising what is needed for it, and of running it. nil
	// means the zero value.
	Options *Options
	// Dir is a directory of the user's that is shown, writable, in /build under its
	// own name, and where the command begins. "" means none.
	Dir string
	// Command is the program to run, found in PATH, with its arguments; nil means a
	// shell.
	Command []string
	// Env are variables in addition, as "NAME=value".
	Env []string
	// Terminal, or Input and Output, are what it is used by; see sandbox.Spec.
	Terminal *sandbox.Terminal
	Input    *os.File
	Output   io.Writer
}

// ScriptPath is where those who enter find what would be run, as a program.
const ScriptPath = "/run/build-script"

// Develop runs a command where the program of a derivation would be run: in its root,
// with its inputs, its variables, and an empty directory at /build. What it makes is
// no result, and is gone afterwards, except for what is in o.Dir. A command that
// fails is a result.
func Develop(ctx context.Context, st Store, g *derivations.Graph, ref derivations.Ref, o *EnterOptions) (result ExecResult, err error) {
	d, ok := g.Derivation(ref.Derivation)
	switch {
	case !ok:
		return result, fmt.Errorf("develop: no derivation %s", ref.Derivation)
	case d.Builder != derivations.BuilderExec:
		return result, fmt.Errorf("develop %s: it is made by sysc itself (%s), not by a program", d.Name, d.Builder)
	case d.WritableRoot:
		return result, fmt.Errorf("develop %s: its program changes the root that it runs in", d.Name)
	}
	if _, err := Realise(ctx, st, g, d.Inputs, o.Options); err != nil {
		return result, err
	}
	r, done, err := newEntering(ctx, st, g, o)
	if err != nil {
		return result, fmt.Errorf("develop %s: %w", d.Name, err)
	}
	defer done()
	p, err := newPlanner(ctx, st, g, []derivations.Ref{ref}, nil)
	if err != nil {
		return result, fmt.Errorf("develop %s: %w", d.Name, err)
	}
	r.planner = p
	j := p.jobs[ref.Derivation]
	if err := r.sources.ensure(ctx, j.resolved.Sources); err != nil {
		return result, err
	}
	temp := tempDir{ctx: ctx, store: st}
	defer func() {
		if removeErr := temp.remove(); err == nil {
			err = removeErr
		}
	}()
	dir, err := temp.path()
	if err != nil {
		return result, err
	}
	x, err := r.newExecution(ctx, j, dir, nil)
	if err != nil {
		return result, fmt.Errorf("develop %s: %w", d.Name, err)
	}
	if err := x.makeDirs(); err != nil {
		return result, err
	}
	return x.enter(ctx, o)
}

// newEntering returns what executions need of a realiser. done must be called.
func newEntering(ctx context.Context, st Store, g *derivations.Graph, o *EnterOptions) (r *realiser, done func(), err error) {
	opts, err := o.Options.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	closeSandbox := opts.withSandbox()
	r = &realiser{planner: &planner{store: st, graph: g}, opts: opts}
	r.commits = newCommitter(ctx, st, func(*commit, error) {})
	r.sources = sourceAdder{store: st, graph: g, commits: r.commits}
	return r, func() {
		r.commits.close()
		closeSandbox()
	}, nil
}

// enter runs the command in place of the program.
func (x *execution) enter(ctx context.Context, o *EnterOptions) (ExecResult, error) {
	ask := x.readOnlyRequest
	if x.job.resolved.WritableRoot {
		ask = func(context.Context) (ExecRequest, error) { return x.writableRequest() }
	}
	request, err := ask(ctx)
	if err != nil {
		return ExecResult{}, err
	}
	// Outside of /build: what a program left there may be a link to somewhere else.
	script := filepath.Join(x.dir, "script")
	if err := os.WriteFile(script, []byte(scriptOf(request.Args)), 0o755); err != nil {
		return ExecResult{}, err
	}
	request.Binds = append(request.Binds, Bind{Source: script, Target: ScriptPath})
	if o.Dir != "" {
		request.Dir = buildDir + "/" + filepath.Base(o.Dir)
		request.Binds = append(request.Binds, Bind{Source: o.Dir, Target: request.Dir, Writable: true, Public: true})
	}
	request.Args = o.Command
	if request.Args == nil {
		request.Args = []string{"/bin/sh", "-c", anyShell}
	}
	request.Env = slices.Concat(request.Env, o.Env)
	request.Terminal, request.Input, request.Output = o.Terminal, o.Input, o.Output
	return x.opts.Exec.Run(ctx, request)
}

// anyShell runs the best shell that there is.
const anyShell = `if [ -x /bin/bash ]; then exec /bin/bash --noprofile --norc; fi; exec /bin/sh`

// scriptOf returns a shell script that does what a program with arguments does.
func scriptOf(args []string) string {
	if len(args) == 3 && args[0] == "/bin/sh" && args[1] == "-euc" {
		return "#!/bin/sh -eu\n" + args[2] + "\n"
	}
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = shellword.Quote(arg)
	}
	return "#!/bin/sh\nexec " + strings.Join(quoted, " ") + "\n"
}
