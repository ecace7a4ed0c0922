package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// expect runs the builder and compares what it wrote.
func (f *fixture) expect(want ...string) {
	f.t.Helper()
	if got := f.output(); got != strings.Join(want, "\n")+"\n" {
		f.t.Errorf("got\n%swant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestReadOnlyRoot(t *testing.T) {
	f := newFixture(t)
	input := filepath.Join(filepath.Dir(f.build), "input")
	must(t, os.MkdirAll(filepath.Join(input, "d"), 0o755))
	must(t, os.WriteFile(filepath.Join(input, "f"), nil, 0o666))
	f.spec.Binds = append(f.spec.Binds, Bind{Source: input, Target: "/sysc/store/input"})
	f.builder("append",
		"/etc/name", "/etc/new", "/top", "/new", "/home/new", "/sysc/store/input/f", "/sysc/store/input/d/new",
		"/sysc/new", "/dev/new", "/proc/self/comm",
		"/build/new", "/tmp/new", "/run/new", "/var/tmp/new", "/dev/shm/new", "/dev/null", "/dev/full",
	).expect(
		"/etc/name: EROFS", "/etc/new: EROFS", "/top: EROFS", "/new: EROFS", "/home/new: EROFS",
		"/sysc/store/input/f: EROFS", "/sysc/store/input/d/new: EROFS", "/sysc/new: EROFS",
		"/dev/new: EROFS", "/proc/self/comm: EROFS",
		"/build/new: ok", "/tmp/new: ok", "/run/new: ok", "/var/tmp/new: ok", "/dev/shm/new: ok", "/dev/null: ok", "/dev/full: ENOSPC",
	)
	f.builder("chmod", "/etc/name", "/top", "/sysc/store/input/f", "/dev/null", "/dev/zero", "/").expect(
		"/etc/name: EROFS", "/top: EROFS", "/sysc/store/input/f: EROFS", "/dev/null: EROFS", "/dev/zero: EROFS", "/: EROFS")
	if data, _ := os.ReadFile(filepath.Join(f.spec.Root, "etc/name")); string(data) != "root's\n" {
		t.Errorf("file of the root is now %q", data)
	}
}

func TestNothingElseIsVisible(t *testing.T) {
	f := newFixture(t)
	host := filepath.Join(f.spec.Root, "../secret")
	must(t, os.WriteFile(host, []byte("secret"), 0o666))
	f.builder("tree", "/").output() // the listing itself works
	var files []string
	for line := range strings.Lines(f.output()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "/proc/") && !strings.HasPrefix(line, "/usr/") {
			files = append(files, line)
		}
	}
	want := []string{
		"/", "/bin", "/build", "/dev", "/dev/fd", "/dev/full", "/dev/null", "/dev/ptmx", "/dev/pts", "/dev/pts/ptmx",
		"/dev/random", "/dev/shm", "/dev/stderr", "/dev/stdin", "/dev/stdout", "/dev/tty", "/dev/urandom", "/dev/zero",
		"/etc", "/etc/group", "/etc/hosts", "/etc/name", "/etc/passwd", "/home", "/proc", "/run", "/sysc", "/sysc/store", "/sysc/store/helper", "/tmp", "/top", "/usr",
		"/var", "/var/tmp",
	}
	files = slices.DeleteFunc(files, func(s string) bool { return s == "/lib" || s == "/lib64" || s == "/sbin" })
	if !slices.Equal(files, want) {
		t.Errorf("got  %q\nwant %q", files, want)
	}
	f.builder("read", host, "/proc/1/root"+host, "/../../../.."+host, f.build, "/etc/name").expect(
		host+": ENOENT", "/proc/1/root"+host+": EACCES", "/../../../.."+host+": ENOENT", f.build+": ENOENT", "/etc/name: ok")
}

func TestProcessOneIsOutOfReach(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		out := f.builder("init-peek").output()
		for line := range strings.Lines(out) {
			if !strings.HasSuffix(line, "EACCES\n") && !strings.HasSuffix(line, "EPERM\n") {
				t.Errorf("writable root %v: %s", writable, line)
			}
		}
		// PTRACE_ATTACH, process_vm_writev and pidfd_getfd of process 1.
		out = f.builder("syscalls", fmt.Sprintf("%d:16,1", unix.SYS_PTRACE), fmt.Sprintf("%d:1,0,0,0,0,0", unix.SYS_PROCESS_VM_WRITEV)).output()
		if strings.Count(out, "EPERM") < 1 || !strings.HasPrefix(out, fmt.Sprintf("%d:16,1: EPERM", unix.SYS_PTRACE)) {
			t.Errorf("writable root %v: %s", writable, out)
		}
	}
}

