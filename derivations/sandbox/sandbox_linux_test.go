package sandbox

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperPath is where this very test binary stands in the tests' sandboxes.
const helperPath = "/sysc/store/helper"

// TestMain is also what runs inside.
func TestMain(m *testing.M) {
	if Main(os.Args) {
		return
	}
	// As builder the test binary is called with "builder", a name and arguments.
	if len(os.Args) > 2 && os.Args[1] == "builder" {
		b, ok := builders[os.Args[2]]
		if !ok {
			fmt.Println("no builder named", os.Args[2])
			os.Exit(99)
		}
		b(os.Args[3:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A fixture is a sandbox to be run in a test.
type fixture struct {
	t     *testing.T
	spec  Spec
	build string // the host's directory that is /build inside
}

// newFixture returns a sandbox with a root of a few files, a writable /build
// and the test binary as program.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := privateDir(t)
	root, build := filepath.Join(dir, "root"), filepath.Join(dir, "build")
	for _, d := range []string{"etc", "usr/bin", "var/tmp", "home"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	must(t, os.MkdirAll(build, 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/name"), []byte("root's\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "top"), []byte("top\n"), 0o644))
	must(t, os.Symlink("usr/bin", filepath.Join(root, "bin")))
	f := &fixture{t: t, build: build, spec: Spec{
		Root:  root,
		Binds: []Bind{{Source: build, Target: "/build", Writable: true}},
		Env:   []string{},
	}}
	f.bindSelf()
	return f
}

// privateDir is t.TempDir on a file system that keeps user attributes.
func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.Chmod(dir, 0o700))
	return dir
}

// bindSelf shows the test binary, and what it needs when it is not static (as
// under the race detector).
func (f *fixture) bindSelf() {
	self, err := os.Executable()
	must(f.t, err)
	f.spec.Binds = append(f.spec.Binds, Bind{Source: self, Target: helperPath})
	binary, err := elf.Open(self)
	must(f.t, err)
	defer binary.Close()
	if slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		f.bindHost()
	}
}

// bindHost shows the host's programs.
func (f *fixture) bindHost() {
	must(f.t, os.RemoveAll(filepath.Join(f.spec.Root, "bin")))
	must(f.t, os.RemoveAll(filepath.Join(f.spec.Root, "usr/bin")))
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + name); err == nil {
			os.Remove(filepath.Join(f.spec.Root, name))
			must(f.t, os.Symlink(target, filepath.Join(f.spec.Root, name)))
		}
	}
	if !slices.ContainsFunc(f.spec.Binds, func(b Bind) bool { return b.Target == "/usr" }) {
		f.spec.Binds = append(f.spec.Binds, Bind{Source: "/usr", Target: "/usr"})
	}
}

// builder makes the named function of this test binary the builder.
func (f *fixture) builder(args ...string) *fixture {
	f.spec.Argv = append([]string{helperPath, "builder"}, args...)
	return f
}

// shell makes a script the builder, with the host's programs.
func (f *fixture) shell(script string) *fixture {
	f.bindHost()
	f.spec.Argv = []string{"/bin/sh", "-c", script}
	f.spec.Env = append(f.spec.Env, "PATH=/usr/bin:/bin")
	return f
}

// run runs the builder and returns the result and what it wrote.
func (f *fixture) run() (Result, string) {
	f.t.Helper()
	var out bytes.Buffer
	f.spec.Output = &out
	res, err := Run(f.t.Context(), f.spec)
	if err != nil {
		f.t.Fatalf("Run: %v\n%s", err, out.String())
	}
	return res, out.String()
}

// output runs the builder, which must succeed, and returns what it wrote.
func (f *fixture) output() string {
	f.t.Helper()
	res, out := f.run()
	if res.ExitCode != 0 {
		f.t.Fatalf("builder exited with %d (%v):\n%s", res.ExitCode, res.Signal, out)
	}
	return out
}

// writable turns the fixture into one with a writable root.
func (f *fixture) writable() *fixture {
	f.spec.WritableRoot = true
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExit(t *testing.T) {
	tests := []struct {
		args   []string
		code   int
		signal unix.Signal
	}{
		{[]string{"exit", "0"}, 0, 0},
		{[]string{"exit", "1"}, 1, 0},
		{[]string{"exit", "255"}, 255, 0},
		{[]string{"kill-self", "9"}, 137, unix.SIGKILL},
		{[]string{"kill-self", "15"}, 143, unix.SIGTERM},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, "="), func(t *testing.T) {
			res, out := newFixture(t).builder(tt.args...).run()
			if res.ExitCode != tt.code || res.Signal != tt.signal {
				t.Errorf("got code %d signal %d, want %d %d\n%s", res.ExitCode, res.Signal, tt.code, tt.signal, out)
			}
		})
	}
}

func TestUsageIsReported(t *testing.T) {
	res, _ := newFixture(t).builder("burn").run()
	if res.UserTime+res.SystemTime < 10*time.Millisecond || res.MaxRSS < 1<<20 {
		t.Errorf("got time %v + %v, max RSS %d", res.UserTime, res.SystemTime, res.MaxRSS)
	}
}

