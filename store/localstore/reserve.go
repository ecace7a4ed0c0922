package localstore

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
)

// reserveSize is the length of the file that keeps room for the database: on a
// full disk, garbage could not be collected without it. [Options.UseReserve] and
// [Store.GC] give it up; the end of a collection takes it again.
const reserveSize = 8 << 20

// makeReserve takes the room, unless it is taken or there is none.
func (s *Store) makeReserve() error {
	path := s.path("reserve")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(allocate(f, reserveSize), f.Close())
	}
	if err == nil || !isFull(err) {
		return err
	}
	return s.dropReserve()
}

// allocate gives a file room on the disk.
func allocate(f *os.File, size int64) error {
	err := ignoreEINTR(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if err != unix.EOPNOTSUPP {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return err
}

func (s *Store) dropReserve() error { return ignoreNotExist(os.Remove(s.path("reserve"))) }

// isFull reports whether an error may be for want of room. SQLite says so in
// several ways.
func isFull(err error) bool {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return true
	}
	switch sqlite.ErrCode(err) {
	case sqlite.ResultFull, sqlite.ResultIOErrWrite, sqlite.ResultIOErrSHMSize, sqlite.ResultIOErrSHMOpen, sqlite.ResultIOErrTruncate:
		return true
	}
	return false
}
