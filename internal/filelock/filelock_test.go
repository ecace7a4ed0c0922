package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, counter atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				unlock, err := Lock(context.Background(), path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				counter.Add(1)
				inside.Add(-1)
				// Removing the file must not let two in at once.
				if err := errors.Join(Remove(path), unlock()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if counter.Load() != 400 {
		t.Errorf("%d, want 400", counter.Load())
	}
}

func TestHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path, nil)
	must(t, err)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	want := fmt.Sprintf("pid %d (", os.Getpid())
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want ErrLocked by %q", err, want)
	}
	var told []string
	second, err := Lock(t.Context(), path, func(holder string) {
		told = append(told, holder)
		must(t, unlock())
	})
	must(t, err)
	if len(told) != 1 || !strings.HasPrefix(told[0], want) {
		t.Errorf("told %q, want %q", told, want)
	}
	must(t, second())
	if data, err := os.ReadFile(path); err != nil || len(data) > 0 {
		t.Errorf("free, but it says %q, %v", data, err)
	}
}

func TestCancel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path, nil)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, path, func(string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	must(t, unlock())
	// The wait that was given up does not keep the lock.
	again, err := Lock(t.Context(), path, nil)
	must(t, err)
	must(t, again())
}

// TestCancelLeavesNothing: whoever removes the file when it gives the lock back does
// not know of one that others made in vain.
func TestCancelLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	none := func(when string) {
		t.Helper()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a file (%v)", when, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(cancelled, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	none("cancelled before")

	unlock, err := Lock(t.Context(), path, nil)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Lock(ctx, path, func(string) {
		// The lock comes, of a file that is gone by then, and so does the end.
		cancel()
		must(t, errors.Join(Remove(path), unlock()))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	none("cancelled while it waited")
}

func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := RLock(t.Context(), path, nil)
	must(t, err)
	another, err := TryRLock(path)
	must(t, err)
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("exclusive beside shared: %v", err)
	}
	must(t, another())
	waited := false
	exclusive, err := Lock(t.Context(), path, func(string) {
		waited = true
		must(t, unlock())
	})
	must(t, err)
	if !waited {
		t.Error("did not wait for the other holder")
	}
	if _, err := TryRLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("shared beside exclusive: %v", err)
	}
	must(t, exclusive())
}

// TestHoldNew: a file that somebody takes away before it is locked is made again.
func TestHoldNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	made := 0
	f, err := HoldNew(func() (*os.File, error) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if made++; made == 1 && err == nil {
			err = os.Remove(path)
		}
		return f, err
	})
	must(t, err)
	defer f.Close()
	if made != 2 || !current(f, path) {
		t.Errorf("made %d times, there: %t", made, current(f, path))
	}
	other, err := os.Open(path)
	must(t, err)
	defer other.Close()
	if held, err := Held(other); err != nil || !held {
		t.Errorf("held: %t, %v", held, err)
	}
	if _, err := HoldNew(func() (*os.File, error) { return nil, os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestNoSymlink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "lock")))
	if _, err := Lock(t.Context(), filepath.Join(dir, "lock"), nil); err == nil {
		t.Error("followed a link")
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("made a file through a link")
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[2Jb\n"), `a\x1b[2Jb`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
