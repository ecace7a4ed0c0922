package builtin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/internal/filelock"
	"sysc/store"
)

// maxFetch bounds a download whose size is not known, in bytes.
const maxFetch = 64 << 30

type fetchAttrs struct {
	URL  string   `json:"url"`
	URLs []string `json:"urls"`
	// Size is the file's length in bytes, 0 when it is not known.
	Size int64 `json:"size"`
}

// fetch downloads one file whose digest is known. Its attributes are fetchAttrs.
// Addresses may be "mirror://NAME/PATH". What the mirrors are is up to the
// machine, so those may be directories of it; other addresses may not be, as
// they come from a definition.
func fetch(ctx context.Context, s *Step) error {
	var attrs fetchAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	fixed := s.Derivation.Fixed
	if fixed == nil || fixed.Kind != store.KindFile {
		return fmt.Errorf("fetch %q: only a file whose digest is known can be fetched", s.Derivation.Name)
	}
	source := attrs.file(s.Derivation.Name, fixed)
	size, err := s.FetchFile(ctx, source)
	if err != nil {
		return err
	}
	return s.SetFile(ctx, s.Derivation.OutputNames()[0], source.SHA256, size, fixed.Executable, nil)
}

// file is what the attributes of a step ask for.
func (a fetchAttrs) file(name string, fixed *derivations.Fixed) FileSource {
	f := FileSource{Name: name, SHA256: fixed.Digest, Size: max(a.Size, fixed.Size), Executable: fixed.Executable}
	for _, address := range append([]string{a.URL}, a.URLs...) {
		if address != "" {
			f.URLs = append(f.URLs, address)
		}
	}
	return f
}

// FetchedFile returns what a derivation fetches, if it is one that fetches a file.
func FetchedFile(d *derivations.Derivation) (FileSource, bool) {
	if d.Builder != BuilderFetch || d.Fixed == nil || d.Fixed.Kind != store.KindFile {
		return FileSource{}, false
	}
	var attrs fetchAttrs
	if err := json.Unmarshal(d.Attrs, &attrs); err != nil {
		return FileSource{}, false
	}
	return attrs.file(d.Name, d.Fixed), true
}

// FetchFile puts a file whose digest is known into the store and returns its size in
// bytes.
func (s *Step) FetchFile(ctx context.Context, f FileSource) (int64, error) {
	request := download.Request{SHA256: f.SHA256, Size: -1, MaxSize: maxFetch, Progress: s.Progress}
	if f.Size > 0 {
		request.Size = f.Size
	}
	for _, address := range f.URLs {
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Scheme == "file":
			return 0, fmt.Errorf("fetch %q: %q is no address to fetch from", f.Name, address)
		case u.User != nil:
			return 0, fmt.Errorf("fetch %q: a password in the address of %s; those belong into ~/.netrc", f.Name, u.Host)
		}
		expanded, err := s.Mirrors.Expand(address)
		if err != nil {
			return 0, err
		}
		request.URLs = append(request.URLs, expanded...)
		if u.Scheme == mirrorScheme && len(s.Past[u.Host]) > 0 {
			past, err := s.Past.Expand(address)
			if err != nil {
				return 0, err
			}
			request.Past = append(request.Past, past...)
		}
	}
	blob, size, err := s.fetchOnce(ctx, s.Download, request)
	if gone, ok := errors.AsType[*download.GoneError](err); ok && len(f.URLs) == 1 {
		if u, parseErr := url.Parse(f.URLs[0]); parseErr == nil && u.Scheme == mirrorScheme {
			err = Gone(u.Host, strings.TrimPrefix(u.Path, "/"), gone)
		}
	}
	if err == nil && blob != f.SHA256 {
		err = fmt.Errorf("fetch %q: the file changed on disk, it has %s now", f.Name, blob)
	}
	return size, err
}

// fetchOnce adds a file to the store, from the network when the store does not
// have it. Derivations that differ in the name only want the same file, maybe in
// several processes: the lock of its digest keeps them from writing to the same
// unfinished download, and whoever comes second finds it in the store.
func (s *Step) fetchOnce(ctx context.Context, client *download.Client, r download.Request) (blob store.Digest, size int64, err error) {
	dir := s.DownloadDir
	if dir == "" {
		if dir, err = s.TempDir(); err != nil {
			return blob, 0, err
		}
	}
	r.Dest = filepath.Join(dir, store.Digest(r.SHA256).Hex())
	unlock, err := filelock.Lock(ctx, r.Dest+".lock", func(holder string) {
		fmt.Fprintf(s.Log, "%s fetches the same file, waiting\n", holder)
	})
	if err != nil {
		return blob, 0, err
	}
	defer func() {
		err = errors.Join(err, filelock.Remove(r.Dest+".lock"), unlock())
	}()
	if size, ok := s.addAgain(ctx, r.SHA256); ok {
		return r.SHA256, size, nil
	}
	if err := client.Fetch(ctx, r); err != nil {
		return blob, 0, err
	}
	return s.Store.AddBlobFile(ctx, r.Dest)
}

// addAgain adds a file that the store may have already, so that it is kept for
// this step. Its bytes are hashed on the way; damaged ones are no use.
func (s *Step) addAgain(ctx context.Context, want store.Digest) (size int64, ok bool) {
	f, err := s.Store.OpenBlob(ctx, want)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	got, size, err := s.Store.AddBlob(ctx, f)
	return size, err == nil && got == want
}
