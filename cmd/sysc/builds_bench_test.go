package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sysc/systems/distro/debian/debiantest"
)

// BenchmarkBuilds measures builds that do next to nothing beside nix's: what a
// scheduler and a sandbox cost. "make bench" prints ratios.
func BenchmarkBuilds(b *testing.B) {
	p := newPeers(b)
	archive := newBenchArchive(b)
	p.mirror = archive.url
	small, large := layers(1000), layers(2000)
	b.Run("build-1000", func(b *testing.B) { p.build(b, archive, small) })
	b.Run("no-op-1000", func(b *testing.B) { p.noOp(b, archive, small) })
	b.Run("no-op-each-of-1000", func(b *testing.B) { p.noOpOfEach(b, archive, small) })
	b.Run("edit-leaf-2000", func(b *testing.B) { p.edit(b, archive, large, 0) })
	b.Run("edit-top-2000", func(b *testing.B) { p.edit(b, archive, large, len(large)-1) })
}

// A benchStep is a derivation that writes two lines: the paths of its inputs.
type benchStep struct{ inputs []int }

// layers is a graph of n steps in ten layers, each of which needs two of the layer
// before it, and one step at the end that needs the whole last layer.
func layers(n int) []benchStep {
	steps := make([]benchStep, n)
	width := n / 10
	for i := width; i < n; i++ {
		first := i - i%width - width
		steps[i].inputs = []int{first + i%width, first + (i+1)%width}
	}
	var last []int
	for i := n - width; i < n-1; i++ {
		last = append(last, i)
	}
	steps[n-1].inputs = last
	return steps
}

// A benchArchive is a Debian archive with the tools that a sandbox's root needs.
type benchArchive struct{ dir, url string }

func newBenchArchive(b *testing.B) benchArchive {
	a := debiantest.Archive{Suite: "trixie", Architecture: runtime.GOARCH, Date: time.Unix(1_780_000_000, 0)}
	tools, err := theTools()
	check(b, err)
	a.Packages = append(a.Packages, tools)
	a.Key, err = theKey("")
	check(b, err)
	dir := b.TempDir()
	check(b, a.Write(dir))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	b.Cleanup(server.Close)
	return benchArchive{dir: dir, url: server.URL}
}

// define writes the steps as sysc reads them, with a comment in one of them.
func (a benchArchive) define(dir string, steps []benchStep, edited int, comment string) error {
	var text strings.Builder
	text.WriteString("input \"debian\" {\n  type = \"debian\"\n  suites = [\"trixie\"]\n  security = false\n  keyring = \"archive.asc\"\n}\n")
	for i, s := range steps {
		fmt.Fprintf(&text, "\nderivation \"d%d\" {\n  base = input.debian\n  script = <<-EOT\n", i)
		if i == edited {
			fmt.Fprintf(&text, "    # %s\n", comment)
		}
		fmt.Fprintf(&text, "    echo step %d > $out\n", i)
		for _, in := range s.inputs {
			fmt.Fprintf(&text, "    echo ${derivation.d%d.out} >> $out\n", in)
		}
		text.WriteString("  EOT\n}\n")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(a.dir, "keyring.asc"), filepath.Join(dir, "archive.asc"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "main.sysc.hcl"), []byte(text.String()), 0o644)
}

func defineNix(dir string, steps []benchStep, edited int, comment string) error {
	var text strings.Builder
	text.WriteString("let\n  mk = name: script: derivation { inherit name; system = builtins.currentSystem; builder = \"/bin/sh\"; args = [ \"-c\" script ]; };\n")
	for i, s := range steps {
		fmt.Fprintf(&text, "  d%d = mk \"d%d\" ''\n", i, i)
		if i == edited {
			fmt.Fprintf(&text, "    # %s\n", comment)
		}
		fmt.Fprintf(&text, "    echo step %d > $out\n", i)
		for _, in := range s.inputs {
			fmt.Fprintf(&text, "    echo ${d%d} >> $out\n", in)
		}
		text.WriteString("  '';\n")
	}
	fmt.Fprintf(&text, "in d%d\n", len(steps)-1)
	return os.WriteFile(filepath.Join(dir, "default.nix"), []byte(text.String()), 0o644)
}

