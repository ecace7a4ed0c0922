package boot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/systems/rootdir"
)

// Where things are on a boot partition.
const (
	filesDir = "sysc"
	// EntriesDir has the entries, named by FileName.
	EntriesDir = "loader/entries"
)

// nameDigits is how much of a digest names the directory of a boot file: enough
// that no two files meet, and short beside FAT's limits.
const nameDigits = 32

// A File is a file that a boot entry names.
type File struct {
	Name   string // "linux" or "initrd"
	Digest store.Digest
	Size   int64
}

// Path returns where the file is on the boot partition: equal files of many
// generations are one.
func (f File) Path() string {
	return "/" + filesDir + "/" + f.Digest.Hex()[:nameDigits] + "/" + f.Name
}

// A Partition is the directory that a boot loader reads: a machine's /boot. Only
// one process at a time may change it.
type Partition struct{ dir *rootdir.Dir }

// NewPartition returns the partition at dir, which stays the caller's to close.
func NewPartition(dir *rootdir.Dir) *Partition { return &Partition{dir: dir} }

// Files puts files in place, durably; open opens the contents of one. Files that
// are there are left alone: they got their names whole. Whether there is room is
// another question ([Partition.Need]).
func (p *Partition) Files(ctx context.Context, files []File, open func(ctx context.Context, d store.Digest) (*os.File, error)) error {
	missing, err := p.missing(files)
	if err != nil {
		return err
	}
	for _, f := range missing {
		if err := p.file(ctx, f, open); err != nil {
			return err
		}
	}
	return nil
}

// missing returns which files do not stand.
func (p *Partition) missing(files []File) ([]File, error) {
	var missing []File
	for _, f := range files {
		info, err := p.dir.Root().Lstat(f.Path()[1:])
		if err == nil && info.Mode().IsRegular() && info.Size() == f.Size {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for boot file: %w", err)
		}
		missing = append(missing, f)
	}
	return missing, nil
}

func (p *Partition) file(ctx context.Context, f File, open func(ctx context.Context, d store.Digest) (*os.File, error)) error {
	src, err := open(ctx, f.Digest)
	if err != nil {
		return fmt.Errorf("write boot file %s: %w", f.Path(), err)
	}
	defer src.Close()
	name := f.Path()[1:]
	if err := p.dir.Mkdir(path.Dir(name), 0o755); err != nil {
		return err
	}
	return p.dir.Write(name, 0o644, func(dst *os.File) error {
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(dst, sum), src); err != nil {
			return err
		}
		// What boots is worth checking against a store that rotted.
		if got := store.Digest(sum.Sum(nil)); got != f.Digest {
			return fmt.Errorf("the store's copy is damaged: %s, want %s", got, f.Digest)
		}
		return nil
	})
}

// An entryFile is the file of an entry.
type entryFile struct {
	generation int
	name       string // below the partition
	tries      Tries
}

// files returns the entry files of generations, lowest number first. One that a
// loader renamed to count tries keeps its name; of two, the one that is not counted
// or has more tries left is meant.
func (p *Partition) files() ([]entryFile, error) {
	list, err := p.dir.List(EntriesDir)
	if err != nil {
		return nil, err
	}
	var files []entryFile
	for _, e := range list {
		n, tries, ok := ParseFileName(e.Name())
		if ok && e.Type().IsRegular() {
			files = append(files, entryFile{n, EntriesDir + "/" + e.Name(), tries})
		}
	}
	slices.SortFunc(files, func(a, b entryFile) int {
		return cmp.Or(a.generation-b.generation, compareTries(a.tries, b.tries))
	})
	return slices.CompactFunc(files, func(a, b entryFile) bool { return a.generation == b.generation }), nil
}

// compareTries orders counters, the most hopeful first.
func compareTries(a, b Tries) int {
	left := func(t Tries) int {
		if !t.Counted {
			return math.MaxInt
		}
		return t.Left
	}
	return cmp.Compare(left(b), left(a))
}

// entryFile returns the entry file of a generation, false when there is none.
func (p *Partition) entryFile(generation int) (entryFile, bool, error) {
	files, err := p.files()
	if err != nil {
		return entryFile{}, false, err
	}
	at := slices.IndexFunc(files, func(f entryFile) bool { return f.generation == generation })
	if at < 0 {
		return entryFile{}, false, nil
	}
	return files[at], true, nil
}

