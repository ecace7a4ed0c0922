package sandbox

import (
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
}

// Close gives it up. Sandboxes that run do not need it any more.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		return nil
	}
	err := s.ids.Close()
	s.ids, s.tried = nil, false
	return err
}
