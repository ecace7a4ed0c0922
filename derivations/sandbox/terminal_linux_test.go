package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A desk is a terminal that a person would sit at, played by a test.
type desk struct {
	t      *testing.T
	person *os.File // types here, and reads what is shown
	screen *os.File

	mu    sync.Mutex
	shown bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	d := &desk{t: t, person: master, screen: os.NewFile(fd, "screen")}
	t.Cleanup(func() { master.Close(); d.screen.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			d.mu.Lock()
			d.shown.Write(buf[:n])
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return d
}

func (d *desk) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown.String()
}

// await waits until something is shown.
func (d *desk) await(text string) {
	d.t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(d.text(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("never shown: %q in %q", text, d.text())
		}
	}
}

func (d *desk) write(text string) {
	d.t.Helper()
	_, err := io.WriteString(d.person, text)
	must(d.t, err)
}

func (d *desk) resize(rows, columns uint16) {
	d.t.Helper()
	must(d.t, unix.IoctlSetWinsize(int(d.person.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
}

// sit runs f's builder at the desk, and returns what waits for it.
func (d *desk) sit(ctx context.Context, f *fixture) func() (Result, error) {
	f.spec.Terminal = &Terminal{In: d.screen, Out: d.screen}
	type ended struct {
		result Result
		err    error
	}
	done := make(chan ended, 1)
	go func() {
		result, err := Run(ctx, f.spec)
		done <- ended{result, err}
	}()
	return func() (Result, error) { e := <-done; return e.result, e.err }
}

func TestTerminal(t *testing.T) {
	d := newDesk(t)
	d.resize(7, 66)
	before, err := unix.IoctlGetTermios(int(d.screen.Fd()), unix.TCGETS)
	must(t, err)
	f := newFixture(t).shell(`trap 'stty size; echo resized' WINCH; tty; test -t 0 && test -t 1 && test -t 2 && stty size
		echo "who $(cat </dev/tty)"; read line; echo "got <$line>"; trap 'echo interrupted; exit 7' INT; echo waiting; while :; do sleep 0.01; done`)
	wait := d.sit(t.Context(), f)
	d.await("7 66")
	d.write("me\n\x04")
	d.await("who me")
	d.write("some words\n")
	d.await("got <some words>")
	d.await("waiting")
	d.resize(9, 55)
	must(t, unix.Kill(os.Getpid(), unix.SIGWINCH)) // which the kernel sends to who has this terminal
	d.await("9 55")
	d.write("\x03")
	result, err := wait()
	if err != nil || result.ExitCode != 7 {
		t.Errorf("got %+v, %v", result, err)
	}
	d.await("interrupted")
	if text := d.text(); !strings.Contains(text, "/dev/pts/0") {
		t.Errorf("it is no terminal of the sandbox's own: %q", text)
	}
	after, err := unix.IoctlGetTermios(int(d.screen.Fd()), unix.TCGETS)
	must(t, err)
	if *after != *before {
		t.Errorf("the terminal is left as %+v, it was %+v", after, before)
	}
}

// TestTerminalTakesNoMore types what the builder does not read: it is for who has the
// terminal next.
func TestTerminalTakesNoMore(t *testing.T) {
	d := newDesk(t)
	wait := d.sit(t.Context(), newFixture(t).shell(`echo begun; read line; echo "<$line>"`))
	d.await("begun")
	d.write("first\n")
	if _, err := wait(); err != nil {
		t.Fatal(err)
	}
	d.write("second\n")
	buf := make([]byte, 100)
	n, err := d.screen.Read(buf)
	if err != nil || string(buf[:n]) != "second\n" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

func TestTerminalIsLetGoWhenKilled(t *testing.T) {
	d := newDesk(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := d.sit(ctx, newFixture(t).shell(`stty raw; sleep 1000 & echo begun; cat`))
	d.await("begun")
	enough := errors.New("enough")
	cancel(enough)
	if _, err := wait(); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	state, err := unix.IoctlGetTermios(int(d.screen.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ICANON == 0 {
		t.Errorf("left raw: %+v, %v", state, err)
	}
}

func TestTerminalOfWhatCannotStart(t *testing.T) {
	d := newDesk(t)
	f := newFixture(t)
	f.spec.Argv = []string{"/no/such/program"}
	if _, err := d.sit(t.Context(), f)(); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	f.spec.Terminal = &Terminal{In: devNull(t), Out: devNull(t)}
	f.builder("exit", "0")
	if _, err := Run(t.Context(), f.spec); err == nil {
		t.Error("/dev/null passes for a terminal")
	}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { null.Close() })
	return null
}

func TestInput(t *testing.T) {
	f := newFixture(t).shell("cat; echo end")
	r, w, err := os.Pipe()
	must(t, err)
	go func() {
		fmt.Fprintln(w, "typed")
		w.Close()
	}()
	f.spec.Input = r
	if got := f.output(); got != "typed\nend\n" {
		t.Errorf("got %q", got)
	}
	r.Close()
}

func TestPublicDirectory(t *testing.T) {
	f := newFixture(t).builder("write", "/public/x")
	dir := filepath.Join(t.TempDir(), "public")
	must(t, os.Mkdir(dir, 0o755))
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil && info.Mode()&0o011 == 0 {
			must(t, os.Chmod(at, 0o755)) // the test's own
		}
	}
	f.spec.Binds = append(f.spec.Binds, Bind{Source: dir, Target: "/public", Writable: true})
	if _, err := Run(t.Context(), f.spec); err == nil {
		t.Error("others can reach what a builder writes")
	}
	f.spec.Binds[len(f.spec.Binds)-1].Public = true
	if got := f.output(); got != "/public/x: ok\n" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
}
