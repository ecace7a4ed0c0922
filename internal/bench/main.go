// Command bench measures sysc beside its peers in the same run and prints a
// table: `make bench`. It runs the binary as a user would, on real packages,
// below a directory of its own.
//
// Figures of one run can be compared with each other, not with another
// machine's. A peer that is not installed is left out and named.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	b := &bench{}
	flag.StringVar(&b.sysc, "sysc", "bin/sysc", "the `program` to measure")
	flag.StringVar(&b.dir, "dir", "out/bench", "work below `DIR`, which is emptied")
	flag.StringVar(&b.example, "example", "examples/minimal", "the definition to measure with: a `DIR` with one system")
	flag.BoolVar(&b.peers, "peers", true, "run mmdebstrap for the same packages")
	what := flag.String("what", "all", "measure `WHAT`: system, store, builds, eval, images or all")
	runs := flag.Int("runs", 3, "measure all but the system `N` times")
	flag.Parse()
	if err := measure(context.Background(), b, *what, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, b *bench, what string, runs int) error {
	if what == "system" || what == "all" {
		if err := b.run(ctx); err != nil {
			return err
		}
	}
	for _, peers := range []struct{ what, name string }{{"store", "BenchmarkStore"}, {"builds", "BenchmarkBuilds"}, {"eval", "BenchmarkEval"}, {"images", "BenchmarkImages"}} {
		if what != peers.what && what != "all" {
			continue
		}
		if err := measurePeers(ctx, peers.name, b.sysc, runs); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	sysc, dir, example string
	peers              bool
	rows               []row
}

// A row is one measurement.
type row struct {
	what      string
	wall, cpu time.Duration
	memory    int64 // bytes, the largest resident set; 0 when not measured
	note      string
}

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.measureSysc(ctx); err != nil {
		return err
	}
	if b.peers {
		if err := b.measureMmdebstrap(ctx); err != nil {
			return err
		}
	}
	b.print()
	return nil
}

// prepare empties the work directory and copies the definition.
func (b *bench) prepare() error {
	for _, p := range []*string{&b.sysc, &b.dir, &b.example} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	makeWritable(b.dir)
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(b.dir, "definition"), os.DirFS(b.example))
}

// makeWritable makes directories removable: store objects are read-only.
func makeWritable(dir string) {
	filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o755)
		}
		return nil // RemoveAll reports what is in the way
	})
}

func (b *bench) measureSysc(ctx context.Context) error {
	if err := b.add(ctx, "sysc lock (indexes, resolve)", "lock"); err != nil {
		return err
	}
	machine := filepath.Join(b.dir, "machine")
	stages, err := b.coldSwitch(ctx, machine)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, stages...)
	if err := b.add(ctx, "sysc switch, nothing changed", "switch", "--root", machine); err != nil {
		return err
	}
	if err := b.edit(); err != nil {
		return err
	}
	if err := b.add(ctx, "sysc plan, one file edited", "plan", "--root", machine); err != nil {
		return err
	}
	if err := b.add(ctx, "sysc switch, one file edited", "switch", "--root", machine); err != nil {
		return err
	}
	if err := b.add(ctx, "sysc rollback", "rollback", "--root", machine); err != nil {
		return err
	}
	return b.add(ctx, "sysc store verify", "store", "verify")
}

