package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// layers runs attempts twice: without what usually stops them, so that only
// Landlock does; and without Landlock, too, so that they succeed.
func layers(t *testing.T, usual protection, attempt func(t *testing.T, without protection, want string), refused string) {
	t.Helper()
	if LandlockVersion() < 6 {
		t.Skip("the kernel's Landlock is older than what this test wants")
	}
	t.Run("Landlock alone", func(t *testing.T) { attempt(t, usual, refused) })
	t.Run("neither", func(t *testing.T) { attempt(t, usual|landlockRules, "ok") })
}

func TestLandlockKeepsFiles(t *testing.T) {
	layers(t, readOnlyMounts, func(t *testing.T, without protection, want string) {
		f := newFixture(t)
		input := filepath.Join(filepath.Dir(f.build), "input")
		must(t, os.MkdirAll(filepath.Join(input, "d"), 0o755))
		must(t, os.WriteFile(filepath.Join(input, "f"), nil, 0o666))
		must(t, os.WriteFile(filepath.Join(f.spec.Root, "home/name"), nil, 0o644))
		f.spec.Binds = append(f.spec.Binds, Bind{Source: input, Target: "/sysc/store/input"})
		f.spec.without = without
		f.builder("append", "/home/name", "/home/new", "/top", "/new", "/sysc/store/input/f", "/sysc/store/input/d/new").expect(
			"/home/name: "+want, "/home/new: "+want, "/top: "+want, "/new: "+want,
			"/sysc/store/input/f: "+want, "/sysc/store/input/d/new: "+want)
		// Where the builder may write it may do all that it is used to.
		f.builder("append", "/build/x", "/tmp/x", "/run/x", "/var/tmp/x", "/dev/shm/x", "/dev/null").expect(
			"/build/x: ok", "/tmp/x: ok", "/run/x: ok", "/var/tmp/x: ok", "/dev/shm/x: ok", "/dev/null: ok")
	}, "EACCES")
}

func TestLandlockKeepsAbstractSockets(t *testing.T) {
	name := listenAbstract(t)
	layers(t, ownNetwork, func(t *testing.T, without protection, want string) {
		for _, writable := range []bool{false, true} {
			f := newFixture(t)
			f.spec.WritableRoot, f.spec.without = writable, without
			f.builder("dial", name).expect(name + ": " + want)
		}
	}, "EPERM")
}

// listenAbstract listens on an abstract socket of the host and returns its
// address as builder dial takes it.
func listenAbstract(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("@sysc-test-%d-%s", os.Getpid(), t.Name())
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(s) })
	must(t, unix.Bind(s, &unix.SockaddrUnix{Name: name}))
	must(t, unix.Listen(s, 10))
	must(t, dial("unix!"+name)) // it can be reached from here
	return "unix!" + name
}

func TestLandlockKeepsProcessOneFromSignals(t *testing.T) {
	kill := fmt.Sprintf("%d:1,0", unix.SYS_KILL)
	layers(t, 0, func(t *testing.T, without protection, want string) {
		f := newFixture(t)
		f.spec.without = without
		f.builder("syscalls", kill).expect(kill + ": " + want)
	}, "EPERM")
}

// Even the devices that need no privilege, with which overlay file systems hide
// files.
func TestLandlockKeepsDevicesAway(t *testing.T) {
	layers(t, callFilter, func(t *testing.T, without protection, want string) {
		for _, writable := range []bool{false, true} {
			f := newFixture(t)
			f.spec.WritableRoot, f.spec.without = writable, without
			f.builder("whiteout", "/build/new").expect("/build/new: " + want)
		}
	}, "EACCES")
}

// Work across directories is what the first version of Landlock broke.
func TestLandlockAllowsRenames(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		f.shell("cd /build && mkdir a b && echo x >a/f && mv a/f b/g && ln b/g a/h && mkfifo a/p && ln -s x a/l && truncate -s 0 b/g && rm -r a b && echo done").expect("done")
	}
}
