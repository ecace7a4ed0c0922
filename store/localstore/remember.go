package localstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// A memory knows the digests of files of one directory from the last time that it
// was added, by what stat(2) said then, as git's index does. It is a cache: a
// damaged one is forgotten, and it is never synced.
//
// It is kept in cache/<id>, named by the path of the directory: a line that says
// what it is, records sorted by path, and the SHA-256 of all that.
type memory struct {
	path  string
	known map[string]remembered
	// newest is the latest change time that is remembered: a file that was changed
	// just now might be changed again without its time showing it.
	newest time.Time

	mu    sync.Mutex
	files map[string]remembered // of this time
}

// remembered is a file.
type remembered struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // ns
	digest       store.Digest
}

const (
	memoryMagic = "sysc files 1\n"
	// memoryRacy is how old a change must be: some ticks of the slowest kernel
	// clock.
	memoryRacy = 30 * time.Millisecond
	maxMemory  = 1 << 30
)

// recall opens the memory of a directory.
func (s *Store) recall(dir string) (*memory, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m := &memory{
		path:   s.path("cache/" + store.EncodeID(store.DigestOf([]byte(abs)))),
		newest: time.Now().Add(-memoryRacy), files: map[string]remembered{},
	}
	data, err := readMemory(m.path)
	if err != nil {
		return nil, err
	}
	m.known = decodeMemory(data)
	return m, nil
}

func readMemory(path string) ([]byte, error) {
	data, err := readSmall(unix.AT_FDCWD, path, maxMemory)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) {
		return nil, nil // a link gives way to the file that is written
	}
	return data, err
}

func newRemembered(st *unix.Stat_t, d store.Digest) remembered {
	return remembered{
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size,
		mtime: time.Unix(st.Mtim.Unix()).UnixNano(), ctime: time.Unix(st.Ctim.Unix()).UnixNano(), digest: d,
	}
}

// lookUp returns the entry of a file that did not change.
func (m *memory) lookUp(path string, st *unix.Stat_t) (tree.Entry, bool) {
	known, ok := m.known[path]
	if !ok || newRemembered(st, known.digest) != known {
		return tree.Entry{}, false
	}
	return tree.Entry{Type: tree.File, Mode: tree.CanonicalMode(tree.File, st.Mode), Size: st.Size, Digest: known.digest}, true
}

// remember notes a file whose contents were read after st was asked for.
func (m *memory) remember(path string, st *unix.Stat_t, d store.Digest) {
	if time.Unix(st.Ctim.Unix()).After(m.newest) {
		return
	}
	m.mu.Lock()
	m.files[path] = newRemembered(st, d)
	m.mu.Unlock()
}

// keep writes what was remembered this time, unless it is the same.
func (m *memory) keep(s *Store) error {
	if len(m.files) == len(m.known) && m.sameAsKnown() {
		return nil
	}
	dir, err := openDir(unix.AT_FDCWD, filepath.Dir(m.path))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return s.writeFile(dir, filepath.Base(m.path), encodeMemory(m.files), tree.ModeFile, unix.Renameat)
}

func (m *memory) sameAsKnown() bool {
	for path, f := range m.files {
		if m.known[path] != f {
			return false
		}
	}
	return true
}

func encodeMemory(files map[string]remembered) []byte {
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	out := []byte(memoryMagic)
	for _, path := range paths {
		f := files[path]
		out = binary.LittleEndian.AppendUint32(out, uint32(len(path)))
		out = append(out, path...)
		for _, n := range []uint64{f.dev, f.ino, uint64(f.size), uint64(f.mtime), uint64(f.ctime)} {
			out = binary.LittleEndian.AppendUint64(out, n)
		}
		out = append(out, f.digest[:]...)
	}
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

// decodeMemory returns nothing for what encodeMemory did not write.
func decodeMemory(data []byte) map[string]remembered {
	known := map[string]remembered{}
	body := len(data) - sha256.Size
	if body < 0 || !strings.HasPrefix(string(data[:min(body, len(memoryMagic))]), memoryMagic) ||
		sha256.Sum256(data[:body]) != [sha256.Size]byte(data[body:]) {
		return known
	}
	const fixed = 5*8 + len(store.Digest{})
	for rest := data[len(memoryMagic):body]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil
		}
		n := int(binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
		if n > len(rest)-fixed {
			return nil
		}
		path := string(rest[:n])
		rest = rest[n:]
		number := func(i int) uint64 { return binary.LittleEndian.Uint64(rest[8*i:]) }
		known[path] = remembered{
			dev: number(0), ino: number(1), size: int64(number(2)), mtime: int64(number(3)), ctime: int64(number(4)),
			digest: store.Digest(rest[5*8 : fixed]),
		}
		rest = rest[fixed:]
	}
	return known
}

// known fills in the entries of files that are in the store already, unchanged.
func (h *harvest) known(d *inDir, slots []slot, stats []unix.Stat_t) error {
	if h.opts.Known == nil && h.memory == nil {
		return nil
	}
	maybe := make([]tree.Entry, len(slots))
	for i := range slots {
		if stats[i].Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		path := join(d.path, slots[i].entry.Name)
		if h.memory != nil {
			maybe[i], _ = h.memory.lookUp(path, &stats[i])
		} else if e, ok := h.opts.Known(path, &stats[i]); ok {
			h.setKnown(&slots[i], e, path, &stats[i])
		}
	}
	if h.memory == nil {
		return nil
	}
	there, err := h.s.relyOnAll(maybe)
	if err != nil {
		return err
	}
	for i := range slots {
		if there[i] {
			path := join(d.path, slots[i].entry.Name)
			h.setKnown(&slots[i], maybe[i], path, &stats[i])
			h.memory.remember(path, &stats[i], maybe[i].Digest)
		}
	}
	return nil
}

func (h *harvest) setKnown(sl *slot, e tree.Entry, path string, st *unix.Stat_t) {
	h.work.files.Add(1)
	h.countLink(path, st)
	e.Name = sl.entry.Name
	sl.entry, sl.keep = e, true
}

// relyOnAll keeps the blobs of files from being collected, and reports which are
// there. Entries that are no files are left out.
func (s *Store) relyOnAll(entries []tree.Entry) (there []bool, err error) {
	there = make([]bool, len(entries))
	var notes []note
	for i := range entries {
		if entries[i].Type == tree.File {
			notes = append(notes, note{digest: entries[i].Digest})
		}
	}
	if len(notes) == 0 {
		return there, nil
	}
	err = s.session.rely(s.blobDirs.gate, func() error {
		for i := range entries {
			e := &entries[i]
			if e.Type != tree.File {
				continue
			}
			dir, err := s.blobDirs.fd(e.Digest, true)
			if err != nil {
				return err
			}
			there[i] = presentBlob(dir, e.Digest, e.Size, formOf(e))
		}
		return nil
	}, notes...)
	return there, err
}
