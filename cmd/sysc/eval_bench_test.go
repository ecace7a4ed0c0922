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
	"sync"
	"syscall"
	"testing"

	"sysc/internal/crashtest"
)

// BenchmarkEval measures evaluation beside nix's, on the same graphs: the
// derivations of [layers], written out in files of a thousand, and made by a
// for_each; then options, of one module and of many. Nothing is built. "make bench"
// prints ratios, and how costs grow.
func BenchmarkEval(b *testing.B) {
	p := newPeers(b)
	archive := newBenchArchive(b)
	p.mirror = archive.url
	sizes := []int{1000, 10_000, 50_000}
	for _, n := range sizes {
		written := sync.OnceValue(func() evalBench { return p.definition(b, archive, n) })
		b.Run(fmt.Sprintf("cold-%d", n), func(b *testing.B) { p.evalCold(b, written()) })
		b.Run(fmt.Sprintf("warm-%d", n), func(b *testing.B) { p.evalWarm(b, written()) })
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("for_each-%d", n), func(b *testing.B) { p.evalCold(b, p.family(b, archive, n)) })
	}
	for _, n := range []int{1000, 20_000} {
		b.Run(fmt.Sprintf("options-%d", n), func(b *testing.B) { p.validate(b, defineOptions, n) })
	}
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("modules-%d", n), func(b *testing.B) { p.validate(b, defineModules, n) })
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

// family is the same graph as that of [peers.definition], made by a for_each.
func (p *peers) family(b *testing.B, a benchArchive, n int) evalBench {
	d := evalBench{filepath.Join(p.dir, fmt.Sprintf("family-%d", n)), "derivation.last"}
	check(b, a.define(d.dir+"/sysc", nil, -1, ""))
	check(b, os.MkdirAll(d.dir+"/nix", 0o755))
	check(b, os.WriteFile(d.dir+"/sysc/family.sysc.hcl", fmt.Appendf(nil, syscFamily, n), 0o644))
	check(b, os.WriteFile(d.dir+"/nix/default.nix", fmt.Appendf(nil, nixFamily, n), 0o644))
	check(b, p.sysc(b, d.dir, "lock", "-C", d.dir+"/sysc"))
	return d
}

// Each step needs two of the layer below it, and the last one the whole top layer,
// by way of parts for whose paths one script has room.
const (
	syscFamily = `locals {
  n     = %d
  width = local.n / 10
  steps = flatten([for k in range(local.n / 1000) : [for i in range(1000) : k * 1000 + i]])
  parts = { for i, part in chunklist(slice(local.steps, local.n - local.width, local.n), 500) : "p${i}" => part }
}

derivation "d" {
  for_each = { for i in local.steps : "d${i}" => i }
  base     = input.debian
  script   = <<-EOT
    echo step ${each.value} > $out
    %%{ for i in each.value < local.width ? [] : [
      each.value - local.width,
      each.value - local.width - each.value %% local.width + (each.value + 1) %% local.width
    ] ~}
    echo ${derivation.d["d${i}"].out} >> $out
    %%{ endfor ~}
  EOT
}

derivation "part" {
  for_each = local.parts
  base     = input.debian
  script   = <<-EOT
    echo ${each.key} > $out
    %%{ for i in each.value ~}
    echo ${derivation.d["d${i}"].out} >> $out
    %%{ endfor ~}
  EOT
}

derivation "last" {
  base   = input.debian
  script = <<-EOT
    echo last > $out
    %%{ for key in keys(local.parts) ~}
    echo ${derivation.part[key].out} >> $out
    %%{ endfor ~}
  EOT
}
`
	nixFamily = `let
  n = %d;
  width = n / 10;
  mod = a: b: a - b * (a / b);
  mk = name: script: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ]; };
  line = d: "echo ${d} >> $out\n";
  step = i: mk "d${toString i}" ("echo step ${toString i} > $out\n" + (if i < width then "" else
    line (builtins.elemAt all (i - width)) + line (builtins.elemAt all (i - width - mod i width + mod (i + 1) width))));
  all = builtins.genList step n;
  part = k: mk "part-p${toString k}" ("echo p${toString k} > $out\n" + builtins.concatStringsSep "" (builtins.genList
    (j: line (builtins.elemAt all (n - width + k * 500 + j))) (if width - k * 500 < 500 then width - k * 500 else 500)));
in mk "last" ("echo last > $out\n" + builtins.concatStringsSep "" (map line (builtins.genList part ((width + 499) / 500))))
`
)

// defineOptions writes a system with n options, a thousand to a file, half of which
// are set to what another one says.
func defineOptions(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]*strings.Builder{}
	file := func(i int) *strings.Builder {
		name := fmt.Sprintf("part-%03d.sysc.hcl", i/1000)
		if files[name] == nil {
			files[name] = &strings.Builder{}
		}
		return files[name]
	}
	file(0).WriteString("system \"bench\" {\n  platform = \"linux/amd64\"\n}\n")
	const group = 100
	for i := range n {
		fmt.Fprintf(file(i), "option \"bench.g%d.o%d\" {\n  type        = number\n  default     = %d\n  description = \"Number %d.\"\n}\n", i/group, i, i, i)
	}
	for g := range n / group {
		out := file(g * group)
		fmt.Fprintf(out, "config {\n  bench {\n    g%d {\n", g)
		for i := g * group; i < (g+1)*group; i += 2 {
			if i >= group {
				fmt.Fprintf(out, "      o%d = config.bench.g%d.o%d + 1\n", i, g-1, i-group)
			}
		}
		out.WriteString("    }\n  }\n}\n")
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// defineModules writes a system with n modules of ten options each.
func defineModules(dir string, n int) error {
	var root strings.Builder
	names := make([]string, n)
	for m := range n {
		names[m] = fmt.Sprintf("module.m%d", m)
		fmt.Fprintf(&root, "module \"m%d\" {\n  source = \"./m%d\"\n}\n", m, m)
		var text strings.Builder
		for i := range 10 {
			fmt.Fprintf(&text, "option \"bench.m%d.o%d\" {\n  type        = number\n  default     = %d\n  description = \"Number %d.\"\n}\n", m, i, i, i)
		}
		fmt.Fprintf(&text, "config {\n  bench {\n    m%d {\n", m)
		for i := 1; i < 10; i += 2 {
			fmt.Fprintf(&text, "      o%d = config.bench.m%d.o%d + 1\n", i, m, i-1)
		}
		text.WriteString("    }\n  }\n}\n")
		if err := os.MkdirAll(fmt.Sprintf("%s/m%d", dir, m), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(fmt.Sprintf("%s/m%d/main.sysc.hcl", dir, m), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(&root, "system \"bench\" {\n  platform = \"linux/amd64\"\n  modules  = [%s]\n}\n", strings.Join(names, ", "))
	return os.WriteFile(dir+"/main.sysc.hcl", []byte(root.String()), 0o644)
}

// validate evaluates every option of every system.
func (p *peers) validate(b *testing.B, define func(dir string, n int) error, n int) {
	definition, err := os.MkdirTemp(p.dir, "options")
	check(b, err)
	check(b, define(definition, n))
	p.compare(b, peer{"sysc", nil, func(dir string) error { return p.measured(b, dir, "validate", "-C", definition) }})
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

// run runs a program and notes what it took.
func (p *peers) run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%.2000s", strings.Join(cmd.Args, " "), err, out)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.peak = usage.Maxrss
		p.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return nil
}

// shrink makes this process small: the kernel counts the memory that a process had
// before execve, which is shared with this one.
func shrink() error {
	debug.FreeOSMemory()
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
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
