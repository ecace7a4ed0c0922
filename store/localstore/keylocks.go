package localstore

import (
	"context"
	"sync"
)

// keyLocks keep goroutines of one store off each other's feet before they ask for the
// lock of a file. So who waits for that waits for another process, and can tell a
// user. Their zero value is ready for use.
type keyLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when it is free again
}

// lock waits until the key is free or ctx is done.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		busy, ok := k.held[key]
		if !ok {
			unlock := k.hold(key)
			k.mu.Unlock()
			return unlock, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// hold is called with mu locked.
func (k *keyLocks) hold(key string) (unlock func()) {
	if k.held == nil {
		k.held = make(map[string]chan struct{})
	}
	free := make(chan struct{})
	k.held[key] = free
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.held[key] == free { // it may be given up twice
			delete(k.held, key)
			close(free)
		}
	}
}
