package sandbox

import (
	"errors"
	"os"
	"sync"
)

// Shared is what the sandboxes of one process can have in common: it takes a
// process to make, which for a large one costs as much as the rest. It is safe for
// concurrent use.
type Shared struct {
	mu    sync.Mutex
	tried bool
	ids   *os.File // see translation
	err   error

	startOnce sync.Once
	start     *starter // nil when there is none
}

// Close gives it up. No sandbox may run any more that uses it, nor later.
func (s *Shared) Close() error {
	s.startOnce.Do(func() {}) // so that there will be none
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.ids != nil {
		errs = append(errs, s.ids.Close())
		s.ids, s.tried = nil, false
	}
	if s.start != nil {
		errs = append(errs, s.start.close())
		s.start = nil
	}
	return errors.Join(errs...)
}

// starter returns what starts sandboxes, or nil when it cannot be had.
func (s *Shared) starter() *starter {
	s.startOnce.Do(func() { s.start, _ = newStarter() })
	return s.start
}
