package export

import (
	"context"
	"errors"
	"io"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree/treetest"
)

// memory is a destination without a disk, which believes every id: what a real
// store takes it takes, too. It tells a fuzzer quickly which inputs are worth a
// real store.
type memory struct {
	treetest.Memory
	blobs        map[store.Digest]int64
	objects      map[store.Path]store.Object
	realisations map[store.DerivationHash]map[string]store.Path
}

func newMemory() *memory {
	return &memory{
		blobs: map[store.Digest]int64{}, objects: map[store.Path]store.Object{},
		realisations: map[store.DerivationHash]map[string]store.Path{},
	}
}

func (m *memory) AddBlob(_ context.Context, r io.Reader) (store.Digest, int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return store.Digest{}, 0, err
	}
	d := store.DigestOf(data)
	m.blobs[d] = int64(len(data))
	return d, int64(len(data)), nil
}

func (m *memory) HasBlob(_ context.Context, d store.Digest, size int64) (bool, error) {
	have, ok := m.blobs[d]
	return ok && have == size, nil
}

func (m *memory) Object(_ context.Context, p store.Path) (store.Object, error) {
	if o, ok := m.objects[p]; ok {
		return o, nil
	}
	return store.Object{}, store.ErrNotExist
}

func (m *memory) Valid(_ context.Context, paths []store.Path) (map[store.Path]bool, error) {
	valid := map[store.Path]bool{}
	for _, p := range paths {
		if _, ok := m.objects[p]; ok {
			valid[p] = true
		}
	}
	return valid, nil
}

func (m *memory) Realisation(_ context.Context, d store.DerivationHash, output string) (store.Path, error) {
	if p, ok := m.realisations[d][output]; ok {
		return p, nil
	}
	return "", store.ErrNotExist
}

var errMemory = errors.New("what is registered is not there")

// Register refuses with errMemory what no destination should ever see.
func (m *memory) Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error {
	for _, o := range objects {
		m.objects[o.Path] = o
	}
	for _, o := range objects {
		if _, err := m.Tree(ctx, o.Tree); err != nil {
			return errors.Join(errMemory, err)
		}
		if valid, _ := m.Valid(ctx, o.References); len(valid) != len(o.References) {
			return errMemory
		}
	}
	for _, r := range realisations {
		if m.realisations[r.Derivation] == nil {
			m.realisations[r.Derivation] = map[string]store.Path{}
		}
		m.realisations[r.Derivation][r.Output] = r.Path
	}
	return nil
}

func (m *memory) AddSignatures(_ context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error {
	for p := range objects {
		if _, ok := m.objects[p]; !ok {
			return errMemory
		}
	}
	for r := range realisations {
		if m.realisations[r.Derivation][r.Output] != r.Path {
			return errMemory
		}
	}
	return nil
}

func (m *memory) AddHearsay(ctx context.Context, objects map[store.Path][]sign.Signature, realisations map[store.Realisation][]sign.Signature) error {
	return m.AddSignatures(ctx, objects, realisations)
}
