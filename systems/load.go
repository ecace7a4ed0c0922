package systems

import (
	"context"
	"fmt"
	"io"
	"os"

	"sysc/store"
	"sysc/store/tree"
)

// A Source is what a system is read from: a store.
type Source interface {
	tree.Source
	Object(ctx context.Context, p store.Path) (store.Object, error)
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// A System is a realised system.
type System struct {
	// Path is the system object, whose closure is all that the system needs.
	Path     store.Path
	Manifest *Manifest
	// Digest is that of the manifest's encoding.
	Digest store.Digest
}

// Load reads the system object p. An unknown object is store.ErrNotExist,
// wrapped. A system is plain data: it is not changed afterwards.
func Load(ctx context.Context, src Source, p store.Path) (*System, error) {
	obj, err := src.Object(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("load system %s: %w", p, err)
	}
	if obj.Kind != store.KindTree {
		return nil, fmt.Errorf("load system %s: it is a %s, not a system", p, obj.Kind)
	}
	entry, err := tree.Find(ctx, src, obj.Tree, ManifestName)
	if err != nil {
		return nil, fmt.Errorf("load system %s: %w", p, err)
	}
	if entry.Type != tree.File {
		return nil, fmt.Errorf("load system %s: %s is not a file", p, ManifestName)
	}
	data, err := readBlob(ctx, src, entry.Digest, MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("load system %s: %w", p, err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("load system %s: %v", p, err)
	}
	return &System{Path: p, Manifest: m, Digest: entry.Digest}, nil
}

type blobOpener interface {
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
}

// readBlob returns a blob of at most limit bytes.
func readBlob(ctx context.Context, src blobOpener, d store.Digest, limit int64) ([]byte, error) {
	f, err := src.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %v", d, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read blob %s: more than %d bytes", d, limit)
	}
	return data, nil
}
