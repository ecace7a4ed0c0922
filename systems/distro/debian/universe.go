package debian

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"

	"github.com/mikelolasagasti/xz"

	"sysc/internal/par"
	"sysc/store"
	"sysc/systems/distro/debian/archive"
	"sysc/systems/distro/debian/resolve"
	"sysc/systems/distro/debian/universe"
)

// maxIndex is the most bytes of an unpacked index. Debian's main has 55 MB.
const maxIndex = 1 << 30

// parallelIndexes is how many indexes are read at a time. Most are tiny beside
// the one of the main archive.
const parallelIndexes = 4

// A Universe is what the packages of a revision are chosen from. Safe for
// concurrent use.
type Universe struct {
	u    *universe.Universe
	base string // the name of the input that base systems are made of
	// before are the indexes of states of before, by the origin of their packages.
	before map[*universe.Origin]Index
}

type (
	// A Want is a package that is asked for: a name, and a version, "" for any.
	Want = resolve.Want
	// An UnknownPackageError says that there is no such package, and which ones
	// may have been meant.
	UnknownPackageError = resolve.UnknownPackageError
	// An UnsatisfiableError says why packages cannot be installed.
	UnsatisfiableError = resolve.UnsatisfiableError
)

// Packages are what a revision has for one architecture, and for all. They do not
// change.
type Packages struct {
	indexes []Index
	lists   [][]universe.Package
}

