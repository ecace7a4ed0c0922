package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"sysc/internal/crashtest"
)

// A pseudoTerminal is a terminal with a command at its other end.
type pseudoTerminal struct {
	t       *testing.T
	master  *os.File
	cmd     *exec.Cmd
	written string // all that the command wrote

	seen    int    // how much of that the test has waited for
	columns uint16 // how many there were at first
	resizes []terminalResize
}

// A terminalResize is when a terminal got another number of columns.
type terminalResize struct {
	written int // so much was written before
	columns uint16
}

// interrupt is what Ctrl-C sends.
const interrupt = "\x03"

// onTerminal starts a command on a terminal of that many columns.
func onTerminal(t *testing.T, columns uint16, cmd *exec.Cmd) *pseudoTerminal {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(err)
	t.Cleanup(func() { master.Close() })
	must(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(err)
	defer slave.Close()
	must(unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	return &pseudoTerminal{t: t, master: master, cmd: cmd, columns: columns}
}

// read reads until the command has written what pattern matches, after what was read
// before.
func (p *pseudoTerminal) read(pattern string) {
	p.t.Helper()
	const patience = time.Minute
	timer := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	want := regexp.MustCompile(pattern)
	buf := make([]byte, 4096)
	for {
		if match := want.FindStringIndex(p.written[p.seen:]); match != nil {
			p.seen += match[1]
			return
		}
		n, err := p.master.Read(buf)
		p.written += string(buf[:n])
		if errors.Is(err, unix.EIO) { // the other end is closed
			p.t.Fatalf("no %q; in the end %q", pattern, p.written[max(0, len(p.written)-200):])
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// finish reads to the end and returns the exit code.
func (p *pseudoTerminal) finish() int {
	p.t.Helper()
	rest, err := io.ReadAll(p.master)
	if err != nil && !errors.Is(err, unix.EIO) {
		p.t.Fatal(err)
	}
	p.written += string(rest)
	p.seen = len(p.written)
	p.cmd.Wait() // the code says it
	return p.cmd.ProcessState.ExitCode()
}

// resize gives the terminal another number of columns.
func (p *pseudoTerminal) resize(columns uint16) {
	p.t.Helper()
	if err := unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		p.t.Fatal(err)
	}
	p.seen = len(p.written)
	p.resizes = append(p.resizes, terminalResize{p.seen, columns})
}

// screen is what can be read when the test has seen what it waited for, on a terminal
// that breaks long lines.
func (p *pseudoTerminal) screen() []string {
	p.t.Helper()
	s, from := &screen{t: p.t, width: int(p.columns)}, 0
	for _, r := range p.resizes {
		io.WriteString(s, p.written[from:r.written])
		s.resize(int(r.columns), true)
		from = r.written
	}
	io.WriteString(s, p.written[from:p.seen])
	return s.text()
}

// check compares the screen with regular expressions, one a row.
func (p *pseudoTerminal) check(want ...string) {
	p.t.Helper()
	pattern := regexp.MustCompile("^" + strings.Join(want, "\n") + "$")
	if got := strings.Join(p.screen(), "\n"); !pattern.MatchString(got) {
		p.t.Errorf("the screen is\n%s\nwant\n%s\nall that was written: %q", got, strings.Join(want, "\n"), p.written)
	}
}

// longest is the length of the longest line that a meter has shown.
func (p *pseudoTerminal) longest() int {
	longest := 0
	for _, line := range regexp.MustCompile(`\r([^\r\n]*)\x1b\[J`).FindAllStringSubmatch(p.written, -1) {
		longest = max(longest, utf8.RuneCountInString(line[1]))
	}
	return longest
}

// storeCommand returns a command about the store in a directory.
func storeCommand(t *testing.T, store string, args ...string) *exec.Cmd {
	cmd := crashtest.Self(t, asSysc, append([]string{"store"}, args...)...)
	cmd.Env = append(cmd.Env, "SYSC_STORE="+store, "TERM=xterm", "NO_COLOR=1")
	return cmd
}

// What takes long says so on a terminal, and leaves nothing there, interrupted or
// not.
func TestTerminalVerify(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { makeRemovable(dir) })
	store, file := filepath.Join(dir, "store"), filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	add := onTerminal(t, 80, storeCommand(t, store, "add", file))
	if code := add.finish(); code != 0 || !regexp.MustCompile(`^`+regexp.QuoteMeta(store)+`/store/\w{32}-file$`).MatchString(strings.Join(add.screen(), "")) {
		t.Fatalf("add ended with %d and left %q of %q", code, add.screen(), add.written)
	}
	blobs, err := filepath.Glob(filepath.Join(store, "blobs/*/*"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	// A hole that nobody will ever have read.
	const huge = 1 << 40
	if err := errors.Join(os.Chmod(blobs[0], 0o644), os.Truncate(blobs[0], huge)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		columns uint16
		want    string
		args    []string
	}{
		{80, `Verifying blobs: [\d.]+ \wiB, [\d.]+s\x1b\[J`, []string{"verify"}},
		{80, `Verifying blobs: [\d.]+ \wiB, [\d.]+s\x1b\[J`, []string{"verify", "--repair", "--json"}},
		{30, `Verifying blobs: [\d.]+s\x1b\[J`, []string{"verify"}},
		{8, `\rVerify…\x1b\[J`, []string{"verify"}},
	} {
		verify := onTerminal(t, c.columns, storeCommand(t, store, c.args...))
		verify.read(c.want)
		if _, err := io.WriteString(verify.master, interrupt); err != nil {
			t.Fatal(err)
		}
		code := verify.finish()
		if got := verify.screen(); code != exitInterrupted || !strings.HasPrefix(strings.Join(got, ""), "Interrupted: ") {
			t.Errorf("%v ended with %d and left %q of %q", c.args, code, got, verify.written)
		}
		if got := verify.longest(); got >= int(c.columns) {
			t.Errorf("%v wrote %d characters to a line of %d", c.args, got, c.columns)
		}
	}
}

// What a program wrote to drive a terminal does not reach one, unless asked for.
func TestTerminalLog(t *testing.T) {
	store, key := t.TempDir(), strings.Repeat("ab", 32)
	text := "\x1b]0;title\x07\x1b[2Jone \x1b[31mred\x1b[0m\n"
	path := filepath.Join(store, "log", key[:2], key+".zst")
	z, err := zstd.NewWriter(nil)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, z.EncodeAll([]byte(text), nil), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	asShown := strings.ReplaceAll(text, "\n", "\r\n") // by the terminal's driver
	for _, c := range []struct {
		want string
		term string
		args []string
	}{
		{"one \x1b[31mred\x1b[0m\r\n\x1b[0m", "xterm", nil},
		{"one red\r\n", "dumb", nil},
		{asShown, "xterm", []string{"--raw"}},
	} {
		cmd := crashtest.Self(t, asSysc, append([]string{"log", "--store", store, key}, c.args...)...)
		cmd.Env = append(cmd.Env, "TERM="+c.term, "NO_COLOR=")
		p := onTerminal(t, 80, cmd)
		if code := p.finish(); code != 0 || p.written != c.want {
			t.Errorf("TERM=%s, %v: exit code %d, wrote %q, want %q", c.term, c.args, code, p.written, c.want)
		}
	}
}

func TestTerminalAdd(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { makeRemovable(dir) })
	many := filepath.Join(dir, "many")
	if err := os.Mkdir(many, 0o755); err != nil {
		t.Fatal(err)
	}
	// Much to read and little to write: names of one file.
	const names, size = 30_000, 256 << 10
	first := filepath.Join(many, "0")
	if err := os.WriteFile(first, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < names; i++ {
		if err := os.Link(first, filepath.Join(many, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	cmd := storeCommand(t, filepath.Join(dir, "store"), "add", many)
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	add := onTerminal(t, 80, cmd)
	add.read(`Adding files: \d+ files, [\d.]+ \wiB, [\d.]+s\x1b\[J`)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code := add.finish()
	if got := add.screen(); code != exitInterrupted || !strings.HasPrefix(strings.Join(got, ""), "Interrupted: ") {
		t.Errorf("it ended with %d and left %q of %q", code, got, add.written)
	}
}

// A build follows the terminal when that changes its size, and leaves nothing of what
// was there for a while.
func TestTerminalBuild(t *testing.T) {
	m := newCrashMachine(t)
	const definition = `
derivation "hello" {
  base    = input.debian
  timeout = "5m"
  script  = "echo it runs; sleep 987652"
}

derivation "fails" {
  base    = input.debian
  script  = "echo a line that is longer than the terminal is wide; exit 1"
}
`
	if err := os.WriteFile(filepath.Join(m.dir, "hello.sysc.hcl"), []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	m.sysc("lock")
	start := func(columns uint16, target string) *pseudoTerminal {
		cmd := m.command("build", target)
		cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=1")
		return onTerminal(t, columns, cmd)
	}
	build := start(80, "derivation.hello")
	// frame waits for a bar of so many cells, and the step below it.
	frame := func(cells int) {
		t.Helper()
		build.read(fmt.Sprintf(`l[█░]{%d} [^█░]*└─ build hello  [\d.]+s[^█░]*\x1b\[1A`, cells))
	}
	frame(9)
	build.check("[█░]{9} [0-9]+ of [0-9]+ steps, .*", "└─ build hello  .*")
	for _, c := range []struct {
		columns uint16
		cells   int
	}{{24, 4}, {60, 7}, {20, 4}, {100, 12}} {
		build.resize(c.columns)
		frame(c.cells)
		build.check(fmt.Sprintf("[█░]{%d} [0-9]+ of [0-9]+ steps.*", c.cells), "└─ build hello.*")
	}
	for _, answer := range []string{"finishing 1 running step, press Ctrl-C again to stop them\x1b", ""} {
		if _, err := io.WriteString(build.master, interrupt); err != nil {
			t.Fatal(err)
		}
		build.read(answer)
	}
	if code := build.finish(); code != exitInterrupted {
		t.Errorf("it ended with %d", code)
	}
	build.check("finishing 1 running step, .*", "[0-9]+ built, [0-9]+ not done, .*", "Interrupted: .*")

	// What a program wrote stays behind its bar.
	failed := start(40, "derivation.fails")
	if code := failed.finish(); code != exitBuild {
		t.Errorf("it ended with %d", code)
	}
	failed.check("failed: fails", "0 built, 1 failed, .*", "", "Last lines of fails:",
		"  │ a line that is longer than the term", "  │ inal is wide",
		"It is made by derivation.fails at hello.", "sysc.hcl:8,1.", "(?s:Log: sysc log .*)",
		"Error: build fails .*", ".*")
}

// What lock does is told on one line, on lines, or not at all.
func TestStatusLine(t *testing.T) {
	for mode, want := range map[string][]string{
		"tree": {"Resolving the packages of derivation.with-a-long-name-with-a-long-name-with-a-…"},
		"plain": {"Asking the archive of input debian for its state", "Resolving the packages of derivation" +
			".with-a-long-name-with-a-long-name-with-a-long-name-with-a-long-name-with-a-long-name"},
		"none": nil,
		"json": nil,
	} {
		s := &screen{t: t}
		status := &statusLine{w: s, mode: mode}
		status.step("update", "debian")
		status.download("dists/trixie/main/binary-amd64/Packages.xz", 1<<20, 2<<20)
		status.step("resolve", "derivation"+strings.Replace(strings.Repeat("-with-a-long-name", 5), "-", ".", 1))
		if diff := cmp.Diff(want, s.text()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", mode, diff)
		}
		status.clear()
		if got := s.text(); mode == "tree" && len(got) > 0 {
			t.Errorf("it left %q", got)
		}
	}
}
