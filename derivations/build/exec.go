package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"sysc/store"
)

const (
	// buildDir is the writable directory that a program starts in.
	buildDir = "/build"
	// sourceDate is SOURCE_DATE_EPOCH where the derivation does not say: the first
	// second of 1980 in UTC, the oldest that ZIP files can hold.
	sourceDate = "315532800"
)

// An execution is one program being run for a job.
type execution struct {
	*realiser
	job  *job
	dir  string // temporary
	log  *stepLog
	root store.Object
	// closure is everything that the program can see, and so can name.
	closure []store.Path
	// scratch are the paths that the program makes its outputs at.
	scratch map[string]store.Path
	// varied is whether it runs in other circumstances than usual.
	varied bool
}

// exec runs a program and reads what it left.
func (r *realiser) exec(ctx context.Context, j *job, temp *tempDir, log *stepLog, varied bool) (map[string]store.Object, error) {
	dir, err := temp.path()
	if err != nil {
		return nil, err
	}
	x, err := r.newExecution(ctx, j, dir, log)
	if err != nil {
		return nil, err
	}
	x.varied = varied
	if j.d.WritableRoot {
		return x.changeRoot(ctx)
	}
	return x.makeOutputs(ctx)
}

// newExecution prepares to run the program of a resolved job in a directory.
func (r *realiser) newExecution(ctx context.Context, j *job, dir string, log *stepLog) (*execution, error) {
	if err := checkPlatform(j.d); err != nil {
		return nil, err
	}
	x := &execution{realiser: r, job: j, dir: dir, log: log, scratch: make(map[string]store.Path)}
	rootPath, _, err := store.ParseLogical(j.resolved.Root)
	if err != nil {
		return nil, err
	}
	if x.root, err = r.store.Object(ctx, rootPath); err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if x.closure, err = r.store.Closure(ctx, j.resolved.Sources); err != nil {
		return nil, err
	}
	return x, nil
}

// makeOutputs runs a program whose root is read-only.
func (x *execution) makeOutputs(ctx context.Context) (map[string]store.Object, error) {
	if err := x.makeDirs(); err != nil {
		return nil, err
	}
	request, err := x.readOnlyRequest(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.run(ctx, request); err != nil {
		return nil, err
	}
	return x.harvest(ctx)
}

// readOnlyRequest asks for a program whose root is read-only.
func (x *execution) readOnlyRequest(ctx context.Context) (ExecRequest, error) {
	root, err := x.store.CheckoutDir(ctx, x.root.Tree)
	if err != nil {
		return ExecRequest{}, err
	}
	request, err := x.request()
	if err != nil {
		return request, err
	}
	request.Root = root
	for _, name := range x.job.d.OutputNames() {
		p, err := scratchPath(x.job, name)
		if err != nil {
			return request, err
		}
		x.scratch[name] = p
		request.Env = append(request.Env, name+"="+p.Logical())
	}
	slices.Sort(request.Env)
	return request, nil
}

// scratchPath returns the path at which a program makes an output. It depends on
// the name alone: everybody who builds the same shows the same path, so that a
// program that hides it (in a compressed file, or a checksum) is reproducible all
// the same, and a change that changes no result ends there.
func scratchPath(j *job, output string) (store.Path, error) {
	name := j.d.ObjectName(output)
	sum := sha256.Sum256(fmt.Appendf(nil, "sysc-scratch-2\n%s\n", name))
	return store.MakePath(store.EncodeID(sum), name)
}

// makeDirs makes the directories that the program sees beside its root: build/ at
// /build, where it works, and store/ at /sysc/store, for its outputs, with its
// inputs in it.
func (x *execution) makeDirs() error {
	for _, dir := range []string{x.buildDir(), x.outputDir()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return x.writeAttrs()
}

// request asks for the program, in any root.
func (x *execution) request() (ExecRequest, error) {
	request := ExecRequest{Args: x.job.resolved.Args, Env: x.environment(), Dir: buildDir, Output: x.log, Varied: x.varied}
	inputs, err := x.inputs()
	if err != nil {
		return request, err
	}
	request.Binds = []Bind{
		{Source: x.buildDir(), Target: buildDir, Writable: true},
		{Source: x.outputDir(), Target: store.Dir, Writable: true, Beneath: inputs},
	}
	return request, nil
}

// environment returns the variables of the program, sorted, except for outputs.
func (x *execution) environment() []string {
	env := map[string]string{
		"PATH":              "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":              "/homeless-shelter",
		"TMPDIR":            buildDir,
		"TZ":                "UTC",
		"LC_ALL":            "C.UTF-8",
		"SOURCE_DATE_EPOCH": sourceDate,
		"SYSC_CORES":        strconv.Itoa(x.cores()),
	}
	if len(x.job.resolved.Attrs) > 0 {
		env["SYSC_ATTRS_FILE"] = buildDir + "/" + attrsFile
		env["SYSC_ATTRS_SH"] = buildDir + "/" + attrsShellFile
	}
	maps.Copy(env, x.job.resolved.Env)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(env)) {
		out = append(out, key+"="+env[key])
	}
	return out
}

// cores is how many cores the program shall use.
func (x *execution) cores() int {
	switch {
	case !x.varied:
		return x.opts.Cores
	case x.opts.Cores == 1:
		return 2
	}
	return 1
}

// run runs the program and reports its failure as an error.
func (x *execution) run(ctx context.Context, request ExecRequest) error {
	ctx, out, stop := watched(ctx, x.opts.runLimits(x.job.d), request.Output)
	defer stop()
	request.Output = out
	request.Limits = x.opts.Limits
	killed := killedForMemory()
	result, err := x.opts.Exec.Run(ctx, request)
	if err != nil {
		return err
	}
	if result.ExitCode != 0 || result.Signal != "" {
		failed := &ExitError{Program: request.Args[0], Code: result.ExitCode, Signal: result.Signal}
		if result.Grouped {
			return orFull(result.explain(failed, request.Limits), x.dir)
		}
		return orFull(orMemory(failed, killed, killedForMemory()), x.dir)
	}
	return nil
}

// buildDir is where the program works, on the host.
func (x *execution) buildDir() string { return filepath.Join(x.dir, "build") }

// outputDir is where the outputs are on the host.
func (x *execution) outputDir() string { return filepath.Join(x.dir, "store") }

// outputKind tells what a program left for an output.
func outputKind(path, name string) (store.Kind, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return 0, fmt.Errorf("the program made nothing at $%s", name)
	case err != nil:
		return 0, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return store.KindFile, nil
	case unix.S_IFDIR:
		return store.KindTree, nil
	}
	return 0, errors.New("it is neither a file nor a directory")
}
