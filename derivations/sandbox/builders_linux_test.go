package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// builders are the programs that tests run inside, by name.
var builders = map[string]func(args []string){
	"exit": func(args []string) {
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	},
	"kill-self": func(args []string) {
		s, _ := strconv.Atoi(args[0])
		signal.Reset()
		unix.Kill(os.Getpid(), unix.Signal(s))
		select {}
	},
	"burn": func([]string) {
		// By the clock that a busy machine does not slow down.
		for used := (unix.Timespec{}); used.Nano() < int64(30*time.Millisecond); {
			unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used)
		}
	},
	"environ":      func([]string) { fmt.Printf("%q\n", os.Environ()) },
	"arguments":    func(args []string) { fmt.Printf("%q\n", args) },
	"surroundings": surroundings,
	"big-output": func(args []string) {
		n, _ := strconv.Atoi(args[0])
		chunk := bytes.Repeat([]byte("x"), 100_000)
		for ; n > 0; n -= len(chunk) {
			if _, err := os.Stdout.Write(chunk[:min(n, len(chunk))]); err != nil {
				os.Exit(1)
			}
		}
	},
	"write": func(args []string) {
		attempt(args, func(p string) error { return os.WriteFile(p, []byte("x"), 0o644) })
	},
	"append":   func(args []string) { attempt(args, appendTo) },
	"read":     func(args []string) { attempt(args, readSome) },
	"chmod":    func(args []string) { attempt(args, chmodSame) },
	"remove":   func(args []string) { attempt(args, os.Remove) },
	"rename":   func(args []string) { attempt(args[:1], func(p string) error { return os.Rename(p, args[1]) }) },
	"make-dir": func(args []string) { attempt(args, func(p string) error { return os.Mkdir(p, 0o755) }) },
	"whiteout": func(args []string) {
		attempt(args, func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o644, 0) })
	},
	"open":                func(args []string) { attempt(args, openToWrite) },
	"tree":                func(args []string) { listTree(args[0]) },
	"syscalls":            func(args []string) { trySyscalls(args) },
	"setid":               func(args []string) { trySetID(args[0]) },
	"dial":                func(args []string) { attempt(args, dial) },
	"loopback":            func([]string) { loopback() },
	"orphans":             func(args []string) { orphans(args[0]) },
	"sleep":               func([]string) { fmt.Println("sleeping"); time.Sleep(time.Hour) },
	"beat":                func(args []string) { beat(args[0]) },
	"signal-1":            func([]string) { signalInit() },
	"own":                 own,
	"own-fast":            ownFast,
	"own-and-look":        ownAndLook,
	"look-at-descriptors": lookAtDescriptors,
	"look-fast":           lookFast,
	"compare-stats":       compareStats,
	"rewrite":             rewrite,
	"init-peek": func([]string) {
		attempt([]string{"/proc/1/mem", "/proc/1/environ", "/proc/1/fd/3", "/proc/1/exe", "/proc/1/root/.", "/proc/1/cwd/."}, readSome)
	},
	"nested":  func([]string) { nested() },
	"foreign": func([]string) { foreignCall() },
	"show": func(args []string) {
		for _, name := range args {
			data, err := os.ReadFile(name)
			fmt.Printf("%s%s\n", data, outcome(err))
		}
	},
	"read-setgroups": func([]string) {
		data, _ := os.ReadFile("/proc/self/setgroups")
		os.Stdout.Write(data)
	},
	"processes":  func([]string) { listProcesses() },
	"modes":      func(args []string) { showModes(args) },
	"cover-proc": coverProc,
	"offer":      offer,
	"take":       take,
	"tell-time":  tellTime,
	"names":      readNames,
	"empty":      emptyByReading,
	"read-twice": readTwice,
	"read-badly": readBadly,
	"wait-until": waitUntil,
}

// attempt tries f on each argument and prints what came of it.
func attempt(args []string, f func(string) error) {
	for _, a := range args {
		fmt.Printf("%s: %s\n", a, outcome(f(a)))
	}
}

// outcome is "ok" or the name of the error number.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for e := err; e != nil; {
		if errno, ok := e.(syscall.Errno); ok {
			return errnoName(errno)
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return err.Error()
}

func errnoName(e syscall.Errno) string {
	if e == 0 {
		return "ok"
	}
	return unix.ErrnoName(e)
}

func appendTo(p string) error {
	f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("x")
	return err
}

// chmodSame changes nothing, which needs the same right as a change.
func chmodSame(p string) error {
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return err
	}
	return unix.Chmod(p, st.Mode&0o7777)
}

// openToWrite does not write: where the protection fails, it is the host's.
func openToWrite(p string) error {
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func readSome(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadDir(1); err == nil {
		return nil
	}
	_, err = f.Read(make([]byte, 10))
	return err
}

func statusField(name string) string {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

func surroundings([]string) {
	fmt.Printf("uid=%d gid=%d caps=%s bounding=%s ambient=%s\n", os.Getuid(), os.Getgid(),
		statusField("CapEff"), statusField("CapBnd"), statusField("CapAmb"))
	fmt.Printf("nnp=%s seccomp=%s umask=%s ignored=%s\n", statusField("NoNewPrivs"), statusField("Seccomp"), statusField("Umask"), statusField("SigIgn"))
	var u unix.Utsname
	unix.Uname(&u)
	dir, _ := os.Getwd()
	fmt.Printf("host=%s domain=%s dir=%s parent=%d\n", unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Domainname[:]), dir, os.Getppid())
	var fds []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// What Go's runtime and this listing opened is not inherited.
		if n, _ := strconv.Atoi(e.Name()); closeOnExec(n) == 0 {
			fds = append(fds, e.Name())
		}
	}
	slices.Sort(fds)
	stdin, _ := os.Readlink("/proc/self/fd/0")
	var core unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_CORE, &core)
	fmt.Printf("fds=%s stdin=%s core=%d\n", strings.Join(fds, ","), stdin, core.Cur)
	p, _, _ := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	_, err := os.Open("/dev/tty")
	fmt.Printf("personality=%d tty=%s\n", p, outcome(err))
}

