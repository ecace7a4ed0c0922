package localstore

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A syncer makes everything durable that was written before, with one
// syncfs(2) for all who ask at the same time: syncing every file costs forty
// times as much.
type syncer struct {
	store *Store

	mu       sync.Mutex
	changed  sync.Cond
	running  bool
	started  uint64 // rounds
	finished uint64
	// err is that of the first round that failed. It stays: the kernel reports a
	// write that went wrong once, and nothing written since can be trusted.
	err error
}

func newSyncer(s *Store) *syncer {
	y := &syncer{store: s}
	y.changed.L = &y.mu
	return y
}

// sync returns when a round that began after the call has ended.
func (y *syncer) sync() error {
	y.mu.Lock()
	defer y.mu.Unlock()
	need := y.started + 1
	for y.finished < need && y.err == nil {
		if y.running {
			y.changed.Wait()
			continue
		}
		y.running = true
		y.started++
		round := y.started
		y.mu.Unlock()
		err := y.store.syncNow()
		y.mu.Lock()
		y.running = false
		y.finished = round
		if err != nil && y.err == nil {
			y.err = err
		}
		y.changed.Broadcast()
	}
	return y.err
}

func (s *Store) syncNow() error {
	began := time.Now()
	s.opts.Progress.begin(&work{name: "Writing to disk"})
	f, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return s.advanceDirty(began)
}
