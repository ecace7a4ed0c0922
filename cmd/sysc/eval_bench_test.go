package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sysc/internal/crashtest"
)

// BenchmarkEval measures evaluation beside nix's, on the same graphs: the
// derivations of [layers], written out in files of a thousand. Nothing is built.
// "make bench" prints ratios.
func BenchmarkEval(b *testing.B) {
	p := newPeers(b)
	archive := newBenchArchive(b)
	p.mirror = archive.url
	for _, n := range []int{1000, 10_000, 50_000} {
		d := p.definition(b, archive, n)
		b.Run(fmt.Sprintf("cold-%d", n), func(b *testing.B) { p.evalCold(b, d) })
		b.Run(fmt.Sprintf("warm-%d", n), func(b *testing.B) { p.evalWarm(b, d) })
	}
	b.Run("start", p.start)
}

// An evalBench is a definition for both programs, sysc's with its lock file.
type evalBench struct {
	dir  string
	last string // the derivation that needs all others
}

func (p *peers) definition(b *testing.B, a benchArchive, n int) evalBench {
	steps := gathered(layers(n))
	d := evalBench{filepath.Join(p.dir, fmt.Sprintf("eval-%d", n)), fmt.Sprintf("derivation.d%d", len(steps)-1)}
	check(b, os.MkdirAll(d.dir+"/nix", 0o755))
	check(b, defineNix(d.dir+"/nix", steps, -1, ""))
	check(b, a.define(d.dir+"/sysc", steps, -1, ""))
	check(b, splitBlocks(d.dir+"/sysc", "main.sysc.hcl", 1000))
	check(b, p.sysc(b, d.dir, "lock", "-C", d.dir+"/sysc"))
	return d
}

// gathered puts steps between the last one and the many that it needs, for whose
// paths one script has no room.
func gathered(steps []benchStep) []benchStep {
	const most = 500
	last := &steps[len(steps)-1]
	all, top := last.inputs, benchStep{inputs: []int{len(steps) - 1}}
	last.inputs = nil
	for part := range slices.Chunk(all, most) {
		top.inputs = append(top.inputs, len(steps))
		steps = append(steps, benchStep{inputs: part})
	}
	return append(steps, top)
}

// splitBlocks spreads the blocks of a file over files of n each.
func splitBlocks(dir, name string, n int) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		return err
	}
	blocks := bytes.SplitAfter(text, []byte("\n}\n"))
	for i := 0; i*n < len(blocks); i++ {
		part := bytes.Join(blocks[i*n:min((i+1)*n, len(blocks))], nil)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("part-%03d.sysc.hcl", i)), part, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// show evaluates everything and prints the last derivation.
func (p *peers) show(b *testing.B, dir string, d evalBench) error {
	return p.measured(b, dir, "derivation", "show", d.last, "-C", d.dir+"/sysc")
}

// measured is [peers.sysc] with the memory that it takes.
func (p *peers) measured(b *testing.B, dir string, args ...string) error {
	cmd := crashtest.Self(b, asSysc, args...)
	if p.binary != "" {
		cmd = exec.Command(p.binary, args...)
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "SYSC_STORE="+dir+"/store", "XDG_CACHE_HOME="+dir+"/cache")
	return p.run(cmd)
}

// run runs a program and notes its largest resident set. This process becomes
// small before that: the kernel counts the memory that a process had before
// execve, which is shared with this one.
func (p *peers) run(cmd *exec.Cmd) error {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%.2000s", strings.Join(cmd.Args, " "), err, out)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.peak = usage.Maxrss
	}
	return nil
}

func (p *peers) nixInstantiate(dir string, d evalBench) error {
	cmd := exec.Command("nix-instantiate", "--store", dir+"/nix", d.dir+"/nix/default.nix")
	cmd.Env = append(os.Environ(), "NIX_CONFIG=build-users-group =\nsubstituters =")
	return p.run(cmd)
}

// evalCold evaluates for the first time.
func (p *peers) evalCold(b *testing.B, d evalBench) {
	p.compare(b,
		peer{"sysc", nil, func(dir string) error { return p.show(b, dir, d) }},
		peer{"nix-instantiate", nil, func(dir string) error { return p.nixInstantiate(dir, d) }},
	)
}

// evalWarm evaluates once more, with nothing changed.
func (p *peers) evalWarm(b *testing.B, d evalBench) {
	show := func(dir string) error { return p.show(b, dir, d) }
	instantiate := func(dir string) error { return p.nixInstantiate(dir, d) }
	p.compare(b, peer{"sysc", show, show}, peer{"nix-instantiate", instantiate, instantiate})
}

// start runs each program for nothing.
func (p *peers) start(b *testing.B) {
	p.compare(b,
		peer{"sysc", nil, func(dir string) error { return p.measured(b, dir, "version") }},
		peer{"nix-store --version", nil, func(string) error { return p.run(exec.Command("nix-store", "--version")) }},
	)
}
