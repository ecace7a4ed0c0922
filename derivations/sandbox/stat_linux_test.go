package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownAndLook performs the steps of own, which must work, and prints what every
// way of asking shows of the file: type and mode, and owner. A way that fails
// prints its error.
func ownAndLook(args []string) {
	for _, a := range args[1:] {
		w := strings.Split(a, ":")
		if err := ownStep(w[0], w[1], w[2:]); err != nil {
			fmt.Println(a, err)
		}
	}
	for _, way := range ways {
		fmt.Printf("%s %s: %s\n", way.name, args[0], way.show(args[0]))
	}
}

// ways are all that ask for an owner. The names of those that follow links have
// no "l" in front.
var ways = []struct {
	name string
	show func(path string) string
}{
	{"stat", func(p string) string { return showStat(func(st *unix.Stat_t) error { return unix.Stat(p, st) }) }},
	{"lstat", func(p string) string { return showStat(func(st *unix.Stat_t) error { return unix.Lstat(p, st) }) }},
	{"fstat", func(p string) string {
		return showOpened(p, unix.O_RDONLY|unix.O_NONBLOCK, func(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) })
	}},
	{"fstat-path", func(p string) string {
		return showOpened(p, unix.O_PATH, func(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) })
	}},
	{"lfstat-path", func(p string) string {
		return showOpened(p, unix.O_PATH|unix.O_NOFOLLOW, func(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) })
	}},
	{"fstatat-empty", func(p string) string {
		return showOpened(p, unix.O_PATH, func(fd int, st *unix.Stat_t) error {
			return unix.Fstatat(fd, "", st, unix.AT_EMPTY_PATH)
		})
	}},
	{"fstatat", func(p string) string {
		return showIn(p, func(dir int, name string) string {
			return showStat(func(st *unix.Stat_t) error { return unix.Fstatat(dir, name, st, 0) })
		})
	}},
	{"lfstatat", func(p string) string {
		return showIn(p, func(dir int, name string) string {
			return showStat(func(st *unix.Stat_t) error { return unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW) })
		})
	}},
	{"fstatat-cwd", func(p string) string {
		return showIn(p, func(dir int, name string) string {
			unix.Fchdir(dir)
			return showStat(func(st *unix.Stat_t) error { return unix.Fstatat(unix.AT_FDCWD, "./"+name, st, 0) })
		})
	}},
	{"statx", func(p string) string {
		return showStatx(func(st *unix.Statx_t) error { return unix.Statx(unix.AT_FDCWD, p, 0, unix.STATX_BASIC_STATS, st) })
	}},
	{"lstatx", func(p string) string {
		return showIn(p, func(dir int, name string) string {
			return showStatx(func(st *unix.Statx_t) error {
				flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_STATX_DONT_SYNC
				return unix.Statx(dir, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, st)
			})
		})
	}},
	{"statx-empty", func(p string) string {
		return showIn(p, func(dir int, name string) string {
			fd, err := unix.Openat(dir, name, unix.O_PATH, 0)
			if err != nil {
				return outcome(err)
			}
			defer unix.Close(fd)
			return showStatx(func(st *unix.Statx_t) error {
				return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, st)
			})
		})
	}},
}

func showStat(get func(*unix.Stat_t) error) string {
	var st unix.Stat_t
	if err := get(&st); err != nil {
		return outcome(err)
	}
	return fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
}

func showStatx(get func(*unix.Statx_t) error) string {
	var st unix.Statx_t
	if err := get(&st); err != nil {
		return outcome(err)
	}
	if st.Mask&unix.STATX_BASIC_STATS != unix.STATX_BASIC_STATS {
		return fmt.Sprintf("mask %#x", st.Mask)
	}
	return fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
}

func showOpened(p string, flags int, get func(int, *unix.Stat_t) error) string {
	fd, err := unix.Open(p, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return outcome(err)
	}
	defer unix.Close(fd)
	return showStat(func(st *unix.Stat_t) error { return get(fd, st) })
}

func showIn(p string, show func(dir int, name string) string) string {
	dir, err := unix.Open(filepath.Dir(p), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return outcome(err)
	}
	defer unix.Close(dir)
	return show(dir, filepath.Base(p))
}

// looks is what look prints if every way shows want, those in other excepted.
func looks(path, want string, other map[string]string) string {
	var b strings.Builder
	for _, way := range ways {
		shown := want
		if o, ok := other[way.name]; ok {
			shown = o
		}
		fmt.Fprintf(&b, "%s %s: %s\n", way.name, path, shown)
	}
	return b.String()
}

// noFollow are the ways that show a link itself, each showing want.
func noFollow(want string) map[string]string {
	m := map[string]string{}
	for _, way := range ways {
		if strings.HasPrefix(way.name, "l") {
			m[way.name] = want
		}
	}
	return m
}

