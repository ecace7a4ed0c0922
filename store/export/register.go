package export

import (
	"context"
	"errors"

	"sysc/store"
	"sysc/store/sign"
)

// Objects are registered when so many of them are complete, or when so many bytes
// have come: each time costs a sync of the file system.
const (
	maxBatch      = 256
	maxBatchBytes = 256 << 20
)

// flush registers what is complete, with its realisations, and adds signatures.
func (m *importer) flush(ctx context.Context) error {
	ready := map[store.Path]bool{}
	var objects []store.Object
	for _, one := range m.batch {
		ready[one.object.Path] = true
		if !m.valid[one.object.Path] {
			objects = append(objects, one.object)
		}
	}
	var later []signedRealisation
	var realisations []store.Realisation
	onResults := map[store.Realisation][]sign.Signature{}
	for _, one := range m.realisations {
		if !ready[one.realisation.Path] && !m.valid[one.realisation.Path] {
			later = append(later, one)
			continue
		}
		fresh, err := m.takes(ctx, one.realisation)
		if err != nil {
			return err
		}
		if fresh == conflicting {
			m.result.Conflicts = append(m.result.Conflicts, one.realisation)
			continue
		}
		if fresh == missing {
			// Another process may have taken away what admit saw.
			if err := m.vouchedResult(&one); err != nil {
				return err
			}
			realisations = append(realisations, one.realisation)
		}
		if sigs := m.worth(sign.Realisation(one.realisation), one.signatures); len(sigs) > 0 {
			onResults[one.realisation] = sigs
		}
	}
	if len(objects) > 0 || len(realisations) > 0 {
		if err := m.dst.Register(ctx, objects, realisations); err != nil {
			return err
		}
	}
	for _, one := range m.batch {
		m.result.Objects = append(m.result.Objects, one.object.Path)
	}
	m.result.Present += len(m.batch) - len(objects)
	m.result.Realisations += len(realisations)
	onObjects := map[store.Path][]sign.Signature{}
	for _, one := range m.batch {
		if sigs := m.worth(sign.Object(&one.object), one.signatures); len(sigs) > 0 {
			onObjects[one.object.Path] = sigs
		}
	}
	m.batch, m.batchBytes, m.realisations = nil, 0, later
	if len(onObjects) == 0 && len(onResults) == 0 {
		return nil
	}
	return m.dst.AddSignatures(ctx, onObjects, onResults)
}

// worth returns the signatures that are worth keeping: those that are right, and
// those of keys that this store does not know.
func (m *importer) worth(s sign.Statement, sigs []sign.Signature) []sign.Signature {
	var out []sign.Signature
	for _, sig := range sigs {
		if !m.opts.Trusted.Has(sig.Key) || len(m.opts.Trusted.Verify(s, []sign.Signature{sig})) > 0 {
			out = append(out, sig)
		}
	}
	return out
}

// A standing says what the store has in the place of a realisation.
type standing int

const (
	missing     standing = iota // nothing, or the path of an object that is gone
	same                        // the realisation itself
	conflicting                 // another object, which is valid
)

func (m *importer) takes(ctx context.Context, r store.Realisation) (standing, error) {
	have, err := m.dst.Realisation(ctx, r.Derivation, r.Output)
	if errors.Is(err, store.ErrNotExist) {
		return missing, nil
	}
	if err != nil {
		return missing, err
	}
	if have == r.Path {
		return same, nil
	}
	valid, err := m.dst.Valid(ctx, []store.Path{have})
	if err != nil || !valid[have] {
		return missing, err
	}
	return conflicting, nil
}