func TestEnvironmentIsExactlyAsGiven(t *testing.T) {
	t.Setenv("SYSC_TEST_LEAK", "host")
	f := newFixture(t).builder("environ")
	f.spec.Env = []string{"A=1", "NOT_UTF8=\xff\xfe", "EMPTY=", "B=two words\nand a line"}
	want := fmt.Sprintf("%q\n", f.spec.Env)
	if got := f.output(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.spec.Env = nil
	if got := f.output(); got != "[]\n" {
		t.Errorf("without environment: got %s", got)
	}
}

func TestArgumentsAreExactlyAsGiven(t *testing.T) {
	args := []string{"", "two words", "\xff", strings.Repeat("x", 100_000)}
	got := newFixture(t).builder(append([]string{"arguments"}, args...)...).output()
	if want := fmt.Sprintf("%q\n", args); got != want {
		t.Errorf("got %.200s, want %.200s", got, want)
	}
}

func TestSurroundings(t *testing.T) {
	tests := []struct {
		name     string
		writable bool
		want     string
	}{
		{"read-only root", false, "uid=1000 gid=100 caps=0000000000000000 bounding=0000000000000000 ambient=0000000000000000"},
		{"writable root", true, "uid=0 gid=0 caps=00000000800404ff bounding=00000000800404ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t).builder("surroundings")
			f.spec.WritableRoot = tt.writable
			got := f.output()
			for _, want := range append(strings.Fields(tt.want),
				"nnp=1", "seccomp=2", "umask=0022", "host=localhost", "domain=(none)", "dir=/build",
				"fds=0,1,2", "stdin=/dev/null", "core=1", "personality=0", "parent=1", "tty=ENXIO", "ignored=0000000000000000",
			) {
				if !slices.Contains(strings.Fields(got), want) {
					t.Errorf("missing %s in %s", want, got)
				}
			}
		})
	}
}

func TestBigOutputArrivesWhole(t *testing.T) {
	out := newFixture(t).builder("big-output", "50000000").output()
	if len(out) != 50_000_000 || strings.Trim(out, "x") != "" {
		t.Errorf("got %d bytes, want 50000000 x", len(out))
	}
}

func TestOutputErrorIsReported(t *testing.T) {
	f := newFixture(t).builder("big-output", "10000000")
	f.spec.Output = writerFunc(func([]byte) (int, error) { return 0, errors.New("disk full") })
	_, err := Run(t.Context(), f.spec)
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got error %v, want disk full", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

func TestErrorsThatAreNotTheBuilders(t *testing.T) {
	dir := privateDir(t)
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("/etc", link))
	open, err := os.MkdirTemp("", "sysc-open-")
	must(t, err)
	t.Cleanup(func() { os.Remove(open) })
	must(t, os.Chmod(open, 0o755))
	tests := []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"no program", func(s *Spec) { s.Argv = []string{"/no/such"} }, "start /no/such: no such file"},
		{"not in PATH", func(s *Spec) { s.Argv = []string{"such"}; s.Env = []string{"PATH=/usr/bin"} }, `find such in PATH "/usr/bin"`},
		{"not executable", func(s *Spec) { s.Argv = []string{"/etc/name"} }, "start /etc/name: permission denied"},
		{"no directory", func(s *Spec) { s.Dir = "/no/such" }, "working directory /no/such"},
		{"no root", func(s *Spec) { s.Root += "/no" }, "open root"},
		{"host's root", func(s *Spec) { s.Root = "/" }, "own root"},
		{"no source", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: dir + "/no", Target: "/build/no"}) }, "no such file"},
		{"source is a link", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: link, Target: "/build/no"}) }, "symbolic links"},
		{"target in proc", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: dir, Target: "/proc/1"}) }, "sandbox's own"},
		{"target dirty", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: dir, Target: "/build/../etc"}) }, "not a clean"},
		{"target in a read-only directory", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: dir, Target: "/etc/new"}) }, "/etc/new: no such file"},
		{"two at one place", func(s *Spec) { s.Binds = append(s.Binds, Bind{Source: dir, Target: "/build"}) }, "two binds"},
		{"build directory open to others", func(s *Spec) { s.Binds[0].Source = open }, "other users can reach"},
		{"superuser with an id", func(s *Spec) { s.WritableRoot = true; s.UID = 7 }, "ids 7:0"},
		{"target under a link of a writable root", func(s *Spec) {
			s.WritableRoot = true
			s.Binds = append(s.Binds, Bind{Source: dir, Target: "/bin/new"})
		}, "symbolic links"},
		{"trace in a writable root", func(s *Spec) {
			s.WritableRoot = true
			s.Binds = append(s.Binds, Bind{Source: dir, Target: "/home/new/x"})
		}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t).builder("exit", "0")
			tt.change(&f.spec)
			res, err := Run(t.Context(), f.spec)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, error %v, want one with %q", res, err, tt.want)
			}
			var unavailable *UnavailableError
			if errors.As(err, &unavailable) {
				t.Errorf("the machine is blamed: %v", err)
			}
		})
	}
}

func TestProgramIsFoundInPath(t *testing.T) {
	f := newFixture(t).builder("exit", "7")
	f.spec.Argv[0] = "helper"
	f.spec.Env = []string{"PATH=/no/such:relative:/sysc/store"}
	if res, out := f.run(); res.ExitCode != 7 {
		t.Errorf("got %d, want 7\n%s", res.ExitCode, out)
	}
}

func TestProbeFindsNothingHere(t *testing.T) {
	if problems := Probe(t.Context()); len(problems) > 0 {
		t.Errorf("got %+v", problems)
	}
}

func TestMainIgnoresOthers(t *testing.T) {
	for _, args := range [][]string{{"sysc"}, {initName}, {initName, "x"}, {"sysc", initName}, nil} {
		if Main(args) {
			t.Errorf("Main(%q) took over", args)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	f := newFixture(t).builder("exit", "3")
	errs := make(chan error)
	const n = 16
	for range n {
		go func() {
			res, err := Run(context.WithoutCancel(t.Context()), f.spec)
			if err == nil && res.ExitCode != 3 {
				err = fmt.Errorf("exit code %d", res.ExitCode)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
