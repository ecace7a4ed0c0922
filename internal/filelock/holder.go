package filelock

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder says for people who holds a lock on f: what the kernel lists, or else
// what an exclusive holder wrote into the file.
func holder(f *os.File) string {
	if names := listed(f); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	const most = 100
	buf := make([]byte, most)
	n, _ := f.ReadAt(buf, 0)
	if text := strings.TrimSpace(string(buf[:n])); text != "" {
		return printable(text)
	}
	return "an unknown process"
}

// listed reads /proc/locks, see proc_locks(5): lines as
//
//	1: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF
//
// Lines with "->" are waiters. Only the inode is compared, because some file
// systems (btrfs, overlayfs) list another device than stat(2) has; hence a
// stranger may be named on a rare coincidence, in a message.
func listed(f *os.File) []string {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return nil
	}
	defer locks.Close()
	var names []string
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" {
			continue
		}
		place := strings.Split(fields[5], ":")
		if place[len(place)-1] != strconv.FormatUint(st.Ino, 10) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			names = append(names, describe(pid))
		}
	}
	return names
}

// describe returns "pid N (command)".
func describe(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("pid %d", pid)
	}
	return fmt.Sprintf("pid %d (%s)", pid, printable(string(comm)))
}

// printable keeps a process's name, which it chooses itself, from writing
// control characters to a terminal.
func printable(s string) string {
	return strings.Trim(strconv.QuoteToGraphic(strings.TrimSpace(s)), `"`)
}
