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
	trusted, others := newSignatures(), newSignatures()
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
		right, unknown := m.opts.Trusted.Divide(sign.Realisation(one.realisation), one.signatures)
		trusted.addRealisation(one.realisation, right)
		others.addRealisation(one.realisation, unknown)
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
	for _, one := range m.batch {
		right, unknown := m.opts.Trusted.Divide(sign.Object(&one.object), one.signatures)
		trusted.addObject(one.object.Path, right)
		others.addObject(one.object.Path, unknown)
	}
	m.batch, m.batchBytes, m.realisations = nil, 0, later
	if err := trusted.keep(ctx, m.dst.AddSignatures); err != nil {
		return err
	}
	return others.keep(ctx, m.dst.AddHearsay)
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
