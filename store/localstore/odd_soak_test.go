//go:build soak

package localstore

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"sysc/store"
)

// Files whose size takes more than 32 bits, with holes and content on both sides
// of that border.
func TestOddHugeFile(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	const size = 1<<32 + 12345
	makeSparse(t, in+"/huge", size, 0, 1<<31-2, 1<<32-2, size-4)
	s := newStore(t)
	o, out := roundTrip(t, s, in, store.KindTree)
	if o.Size != size {
		t.Errorf("size %d, want %d", o.Size, size)
	}
	for _, dir := range []string{s.PhysicalPath(o.Path), out} {
		isSparse(t, dir, size)
	}
}

// Ten to the sixth entries of all kinds, most of them links to few files: the time
// that a file system takes to make and remove as many files is not ours.
func TestOddMillionEntries(t *testing.T) {
	_, bytes := manyEntries(t, 1_000_000, func(dir string, i int) error {
		const links = 50_000 // below what file systems allow
		name := entryName(dir, i)
		switch {
		case i%links == 0:
			return os.WriteFile(name, []byte(strconv.Itoa(i)), 0o644)
		case i%100 == 1:
			return os.Symlink(strconv.Itoa(i), name)
		case i%100 == 2:
			return os.WriteFile(name, nil, 0o755)
		case i%100 == 3:
			return os.Mkdir(name, 0o755)
		}
		return os.Link(entryName(dir, i-i%links), name)
	})
	const most = 8 << 10
	if bytes > most {
		t.Errorf("%d bytes allocated per entry, want at most %d", bytes, most)
	}
}
