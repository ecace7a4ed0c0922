package build

import (
	"context"
	"fmt"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/localstore"
)

// Known is what a store knows of derivations: enough that another one, which has some of
// the objects, need not look for the others or make them.
type Known struct {
	Realisations []store.Realisation
	Outcomes     map[localstore.OutcomeKey]store.Path
}

// FindKnown returns what is known of the outputs in want and of all behind them. Results
// that are known beforehand need no record.
func FindKnown(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref) (*Known, error) {
	p, err := newPlanner(ctx, st, g, want, nil)
	if err != nil {
		return nil, fmt.Errorf("find what is known: %w", err)
	}
	known := &Known{Outcomes: make(map[localstore.OutcomeKey]store.Path)}
	for _, j := range p.list {
		if _, fixed := derivations.FixedPath(j.d); fixed || j.resolved == nil {
			continue
		}
		for _, name := range j.d.OutputNames() {
			path, ok := j.outputs[name]
			if !ok {
				continue
			}
			known.Realisations = append(known.Realisations, store.Realisation{Derivation: j.key, Output: name, Path: path})
			known.Outcomes[localstore.OutcomeKey{Derivation: j.hash.Outcome(), Output: name}] = path
		}
	}
	return known, nil
}
