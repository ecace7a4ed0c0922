package boot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"sysc/store"
	"sysc/systems/rootdir"
)

// Where things are on a boot partition.
const (
	filesDir   = "sysc"
	entriesDir = "loader/entries"
)

// nameDigits is how much of a digest names the directory of a boot file: enough
// that no two files meet, and short beside FAT's limits.
const nameDigits = 32

// spare is kept free on the boot partition beside what is written, in bytes, for
// the file system's own needs.
const spare = 1 << 20

// A SpaceError says that a boot partition is too small for what has to be
// written. Nothing was.
type SpaceError struct {
	Path       string
	Need, Free int64 // bytes
}

// Error names both figures and the way out.
func (e *SpaceError) Error() string {
	return fmt.Sprintf("write boot files to %s: %d bytes needed, %d free; delete old generations to make room", e.Path, e.Need, e.Free)
}

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
// are there are left alone: they got their names whole. There must be room for
// all before the first is written ([SpaceError]).
func (p *Partition) Files(ctx context.Context, files []File, open func(ctx context.Context, d store.Digest) (*os.File, error)) error {
	var missing []File
	need := int64(spare)
	for _, f := range files {
		info, err := p.dir.Root().Lstat(f.Path()[1:])
		if err == nil && info.Mode().IsRegular() && info.Size() == f.Size {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write boot files: %w", err)
		}
		missing = append(missing, f)
		need += f.Size
	}
	if len(missing) == 0 {
		return nil
	}
	free, err := p.dir.Free()
	if err != nil {
		return err
	}
	if free < need {
		return &SpaceError{Path: p.dir.Name(), Need: need, Free: free}
	}
	for _, f := range missing {
		if err := p.file(ctx, f, open); err != nil {
			return err
		}
	}
	return nil
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

// names returns the entry files of generations, lowest number first. One that a
// loader renamed to count tries keeps its name.
func (p *Partition) names() (map[int]string, []int, error) {
	list, err := p.dir.List(entriesDir)
	if err != nil {
		return nil, nil, err
	}
	names := map[int]string{}
	var numbers []int
	for _, e := range list {
		n, ok := ParseFileName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if _, twice := names[n]; !twice {
			numbers = append(numbers, n)
		}
		names[n] = e.Name()
	}
	slices.Sort(numbers)
	return names, numbers, nil
}

// Entry returns a generation's entry, fs.ErrNotExist, wrapped, when it has none.
func (p *Partition) Entry(generation int) (*Entry, error) {
	names, _, err := p.names()
	if err != nil {
		return nil, err
	}
	name, ok := names[generation]
	if !ok {
		return nil, fmt.Errorf("read boot entry of generation %d: %w", generation, fs.ErrNotExist)
	}
	data, err := p.dir.ReadFile(entriesDir+"/"+name, maxEntry)
	if err != nil {
		return nil, fmt.Errorf("read boot entry of generation %d: %w", generation, err)
	}
	return Parse(data)
}

// SetEntry writes a generation's entry, durably, unless it stands there already.
func (p *Partition) SetEntry(generation int, e *Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	names, _, err := p.names()
	if err != nil {
		return err
	}
	name, ok := names[generation]
	if !ok {
		name = FileName(generation)
	}
	name = entriesDir + "/" + name
	text := e.Render()
	if have, err := p.dir.ReadFile(name, maxEntry); err == nil && string(have) == string(text) {
		return nil
	}
	if err := p.dir.Mkdir(entriesDir, 0o755); err != nil {
		return err
	}
	return p.dir.WriteFile(name, text, 0o644)
}

// RemoveEntry removes a generation's entry, durably. It is no error when there is
// none.
func (p *Partition) RemoveEntry(generation int) error {
	names, _, err := p.names()
	if err != nil {
		return err
	}
	name, ok := names[generation]
	if !ok {
		return nil
	}
	return p.dir.Remove(entriesDir + "/" + name)
}

// Select makes a generation the one that boots: its entry gets the first sort
// key, then every other entry another one. In between both have the first, and
// the newer boots. A generation without an entry only takes the key from the
// others. Entries that cannot be read are left alone: an old broken one must not
// keep a new one from booting.
func (p *Partition) Select(generation int) error {
	_, numbers, err := p.names()
	if err != nil {
		return err
	}
	if at := slices.Index(numbers, generation); at >= 0 {
		numbers = slices.Concat([]int{generation}, numbers[:at], numbers[at+1:])
	}
	for _, n := range numbers {
		e, err := p.Entry(n)
		if err != nil {
			if n == generation {
				return err
			}
			continue
		}
		e.SortKey = OtherKey
		if n == generation {
			e.SortKey = SelectedKey
		}
		if err := p.SetEntry(n, e); err != nil {
			return err
		}
	}
	return nil
}

// Selected returns the generation whose entry boots, false when there is none.
func (p *Partition) Selected() (int, bool, error) {
	_, numbers, err := p.names()
	if err != nil {
		return 0, false, err
	}
	best, found, bestKey := 0, false, ""
	for _, n := range numbers {
		e, err := p.Entry(n)
		if err != nil {
			continue
		}
		// Numbers increase, so of equal keys the later one has the higher version.
		if !found || e.SortKey <= bestKey {
			best, found, bestKey = n, true, e.SortKey
		}
	}
	return best, found, nil
}

// Clean removes what a killed process left aside.
func (p *Partition) Clean() error {
	dirs, err := p.dir.List(filesDir)
	if err != nil {
		return err
	}
	names := []string{entriesDir}
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
	names, numbers, err := p.names()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, n := range numbers {
		if !keep(n) {
			if err := p.dir.Remove(entriesDir + "/" + names[n]); err != nil {
				return err
			}
			continue
		}
		e, err := p.Entry(n)
		if err != nil {
			return nil
		}
		for _, f := range []string{e.Linux, e.Initrd} {
			used[topDir(f)] = true
		}
	}
	dirs, err := p.dir.List(filesDir)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if used[d.Name()] || !isContentName(d.Name()) {
			continue
		}
		if err := p.dir.RemoveAll(filesDir + "/" + d.Name()); err != nil {
			return err
		}
	}
	return nil
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