func closeOnExec(fd int) int {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		return -1
	}
	return flags & unix.FD_CLOEXEC
}

func listTree(root string) {
	filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err == nil {
			fmt.Println(p)
		}
		return nil
	})
}

// trySyscalls makes raw system calls, each given as "number:arg,arg…", and
// prints what they return.
func trySyscalls(args []string) {
	for _, a := range args {
		number, rest, _ := strings.Cut(a, ":")
		nr, _ := strconv.ParseUint(number, 0, 64)
		var v [6]uintptr
		if rest != "" {
			for i, s := range strings.Split(rest, ",") {
				n, _ := strconv.ParseUint(s, 0, 64)
				v[i] = uintptr(n)
			}
		}
		_, _, errno := unix.RawSyscall6(uintptr(nr), v[0], v[1], v[2], v[3], v[4], v[5])
		fmt.Printf("%s: %s\n", a, errnoName(errno))
	}
}

// dial connects to "inet!ADDRESS", "inet6!ADDRESS" (port 53, by datagram, so
// that only routing decides) or "unix!NAME" (@ for abstract).
func dial(address string) error {
	family, name, _ := strings.Cut(address, "!")
	var domain, kind int
	var sa unix.Sockaddr
	ip := netip.Addr{}
	if family != "unix" {
		ip = netip.MustParseAddr(name)
	}
	switch family {
	case "inet":
		domain, kind, sa = unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{Port: 53, Addr: ip.As4()}
	case "inet6":
		domain, kind, sa = unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{Port: 53, Addr: ip.As16()}
	case "unix":
		domain, kind, sa = unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: name}
	}
	s, err := unix.Socket(domain, kind, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	return unix.Connect(s, sa)
}

// loopback sends something to itself over both families.
func loopback() {
	for domain, sa := range map[int]unix.Sockaddr{
		unix.AF_INET:  &unix.SockaddrInet4{Addr: netip.MustParseAddr("127.0.0.1").As4()},
		unix.AF_INET6: &unix.SockaddrInet6{Addr: netip.MustParseAddr("::1").As16()},
	} {
		fmt.Println(domain, outcome(echo(domain, sa)))
	}
}

func echo(domain int, sa unix.Sockaddr) error {
	l, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(l, sa); err != nil {
		return err
	}
	if err := unix.Listen(l, 1); err != nil {
		return err
	}
	bound, err := unix.Getsockname(l)
	if err != nil {
		return err
	}
	c, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(c, bound); err != nil {
		return err
	}
	peer, _, err := unix.Accept(l)
	if err != nil {
		return err
	}
	if _, err := unix.Write(c, []byte("hello")); err != nil {
		return err
	}
	buf := make([]byte, 5)
	if _, err := unix.Read(peer, buf); err != nil {
		return err
	}
	if string(buf) != "hello" {
		return fmt.Errorf("got %q", buf)
	}
	return nil
}

// orphans leaves a process behind that left its session and its parent, and
// keeps writing to path.
func orphans(path string) {
	cmd := exec.Command("/proc/self/exe", "builder", "beat", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		if st, err := os.Stat(path); err == nil && st.Size() > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func beat(path string) {
	signal.Ignore(unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
	for {
		appendTo(path)
		time.Sleep(time.Millisecond)
	}
}

// signalInit sends process 1 everything.
func signalInit() {
	for s := unix.Signal(1); s < 32; s++ {
		switch s {
		case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGPROF, unix.SIGURG:
		default:
			unix.Kill(1, s)
		}
	}
	time.Sleep(20 * time.Millisecond)
	fmt.Println("still here")
}

func pathPointer(p string) uintptr {
	b, _ := unix.BytePtrFromString(p)
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(b))
}

var kept []*byte

// nested tries to run a sandbox inside one.
func nested() {
	os.MkdirAll("/tmp/private/root", 0o700)
	os.Chmod("/tmp/private", 0o700)
	_, err := Run(context.Background(), Spec{
		Root: "/tmp/private/root", Argv: []string{"/helper", "builder", "exit", "0"},
		Binds: []Bind{{Source: helperPath, Target: "/helper"}},
	})
	fmt.Println(err)
	if err != nil {
		fmt.Println("builder did not run")
	}
}

// coverProc makes /proc look as in a container, in a mount namespace of its own,
// and runs this binary there.
func coverProc(args []string) {
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	for _, m := range procMounts() {
		if unix.Unmount(m, unix.MNT_DETACH) != nil {
			fmt.Println("another proc:", m)
		}
	}
	check(unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""))
	check(unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	self, err := os.Executable()
	check(err)
	check(unix.Exec(self, append([]string{self}, args...), os.Environ()))
}

// procMounts returns where proc is mounted besides /proc.
func procMounts() []string {
	data, _ := os.ReadFile("/proc/self/mounts")
	var points []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); fields[2] == "proc" && fields[1] != "/proc" {
			points = append(points, fields[1])
		}
	}
	return points
}
