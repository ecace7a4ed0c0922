//go:build examples

package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sysc/internal/crashtest"
)

// TestExamples builds every derivation of examples/ from Debian's archive, on the
// mirror that this machine uses, and once more in other circumstances. Each example
// has a derivation "check" that fails unless what the others built works.
func TestExamples(t *testing.T) {
	newExamples(t).build(t)
}

// TestExamplePatched composes a system with a package of Debian's that is built with a
// patch, and runs it.
func TestExamplePatched(t *testing.T) {
	e := &examples{dir: t.TempDir()}
	t.Cleanup(func() { makeRemovable(e.dir) })
	dir, root := filepath.Join(e.dir, "patched"), filepath.Join(e.dir, "root")
	if err := os.CopyFS(dir, os.DirFS("../../examples/patched")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "sysc.lock")); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(e.dir, "store")
	e.sysc(t, "lock", "-C", dir, "--store", store)
	e.sysc(t, "switch", "system.demo", "-C", dir, "--store", store, "--root", root)
	program, err := os.ReadFile(filepath.Join(root, "usr/bin/figlet-figlet"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(program, []byte("2.2.5, ours")) {
		t.Error("the program is the archive's")
	}
}

// examples are locked copies of the examples that have derivations.
type examples struct {
	dir string
	// targets are the derivations by the name of the example.
	targets map[string][]string
}

var derivationHeader = regexp.MustCompile(`(?m)^derivation "(.+)"`)

func newExamples(t *testing.T) *examples {
	t.Helper()
	e := &examples{dir: t.TempDir(), targets: make(map[string][]string)}
	t.Cleanup(func() { makeRemovable(e.dir) })
	files, err := filepath.Glob("../../examples/*/*.sysc.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		for _, header := range derivationHeader.FindAllStringSubmatch(string(text), -1) {
			e.targets[name] = append(e.targets[name], "derivation."+header[1])
		}
	}
	if len(e.targets) == 0 {
		t.Fatal("no example has a derivation")
	}
	for name := range e.targets {
		copied := filepath.Join(e.dir, name)
		if err := os.CopyFS(copied, os.DirFS(filepath.Join("../../examples", name))); err != nil {
			t.Fatal(err)
		}
		// A lock that somebody made here is of another day.
		if err := os.RemoveAll(filepath.Join(copied, "sysc.lock")); err != nil {
			t.Fatal(err)
		}
		e.sysc(t, "lock", "-C", copied, "--store", filepath.Join(e.dir, "lock"))
	}
	return e
}

// build builds and checks all derivations.
func (e *examples) build(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(e.targets)) {
		start := time.Now()
		args := []string{"build", "--check", "--recursive", "-C", filepath.Join(e.dir, name), "--store", filepath.Join(e.dir, "store")}
		e.sysc(t, slices.Concat(args, e.targets[name])...)
		t.Logf("%s took %v", name, time.Since(start).Round(time.Second))
	}
}

// sysc runs a command that has to work, and returns what it prints.
func (e *examples) sysc(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := crashtest.Self(t, asSysc, args...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sysc %s: %v\n%s", strings.Join(args, " "), err, errors.Bytes())
	}
	return out
}