func (p *Partition) read(f entryFile) (*Entry, error) {
	data, err := p.dir.ReadFile(f.name, maxEntry)
	if err != nil {
		return nil, fmt.Errorf("read boot entry of generation %d: %w", f.generation, err)
	}
	return Parse(data)
}

// Entry returns a generation's entry, fs.ErrNotExist, wrapped, when it has none.
func (p *Partition) Entry(generation int) (*Entry, error) {
	f, ok, err := p.entryFile(generation)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("read boot entry of generation %d: %w", generation, fs.ErrNotExist)
	}
	return p.read(f)
}

// SetEntry writes a generation's entry, durably, unless it stands there already. One
// that there was keeps its counter; a new one gets tries.
func (p *Partition) SetEntry(generation int, e *Entry, tries Tries) error {
	f, ok, err := p.entryFile(generation)
	if err != nil {
		return err
	}
	if !ok {
		f = entryFile{generation, EntriesDir + "/" + countedName(generation, tries), tries}
	}
	return p.write(f, e)
}

// write writes an entry's file, durably, unless it stands there already.
func (p *Partition) write(f entryFile, e *Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	text := e.Render()
	if have, err := p.dir.ReadFile(f.name, maxEntry); err == nil && string(have) == string(text) {
		return nil
	}
	if err := p.dir.Mkdir(EntriesDir, 0o755); err != nil {
		return err
	}
	return p.dir.WriteFile(f.name, text, 0o644)
}

// RemoveEntry removes a generation's entry, durably. It is no error when there is
// none.
func (p *Partition) RemoveEntry(generation int) error {
	f, ok, err := p.entryFile(generation)
	if err != nil || !ok {
		return err
	}
	return p.dir.Remove(f.name)
}

// Select makes a generation the one that boots: its entry gets the first sort
// key, and the others keep their order behind it. In between two have the first, and
// the newer boots. An entry that its loader has given up on, which would come last
// whatever its key, gets tries. Without an entry of the generation the others' keys
// begin with the second. Entries that cannot be read are left alone: an old broken one must
// not keep a new one from booting.
func (p *Partition) Select(generation int, tries Tries) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(files, func(f entryFile) bool { return f.generation == generation }); at >= 0 {
		chosen := files[at]
		e, err := p.read(chosen)
		if err != nil {
			return err
		}
		e.SortKey = SelectedKey
		if err := p.write(chosen, e); err != nil {
			return err
		}
		if chosen.tries.Exhausted() {
			if err := p.dir.Rename(chosen.name, EntriesDir+"/"+countedName(generation, tries)); err != nil {
				return err
			}
		}
		files = slices.Delete(files, at, at+1)
	}
	for i, o := range p.inOrder(files) {
		o.entry.SortKey = sortKey(i + 1)
		if err := p.write(o.entryFile, o.entry); err != nil {
			return err
		}
	}
	return nil
}

// A readEntry is an entry with its file.
type readEntry struct {
	entryFile
	entry *Entry
}

// inOrder reads entries and returns those that can be read, by sort key and version. A
// loader puts those last that it has given up on.
func (p *Partition) inOrder(files []entryFile) []readEntry {
	var list []readEntry
	for _, f := range files {
		if e, err := p.read(f); err == nil {
			list = append(list, readEntry{f, e})
		}
	}
	slices.SortFunc(list, func(a, b readEntry) int {
		return cmp.Or(strings.Compare(a.entry.SortKey, b.entry.SortKey), cmp.Compare(b.generation, a.generation))
	})
	return list
}

// Bless calls a generation good: its entry, if it has one, is not counted any more.
func (p *Partition) Bless(generation int) error {
	return p.count(generation, Tries{})
}