func TestProcessOneSurvivesSignals(t *testing.T) {
	newFixture(t).builder("signal-1").expect("still here")
	newFixture(t).writable().builder("signal-1").expect("still here")
}

func TestProcCannotActOnTheHost(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		// Root's id owns these, so that only the mount protects them from the host
		// root's builds; from others' they are protected by their mode.
		f.builder("open", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/irq/default_smp_affinity")
		for line := range strings.Lines(f.output()) {
			if !strings.HasSuffix(line, ": EROFS\n") && !strings.HasSuffix(line, ": EACCES\n") {
				t.Errorf("writable root %v: %s", writable, line)
			}
		}
		// Writing there goes to /dev/null, and reading finds nothing.
		f.builder("read", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms")
		for line := range strings.Lines(f.output()) {
			if !strings.HasSuffix(line, ": EOF\n") && !strings.HasSuffix(line, ": ENOENT\n") {
				t.Errorf("writable root %v: %s", writable, line)
			}
		}
	}
}

func TestNetworkIsLoopbackOnly(t *testing.T) {
	name := listenAbstract(t)
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		f.builder("dial", name, "inet!192.0.2.1", "inet6!2001:db8::1", "inet!127.0.0.1").expect(
			name+": ECONNREFUSED", "inet!192.0.2.1: ENETUNREACH", "inet6!2001:db8::1: ENETUNREACH", "inet!127.0.0.1: ok")
		out := f.builder("loopback").output()
		if !strings.Contains(out, "2 ok\n") || !strings.Contains(out, "10 ok\n") {
			t.Errorf("writable root %v: loopback: %s", writable, out)
		}
	}
}

// A build leaves nothing to the next, no shared memory and no file. For builds
// at the same time see TestCooperatingBuilds.
func TestBuildsDoNotMeet(t *testing.T) {
	shm := fmt.Sprintf("%d:0x73797363,4096,0%o", unix.SYS_SHMGET, 0o1600|0o2000) // IPC_CREAT|IPC_EXCL
	first := newFixture(t).builder("syscalls", shm).output()
	second := newFixture(t).builder("syscalls", shm).output()
	if want := shm + ": ok\n"; first != want || second != want {
		t.Errorf("got %q, then %q, want %q twice", first, second, want)
	}
	f := newFixture(t).builder("append", "/tmp/new", "/run/new", "/dev/shm/new")
	f.output()
	f.builder("read", "/tmp/new", "/run/new", "/dev/shm/new").expect("/tmp/new: ENOENT", "/run/new: ENOENT", "/dev/shm/new: ENOENT")
}

