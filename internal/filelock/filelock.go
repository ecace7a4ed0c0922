// Package filelock keeps processes, and the goroutines of one process, off each
// other's feet by locks on files (flock(2)). A lock ends with the process that
// holds it, however that ends, so there are no stale locks.
//
// They order what is done to files. Memory that goroutines share needs a mutex
// besides: Go's memory model knows nothing of file locks.
//
// Locks of several keys are to be taken in the sorted order of their paths.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked is what [TryLock] returns, wrapped, when somebody else holds the
// lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes the exclusive lock of the file at path, which is made, with mode
// 0600, if it is missing. When somebody else holds the lock, wait (if not nil)
// is called once with who that is, as "pid 4711 (sysc)", and Lock waits until
// the lock is free or ctx is done. Errors wrap that of the system call or the
// context; no file was made then.
func Lock(ctx context.Context, path string, wait func(holder string)) (unlock func() error, err error) {
	return acquire(ctx, path, unix.LOCK_EX, wait)
}

// RLock is [Lock] for a shared lock: many may hold it, but none beside an
// exclusive one.
func RLock(ctx context.Context, path string, wait func(holder string)) (unlock func() error, err error) {
	return acquire(ctx, path, unix.LOCK_SH, wait)
}

// TryLock is [Lock] without waiting: it returns [ErrLocked], wrapped, with the
// holder in the message.
func TryLock(path string) (unlock func() error, err error) { return try(path, unix.LOCK_EX) }

// TryRLock is [RLock] without waiting, as [TryLock].
func TryRLock(path string) (unlock func() error, err error) { return try(path, unix.LOCK_SH) }

func try(path string, how int) (unlock func() error, err error) {
	for {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := flock(f, how|unix.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("lock %s: %w: %s", path, ErrLocked, holder(f))
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if current(f, path) {
			return held(f, how), nil
		}
		f.Close()
	}
}

// held signs a file that was locked and returns how to give it up. The
// signature says who holds the lock. It is for messages only, so a full disk does
// not matter.
func held(f *os.File, how int) (unlock func() error) {
	if how == unix.LOCK_SH {
		return f.Close
	}
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(describe(os.Getpid())+"\n"), 0)
	}
	return func() error {
		f.Truncate(0)
		return f.Close()
	}
}

// Remove deletes the lock file at path. Only the holder of its exclusive lock
// may call it; whoever waits for the lock notices and makes a new file.
func Remove(path string) error { return os.Remove(path) }

func acquire(ctx context.Context, path string, how int, wait func(string)) (unlock func() error, err error) {
	for {
		// Who gives up leaves no file that others would have to remove: this is looked
		// at before one is made, and then only while somebody else has the lock.
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		if err := claim(ctx, f, how, wait); err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if current(f, path) {
			return held(f, how), nil
		}
		// Its last holder removed it while this one waited.
		f.Close()
	}
}

// claim locks f. It closes f on an error.
func claim(ctx context.Context, f *os.File, how int, wait func(string)) error {
	err := flock(f, how|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return err
	}
	if wait != nil {
		wait(holder(f))
	}
	got := make(chan error, 1)
	go func() { got <- flock(f, how) }()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
		}
		return err
	case <-ctx.Done():
		// The system call cannot be called off: Go's signal handlers restart it.
		// Whenever the lock comes, it is given back at once.
		go func() {
			<-got
			f.Close()
		}()
		return ctx.Err()
	}
}

func open(path string) (*os.File, error) {
	// 0600: a lock that others can open is one that they can hold for ever.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// Hold locks a file that the caller has open, exclusively and until it is closed.
// Nothing is written to it, so it can be any file. It waits for others without an
// end: they must hold the lock for moments only, as [Held] does.
func Hold(f *os.File) error { return flock(f, unix.LOCK_EX) }

// HoldNew makes a file and holds its lock, for what others take away as soon as nobody
// holds it: they may come between the two, and then create is called again. It makes
// one file, of a name that is free.
func HoldNew(create func() (*os.File, error)) (*os.File, error) {
	for {
		f, err := create()
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = errors.Join(Hold(f), unix.Fstat(int(f.Fd()), &st))
		if err == nil && st.Nlink > 0 {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

// Held reports whether somebody holds the lock of an open file that is not theirs
// by the same opening.
func Held(f *os.File) (bool, error) {
	switch err := flock(f, unix.LOCK_SH|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, err
	}
	return false, flock(f, unix.LOCK_UN)
}

// flock locks by the descriptor, through SyscallConn so that the file cannot
// be closed, and its number reused, while the call waits.
func flock(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = raw.Control(func(fd uintptr) {
		for {
			if lockErr = unix.Flock(int(fd), how); lockErr != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, lockErr)
}

// current reports whether f is still the file at path.
func current(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	want, err := os.Lstat(path)
	return err == nil && os.SameFile(have, want)
}
