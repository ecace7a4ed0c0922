package localstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"sysc/internal/filelock"
	"sysc/store"
)

// A session is one open store as garbage collection sees it: a file
// sessions/NAME, locked while the store is open, with a note of each thing that
// whoever opened the store relies on.
//
// The rule that makes collecting safe: a thing is noted before it is looked for,
// and both happen within the gate of the place where it is kept. The collector
// closes the gate, reads the notes, removes what is neither live nor noted, and
// opens the gate. So it has seen the note, or the other one sees that the thing
// is gone and makes it.
//
// A note counts until the session has ended and no collection is under way: one
// that took stock before the session registered its objects knows of them only by
// the notes. Sessions end with the process, so their files are never synced.
type session struct {
	name string
	file *os.File

	mu    sync.Mutex
	noted map[noteKey]struct{}
	buf   []byte
}

// A noteKey tells notes apart; 128 bits are enough for that.
type noteKey [16]byte

// Notes are written one after the other: a byte that says of what, then for a
// blob, tree or checkout its digest, for an object the length of its path, in one
// byte, and the path.
const (
	noteDigest = 'd'
	noteObject = 'o'
)

// A note names a thing that is relied on.
type note struct {
	digest store.Digest
	object store.Path // or empty
}

func (n note) key() (key noteKey) {
	if n.object == "" {
		copy(key[:], n.digest[:])
		return key
	}
	sum := sha256.Sum256([]byte(n.object))
	copy(key[:], sum[:])
	return key
}

func (n note) append(buf []byte) []byte {
	if n.object == "" {
		return append(append(buf, noteDigest), n.digest[:]...)
	}
	return append(append(buf, noteObject, byte(len(n.object))), n.object...)
}

// parseNotes calls add for each whole note of data and returns what is left: a
// note that is still being written.
func parseNotes(data []byte, add func(note)) (rest []byte, err error) {
	for len(data) > 0 {
		var n note
		end := 1 + len(n.digest)
		switch {
		case data[0] == noteObject && len(data) > 1 && data[1] > 0:
			end = 2 + int(data[1])
		case data[0] == noteDigest, data[0] == noteObject && len(data) == 1:
		default:
			return nil, fmt.Errorf("unknown note %x", data[:min(len(data), 2)])
		}
		if len(data) < end {
			return data, nil
		}
		if data[0] == noteDigest {
			copy(n.digest[:], data[1:end])
		} else {
			n.object = store.Path(data[2:end])
		}
		add(n)
		data = data[end:]
	}
	return nil, nil
}

// openSession makes a session's file in dir and locks it.
func openSession(dir string) (*session, error) {
	// A collector that finds the file before it is locked takes it for one that was
	// left over, and removes it.
	f, err := filelock.HoldNew(func() (*os.File, error) {
		var random [8]byte
		rand.Read(random[:]) // never fails, see crypto/rand
		return os.OpenFile(dir+"/"+hex.EncodeToString(random[:]), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	})
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return &session{name: filepath.Base(f.Name()), file: f, noted: map[noteKey]struct{}{}}, nil
}

// tempName makes a name that says whose it is.
func (n *session) tempName(prefix string, sequence uint64) string {
	return fmt.Sprintf("%s-%s-%d", prefix, n.name, sequence)
}

// close ends the session and removes its file, unless a collector is at work, for
// whom the notes have to stay. gcLock is the path of the collectors' lock.
func (n *session) close(gcLock string) error {
	unlock, err := filelock.TryRLock(gcLock)
	if errors.Is(err, filelock.ErrLocked) {
		// A collector removes the files of sessions that have ended when it is done. It
		// may have looked for them just before this one ended, and be done by now.
		n.file.Close()
		unlock, err = filelock.TryRLock(gcLock)
	}
	if errors.Is(err, filelock.ErrLocked) {
		return nil
	}
	defer n.file.Close()
	if err != nil {
		return err
	}
	return errors.Join(ignoreNotExist(os.Remove(n.file.Name())), unlock())
}

// has reports whether everything is noted already. Then no collector takes it
// away, and no gate is needed.
func (n *session) has(notes ...note) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range notes {
		if _, ok := n.noted[one.key()]; !ok {
			return false
		}
	}
	return true
}

// note writes down what is not noted yet, with one call. It must be within the
// gate.
func (n *session) note(notes ...note) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buf = n.buf[:0]
	for _, one := range notes {
		if _, ok := n.noted[one.key()]; !ok {
			n.buf = one.append(n.buf)
		}
	}
	if len(n.buf) == 0 {
		return nil
	}
	if _, err := n.file.Write(n.buf); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	for _, one := range notes {
		n.noted[one.key()] = struct{}{}
	}
	return nil
}