func TestRecordedOwnersAreShown(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		path  string
		want  string
		other map[string]string
	}{
		{"file", []string{"chown:/top:33:44"}, "/top", "100644 33:44", nil},
		{"directory", []string{"chown:/etc:1:2"}, "/etc", "40755 1:2", nil},
		{"file without a record", []string{"chown:/top:33:44"}, "/etc/name", "100644 0:0", nil},
		{"file in a directory with one", []string{"chown:/etc:1:2"}, "/etc/name", "100644 0:0", nil},
		{"group alone", []string{"chown:/top:-1:42"}, "/top", "100644 0:42", nil},
		{"large ids", []string{"chown:/top:4294967294:65534"}, "/top", "100644 4294967294:65534", nil},
		{"taken back", []string{"chown:/top:1:2", "chown:/top:0:0"}, "/top", "100644 0:0", nil},
		{"set-id bits remain", []string{"chown:/top:3:4", "chmod:/top:6755"}, "/top", "106755 3:4", nil},
		{"unreadable", []string{"chown:/top:3:4", "chmod:/top:0"}, "/top", "100000 3:4", nil},
		{"through a link", []string{"chown:/top:3:4", "symlink:/home/l:/top"}, "/home/l", "100644 3:4", noFollow("120777 0:0")},
		{"a link to a file without", []string{"symlink:/home/l:/top"}, "/home/l", "100644 0:0", noFollow("120777 0:0")},
		{"through a link to a directory", []string{"chown:/etc/name:3:4", "symlink:/home/l:../etc"}, "/home/l/name", "100644 3:4", nil},
		{"through links without end", []string{"symlink:/home/l:l"}, "/home/l", "ELOOP", noFollow("120777 0:0")},
		{"nothing there", nil, "/none", "ENOENT", nil},
		{"below a file", nil, "/top/x", "ENOTDIR", nil},
		{"a fifo", []string{"mkfifo:/home/f", "chown:/home/f:3:4"}, "/home/f", "10644 0:0", nil},
		{"in a temporary directory", []string{"create:/tmp/f", "chown:/tmp/f:3:4"}, "/tmp/f", "100644 3:4", nil},
		{"in a bind", []string{"create:/build/f", "chown:/build/f:3:4"}, "/build/f", "100644 3:4", nil},
		{"in proc", nil, "/proc/self/status", "100444 0:0", nil},
		{"a name at the limit", []string{"chown:/top:3:4"}, strings.Repeat("/.", 2045) + "/top", "100644 3:4", nil},
		{"in a chroot", []string{"mkdir:/home/r", "create:/home/r/top", "chown:/home/r/top:3:4", "chroot:/home/r", "symlink:/l:/top"}, "/l", "100644 3:4", noFollow("120777 0:0")},
		{"outside of a chroot", []string{"chown:/top:3:4", "mkdir:/home/r", "create:/home/r/top", "chroot:/home/r"}, "/top", "100644 0:0", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t).writable().builder(append([]string{"own-and-look", tt.path}, tt.steps...)...)
			if got, want := f.output(), looks(tt.path, tt.want, tt.other); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// lookAtDescriptors prints what fstat shows of descriptors without a path.
func lookAtDescriptors([]string) {
	show := func(name string, fd int) {
		fmt.Printf("%s: %s\n", name, showStat(func(st *unix.Stat_t) error { return unix.Fstat(fd, st) }))
	}
	var pipe [2]int
	unix.Pipe2(pipe[:], 0)
	show("pipe", pipe[0])
	pair, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	show("socket", pair[0])
	show("none", 999)
	show("negative", -1)
	deleted, _ := unix.Open("/home/deleted", unix.O_CREAT|unix.O_RDWR, 0o600)
	unix.Fchown(deleted, 3, 4)
	unix.Unlink("/home/deleted")
	show("deleted", deleted)
	unix.Fchown(deleted, 5, -1)
	show("deleted, changed", deleted)
	// The working directory by no name at all (Linux 6.11), and by an empty one.
	unix.Chown("/home", 6, 7)
	unix.Chdir("/home")
	var st unix.Stat_t
	unix.Fstatat(unix.AT_FDCWD, "", &st, unix.AT_EMPTY_PATH)
	fmt.Printf("working directory: %d:%d\n", st.Uid, st.Gid)
	var x unix.Statx_t
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, atCWD, 0, unix.AT_EMPTY_PATH, unix.STATX_ALL, uintptr(unsafe.Pointer(&x)), 0)
	fmt.Printf("no name: %v\n", e == unix.EFAULT || e == 0 && x.Uid == 6 && x.Gid == 7)
	fmt.Println("empty name:", outcome(unix.Fstatat(unix.AT_FDCWD, "", &st, 0)))
	fmt.Println("no such flag:", outcome(unix.Fstatat(unix.AT_FDCWD, "/home", &st, 0x8)))
	_, _, e = unix.RawSyscall(unix.SYS_FSTAT, uintptr(deleted), 8, 0)
	fmt.Println("bad buffer:", errnoName(e))
	_, _, e = unix.RawSyscall6(unix.SYS_STATX, atCWD, 8, 0, unix.STATX_ALL, uintptr(unsafe.Pointer(&st)), 0)
	fmt.Println("bad name:", errnoName(e))
}

