package build

import (
	"context"
	"fmt"

	"sysc/derivations"
	"sysc/store"
)

// A Step is what a store knows of a derivation, without building anything.
type Step struct {
	Hash   derivations.Hash
	Name   string
	Origin derivations.Origin
	// Key is the hash of the resolved derivation, which names realisations and
	// logs. Resolved is false when some input was never built: then there is none.
	Key      store.DerivationHash
	Resolved bool
}

// Steps returns all steps that are behind what is wanted, inputs first.
func Steps(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref) ([]Step, error) {
	p, err := newPlanner(ctx, st, g, want, nil)
	if err != nil {
		return nil, fmt.Errorf("look steps up: %w", err)
	}
	steps := make([]Step, len(p.list))
	for i, j := range p.list {
		steps[i] = Step{Hash: j.hash, Name: j.d.Name, Origin: j.origin, Key: j.key, Resolved: j.resolved != nil}
	}
	return steps, nil
}