// edit appends a declared file to the definition.
func (b *bench) edit() error {
	f, err := os.OpenFile(filepath.Join(b.dir, "definition", "edit.sysc.hcl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("config {\n  file \"/etc/sysc-bench\" {\n    content = \"edited\"\n  }\n}\n")
	return errors.Join(err, f.Close())
}

// add runs sysc and records what it took.
func (b *bench) add(ctx context.Context, what string, args ...string) error {
	r, _, err := b.command(ctx, what, b.sysc, args...)
	b.rows = append(b.rows, r)
	return err
}

// command runs a program in the definition's directory; stderr is returned.
func (b *bench) command(ctx context.Context, what, program string, args ...string) (row, string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = filepath.Join(b.dir, "definition")
	cmd.Env = append(os.Environ(), "SYSC_STORE="+filepath.Join(b.dir, "store"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	r := row{what: what, wall: time.Since(start)}
	if cmd.ProcessState != nil {
		r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			r.memory = usage.Maxrss * 1024
		}
	}
	if err != nil {
		err = fmt.Errorf("run %s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return r, stderr.String(), err
}

// coldSwitch switches from an empty store and reports how long each kind of
// step kept going.
func (b *bench) coldSwitch(ctx context.Context, machine string) ([]row, error) {
	total, log, err := b.command(ctx, "sysc switch, from an empty store", b.sysc, "switch", "--root", machine, "--progress", "json")
	if err != nil {
		return nil, err
	}
	spans, err := readSpans(log)
	if err != nil {
		return nil, err
	}
	rows := []row{total}
	for _, s := range spans {
		rows = append(rows, row{what: "  " + s.builder, wall: s.last - s.first, note: fmt.Sprintf("%d steps, begins at %.1f s", s.count, s.first.Seconds())})
	}
	return rows, nil
}

// A span is the time between the first start and the last end of the steps of
// one builder.
type span struct {
	builder     string
	first, last time.Duration
	count       int
}

func readSpans(log string) ([]*span, error) {
	byBuilder := map[string]*span{}
	var spans []*span
	lines := bufio.NewScanner(strings.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Type, Builder string
			ElapsedMS     int64 `json:"elapsed_ms"`
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // talk that is no event
		}
		at := time.Duration(e.ElapsedMS) * time.Millisecond
		s := byBuilder[e.Builder]
		switch {
		case e.Type == "started" && s == nil:
			s = &span{builder: e.Builder, first: at}
			byBuilder[e.Builder] = s
			spans = append(spans, s)
			fallthrough
		case e.Type == "started":
			s.count++
		case e.Type == "finished" && s != nil:
			s.last = max(s.last, at)
		}
	}
	slices.SortStableFunc(spans, func(a, b *span) int { return int(a.first - b.first) })
	return spans, lines.Err()
}

// measureMmdebstrap installs the same packages, by name and version.
func (b *bench) measureMmdebstrap(ctx context.Context) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		b.rows = append(b.rows, row{what: "mmdebstrap", note: "not installed"})
		return nil
	}
	packages, err := b.lockedPackages()
	if err != nil {
		return err
	}
	mirror := os.Getenv("SYSC_DEBIAN_MIRROR")
	if mirror == "" {
		mirror = hostMirror()
	}
	args := []string{"--variant=required", "--include=" + strings.Join(packages, ","), "trixie", filepath.Join(b.dir, "mmdebstrap"),
		"deb " + mirror + " trixie main", "deb " + mirror + " trixie-updates main", "deb " + mirror + "-security trixie-security main"}
	r, _, err := b.command(ctx, "mmdebstrap, the same packages", "mmdebstrap", args...)
	r.note = fmt.Sprintf("%d packages", len(packages))
	b.rows = append(b.rows, r)
	return err
}

// hostMirror asks the host's apt for its mirror.
func hostMirror() string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main").Output()
	if err == nil {
		for line := range strings.Lines(string(out)) {
			if uri := strings.TrimSuffix(strings.TrimSpace(line), "/"); strings.HasSuffix(uri, "/debian") {
				return uri
			}
		}
	}
	return "http://ftp.debian.org/debian"
}

// lockedPackages reads name=version of every package of the lock file, which
// has each package on a line of its own.
func (b *bench) lockedPackages() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(b.dir, "definition", "sysc.lock"))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var p struct{ Name, Version, Filename string }
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if json.Unmarshal([]byte(line), &p) == nil && p.Filename != "" {
			seen[p.Name+"="+p.Version] = true
		}
	}
	if len(seen) == 0 {
		return nil, errors.New("read sysc.lock: no packages in it")
	}
	packages := make([]string, 0, len(seen))
	for p := range seen {
		packages = append(packages, p)
	}
	slices.Sort(packages)
	return packages, nil
}

func (b *bench) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\twall s\tcpu s\tpeak MiB\t")
	for _, r := range b.rows {
		memory, cpu := "", ""
		if r.memory > 0 {
			memory, cpu = fmt.Sprintf("%d", r.memory>>20), fmt.Sprintf("%.2f", r.cpu.Seconds())
		}
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%s\t %s\n", r.what, r.wall.Seconds(), cpu, memory, r.note)
	}
	w.Flush()
}