func TestRefusedCalls(t *testing.T) {
	type call struct {
		name string
		args string
		want string
	}
	number := func(nr int, args string) string { return fmt.Sprintf("%d:%s", nr, args) }
	calls := []call{
		{"mount", number(unix.SYS_MOUNT, "0,0,0,0,0"), "EPERM"},
		{"umount2", number(unix.SYS_UMOUNT2, "0,0"), "EPERM"},
		{"open_tree", number(unix.SYS_OPEN_TREE, "0,0,1"), "EPERM"},
		{"fsopen", number(unix.SYS_FSOPEN, "0,0"), "EPERM"},
		{"mount_setattr", number(unix.SYS_MOUNT_SETATTR, "0,0"), "EPERM"},
		{"unshare user", number(unix.SYS_UNSHARE, fmt.Sprint(unix.CLONE_NEWUSER)), "EPERM"},
		{"unshare mount", number(unix.SYS_UNSHARE, fmt.Sprint(unix.CLONE_NEWNS)), "EPERM"},
		{"unshare time", number(unix.SYS_UNSHARE, fmt.Sprint(unix.CLONE_NEWTIME)), "EPERM"},
		{"unshare files", number(unix.SYS_UNSHARE, fmt.Sprint(unix.CLONE_FILES)), "ok"},
		{"clone user", number(unix.SYS_CLONE, fmt.Sprint(unix.CLONE_NEWUSER|17)), "EPERM"},
		{"clone user, high bits", number(unix.SYS_CLONE, fmt.Sprint(uint64(1)<<40|unix.CLONE_NEWUSER|17)), "EPERM"},
		{"clone3", number(unix.SYS_CLONE3, "0,0"), "ENOSYS"},
		{"setns", number(unix.SYS_SETNS, "0,0"), "EPERM"},
		{"open_by_handle_at", number(unix.SYS_OPEN_BY_HANDLE_AT, "0,0,0"), "EPERM"},
		{"keyctl", number(unix.SYS_KEYCTL, "0,0,0"), "EPERM"},
		{"add_key", number(unix.SYS_ADD_KEY, "0,0,0"), "EPERM"},
		{"bpf", number(unix.SYS_BPF, "0,0,0"), "EPERM"},
		{"perf_event_open", number(unix.SYS_PERF_EVENT_OPEN, "0,0,0"), "EPERM"},
		{"userfaultfd", number(unix.SYS_USERFAULTFD, "1"), "EPERM"},
		{"io_uring_setup", number(unix.SYS_IO_URING_SETUP, "1,0"), "EPERM"},
		{"finit_module", number(unix.SYS_FINIT_MODULE, "0,0,0"), "EPERM"},
		{"socket vsock", number(unix.SYS_SOCKET, "40,1,0"), "EAFNOSUPPORT"},
		{"socket alg", number(unix.SYS_SOCKET, "38,5,0"), "EAFNOSUPPORT"},
		{"socket packet", number(unix.SYS_SOCKET, "17,3,0"), "EAFNOSUPPORT"},
		{"socket netlink audit", number(unix.SYS_SOCKET, "16,3,9"), "EPROTONOSUPPORT"},
		{"socket netlink route", number(unix.SYS_SOCKET, "16,3,0"), "ok"},
		{"ioctl TIOCSTI", number(unix.SYS_IOCTL, fmt.Sprintf("0,%d,0", unix.TIOCSTI)), "EPERM"},
		{"ioctl TIOCSTI, high bits", number(unix.SYS_IOCTL, fmt.Sprintf("0,%d,0", 1<<32|unix.TIOCSTI)), "EPERM"},
		{"personality READ_IMPLIES_EXEC", number(unix.SYS_PERSONALITY, "0x0400000"), "EPERM"},
		{"beyond what is known", number(4000, ""), "ENOSYS"},
		{"x32", number(0x40000000+unix.SYS_GETPID, ""), "ENOSYS"},
	}
	ordinary := []call{
		{"chroot", number(unix.SYS_CHROOT, "0"), "EPERM"},
		{"openat2", number(unix.SYS_OPENAT2, "0,0,0,0"), "ENOSYS"},
		{"setxattr", number(unix.SYS_SETXATTR, "0,0,0,0,0"), "ENOTSUP"},
		{"fgetxattr", number(unix.SYS_FGETXATTR, "0,0,0,0"), "ENOTSUP"},
		{"setxattrat", number(unix.SYS_SETXATTRAT, "0,0,0,0"), "ENOTSUP"},
		{"setuid", number(unix.SYS_SETUID, "0"), "EINVAL"},
	}
	// What makes files durable succeeds and does nothing: not even the descriptor is looked at.
	for _, nr := range syncCalls {
		calls = append(calls, call{"sync", number(int(nr), "0xffffffff"), "ok"})
	}
	for _, writable := range []bool{false, true} {
		all := calls
		if !writable {
			all = append(slices.Clone(calls), ordinary...)
		}
		f := newFixture(t)
		f.spec.WritableRoot = writable
		args := []string{"syscalls"}
		for _, c := range all {
			args = append(args, c.args)
		}
		lines := strings.Split(f.builder(args...).output(), "\n")
		for i, c := range all {
			want := c.args + ": " + c.want
			if got := strings.ReplaceAll(lines[i], "EOPNOTSUPP", "ENOTSUP"); got != want {
				t.Errorf("writable root %v: %s: got %q, want %q", writable, c.name, lines[i], want)
			}
		}
	}
}

