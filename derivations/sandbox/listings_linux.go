package sandbox

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A dirent is a record of getdents64(2): inode, offset of the next one, its own
// length, type, name, padding to eight bytes.
type dirent struct {
	// position is where the directory stands before it. Positions grow, and stay what
	// they are when other entries go.
	position int64
	record   []byte
}

const (
	direntOffset = 8  // of the field that is the offset
	direntLength = 16 // of the field that is the length
	direntLeast  = 24
)

// list answers getdents64(2) with what is left of a directory, from its end to its
// beginning. It returns how many bytes that are, or an error for the caller, and
// reports false when the kernel is to answer.
//
// Where the caller is in the directory stands in its descriptor, as it would
// otherwise: programs rewind it, share it, and seek in it. The offset p means that
// entries at positions less than p-1 are left, and 0 that all are.
func (r *recorder) list(n *notification) (size int64, errno unix.Errno, answered bool) {
	fd, err := borrow(n.pid, int(int32(n.args[0])))
	if err != nil {
		return 0, 0, false
	}
	defer unix.Close(fd)
	at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	if err != nil {
		return 0, 0, false
	}
	entries, ok := r.listing.read(fd, at)
	if !ok || !r.listener.valid(n.id) {
		return 0, 0, false
	}
	room := min(uint64(uint32(n.args[2])), maxListing)
	answer, next, ok := lastEntries(entries, at, int(room))
	switch {
	case !ok:
		return 0, unix.EINVAL, true
	case len(answer) == 0:
		return 0, 0, true
	case !writeMemory(int(n.pid), n.args[1], answer):
		return 0, unix.EFAULT, true
	}
	if _, err := unix.Seek(fd, next, unix.SEEK_SET); err != nil {
		return 0, errnoOf(err), true
	}
	return int64(len(answer)), 0, true
}

// A listing is what a directory had when somebody began to read it. Who goes on to
// read may be shown that, and large directories are read in many pieces.
type listing struct {
	dev, ino uint64
	entries  []dirent
}

// read returns the entries of the directory that is open as fd, for somebody who is
// at an offset in it. It reports false when that is none, or its positions do not
// grow.
func (l *listing) read(fd int, at int64) ([]dirent, bool) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, false
	}
	dev := uint64(st.Dev)
	if at != 0 && l.dev == dev && l.ino == st.Ino && l.entries != nil {
		return l.entries, true
	}
	entries, ok := readEntries(fd)
	*l = listing{dev, st.Ino, entries}
	return entries, ok
}

// maxListing bounds an answer, in bytes. Who asks for more asks again.
const maxListing = 64 << 10

// lastEntries returns the records of those entries that are left when the directory
// is at the offset at, from the last one on, as many as there is room for, and the
// offset after them. It reports false when there is no room for one.
func lastEntries(entries []dirent, at int64, room int) (answer []byte, next int64, ok bool) {
	next = at
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		offset := e.position + 1
		if at != 0 && offset >= at {
			continue
		}
		if len(answer)+len(e.record) > room {
			return answer, next, len(answer) > 0
		}
		begin := len(answer)
		answer = append(answer, e.record...)
		binary.NativeEndian.PutUint64(answer[begin+direntOffset:], uint64(offset))
		next = offset
	}
	return answer, next, true
}

// readEntries reads the directory that is open as fd, whatever position it is at.
func readEntries(fd int) ([]dirent, bool) {
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_PATH != 0 {
		return nil, false
	}
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(dir)
	var entries []dirent
	buf := make([]byte, maxListing)
	for position := int64(0); ; {
		n, err := unix.Getdents(dir, buf)
		if err != nil {
			return nil, false
		}
		if n == 0 {
			return entries, true
		}
		for rest := buf[:n]; len(rest) >= direntLeast; {
			length := int(binary.NativeEndian.Uint16(rest[direntLength:]))
			if length < direntLeast || length > len(rest) {
				return nil, false
			}
			if last := len(entries) - 1; last >= 0 && entries[last].position >= position {
				return nil, false
			}
			entries = append(entries, dirent{position, append([]byte(nil), rest[:length]...)})
			position = int64(binary.NativeEndian.Uint64(rest[direntOffset:]))
			rest = rest[length:]
		}
	}
}

// borrow returns a descriptor that shares with that of a caller what it is open at,
// its position included (pidfd_getfd(2)).
func borrow(thread uint32, fd int) (int, error) {
	process, err := unix.PidfdOpen(int(thread), unix.PIDFD_THREAD)
	if err == unix.EINVAL { // before Linux 6.9; descriptors are the process's, mostly
		var leader int
		if leader, err = processOf(thread); err == nil {
			process, err = unix.PidfdOpen(leader, 0)
		}
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, fd, 0)
}

// processOf returns the process that a thread belongs to.
func processOf(thread uint32) (int, error) {
	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(thread), 10) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if id, ok := strings.CutPrefix(line, "Tgid:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
	}
	return 0, unix.ESRCH
}
