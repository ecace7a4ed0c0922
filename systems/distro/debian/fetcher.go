package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sysc/derivations/builtin"
	"sysc/internal/download"
	"sysc/store"
)

// A Fetcher gets files of mirrors while a definition is being locked. It must be
// safe for concurrent use.
type Fetcher interface {
	// Fetch returns a file's bytes. The caller closes it, and checks what it
	// reads against the digest itself.
	Fetch(ctx context.Context, r FetchRequest) (io.ReadCloser, error)
}

// A FetchRequest names one file.
type FetchRequest struct {
	// Mirror is the mirror's name.
	Mirror string
	// Paths are where the file is below the mirror's base address, best first.
	Paths []string
	// SHA256 is zero, and Size -1, when they are not known.
	SHA256 store.Digest
	Size   int64
	// MaxSize bounds the file when its size is not known, in bytes.
	MaxSize int64
	// Signed is when the state of the archive was signed that has the file, zero when that
	// is the present one.
	Signed time.Time
}

// A Downloads fetches files over the network and keeps those whose digest is
// known in a directory, named by it.
type Downloads struct {
	// Client downloads; nil means a client with default settings.
	Client *download.Client
	// Mirrors are base addresses by mirror name, as from [Mirrors].
	Mirrors map[string][]string
	// Past returns base addresses of the past of an archive in a state that was signed at a
	// time, by mirror name; nil for none.
	Past func(signed map[string][]time.Time) map[string][]string
	// Dir is where files are kept. It is made when it is not there.
	Dir string
	// Progress, if not nil, is told how many bytes of a file are there; total is
	// -1 when it is not known. Calls for several files may come at once.
	Progress func(path string, done, total int64)
}

// Fetch implements [Fetcher]. When the file cannot be had, the error is that of
// package download: a hash that is not right, a truncated file, a status.
func (d *Downloads) Fetch(ctx context.Context, r FetchRequest) (io.ReadCloser, error) {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return nil, err
	}
	known := !r.SHA256.IsZero()
	kept := filepath.Join(d.Dir, r.SHA256.Hex())
	if known {
		f, err := os.Open(kept)
		if err == nil {
			if info, statErr := f.Stat(); statErr == nil && info.Mode().IsRegular() && (r.Size < 0 || info.Size() == r.Size) {
				return f, nil
			}
			f.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// A directory of its own, so that two processes do not write to one file.
	temp, err := os.MkdirTemp(d.Dir, "fetch-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	dest := filepath.Join(temp, "file")
	if err := d.download(ctx, r, dest); err != nil {
		return nil, err
	}
	f, err := os.Open(dest)
	if err != nil {
		return nil, err
	}
	if known {
		if err := os.Rename(dest, kept); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// maxParsed is how many lists of packages are kept beside the indexes, some 15 MB each.
const maxParsed = 24

// parsedSuffix ends the names of their files.
const parsedSuffix = ".packages"

// Kept implements [Keeper].
func (d *Downloads) Kept(name string) (r io.ReadCloser, size int64) {
	file := filepath.Join(d.Dir, name+parsedSuffix)
	f, err := os.Open(file)
	if err != nil {
		return nil, 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, 0
	}
	now := time.Now()
	os.Chtimes(file, now, now) // so that others are given up first; when that cannot be, it is no loss
	return f, info.Size()
}

// Keep implements [Keeper]. The file is not synced: it has a hash of itself.
func (d *Downloads) Keep(name string, data []byte) {
	temp, err := os.CreateTemp(d.Dir, "parsed-*")
	if err != nil {
		return // a directory that cannot be written to
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), filepath.Join(d.Dir, name+parsedSuffix))
	}
	if err != nil {
		os.Remove(temp.Name())
		return
	}
	d.giveUpParsed()
}

// giveUpParsed removes the lists that were not used for longest, when there are too many.
func (d *Downloads) giveUpParsed() {
	type file struct {
		name string
		used time.Time
	}
	var files []file
	names, _ := filepath.Glob(filepath.Join(d.Dir, "*"+parsedSuffix)) // the pattern is good
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil {
			files = append(files, file{name, info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return b.used.Compare(a.used) })
	for _, f := range files[min(len(files), maxParsed):] {
		os.Remove(f.name)
	}
}

func (d *Downloads) download(ctx context.Context, r FetchRequest, dest string) error {
	bases := d.Mirrors[r.Mirror]
	if len(bases) == 0 {
		return fmt.Errorf("fetch %s: no mirror called %q", strings.Join(r.Paths, ", "), r.Mirror)
	}
	request := download.Request{Dest: dest, SHA256: r.SHA256, Size: r.Size, MaxSize: r.MaxSize}
	for _, base := range bases {
		for _, p := range r.Paths {
			request.URLs = append(request.URLs, base+"/"+escapePath(p))
		}
	}
	if d.Past != nil && !r.Signed.IsZero() && len(r.Paths) > 0 {
		for _, base := range d.Past(map[string][]time.Time{r.Mirror: {r.Signed}})[r.Mirror] {
			request.Past = append(request.Past, base+"/"+escapePath(r.Paths[0]))
		}
	}
	if d.Progress != nil && len(r.Paths) > 0 {
		name := r.Paths[len(r.Paths)-1]
		request.Progress = func(done, total int64) { d.Progress(name, done, total) }
	}
	client := d.Client
	if client == nil {
		client = &download.Client{}
	}
	err := client.Fetch(ctx, request)
	var gone *download.GoneError
	var wrong *download.HashError
	var length *download.SizeError
	switch {
	case r.Signed.IsZero() || len(r.Paths) == 0 || err == nil:
	case errors.As(err, &gone), len(r.Paths) > 1 && (errors.As(err, &wrong) || errors.As(err, &length)):
		// Under the name that does not tell its digest there is that of a newer state.
		return builtin.Gone(r.Mirror, r.Paths[len(r.Paths)-1], err)
	}
	return err
}

// escapePath makes an address of a path, segment by segment.
func escapePath(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}