func TestDescriptorsWithoutPaths(t *testing.T) {
	want := `pipe: 10600 0:0
socket: 140777 0:0
none: EBADF
negative: EBADF
deleted: 100600 3:4
deleted, changed: 100600 5:4
working directory: 6:7
no name: true
empty name: ENOENT
no such flag: EINVAL
bad buffer: EFAULT
bad name: EFAULT
`
	if got := newFixture(t).writable().builder("look-at-descriptors").output(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// But for the owner, the answer is the kernel's.
func TestShownIsWhatTheKernelSays(t *testing.T) {
	got := newFixture(t).writable().builder("compare-stats").output()
	if got != "" {
		t.Errorf("with a record and without:\n%s", got)
	}
}

func compareStats([]string) {
	var before, after unix.Stat_t
	var xbefore, xafter unix.Statx_t
	get := func(st *unix.Stat_t, x *unix.Statx_t) {
		if err := unix.Lstat("/top", st); err != nil {
			fmt.Println(err)
		}
		if err := unix.Statx(unix.AT_FDCWD, "/top", 0, unix.STATX_ALL|unix.STATX_MNT_ID, x); err != nil {
			fmt.Println(err)
		}
	}
	os.WriteFile("/top", make([]byte, 10_000), 0o644)
	unix.Chown("/top", 8, 9)
	get(&after, &xafter)
	unix.Removexattr("/top", OwnerXattr)
	get(&before, &xbefore)
	if after.Uid != 8 || after.Gid != 9 || xafter.Uid != 8 || xafter.Gid != 9 {
		fmt.Println("not shown", after, xafter)
	}
	after.Uid, after.Gid, xafter.Uid, xafter.Gid = 0, 0, 0, 0
	// Taking the record away is a change of the file, too; and attributes can
	// need blocks.
	after.Ctim, xafter.Ctime = before.Ctim, xbefore.Ctime
	after.Blocks, xafter.Blocks = before.Blocks, xbefore.Blocks
	if before != after || xbefore != xafter {
		fmt.Printf("%+v\n%+v\n%+v\n%+v\n", before, after, xbefore, xafter)
	}
}

// Programs that replace a file give the new one the owner of the old one.
func TestRewritesKeepOwners(t *testing.T) {
	tests := []struct{ name, script string }{
		{"open, fstat, fchown, rename", helperPath + " builder rewrite /etc/name"},
		{"sed", "sed -i s/root/toor/ /etc/name"},
		{"cp and mv", "cp -p /etc/name /etc/new && mv /etc/new /etc/name"},
		{"tar", "cd /etc && tar cf /home/t name && rm name && tar xpf /home/t --same-owner --numeric-owner"},
		{"chown --reference", "echo x >/etc/new; chown --reference=/etc/name /etc/new; mv /etc/new /etc/name"},
		{"from a temporary directory", "cp -p /etc/name /tmp/new && mv /tmp/new /etc/name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t).writable().shell("set -e; chown 0:42 /etc/name; " + tt.script)
			f.output()
			if got := f.recorded("/etc/name"); got != "0:42" {
				t.Errorf("recorded %s, want 0:42", got)
			}
		})
	}
}

func rewrite(args []string) {
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	old, err := unix.Open(args[0], unix.O_RDONLY, 0)
	check(err)
	fd, err := unix.Open(args[0]+"+", unix.O_CREAT|unix.O_WRONLY, 0o600)
	check(err)
	var st unix.Stat_t
	check(unix.Fstat(old, &st))
	check(unix.Fchown(fd, int(st.Uid), int(st.Gid)))
	check(unix.Fchmod(fd, st.Mode&0o7777))
	check(unix.Rename(args[0]+"+", args[0]))
}

// Many processes that ask at once, with signals going on, each get the right
// answers.
func TestManyLooksInParallel(t *testing.T) {
	f := newFixture(t).writable().shell(`
		chown 3:4 /top
		for i in 1 2 3 4; do ` + helperPath + ` builder look-fast /top 3:4 2000 & ` + helperPath + ` builder look-fast /etc/name 0:0 2000 & done
		wait`)
	if got := f.output(); got != "" {
		t.Errorf("got\n%s", got)
	}
}

func lookFast(args []string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGALRM)
	every := unix.Itimerval{Interval: unix.NsecToTimeval(int64(time.Millisecond)), Value: unix.NsecToTimeval(int64(time.Millisecond))}
	unix.Setitimer(unix.ITIMER_REAL, every)
	n, _ := strconv.Atoi(args[2])
	for range n {
		for _, way := range ways[:3] {
			if got := way.show(args[0]); !strings.HasSuffix(got, " "+args[1]) {
				fmt.Println(way.name, args[0], got)
				return
			}
		}
	}
}
