package livemount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/systems/mounttest"
)

const (
	readerEnv = "SYSC_TEST_READER"
	coverEnv  = "SYSC_TEST_COVER"
)

// TestMain is another process when it is told to.
func TestMain(m *testing.M) {
	if file := os.Getenv(readerEnv); file != "" {
		readInLoop(file)
		return
	}
	if dir := os.Getenv(coverEnv); dir != "" {
		cover(dir)
		return
	}
	os.Exit(m.Run())
}

// readInLoop reads a file until standard input ends, and prints how often, and how
// often that went wrong.

func readInLoop(file string) {
	done := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(done)
	}()
	fmt.Println("reading")
	reads, wrong := 0, 0
	for {
		select {
		case <-done:
			fmt.Println(reads, wrong)
			return
		default:
		}
		data, err := os.ReadFile(file)
		reads++
		if err != nil || !strings.HasPrefix(string(data), "generation ") {
			wrong++
		}
	}
}

// A reader is another process that reads in a loop.
type reader struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

// startReader starts one in the mount namespace of the calling thread.
func startReader(t *testing.T, file string) *reader {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), readerEnv+"="+file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &reader{cmd, stdin, bufio.NewScanner(out)}
	if !r.out.Scan() {
		t.Fatal("the reader does not start")
	}
	return r
}

// end returns how often it read, and how often that went wrong.
func (r *reader) end(t *testing.T) (reads, wrong int) {
	t.Helper()
	r.stdin.Close()
	if !r.out.Scan() {
		t.Fatal("the reader ended before")
	}
	if _, err := fmt.Sscan(r.out.Text(), &reads, &wrong); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return reads, wrong
}

// world is a directory on a file system of its own, with directories 1 to n in which
// file says "generation 1" to n, and the empty directory target.
func world(t *testing.T, n int) string {
	t.Helper()
	mounttest.OwnMounts(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for i := 1; i <= n; i++ {
		sub := filepath.Join(dir, strconv.Itoa(i))
		if err := errors.Join(os.Mkdir(sub, 0o755), os.WriteFile(filepath.Join(sub, "file"), fmt.Appendf(nil, "generation %d\n", i), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "target"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func replace(t *testing.T, with, target string) Way {
	t.Helper()
	tree, err := Clone(with)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	way, err := tree.Replace(target)
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func wantFile(t *testing.T, file, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil || string(data) != want {
		t.Errorf("%s: %q, %v; want %q", file, data, err, want)
	}
}

// mountsAt counts the mounts at a directory.
func mountsAt(t *testing.T, dir string) int {
	t.Helper()
	// The thread's, and not those of the process: they have another namespace.
	info, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(info), " "+dir+" ")
}

// Nobody who reads notices more than that the contents change, and nothing piles up.
func TestReplace(t *testing.T) {
	dir := world(t, 3)
	target := filepath.Join(dir, "target")
	if way := replace(t, filepath.Join(dir, "1"), target); way != Attached {
		t.Errorf("first: %s", way)
	}
	old, err := os.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	r := startReader(t, filepath.Join(target, "file"))
	const swaps = 300
	for i := range swaps {
		n := i%2 + 2
		if way := replace(t, filepath.Join(dir, strconv.Itoa(n)), target); way != Swapped {
			t.Fatalf("replaced: %s", way)
		}
		wantFile(t, filepath.Join(target, "file"), fmt.Sprintf("generation %d\n", n))
	}
	reads, wrong := r.end(t)
	t.Logf("%d reads beside %d swaps", reads, swaps)
	if wrong > 0 || reads < 100 {
		t.Errorf("%d of %d reads went wrong", wrong, reads)
	}
	if n := mountsAt(t, target); n != 1 {
		t.Errorf("%d mounts at %s", n, target)
	}
	// Who has it open keeps it.
	fd, err := unix.Openat(int(old.Fd()), "file", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "file")
	defer file.Close()
	if data, err := io.ReadAll(file); err != nil || string(data) != "generation 1\n" {
		t.Errorf("old: %q, %v", data, err)
	}
}

// Taking the old mount off first is what goes wrong: so the reader would notice.
func TestReplaceIsReal(t *testing.T) {
	dir := world(t, 2)
	target := filepath.Join(dir, "target")
	replace(t, filepath.Join(dir, "1"), target)
	r := startReader(t, filepath.Join(target, "file"))
	for range 300 {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(dir, "2"), target)
	}
	if reads, wrong := r.end(t); wrong == 0 {
		t.Errorf("none of %d reads went wrong", reads)
	}
}

// What the machine has changed in /etc stays, what only the old generation had goes.
func TestOverlay(t *testing.T) {
	dir := world(t, 2)
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"upper", "work1", "work2", "work3"} {
		if err := os.Mkdir(path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(path("1/removed"), nil, 0o644), os.WriteFile(path("2/added"), nil, 0o644),
		os.WriteFile(path("1/edited"), []byte("one\n"), 0o644), os.WriteFile(path("2/edited"), []byte("two\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	lay := func(lower, work string) Way {
		t.Helper()
		tree, err := Overlay(path(lower), path("upper"), path(work))
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		way, err := tree.Replace(path("target"))
		if err != nil {
			t.Fatal(err)
		}
		return way
	}
	lay("1", "work1")
	if err := os.WriteFile(path("target/edited"), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if way := lay("2", "work2"); way != Swapped {
		t.Errorf("%s", way)
	}
	wantFile(t, path("target/edited"), "mine\n")
	wantFile(t, path("target/file"), "generation 2\n")
	wantFile(t, path("target/added"), "")
	if _, err := os.Stat(path("target/removed")); err == nil {
		t.Error("a file of the old generation is still there")
	}
	lay("1", "work3")
	wantFile(t, path("target/edited"), "mine\n")
	wantFile(t, path("target/file"), "generation 1\n")
}

// cover replaces what another one mounted, and prints how.
func cover(dir string) {
	tree, err := Clone(filepath.Join(dir, "2"))
	if err != nil {
		fmt.Println(err)
		return
	}
	way, err := tree.Replace(filepath.Join(dir, "target"))
	data, _ := os.ReadFile(filepath.Join(dir, "target/file"))
	fmt.Println(way, err, strings.TrimSpace(string(data)))
}

// Where a mount cannot be taken off, it is covered: here it belongs to the user
// namespace outside.
func TestCovered(t *testing.T) {
	dir := world(t, 2)
	replace(t, filepath.Join(dir, "1"), filepath.Join(dir, "target"))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), coverEnv+"="+dir)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids}
	out, err := cmd.CombinedOutput()
	if want := "covered <nil> generation 2\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q, want %q", err, out, want)
	}
}

func TestRefused(t *testing.T) {
	dir := world(t, 1)
	for _, p := range []string{"a:b", "/a:b", `/a\b`, "/a,b", "relative"} {
		if _, err := Overlay(p, dir, dir); err == nil {
			t.Errorf("laid %q", p)
		}
	}
	if _, err := Clone(filepath.Join(dir, "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("cloned nothing: %v", err)
	}
	tree, err := Clone(filepath.Join(dir, "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if err := os.Symlink("1", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"none": unix.ENOENT, "link": unix.ENOTDIR, "1/file": unix.ENOTDIR} {
		if _, err := tree.Replace(filepath.Join(dir, name)); !errors.Is(err, want) {
			t.Errorf("replaced %s: %v", name, err)
		}
	}
}
