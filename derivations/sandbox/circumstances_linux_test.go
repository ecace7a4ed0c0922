package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// elsewhere are circumstances that differ in everything.
var elsewhere = Circumstances{OneProcessor: true, ReverseListings: true, ClockShift: 400 * 24 * time.Hour}

// tellTime prints the time by each of the ways there are, in seconds of the day's
// clock, one of them by a program that somebody else compiled.
func tellTime([]string) {
	var ts unix.Timespec
	for _, clock := range []int32{unix.CLOCK_REALTIME, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_TAI} {
		unix.ClockGettime(clock, &ts)
		fmt.Println(ts.Sec)
	}
	var tv unix.Timeval
	unix.Gettimeofday(&tv)
	fmt.Println(tv.Sec)
	fmt.Println(time.Now().Unix())
}

// readNames prints the names in a directory as they come, "." and ".." left out.
func readNames(args []string) {
	dir, err := os.Open(args[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	fmt.Println(strings.Join(names, " "), err)
}

// emptyByReading removes all files of a directory while it reads it, by so many
// bytes at a time, as rm does, and prints what is left.
func emptyByReading(args []string) {
	dir, err := os.Open(args[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 128)
	for {
		n, err := unix.Getdents(int(dir.Fd()), buf)
		if err != nil || n == 0 {
			break
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			os.Remove(filepath.Join(args[0], name))
		}
	}
	left, err := os.ReadDir(args[0])
	fmt.Println(len(left), err)
}

// readTwice reads a directory, rewinds it and reads it once more, by two
// descriptors in turn that share their position.
func readTwice(args []string) {
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	other, _ := unix.Dup(fd)
	for range 2 {
		var all []string
		buf := make([]byte, 64)
		for turn := 0; ; turn++ {
			n, err := unix.Getdents([]int{fd, other}[turn%2], buf)
			if err != nil || n == 0 {
				break
			}
			_, _, names := unix.ParseDirent(buf[:n], -1, nil)
			all = append(all, names...)
		}
		fmt.Println(strings.Join(all, " "))
		unix.Seek(fd, 0, unix.SEEK_SET)
	}
}

// readBadly asks for listings as nobody should.
func readBadly(args []string) {
	fd, _ := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	_, err := unix.Getdents(fd, make([]byte, 8))
	fmt.Println(outcome(err))
	_, err = unix.Getdents(999, make([]byte, 4096))
	fmt.Println(outcome(err))
	file, _ := unix.Open("/proc/self/exe", unix.O_RDONLY, 0)
	_, err = unix.Getdents(file, make([]byte, 4096))
	fmt.Println(outcome(err))
	_, _, errno := unix.Syscall(unix.SYS_GETDENTS64, uintptr(fd), 8, 4096)
	fmt.Println(outcome(errno))
}

func (f *fixture) files(n int) string {
	dir := filepath.Join(f.build, "many")
	must(f.t, os.Mkdir(dir, 0o755))
	for i := range n {
		must(f.t, os.WriteFile(filepath.Join(dir, fmt.Sprint("file-", i)), nil, 0o644))
	}
	return "/build/many"
}

func TestListingsInReverse(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 3000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			f := newFixture(t)
			dir := f.files(n)
			usual := strings.Fields(f.builder("names", dir).output())
			f.spec.Circumstances.ReverseListings = true
			reversed := strings.Fields(f.builder("names", dir).output())
			last := len(usual) - 1 // the error
			if len(usual) != n+1 || usual[last] != "<nil>" {
				t.Fatalf("%d files are listed as %v", n, usual)
			}
			slices.Reverse(usual[:last])
			if !slices.Equal(usual, reversed) {
				t.Errorf("got  %v\nwant %v", reversed, usual)
			}
		})
	}
}

func TestListingsInReverseOfAnyFileSystem(t *testing.T) {
	f := newFixture(t)
	f.spec.Circumstances.ReverseListings = true
	const script = `cd /tmp && touch a b c && set -- $(ls -U) && echo $#; cd /dev && set -- $(ls -U) && test $# -gt 5 && echo devices
		cd /proc && ls -U | grep -c '^[0-9]' ; cd / && ls -U | grep -c '^usr$'`
	if got, want := f.shell(script).output(), "3\ndevices\n"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n1\n") {
		t.Errorf("got %q, want %q and more", got, want)
	}
}

func TestListingsThatShrink(t *testing.T) {
	f := newFixture(t)
	f.spec.Circumstances.ReverseListings = true
	if got := f.builder("empty", f.files(500)).output(); got != "0 <nil>\n" {
		t.Errorf("left over: %s", got)
	}
}

