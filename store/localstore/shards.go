package localstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// shards are the 256 directories that blobs or trees are spread over, by the
// first byte of their digest, and open descriptors of those in use, so that no
// look-up walks a path. They have one gate, so that many blobs can be looked up
// within it. It is safe for concurrent use.
type shards struct {
	dir     string
	gate    *gatedDir
	shardMu [256]sync.Mutex
	fds     [256]int // 0: not open yet
}

func openShards(dir, turnstile string) (*shards, error) {
	gate, err := openGatedDir(dir, turnstile)
	if err != nil {
		return nil, err
	}
	return &shards{dir: dir, gate: gate}, nil
}

// fd returns the descriptor of the directory for d. With create it is made when
// it is missing, otherwise that is store.ErrNotExist.
func (s *shards) fd(d store.Digest, create bool) (int, error) {
	i := d[0]
	s.shardMu[i].Lock()
	defer s.shardMu[i].Unlock()
	if s.fds[i] != 0 {
		return s.fds[i], nil
	}
	fd, err := openDir(s.gate.fd, shardName(i))
	if err == unix.ENOENT {
		if !create {
			return -1, store.ErrNotExist
		}
		if err := makeDir(filepath.Join(s.dir, shardName(i)), 0o755); err != nil {
			return -1, err
		}
		fd, err = openDir(s.gate.fd, shardName(i))
	}
	if err != nil {
		return -1, fmt.Errorf("open %s/%s: %w", s.dir, shardName(i), err)
	}
	s.fds[i] = fd
	return fd, nil
}

// existing returns the first bytes of digests for which there is a directory.
func (s *shards) existing() []byte {
	var all []byte
	for i := range s.fds {
		// Other errors are for who works on it.
		if _, err := s.fd(store.Digest{byte(i)}, false); !errors.Is(err, store.ErrNotExist) {
			all = append(all, byte(i))
		}
	}
	return all
}

func (s *shards) close() error {
	errs := []error{s.gate.close()}
	for i := range s.fds {
		s.shardMu[i].Lock()
		if s.fds[i] != 0 {
			errs = append(errs, unix.Close(s.fds[i]))
			s.fds[i] = 0
		}
		s.shardMu[i].Unlock()
	}
	return errors.Join(errs...)
}

func shardName(i byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[i>>4], digits[i&15]})
}

// shardedName is a digest's name in its directory.
func shardedName(d store.Digest) string { return d.Hex()[2:] }

// parseSharded is the reverse of the two above.
func parseSharded(shard, name string) (store.Digest, bool) {
	d, err := store.ParseDigest(shard + name)
	return d, err == nil && len(shard) == 2
}

// ignoreEINTR repeats a system call that a signal broke off. Go installs its
// handlers with SA_RESTART, but network and FUSE file systems interrupt all the
// same (go.dev/issue/40846).
func ignoreEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func openAt(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = ignoreEINTR(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
		return err
	})
	return fd, err
}

func openDir(dir int, name string) (int, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// listDir returns the names in an open directory, in the order of the disk.
func listDir(fd int) ([]string, error) {
	// A descriptor of its own, because reading moves a position.
	own, err := openDir(fd, ".")
	if err != nil {
		return nil, err
	}
	defer unix.Close(own)
	return readNames(own)
}

var nameBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// readNames is listDir for a descriptor that nobody else reads, once.
func readNames(fd int) (names []string, err error) {
	err = readDirents(fd, func(entries []byte) {
		_, _, names = unix.ParseDirent(entries, -1, names)
	})
	return names, err
}

// readSorts is readNames with which of them are directories, as far as the file
// system says so.
func readSorts(fd int) (names []string, dirs []bool, err error) {
	err = readDirents(fd, func(entries []byte) {
		for len(entries) > 0 {
			const length, sort = unsafe.Offsetof(unix.Dirent{}.Reclen), unsafe.Offsetof(unix.Dirent{}.Type)
			one := entries[:binary.NativeEndian.Uint16(entries[length:])]
			entries = entries[len(one):]
			_, n, more := unix.ParseDirent(one, -1, names)
			names, dirs = more, append(dirs, make([]bool, n)...)
			if n == 1 {
				dirs[len(dirs)-1] = one[sort] == unix.DT_DIR
			}
		}
	})
	return names, dirs, err
}

// readDirents calls parse with all entries of a directory, as getdents64(2) lays
// them out.
func readDirents(fd int, parse func(entries []byte)) error {
	bufp := nameBuffers.Get().(*[]byte)
	defer nameBuffers.Put(bufp)
	for {
		n := 0
		err := ignoreEINTR(func() (err error) {
			n, err = unix.Getdents(fd, *bufp)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		parse((*bufp)[:n])
	}
}