// ReadPackages reads the indexes of a revision for an architecture. Each is
// checked against its digest: the error for one that is not right is a
// [*MismatchError].
func ReadPackages(ctx context.Context, r Revision, architecture string, f Fetcher) (*Packages, error) {
	p := &Packages{}
	for _, index := range r.Indexes {
		if index.Architecture == architecture || index.Architecture == ArchitectureAll {
			p.indexes = append(p.indexes, index)
		}
	}
	p.lists = make([][]universe.Package, len(p.indexes))
	err := par.Do(ctx, len(p.indexes), parallelIndexes, func(ctx context.Context, i int) (err error) {
		p.lists[i], err = readParsed(ctx, p.indexes[i], architecture, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// A Part is what one input contributes to a universe.
type Part struct {
	// Input is the input's name.
	Input string
	// Packages are those of the universe's architecture first, then those of others.
	Packages []*Packages
	// Before are packages of a state of before, of which those in [Part.Keep] can be
	// had as well.
	Before []*Packages
	Keep   map[store.Digest]bool
	// Priority is that of the input's packages, 0 for what the archives themselves say.
	Priority int
	// Pins give some of the packages another priority; the first that fits counts.
	Pins []Pin
}

// A Pin gives some packages of an input a priority.
type Pin = universe.Pin

// NewUniverse makes a universe of inputs. The first is the base: base systems are made of
// it. Packages of the others are a last resort, as those of backports are, unless they
// have a priority.
func NewUniverse(architecture string, parts ...Part) (*Universe, error) {
	var indexes []universe.Index
	before := map[*universe.Origin]Index{}
	for i, part := range parts {
		for _, packages := range part.Packages {
			for j, index := range packages.indexes {
				indexes = append(indexes, universe.Index{Origin: part.origin(index, i == 0), Packages: packages.lists[j]})
			}
		}
		for _, packages := range part.Before {
			for j, index := range packages.indexes {
				kept := slices.DeleteFunc(slices.Clone(packages.lists[j]), func(p universe.Package) bool { return !part.Keep[p.SHA256] })
				origin := part.origin(index, i == 0)
				before[origin] = index
				indexes = append(indexes, universe.Index{Origin: origin, Packages: kept})
			}
		}
	}
	u, err := universe.New(architecture, indexes...)
	if err != nil {
		return nil, err
	}
	return &Universe{u: u, base: parts[0].Input, before: before}, nil
}

// Earlier returns the indexes of states of before that packages are from, which
// [Universe.Resolve] has chosen, by input.
func (u *Universe) Earlier(packages []Package) map[string][]Index {
	out := map[string][]Index{}
	for _, p := range packages {
		for _, id := range u.versions(p) {
			q := u.u.Package(id)
			index, ok := u.before[q.Origin]
			if ok && q.SHA256 == p.SHA256 && !slices.Contains(out[q.Origin.Input], index) {
				out[q.Origin.Input] = append(out[q.Origin.Input], index)
			}
		}
	}
	return out
}

// origin describes an index. Whether the part is the base matters to its priority.
func (p *Part) origin(index Index, base bool) *universe.Origin {
	origin := &universe.Origin{Input: p.Input, Archive: index.Archive, Suite: index.Suite, Pin: index.priority(), Pins: p.Pins}
	switch {
	case p.Priority != 0:
		origin.Pin = p.Priority
	case !base:
		origin.Pin = min(origin.Pin, universe.PinUpgrades)
	}
	return origin
}

// priority is the one that the archive wants for its packages.
func (i *Index) priority() int {
	switch {
	case i.NotAutomatic && i.ButAutomaticUpgrades:
		return universe.PinUpgrades
	case i.NotAutomatic:
		return universe.PinNotAutomatic
	}
	return universe.PinDefault
}

// Request names the index's file.
func (i Index) Request() FetchRequest {
	request := FetchRequest{Mirror: i.Archive, SHA256: i.SHA256, Size: i.Size, MaxSize: i.Size, Signed: i.Date}
	if i.ByHash != "" {
		request.Paths = append(request.Paths, i.ByHash)
	}
	request.Paths = append(request.Paths, i.Path)
	return request
}

// readIndex gives what an index holds to parse. Whatever that returns, the error is
// a [*MismatchError] when the bytes are not those of the index.
func readIndex(ctx context.Context, index Index, f Fetcher, parse func(plain io.Reader) error) error {
	if err := parseFetched(ctx, index, f, parse); err != nil {
		return fmt.Errorf("read index %s of %s: %w", index.Path, index.Archive, err)
	}
	return nil
}

func parseFetched(ctx context.Context, index Index, f Fetcher, parse func(plain io.Reader) error) (err error) {
	body, err := f.Fetch(ctx, index.Request())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	checked := &checkedReader{r: io.LimitReader(body, index.Size+1), h: sha256.New()}
	err = parseUnpacked(checked, index, parse)
	// What is wrong with the bytes says more than what that led to.
	if mismatch := checked.compare(index); mismatch != nil || err == nil || ctx.Err() != nil {
		return cmp.Or(mismatch, err)
	}
	return &MalformedError{File: index.Archive + ":" + index.Path, Cause: err}
}

// A checkedReader hashes what is read.
type checkedReader struct {
	r    io.Reader
	h    hash.Hash
	size int64
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.h.Write(p[:n])
	c.size += int64(n)
	return n, err
}

// compare reads what is left, and compares all with the index's entry.
func (c *checkedReader) compare(index Index) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	got := store.Digest(c.h.Sum(nil))
	if got == index.SHA256 && c.size == index.Size {
		return nil
	}
	return &archive.MismatchError{
		File: index.Archive + ":" + index.Path, WantSize: index.Size, GotSize: c.size, Want: index.SHA256, Got: got,
	}
}

// parseUnpacked unpacks an index while it is parsed.
func parseUnpacked(r io.Reader, index Index, parse func(plain io.Reader) error) error {
	plain, err := unpack(bufio.NewReaderSize(r, 64<<10), path.Ext(index.Path))
	if err != nil {
		return err
	}
	ahead := newReadAhead(&limitedReader{plain, maxIndex})
	defer ahead.Close()
	return parse(ahead)
}

// unpack returns what a compressed stream holds, going by its file's suffix.
func unpack(r io.Reader, suffix string) (io.Reader, error) {
	switch suffix {
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		return xz.NewReader(r, xz.DefaultDictMax)
	}
	return r, nil
}

// A limitedReader fails when there is more than left bytes, rather than to feign
// the end.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("more than %d bytes when unpacked", maxIndex)
	}
	return n, err
}