func TestForeignArchitectureIsKilled(t *testing.T) {
	if !foreignCallsExist {
		t.Skip("this architecture runs no other's code")
	}
	out, err := exec.Command("/proc/self/exe", "builder", "foreign").Output()
	if err != nil || string(out) != "it came back\n" {
		t.Skipf("this kernel has no 32-bit calls: %v", err)
	}
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		if res, out := f.builder("foreign").run(); res.Signal != unix.SIGSYS {
			t.Errorf("writable root %v: got %+v, want SIGSYS\n%s", writable, res, out)
		}
	}
}

// trySetID tries every call that could make a file set-id in the directory dir.
func trySetID(dir string) {
	for _, mode := range []uintptr{unix.S_ISUID | 0o755, unix.S_ISGID | 0o755, 1<<32 | unix.S_ISUID | 0o755, 1<<16 | unix.S_ISUID | 0o755} {
		for _, name := range setIDWays {
			path := filepath.Join(dir, "new")
			existing := filepath.Join(dir, "existing")
			os.Remove(path)
			os.Remove(existing)
			os.WriteFile(existing, nil, 0o755)
			way := setIDCalls(path, existing, mode)[name]
			if way == nil {
				continue
			}
			errno := way()
			for _, p := range []string{path, existing} {
				var st unix.Stat_t
				if unix.Stat(p, &st) == nil && st.Mode&setIDBits != 0 {
					fmt.Printf("%s %#o: %s made %o\n", name, mode, errnoName(errno), st.Mode)
				}
			}
			if errno != unix.EPERM && errno != unix.ENOSYS && errno != unix.EINVAL {
				fmt.Printf("%s %#o: %s\n", name, mode, errnoName(errno))
			}
		}
	}
	fmt.Println("tried")
}

var setIDWays = []string{"chmod", "fchmod", "fchmodat", "fchmodat2", "open", "openat", "openat2", "tmpfile", "creat", "mknod", "mknodat"}

func setIDCalls(path, existing string, mode uintptr) map[string]func() unix.Errno {
	call := func(nr, a, b, c, d uintptr) func() unix.Errno {
		return func() unix.Errno {
			_, _, e := unix.RawSyscall6(nr, a, b, c, d, 0, 0)
			return e
		}
	}
	p, old := pathPointer(path), pathPointer(existing)
	fd, _ := unix.Open(existing, unix.O_RDWR, 0)
	how := &unix.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: uint64(mode)}
	keptHow = append(keptHow, how)
	ways := map[string]func() unix.Errno{
		"fchmod":    call(unix.SYS_FCHMOD, uintptr(fd), mode, 0, 0),
		"fchmodat":  call(unix.SYS_FCHMODAT, atCWD, old, mode, 0),
		"fchmodat2": call(unix.SYS_FCHMODAT2, atCWD, old, mode, 0),
		"openat":    call(unix.SYS_OPENAT, atCWD, p, unix.O_CREAT|unix.O_WRONLY, mode),
		"openat2":   call(unix.SYS_OPENAT2, atCWD, p, uintptr(unsafe.Pointer(how)), unsafe.Sizeof(*how)),
		"tmpfile":   func() unix.Errno { return makeFromTmpfile(path, mode) },
		"mknodat":   call(unix.SYS_MKNODAT, atCWD, p, unix.S_IFREG|mode, 0),
	}
	for name, way := range nativeSetID(p, old, mode) {
		ways[name] = way
	}
	return ways
}

// keptHow keeps what calls point to as numbers where it is.
var keptHow []*unix.OpenHow

// makeFromTmpfile makes a nameless file and gives it a name.
func makeFromTmpfile(path string, mode uintptr) unix.Errno {
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, atCWD, pathPointer(filepath.Dir(path)), unix.O_TMPFILE|unix.O_WRONLY, mode, 0, 0)
	if errno != 0 {
		return errno
	}
	return errnoOf(unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW))
}

