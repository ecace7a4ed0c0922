package builtin

import (
	"context"
	"fmt"
	"path/filepath"

	"sysc/internal/download"
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
// Addresses may be "mirror://NAME/PATH".
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
		expanded, err := s.Mirrors.Expand(address)
		if err != nil {
			return err
		}
		request.URLs = append(request.URLs, expanded...)
	}
	dir := s.DownloadDir
	if dir == "" {
		var err error
		if dir, err = s.TempDir(); err != nil {
			return err
		}
	}
	request.Dest = filepath.Join(dir, fixed.Digest.Hex())
	if err := s.Download.Fetch(ctx, request); err != nil {
		return err
	}
	blob, size, err := s.Store.AddBlobFile(ctx, request.Dest)
	if err != nil {
		return err
	}
	if blob != fixed.Digest {
		return fmt.Errorf("fetch %q: the file changed on disk, it has %s now", s.Derivation.Name, blob)
	}
	return s.SetFile(ctx, s.Derivation.OutputNames()[0], blob, size, fixed.Executable, nil)
}
