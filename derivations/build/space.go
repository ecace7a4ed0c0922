package build

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sysc/internal/bytesize"
)

// A FullError says that a program failed on a full disk, for that very likely. It
// unwraps to ENOSPC and to how the program ended.
type FullError struct {
	Free  int64 // bytes
	Cause error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%v; the store's disk is full, it has %s free", e.Cause, bytesize.Format(e.Free))
}

// Unwrap returns ENOSPC and the cause.
func (e *FullError) Unwrap() []error { return []error{unix.ENOSPC, e.Cause} }

// fullBelow is with how little free a disk counts as full, in bytes: whoever needs
// more gets an error and may leave a bit.
const fullBelow = 4 << 20

// orFull returns why a program failed whose files are still in dir: err, or that the
// disk is full. A builder only says so in its own words.
func orFull(err error, dir string) error {
	var st unix.Statfs_t
	if statErr := unix.Statfs(dir, &st); statErr != nil {
		return err
	}
	if free := freeBytes(&st, os.Geteuid()); free < fullBelow || st.Files > 0 && st.Ffree == 0 {
		return &FullError{Free: free, Cause: err}
	}
	return err
}

// freeBytes is the room that a user has: the superuser's reserve is for nobody else.
func freeBytes(st *unix.Statfs_t, uid int) int64 {
	if uid == 0 {
		return int64(st.Bfree) * st.Bsize
	}
	return int64(st.Bavail) * st.Bsize
}
