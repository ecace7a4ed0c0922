package boot

import (
	"fmt"
	"strconv"
	"strings"

	"sysc/internal/bytesize"
)

// spare is kept free on the boot partition beside what is written, in bytes, for
// the file system's own needs and for loaders that write to it.
const spare = 1 << 20

// A SpaceError says that a boot partition is too small for what has to be
// written. Nothing was.
type SpaceError struct {
	Path       string
	Need, Free int64 // bytes
	// Delete are generations that can go, the oldest first, as few as make room;
	// empty when no number of them does. Frees is how much they free, in bytes.
	Delete []int
	Frees  int64
}

// Error names the figures and the way out.
func (e *SpaceError) Error() string {
	text := fmt.Sprintf("write boot files to %s: %s needed, %s free", e.Path, bytesize.Format(e.Need), bytesize.Format(e.Free))
	if len(e.Delete) == 0 {
		return text + "; no generations that can be done without make enough room: the partition has to be larger"
	}
	numbers := make([]string, len(e.Delete))
	for i, n := range e.Delete {
		numbers[i] = strconv.Itoa(n)
	}
	return fmt.Sprintf("%s; sysc generations delete %s frees %s", text, strings.Join(numbers, " "), bytesize.Format(e.Frees))
}

// A Need is what a generation still takes on a boot partition, and what is free there,
// in bytes.
type Need struct{ Bytes, Free int64 }

// Fits reports whether there is room for it.
func (n Need) Fits() bool { return n.Bytes == 0 || n.Bytes+spare <= n.Free }

// Need returns what it takes to add files and the entry of one generation, at its
// peak: nothing is removed before it stands. Each file and new directory takes whole
// blocks, clusters on FAT.
func (p *Partition) Need(files []File, generation int) (Need, error) {
	missing, err := p.missing(files)
	if err != nil {
		return Need{}, err
	}
	free, block, err := p.dir.Space()
	if err != nil {
		return Need{}, err
	}
	whole := func(n int64) int64 { return (n + block - 1) / block * block }
	n := Need{Free: free}
	for _, f := range missing {
		n.Bytes += whole(f.Size) + block // its directory
	}
	if _, ok, err := p.entryFile(generation); err != nil {
		return Need{}, err
	} else if !ok {
		n.Bytes += whole(maxUsualEntry)
	}
	return n, nil
}

// maxUsualEntry is more than entries have, in bytes.
const maxUsualEntry = 4 << 10

// CheckSpace returns a [*SpaceError] when a need is more than there is room for.
// removable are the generations that could be deleted, the oldest first.
func (p *Partition) CheckSpace(n Need, removable []int) error {
	if n.Fits() {
		return nil
	}
	e := &SpaceError{Path: p.dir.Name(), Need: n.Bytes + spare, Free: n.Free}
	for i := range removable {
		frees, err := p.freed(removable[:i+1])
		if err != nil {
			return err
		}
		if n.Free+frees >= e.Need {
			e.Delete, e.Frees = removable[:i+1], frees
			break
		}
	}
	return e
}

// freed returns how many bytes of boot files only these generations have.
func (p *Partition) freed(generations []int) (int64, error) {
	gone := map[int]bool{}
	for _, n := range generations {
		gone[n] = true
	}
	files, err := p.files()
	if err != nil {
		return 0, err
	}
	sizes, kept := map[string]int64{}, map[string]bool{}
	for _, f := range files {
		e, err := p.read(f)
		if err != nil {
			return 0, nil // it keeps everything, see Retain
		}
		for _, file := range []string{e.Linux, e.Initrd} {
			if topDir(file) == "" {
				continue
			}
			if !gone[f.generation] {
				kept[file] = true
			} else if info, err := p.dir.Root().Lstat(file[1:]); err == nil {
				sizes[file] = info.Size()
			}
		}
	}
	total := int64(0)
	for file, size := range sizes {
		if !kept[file] {
			total += size
		}
	}
	return total, nil
}
