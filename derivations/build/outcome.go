package build

import (
	"context"
	"maps"
	"slices"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/localstore"
)

// What a derivation came to follows from the realisations of all that is behind it.
// The store keeps what was found that way, and forgets it when a realisation is
// replaced. Where an outcome is known and its object valid, nobody has to look behind
// it.

// maxRecalls bounds how many steps are gone from what is wanted towards what is known,
// with a look into the store at each. In a graph that is deeper than that, and of which
// so little is known, everything is looked up anew.
const maxRecalls = 64

// recallingPlanner is [newPlanner] without what only those outputs need that are known
// and valid. Their jobs are done.
func recallingPlanner(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref, cache Cache) (*planner, error) {
	p, err := emptyPlanner(st, g, want, cache)
	if err != nil {
		return nil, err
	}
	r := recaller{planner: p, asked: make(map[derivations.Ref]store.Path), open: make(map[derivations.Hash]bool)}
	ok, err := r.recall(ctx, want)
	if err != nil {
		return nil, err
	}
	if ok {
		p.addJobs(r.jobsOf())
		r.settle()
	} else {
		p.addJobs(g.Behind(want))
	}
	return p, p.lookAllUp(ctx)
}

// A recaller looks outcomes up.
type recaller struct {
	*planner
	asked map[derivations.Ref]store.Path // paths of valid objects; "" to look behind
	open  map[derivations.Hash]bool      // what is looked behind
}

// recall goes from what is wanted to what is known. It returns false when that is too
// far, or changes meanwhile.
func (r *recaller) recall(ctx context.Context, want []derivations.Ref) (bool, error) {
	refs := want
	for range maxRecalls {
		refs = r.notAsked(refs)
		if len(refs) == 0 {
			return true, nil
		}
		paths, same, err := r.outcomes(ctx, refs)
		if err != nil || !same {
			return false, err
		}
		valid, err := r.store.Valid(ctx, slices.Collect(maps.Values(paths)))
		if err != nil {
			return false, err
		}
		var behind []derivations.Ref
		for _, ref := range refs {
			if path := paths[ref]; valid[path] {
				r.asked[ref], r.valid[path] = path, true
			} else if !r.open[ref.Derivation] {
				r.open[ref.Derivation] = true
				d, _ := r.graph.Derivation(ref.Derivation)
				behind = append(behind, d.Inputs...)
			}
		}
		refs = behind
	}
	return false, nil
}

// notAsked returns the outputs that were not asked for before, each once.
func (r *recaller) notAsked(refs []derivations.Ref) []derivations.Ref {
	var out []derivations.Ref
	for _, ref := range refs {
		if _, ok := r.asked[ref]; !ok {
			r.asked[ref] = ""
			out = append(out, ref)
		}
	}
	return out
}

// outcomes returns the paths that are known. same is false when they are of another
// age than those before.
func (r *recaller) outcomes(ctx context.Context, refs []derivations.Ref) (paths map[derivations.Ref]store.Path, same bool, err error) {
	paths = make(map[derivations.Ref]store.Path, len(refs))
	keys := make([]localstore.OutcomeKey, 0, len(refs))
	of := make(map[localstore.OutcomeKey]derivations.Ref, len(refs))
	for _, ref := range refs {
		d, _ := r.graph.Derivation(ref.Derivation)
		if path, ok := derivations.FixedPath(d); ok {
			paths[ref] = path
			continue
		}
		key := localstore.OutcomeKey{Derivation: ref.Derivation.Outcome(), Output: ref.Output}
		keys = append(keys, key)
		of[key] = ref
	}
	known, age, err := r.store.Outcomes(ctx, keys)
	if err != nil {
		return nil, false, err
	}
	if r.age == nil {
		r.age = &age
	}
	for key, path := range known {
		paths[of[key]] = path
	}
	return paths, *r.age == age, nil
}

// jobsOf returns the derivations that were asked for, in the order of the graph.
func (r *recaller) jobsOf() []derivations.Hash {
	var hashes []derivations.Hash
	seen := make(map[derivations.Hash]bool, len(r.asked))
	for ref := range r.asked {
		if h := ref.Derivation; !seen[h] {
			seen[h] = true
			hashes = append(hashes, h)
		}
	}
	r.graph.Sort(hashes)
	return hashes
}

// settle marks the jobs as done whose outputs are known, as far as anybody needs them.
func (r *recaller) settle() {
	for ref, path := range r.asked {
		if j := r.jobs[ref.Derivation]; !r.open[j.hash] {
			j.outputs[ref.Output] = path
			j.state, j.recalled = done, true
		}
	}
}

// keepOutcomes keeps what was found. Without it the next plan takes longer, no more.
func (p *planner) keepOutcomes(ctx context.Context) {
	if p.age == nil {
		return
	}
	found := make(map[localstore.OutcomeKey]store.Path)
	for _, j := range p.list {
		if _, fixed := derivations.FixedPath(j.d); fixed || j.recalled || j.resolved == nil {
			continue
		}
		for name, path := range j.outputs {
			found[localstore.OutcomeKey{Derivation: j.hash.Outcome(), Output: name}] = path
		}
	}
	_ = p.store.KeepOutcomes(context.WithoutCancel(ctx), *p.age, found)
}
