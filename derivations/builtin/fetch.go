package builtin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

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
	request := download.Request{SHA256: fixed.Digest, Size: -1, MaxSize: maxFetch, Progress: s.Progress}
	if size := max(attrs.Size, fixed.Size); size > 0 {
		request.Size = size
	}
	for _, address := range append([]string{attrs.URL}, attrs.URLs...) {
		if address == "" {
			continue
		}
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Scheme == "file":
			return fmt.Errorf("fetch %q: %q is no address to fetch from", s.Derivation.Name, address)
		case u.User != nil:
			return fmt.Errorf("fetch %q: a password in the address of %s; those belong into ~/.netrc", s.Derivation.Name, u.Host)
		}
		expanded, err := s.Mirrors.Expand(address)
		if err != nil {
			return err
		}
		request.URLs = append(request.URLs, expanded...)
	}
	blob, size, err := s.fetchOnce(ctx, s.Download, request)
	if err != nil {
		return err
	}
	if blob != fixed.Digest {
		return fmt.Errorf("fetch %q: the file changed on disk, it has %s now", s.Derivation.Name, blob)
	}
	return s.SetFile(ctx, s.Derivation.OutputNames()[0], blob, size, fixed.Executable, nil)
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
