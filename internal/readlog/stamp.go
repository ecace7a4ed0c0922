package readlog

import (
	"io/fs"
	"syscall"
	"time"
)

// A stamp is what the file system says about a file without reading it. Changing
// the file changes ctime at least, which nobody can set.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // ns
}

// racy is how long after a change another one may come to have the same times:
// the coarsest granularity of times in file systems.
const racy = 2 * time.Second

// stampOf returns the stamp of a file that is about to be read, or is compared
// with what was read. It is zero when the file was changed so shortly before now that
// a later change could not be told from that.
func stampOf(info fs.FileInfo, now time.Time) stamp {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}
	}
	s := stamp{uint64(sys.Dev), sys.Ino, sys.Size, sys.Mtim.Nano(), sys.Ctim.Nano()}
	if max(s.mtime, s.ctime) > now.Add(-racy).UnixNano() {
		return stamp{}
	}
	return s
}