// lock locks, and builds the root of the sandbox, which is not what is measured.
func (p *peers) lock(b *testing.B, a benchArchive, dir string, steps []benchStep) error {
	if err := a.define(dir+"/definition", steps, -1, ""); err != nil {
		return err
	}
	if err := p.sysc(b, dir, "lock", "-C", dir+"/definition"); err != nil {
		return err
	}
	return p.sysc(b, dir, "build", "derivation.d0", "-C", dir+"/definition")
}

func (p *peers) sysBuild(b *testing.B, dir string, steps []benchStep) error {
	return p.sysc(b, dir, "build", fmt.Sprintf("derivation.d%d", len(steps)-1), "-C", dir+"/definition")
}

// nixBuild evaluates and builds.
func nixBuild(dir string) error { return nix(dir, `exec nix-build --store "$1/nix" --no-out-link`) }

// nix runs a command of nix, where $1 is dir. What it builds for a store in a directory
// of its own it builds in its sandbox, whatever "sandbox" says; what cannot have one fails.
func nix(dir, command string) error {
	return shell(`cd "$1" && export NIX_CONFIG="sandbox = true
sandbox-paths = /bin/sh=$(command -v busybox)
sandbox-fallback = false
build-users-group =
substituters =" && `+command, dir)
}

func (p *peers) build(b *testing.B, a benchArchive, steps []benchStep) {
	nix := func(dir string) error { return defineNix(dir, steps, -1, "") }
	p.compare(b,
		peer{"sysc", func(dir string) error { return p.lock(b, a, dir, steps) },
			func(dir string) error { return p.sysBuild(b, dir, steps) }},
		peer{"nix-build", nix, nixBuild},
	)
}

func (p *peers) noOp(b *testing.B, a benchArchive, steps []benchStep) {
	p.compare(b,
		peer{"sysc", func(dir string) error {
			if err := p.lock(b, a, dir, steps); err != nil {
				return err
			}
			return p.sysBuild(b, dir, steps)
		}, func(dir string) error { return p.sysBuild(b, dir, steps) }},
		peer{"nix-build", func(dir string) error {
			if err := defineNix(dir, steps, -1, ""); err != nil {
				return err
			}
			return nixBuild(dir)
		}, nixBuild},
	)
}

const nixRealise = "nix-store -r"

// noOpOfEach asks for each step, and not for one that needs the others. nix does not
// evaluate for it.
func (p *peers) noOpOfEach(b *testing.B, a benchArchive, steps []benchStep) {
	var all []string
	for i := range steps {
		all = append(all, fmt.Sprintf("derivation.d%d", i))
	}
	sysBuild := func(dir string) error {
		return p.sysc(b, dir, append([]string{"build", "-C", dir + "/definition"}, all...)...)
	}
	p.compare(b,
		peer{"sysc", func(dir string) error {
			if err := p.lock(b, a, dir, steps); err != nil {
				return err
			}
			return sysBuild(dir)
		}, sysBuild},
		peer{nixRealise, func(dir string) error {
			if err := defineNix(dir, steps, -1, ""); err != nil {
				return err
			}
			if err := nixBuild(dir); err != nil {
				return err
			}
			return nix(dir, `nix-store --store "$1/nix" -qR $(nix-instantiate --store "$1/nix" 2>/dev/null) | grep '\.drv$' > drvs`)
		}, func(dir string) error {
			return nix(dir, `exec nix-store --store "$1/nix" -r $(cat drvs) > /dev/null`)
		}},
	)
}

// edit changes a comment in one step and builds again.
func (p *peers) edit(b *testing.B, a benchArchive, steps []benchStep, which int) {
	p.compare(b,
		peer{"sysc", func(dir string) error {
			if err := p.lock(b, a, dir, steps); err != nil {
				return err
			}
			if err := p.sysBuild(b, dir, steps); err != nil {
				return err
			}
			return a.define(dir+"/definition", steps, which, "edited")
		}, func(dir string) error { return p.sysBuild(b, dir, steps) }},
		peer{"nix-build", func(dir string) error {
			if err := defineNix(dir, steps, -1, ""); err != nil {
				return err
			}
			if err := nixBuild(dir); err != nil {
				return err
			}
			return defineNix(dir, steps, which, "edited")
		}, nixBuild},
	)
}
