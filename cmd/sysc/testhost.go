package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/vmtest"
)

// A testHost builds for one test, and runs its machines.
type testHost struct {
	a     *app
	tests *tests
	name  string            // the test's
	st    *localstore.Store // nil until something is built
}

func (h *testHost) close() error {
	if h.st == nil {
		return nil
	}
	return h.st.Close()
}

// realise builds, without a word where nothing fails.
func (h *testHost) realise(ctx context.Context, p *modules.Project, refs []derivations.Ref) (map[derivations.Ref]store.Path, error) {
	if h.st == nil {
		st, err := h.a.openStore(ctx)
		if err != nil {
			return nil, err
		}
		h.st = st
	}
	return h.a.realise(ctx, h.st, p, refs, buildFlags{})
}

// Build builds what a test looks into.
func (h *testHost) Build(ctx context.Context, p *modules.Project, refs []derivations.Ref) (map[derivations.Ref]store.Object, modules.Contents, error) {
	paths, err := h.realise(ctx, p, refs)
	if err != nil {
		return nil, nil, err
	}
	objects := make(map[derivations.Ref]store.Object, len(refs))
	for _, ref := range refs {
		if objects[ref], err = h.st.Object(ctx, paths[ref]); err != nil {
			return nil, nil, err
		}
	}
	return objects, h.st, nil
}

// RunMachines runs a test's machines.
func (h *testHost) RunMachines(ctx context.Context, p *modules.Project, test vmtest.Test, of map[string]modules.Target) error {
	var refs []derivations.Ref
	for _, m := range test.Machines {
		if ref := of[m.Name].Ref; !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	paths, err := h.realise(ctx, p, refs)
	if err != nil {
		return err
	}
	dir, err := h.logs()
	if err != nil {
		return fmt.Errorf("keep logs of machines: %w", err)
	}
	err = vmtest.Run(ctx, test, vmtest.Options{
		Dir: dir, Accelerator: h.tests.accelerator,
		Disk: func(ctx context.Context, m vmtest.Machine, path string, etc map[string]string) error {
			target := of[m.Name]
			system, err := systems.Load(ctx, h.st, paths[target.Ref])
			if err != nil {
				return err
			}
			b := &builtSystem{System: system, store: h.st, graph: p.Graph(), ref: target.Ref}
			b.realise = func(ctx context.Context, want []derivations.Ref) (map[derivations.Ref]store.Path, error) {
				return h.realise(ctx, p, want)
			}
			return writeTestDisk(ctx, path, b, etc)
		},
		Ended: func(step int, took time.Duration, failed *vmtest.Failure) { h.ended(test, step, took, failed) },
	})
	var failure *vmtest.Failure
	switch {
	case errors.As(err, &failure):
		h.a.say("What the machines of test %q have shown is in %s.", h.name, dir)
	case h.tests.logs == "":
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// logs makes the directory for what machines show.
func (h *testHost) logs() (string, error) {
	if h.tests.logs == "" {
		return os.MkdirTemp("", "sysc-test-")
	}
	dir := filepath.Join(h.tests.logs, fileName(h.name))
	return dir, os.MkdirAll(dir, 0o755)
}

// fileName makes a text that a person has written the name of a file.
func fileName(text string) string {
	name := strings.Map(func(c rune) rune {
		if c == '.' || c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			return c
		}
		return '-'
	}, text)
	return strings.TrimLeft(name, ".-")
}

// writeTestDisk writes the disk of a machine to a new file.
func writeTestDisk(ctx context.Context, file string, b *builtSystem, etc map[string]string) (err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return writeDisk(ctx, f, b, imageFlags{params: serialParams, etc: etc})
}

// ended tells of a step that is over.
func (h *testHost) ended(test vmtest.Test, step int, took time.Duration, failed *vmtest.Failure) {
	what := "machines are up"
	if step != vmtest.Booting {
		what = fmt.Sprintf("step %q", test.Steps[step].Name)
	}
	outcome := ""
	if failed != nil {
		outcome = " failed"
	}
	h.a.say("    %s%s, %s", what, outcome, took.Round(100*time.Millisecond))
}
