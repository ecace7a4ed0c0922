package localstore

import (
	"sync"

	"golang.org/x/sys/unix"
)

// An fdSet knows which directories a parallel walk holds open, so that they are
// closed when it breaks off in the middle. The zero value is an empty set.
type fdSet struct {
	mu  sync.Mutex
	fds map[int]struct{}
}

func (s *fdSet) add(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fds == nil {
		s.fds = map[int]struct{}{}
	}
	s.fds[fd] = struct{}{}
}

func (s *fdSet) close(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fds, fd)
	// Below the lock: the number may be another directory's right after.
	unix.Close(fd)
}

func (s *fdSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for fd := range s.fds {
		unix.Close(fd)
	}
	clear(s.fds)
}
