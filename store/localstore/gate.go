package localstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A gatedDir is an open directory with a gate. A gate is passed, by any number of
// processes and goroutines at once, to note something and see whether it is there,
// and closed by a collector to remove things. It is a lock on the directory.
//
// The kernel would let a collector wait for as long as there is always somebody
// within. So who comes to an empty gate passes a turnstile first, and a collector
// that waits keeps that shut: the lock on another directory, which all gates share.
type gatedDir struct {
	fd        int
	turnstile int

	mu    sync.Mutex
	users int       // who are within the gate, in this process
	since time.Time // since when there have been some
	empty sync.Cond // there are none
}

// gateTurn is for how long users of a gate let others join them. Without an end to
// that, a process with many goroutines would never let a collector in.
const gateTurn = 10 * time.Millisecond

func openGatedDir(path, turnstile string) (*gatedDir, error) {
	g := &gatedDir{}
	g.empty.L = &g.mu
	var err error
	if g.fd, err = openDir(unix.AT_FDCWD, path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if g.turnstile, err = openDir(unix.AT_FDCWD, turnstile); err != nil {
		unix.Close(g.fd)
		return nil, fmt.Errorf("open %s: %w", turnstile, err)
	}
	return g, nil
}

func (g *gatedDir) close() error {
	return errors.Join(unix.Close(g.fd), unix.Close(g.turnstile))
}

// enter waits while the gate is closed, which is for milliseconds. Who is within
// must not enter again.
func (g *gatedDir) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.users > 0 && time.Since(g.since) > gateTurn {
		g.empty.Wait()
	}
	if g.users == 0 {
		if err := g.lock(); err != nil {
			return fmt.Errorf("enter gate: %w", err)
		}
		g.since = time.Now()
	}
	g.users++
	return nil
}

// lock takes the lock, which belongs to the descriptor: all goroutines share it.
func (g *gatedDir) lock() error {
	if err := flock(g.turnstile, unix.LOCK_SH); err != nil {
		return err
	}
	return errors.Join(flock(g.fd, unix.LOCK_SH), flock(g.turnstile, unix.LOCK_UN))
}

func (g *gatedDir) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 {
		flock(g.fd, unix.LOCK_UN) // fails only for a bad descriptor
		g.empty.Broadcast()
	}
}

// shut closes the gate for everybody, this process included, until reopen is
// called.
func (g *gatedDir) shut(ctx context.Context) (reopen func(), err error) {
	turnstile, err := lockAgain(ctx, g.turnstile)
	if err != nil {
		return nil, err
	}
	defer unix.Close(turnstile)
	gate, err := lockAgain(ctx, g.fd)
	if err != nil {
		return nil, err
	}
	return func() { unix.Close(gate) }, nil
}

// lockAgain locks an open directory against everybody, those included who share
// the descriptor: by another one, which unlocks when it is closed.
func lockAgain(ctx context.Context, dir int) (fd int, err error) {
	own, err := openDir(dir, ".")
	if err != nil {
		return -1, err
	}
	done := make(chan error, 1)
	go func() { done <- flock(own, unix.LOCK_EX) }()
	select {
	case err := <-done:
		if err != nil {
			unix.Close(own)
			return -1, fmt.Errorf("close gate: %w", err)
		}
		return own, nil
	case <-ctx.Done():
		go func() {
			<-done
			unix.Close(own)
		}()
		return -1, ctx.Err()
	}
}

func flock(fd, how int) error {
	return ignoreEINTR(func() error { return unix.Flock(fd, how) })
}