// rely notes that this session relies on things behind a gate and looks whether they
// are there, in the way that makes a collector notice.
func (n *session) rely(g *gatedDir, look func() error, notes ...note) error {
	if n.has(notes...) {
		return look()
	}
	if err := g.enter(); err != nil {
		return err
	}
	defer g.leave()
	if err := n.note(notes...); err != nil {
		return err
	}
	return look()
}

// sessions is what a collector knows of all sessions. It is safe for concurrent
// use.
type sessions struct {
	dir string

	mu      sync.Mutex
	open    map[string]*openNotes
	digests map[store.Digest]bool
	objects map[store.Path]bool
}

// openNotes is a session's file, read up to some point.
type openNotes struct {
	file *os.File
	rest []byte // a note that was still being written
}

// newSessions removes what sessions have left that ended without doing so
// themselves, and begins to read the others. The caller holds the collectors'
// lock, so that nobody else removes files.
func newSessions(dir string) (*sessions, error) {
	y := &sessions{dir: dir, open: map[string]*openNotes{}, digests: map[store.Digest]bool{}, objects: map[store.Path]bool{}}
	return y, removeEnded(dir)
}

// removeEnded removes the files of sessions that have ended. The caller holds the
// collectors' lock, maybe with others.
func removeEnded(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := dir + "/" + e.Name()
		fd, err := lockAbandoned(unix.AT_FDCWD, path)
		if err == unix.ENOENT || fd < 0 && err == nil {
			continue // it ended, or lives
		}
		if err != nil {
			return err
		}
		// Under the lock: a session that is just being made is still to take it. Whoever
		// closes the store may have removed the file meanwhile.
		if err := errors.Join(ignoreNotExist(os.Remove(path)), unix.Close(fd)); err != nil {
			return err
		}
	}
	return nil
}

// lockCollector takes the collectors' lock. what says for whom this waits. unlock gives
// it up, and then removes the files of sessions that ended meanwhile: so each that could
// not remove its own is seen to have ended.
func (s *Store) lockCollector(ctx context.Context, what string) (unlock func() error, err error) {
	path := s.path("locks/" + collectLock)
	release, err := filelock.Lock(ctx, path, s.waiter(what))
	if err != nil {
		return nil, err
	}
	return func() error {
		if err := release(); err != nil {
			return err
		}
		again, err := filelock.TryRLock(path)
		if errors.Is(err, filelock.ErrLocked) {
			return nil // the next one has it already, and will come here
		}
		if err != nil {
			return err
		}
		return errors.Join(removeEnded(s.path("sessions")), again())
	}, nil
}

// refresh reads all notes that were made up to now.
func (y *sessions) refresh() error {
	y.mu.Lock()
	defer y.mu.Unlock()
	entries, err := os.ReadDir(y.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		notes := y.open[e.Name()]
		if notes == nil {
			f, err := os.OpenFile(y.dir+"/"+e.Name(), os.O_RDONLY|unix.O_NOFOLLOW, 0)
			if err != nil {
				return err
			}
			notes = &openNotes{file: f}
			y.open[e.Name()] = notes
		}
		if err := y.read(notes); err != nil {
			return fmt.Errorf("session %s: %w", e.Name(), err)
		}
	}
	return nil
}

func (y *sessions) read(n *openNotes) error {
	data, err := io.ReadAll(n.file)
	if err != nil || len(data) == 0 {
		return err
	}
	n.rest, err = parseNotes(append(n.rest, data...), func(one note) {
		if one.object != "" {
			y.objects[one.object] = true
		} else {
			y.digests[one.digest] = true
		}
	})
	n.rest = bytes.Clone(n.rest) // not all of data
	return err
}

// hasDigest reports whether a blob, tree or checkout was noted when refresh was
// called last.
func (y *sessions) hasDigest(d store.Digest) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.digests[d]
}

// hasObject is hasDigest for an object.
func (y *sessions) hasObject(p store.Path) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.objects[p]
}

// notedObjects returns the objects that were noted when refresh was called last.
func (y *sessions) notedObjects() []store.Path {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.Collect(maps.Keys(y.objects))
}

// owns reports whether a temporary name belongs to a session that refresh saw.
func (y *sessions) owns(name string) bool {
	_, owner, ok := cutTempName(name)
	y.mu.Lock()
	defer y.mu.Unlock()
	return ok && y.open[owner] != nil
}

// close gives up the files that are open.
func (y *sessions) close() {
	for _, n := range y.open {
		n.file.Close()
	}
}

// cutTempName splits PREFIX-SESSION-NUMBER.
func cutTempName(name string) (prefix, session string, ok bool) {
	name, _, ok = lastCut(name)
	if !ok {
		return "", "", false
	}
	return lastCut(name)
}

func lastCut(name string) (before, after string, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}