func TestListingsThatAreReadAgain(t *testing.T) {
	f := newFixture(t)
	f.spec.Circumstances.ReverseListings = true
	got := strings.Split(f.builder("read-twice", f.files(20)).output(), "\n")
	if got[0] != got[1] || len(strings.Fields(got[0])) != 20 {
		t.Errorf("got %q", got)
	}
}

func TestListingsThatCannotBe(t *testing.T) {
	f := newFixture(t)
	dir := f.files(3)
	usual := f.builder("read-badly", dir).output()
	f.spec.Circumstances.ReverseListings = true
	if got := f.builder("read-badly", dir).output(); got != usual {
		t.Errorf("got %q, want %q", got, usual)
	}
}

func TestListingsOfAWritableRoot(t *testing.T) {
	f := newFixture(t).writable()
	f.spec.Circumstances = elsewhere
	dir := filepath.Join(f.spec.Root, "home", "d")
	must(t, os.Mkdir(dir, 0o755))
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	opened, err := os.Open(dir)
	must(t, err)
	defer opened.Close()
	usual, err := opened.Readdirnames(-1)
	must(t, err)
	slices.Reverse(usual)
	if got := f.builder("names", "/home/d").output(); got != strings.Join(usual, " ")+" <nil>\n" {
		t.Errorf("got %q, want %v", got, usual)
	}
}

// within checks that each line is a time of the day's clock, some seconds after
// begin at most.
func within(t *testing.T, out string, begin time.Time) {
	t.Helper()
	for line := range strings.Lines(out) {
		var sec int64
		if _, err := fmt.Sscan(line, &sec); err != nil {
			t.Errorf("no time: %q", line)
		}
		const tai = 37 // seconds ahead
		if d := sec - begin.Unix(); d < -1 || d > 60+tai {
			t.Errorf("a clock is %d s ahead of what it shall be", d)
		}
	}
}

func TestClockOfTheDay(t *testing.T) {
	f := newFixture(t).builder("tell-time")
	within(t, f.output(), time.Now())
	f.spec.Circumstances.ClockShift = elsewhere.ClockShift
	within(t, f.output(), time.Now().Add(elsewhere.ClockShift))
}

func TestClockOfOtherPrograms(t *testing.T) {
	f := newFixture(t)
	f.spec.Circumstances.ClockShift = elsewhere.ClockShift
	within(t, f.shell(`date +%s; sh -c 'date +%s'; (date +%s); perl -e 'print time, "\n"'`).output(), time.Now().Add(elsewhere.ClockShift))
}

// TestClockThatIsWaitedFor has a thread wait until a moment of the day's clock,
// which the kernel knows as a moment in a year.
func TestClockThatIsWaitedFor(t *testing.T) {
	f := newFixture(t)
	f.spec.Circumstances.ClockShift = elsewhere.ClockShift
	f.spec.Timeout = time.Minute
	begin := time.Now()
	out := f.builder("wait-until", "300").output()
	took := time.Since(begin)
	if out != "timed out\n" || took < 300*time.Millisecond {
		t.Errorf("after %v: %q", took, out)
	}
}

// waitUntil waits by futex(2) for so many milliseconds by the day's clock.
func waitUntil(args []string) {
	var ms int64
	fmt.Sscan(args[0], &ms)
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_REALTIME, &ts)
	limit := unix.NsecToTimespec(ts.Nano() + ms*1e6)
	word := new(uint32)
	for {
		const waitBitset = 9
		errno := futex(word, waitBitset|futexClockRealtime, &limit)
		if errno == unix.ETIMEDOUT {
			fmt.Println("timed out")
			return
		}
		if errno != 0 && errno != unix.EINTR {
			fmt.Println(errno)
			return
		}
	}
}

func futex(word *uint32, op uintptr, limit *unix.Timespec) unix.Errno {
	const anyBit = 0xffffffff
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, 0, uintptr(unsafe.Pointer(limit)), 0, anyBit)
	return errno
}

func TestOneProcessor(t *testing.T) {
	f := newFixture(t).shell("nproc")
	usual := strings.TrimSpace(f.output())
	f.spec.Circumstances.OneProcessor = true
	one := strings.TrimSpace(f.output())
	if one != "1" || usual != fmt.Sprint(runtime.NumCPU()) {
		t.Errorf("%s processors, usually %s", one, usual)
	}
}

func TestClockIsNeverLate(t *testing.T) {
	f := newFixture(t).builder("exit", "0")
	f.spec.Circumstances.ClockShift = -time.Second
	if _, err := Run(t.Context(), f.spec); err == nil {
		t.Error("no error")
	}
}
