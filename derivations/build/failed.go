package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sysc/derivations"
	"sysc/store"
)

// A FailedBuild is what KeepFailed keeps beside the directories of a program.
type FailedBuild struct {
	Origin derivations.Origin `json:"origin"`
	// Derivation is resolved.
	Derivation *derivations.Derivation `json:"derivation"`
}

// failedFile is in a kept directory, and out of the reach of what ran there.
const failedFile = "derivation.json"

// maxFailedFile bounds what is read of it, in bytes.
const maxFailedFile = 64 << 20

// keepFailed keeps the directory of a program that failed, and what is needed to enter
// it.
func keepFailed(temp *tempDir, j *job) (kept string, err error) {
	if temp.dir == "" {
		return "", nil
	}
	text, err := json.Marshal(FailedBuild{Origin: j.origin, Derivation: j.resolved})
	if err == nil {
		err = os.WriteFile(filepath.Join(temp.dir, failedFile), text, 0o600)
	}
	kept, keepErr := temp.keep(j.d.Name)
	return kept, errors.Join(err, keepErr)
}

// ReadFailed reads what was kept in a directory.
func ReadFailed(dir string) (*FailedBuild, error) {
	f, err := os.Open(filepath.Join(dir, failedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not what --keep-failed kept", dir)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var failed FailedBuild
	if err := json.NewDecoder(io.LimitReader(f, maxFailedFile)).Decode(&failed); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if failed.Derivation == nil || failed.Derivation.Builder != derivations.BuilderExec {
		return nil, fmt.Errorf("read %s: it has no program", f.Name())
	}
	return &failed, nil
}

// EnterFailed runs a command in the directory of a program that failed, as the
// program left it, with everything that it had. What the command changes stays. A
// command that fails is a result.
func EnterFailed(ctx context.Context, st Store, dir string, o *EnterOptions) (result ExecResult, err error) {
	failed, err := ReadFailed(dir)
	if err != nil {
		return result, err
	}
	d := failed.Derivation
	r, done, err := newEntering(ctx, st, derivations.NewGraph(), o)
	if err != nil {
		return result, fmt.Errorf("enter %s: %w", dir, err)
	}
	defer done()
	x, err := r.newExecution(ctx, &job{d: d, resolved: d, origin: failed.Origin}, dir, nil)
	if errors.Is(err, store.ErrNotExist) {
		return result, fmt.Errorf("enter %s: garbage was collected, and something that it needs is gone: build it again with --keep-failed (%w)", dir, err)
	}
	if err != nil {
		return result, fmt.Errorf("enter %s: %w", dir, err)
	}
	// It shall stay for a while after this, too; and the kernel wants its directory
	// empty.
	now := time.Now()
	if err := errors.Join(os.Chtimes(dir, now, now), os.RemoveAll(x.workDir())); err != nil {
		return result, fmt.Errorf("enter %s: %w", dir, err)
	}
	return x.enter(ctx, o)
}