func TestNoSetIDFile(t *testing.T) {
	newFixture(t).builder("setid", "/build").expect("tried")
}

// The attempts of TestNoSetIDFile do make such files where they may.
func TestSetIDAttemptsAreReal(t *testing.T) {
	out := newFixture(t).writable().builder("setid", "/build").output()
	for _, name := range setIDWays {
		if setIDCalls("/", "/", 0)[name] != nil && !strings.Contains(out, name+" 0") {
			t.Errorf("%s made no set-id file:\n%s", name, out)
		}
	}
}

func TestInheritedDescriptorsAreClosed(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	// A descriptor as a careless caller's parent leaves it: not close-on-exec.
	_, err = unix.FcntlInt(w.Fd(), unix.F_SETFD, 0)
	must(t, err)
	plain, err := exec.Command("/proc/self/exe", "builder", "surroundings").Output()
	must(t, err)
	if strings.Contains(string(plain), "fds=0,1,2 ") {
		t.Fatalf("the descriptor is not inherited without a sandbox: %s", plain)
	}
	if out := newFixture(t).builder("surroundings").output(); !strings.Contains(out, "fds=0,1,2 ") {
		t.Errorf("got %s", out)
	}
}

func TestIgnoredSignalsAreReset(t *testing.T) {
	// Under nohup, and with job control's signals ignored.
	script := fmt.Sprintf(`trap "" HUP INT TSTP TTIN TTOU CHLD PIPE; exec %q -test.run '^TestSurroundings$'`, selfPath(t))
	if out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func selfPath(t *testing.T) string {
	self, err := os.Executable()
	must(t, err)
	return self
}

func TestOrphansEndWithTheBuilder(t *testing.T) {
	f := newFixture(t).builder("orphans", "/build/beat")
	f.output() // returns although the orphan holds the output open
	checkStill(t, filepath.Join(f.build, "beat"))
}

// checkStill makes sure that nobody writes to the file any more.
func checkStill(t *testing.T, path string) {
	t.Helper()
	before, err := os.Stat(path)
	must(t, err)
	if before.Size() == 0 {
		t.Fatal("it never lived")
	}
	// It wrote every millisecond while it lived.
	time.Sleep(50 * time.Millisecond)
	after, err := os.Stat(path)
	must(t, err)
	if after.Size() != before.Size() {
		t.Errorf("still alive: %d bytes, then %d", before.Size(), after.Size())
	}
}

func TestCancelKillsEverything(t *testing.T) {
	t.Run("alone", func(t *testing.T) { cancelKillsEverything(t, nil) })
	t.Run("shared", func(t *testing.T) { cancelKillsEverything(t, shared(t)) })
}

func cancelKillsEverything(t *testing.T, s *Shared) {
	f := newFixture(t).builder("beat", "/build/beat")
	f.spec.Shared = s
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("user gave up")
	path := filepath.Join(f.build, "beat")
	go func() {
		waitFor(path)
		cancel(cause)
	}()
	_, err := Run(ctx, f.spec)
	if !errors.Is(err, cause) {
		t.Errorf("got error %v, want the cause", err)
	}
	checkStill(t, path)
	if _, err := Run(ctx, f.spec); !errors.Is(err, cause) {
		t.Errorf("once cancelled: got error %v, want the cause", err)
	}
}

// waitFor waits until the file has something in it.
func waitFor(path string) {
	for {
		if st, err := os.Stat(path); err == nil && st.Size() > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTimeout(t *testing.T) {
	f := newFixture(t).builder("sleep")
	f.spec.Timeout = 100 * time.Millisecond
	if _, err := Run(t.Context(), f.spec); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want a deadline exceeded", err)
	}
}

func TestSandboxEndsWithItsCaller(t *testing.T) {
	for _, shared := range []string{"", "shared"} {
		t.Run(shared, func(t *testing.T) { endsWithItsCaller(t, shared) })
	}
}

func endsWithItsCaller(t *testing.T, shared string) {
	dir := privateDir(t)
	caller := exec.Command("/proc/self/exe", "-test.run", "^TestCallerThatIsKilled$")
	// It has no chance to remove what it makes.
	caller.Env = append(os.Environ(), "SYSC_TEST_CALLER="+dir, "SYSC_TEST_SHARED="+shared, "TMPDIR="+t.TempDir())
	must(t, caller.Start())
	path := filepath.Join(dir, "beat")
	waitFor(path)
	must(t, caller.Process.Kill())
	caller.Wait()
	// The kernel kills the sandbox when its caller has ended; give it a moment.
	deadline := time.Now().Add(10 * time.Second)
	for {
		before, err := os.Stat(path)
		must(t, err)
		time.Sleep(50 * time.Millisecond)
		after, err := os.Stat(path)
		must(t, err)
		if before.Size() == after.Size() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the builder outlives its caller")
		}
	}
}

// TestCallerThatIsKilled is the caller in TestSandboxEndsWithItsCaller.
func TestCallerThatIsKilled(t *testing.T) {
	dir := os.Getenv("SYSC_TEST_CALLER")
	if dir == "" {
		return
	}
	f := newFixture(t).builder("beat", "/build/beat")
	f.spec.Binds[0].Source = dir
	if os.Getenv("SYSC_TEST_SHARED") != "" {
		f.spec.Shared = &Shared{}
	}
	Run(context.Background(), f.spec)
}

func TestShellRedirectsToNull(t *testing.T) {
	for _, writable := range []bool{false, true} {
		f := newFixture(t)
		f.spec.WritableRoot = writable
		f.shell("echo lost > /dev/null && echo lost >> /dev/null && echo found > /dev/stdout && ulimit -Sn && id -u").expect(
			"found", "1024", map[bool]string{false: "1000", true: "0"}[writable])
	}
}

func TestPseudoTerminal(t *testing.T) {
	newFixture(t).shell("script -qec 'tty' /dev/null | tr -d '\\r'").expect("/dev/pts/0")
}

func TestWritableRootKeepsWhatIsDoneAndNothingElse(t *testing.T) {
	f := newFixture(t).writable()
	before := names(t, f.spec.Root)
	f.builder("append", "/etc/new", "/tmp/x", "/run/x", "/dev/x", "/sysc/x", "/build/x", "/var/tmp/x").expect(
		"/etc/new: ok", "/tmp/x: ok", "/run/x: ok", "/dev/x: EROFS", "/sysc/x: ok", "/build/x: ok", "/var/tmp/x: ok")
	want := append(before, "etc/new", "var/tmp/x")
	slices.Sort(want)
	if got := names(t, f.spec.Root); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWritableRootWithMountPoints(t *testing.T) {
	f := newFixture(t).writable()
	for _, d := range []string{"proc", "dev", "tmp", "run", "build", "sysc"} {
		must(t, os.MkdirAll(filepath.Join(f.spec.Root, d), 0o755))
		must(t, os.WriteFile(filepath.Join(f.spec.Root, d, "kept"), nil, 0o644))
	}
	before := names(t, f.spec.Root)
	f.builder("read", "/tmp/kept", "/sysc/kept", "/build/kept").expect("/tmp/kept: ENOENT", "/sysc/kept: ENOENT", "/build/kept: ENOENT")
	if got := names(t, f.spec.Root); !slices.Equal(got, before) {
		t.Errorf("got %q, want %q", got, before)
	}
}

// A root whose mount points are links must not lead anything out of it.
func TestWritableRootWithLinksAsMountPoints(t *testing.T) {
	for _, name := range []string{"proc", "dev", "tmp", "run", "sysc", "build"} {
		f := newFixture(t).writable().builder("exit", "0")
		victim := privateDir(t)
		must(t, os.Symlink(victim, filepath.Join(f.spec.Root, name)))
		_, err := Run(t.Context(), f.spec)
		if err == nil || !strings.Contains(err.Error(), "symbolic links") && !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("%s: got error %v", name, err)
		}
		if got := names(t, victim); len(got) > 0 {
			t.Errorf("%s: got %q outside", name, got)
		}
	}
}

func names(t *testing.T, root string) []string {
	t.Helper()
	var list []string
	must(t, filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, p); rel != "." {
			list = append(list, rel)
		}
		return err
	}))
	slices.Sort(list)
	return list
}