// GiveUp makes a generation's entry the last that a loader takes, as if all of its tries
// had failed. It returns false, and changes nothing, when the entry is a good one or when
// there is no other that would boot in its place.
func (p *Partition) GiveUp(generation int) (bool, error) {
	files, err := p.files()
	if err != nil {
		return false, err
	}
	counted, others := Tries{}, false
	for _, f := range files {
		if f.generation == generation {
			counted = f.tries
		} else if _, err := p.read(f); err == nil && !f.tries.Exhausted() {
			others = true
		}
	}
	if !counted.Counted || !others {
		return false, nil
	}
	return true, p.count(generation, Tries{Counted: true, Done: max(counted.Done, 1)})
}

// count gives a generation's entry a counter, durably.
func (p *Partition) count(generation int, t Tries) error {
	f, ok, err := p.entryFile(generation)
	if err != nil || !ok || f.tries == t {
		return err
	}
	return p.dir.Rename(f.name, EntriesDir+"/"+countedName(generation, t))
}

// Tries returns the counter of a generation's entry, false when it has none.
func (p *Partition) Tries(generation int) (Tries, bool, error) {
	f, ok, err := p.entryFile(generation)
	return f.tries, ok, err
}

// LastGood returns the generation that boots when those that are still tried fail: the
// first in the order whose entry is not counted; false when there is none.
func (p *Partition) LastGood() (generation int, ok bool, err error) {
	list, err := p.ordered()
	if err != nil {
		return 0, false, err
	}
	at := slices.IndexFunc(list, func(e readEntry) bool { return !e.tries.Counted })
	if at < 0 {
		return 0, false, nil
	}
	return list[at].generation, true, nil
}

// Wanted returns the generation that was selected last ([Partition.Select]), whether or
// not the loader has given up on it; false when no entry has the first sort key.
func (p *Partition) Wanted() (generation int, ok bool, err error) {
	list, err := p.ordered()
	if err != nil || len(list) == 0 || list[0].entry.SortKey != SelectedKey {
		return 0, false, err
	}
	return list[0].generation, true, nil
}

// Selected returns the generation whose entry boots, and how often it is still tried;
// false when there is none.
func (p *Partition) Selected() (generation int, tries Tries, ok bool, err error) {
	list, err := p.ordered()
	if err != nil || len(list) == 0 {
		return 0, Tries{}, false, err
	}
	at := max(0, slices.IndexFunc(list, func(e readEntry) bool { return !e.tries.Exhausted() }))
	return list[at].generation, list[at].tries, true, nil
}

// ordered is [Partition.inOrder] of all entries.
func (p *Partition) ordered() ([]readEntry, error) {
	files, err := p.files()
	if err != nil {
		return nil, err
	}
	return p.inOrder(files), nil
}

// Clean removes what a killed process left aside.
func (p *Partition) Clean() error {
	dirs, err := p.dir.List(filesDir)
	if err != nil {
		return err
	}
	names := []string{EntriesDir}
	for _, d := range dirs {
		if d.IsDir() {
			names = append(names, filesDir+"/"+d.Name())
		}
	}
	for _, name := range names {
		if err := p.dir.Clean(name); err != nil {
			return err
		}
	}
	return nil
}

// Retain removes the entries of generations that keep refuses, then the files
// that no entry names. Entries that cannot be read keep everything.
func (p *Partition) Retain(keep func(generation int) bool) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, f := range files {
		if !keep(f.generation) {
			if err := p.dir.Remove(f.name); err != nil {
				return err
			}
			continue
		}
		e, err := p.read(f)
		if err != nil {
			return nil
		}
		for _, file := range []string{e.Linux, e.Initrd} {
			used[topDir(file)] = true
		}
	}
	dirs, err := p.contents()
	if err != nil {
		return err
	}
	for _, name := range dirs {
		if used[name] {
			continue
		}
		if err := p.dir.RemoveAll(filesDir + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

// contents returns the directories of boot files, below filesDir.
func (p *Partition) contents() ([]string, error) {
	dirs, err := p.dir.List(filesDir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range dirs {
		if isContentName(d.Name()) {
			names = append(names, d.Name())
		}
	}
	return names, nil
}

// topDir returns the directory below filesDir that a boot file is in.
func topDir(file string) string {
	rest, ok := strings.CutPrefix(file, "/"+filesDir+"/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func isContentName(name string) bool {
	return len(name) == nameDigits && strings.Trim(name, "0123456789abcdef") == ""
}
