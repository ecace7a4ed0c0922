package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sysc/derivations"
	"sysc/store"
)

// A job is one derivation of the graph that what is wanted depends on.
type job struct {
	hash   derivations.Hash
	d      *derivations.Derivation
	origin derivations.Origin
	order  int // position in the graph: inputs before users
	// chain is the weight of the heaviest chain of steps from this one, included,
	// to what is wanted.
	chain int64
	// expected is how long it will take, and took how long it did; 0 when it is not
	// known, or did not run. behind is what is expected of the longest chain of steps
	// that need it.
	expected, behind, took time.Duration

	// outputs are the paths known so far: recorded, known beforehand, or built.
	outputs map[string]store.Path
	// resolved is d with the inputs' paths, once they are known; key is its hash.
	resolved *derivations.Derivation
	key      store.DerivationHash

	needed  map[string]bool // outputs that somebody asked for
	state   state
	pending int    // inputs that it waits for
	waiting []*job // who waits for it
	err     error
}

type state uint8

const (
	idle    state = iota
	blocked       // waits for inputs
	queued        // can run
	running
	done
	failed
)

// A planner knows the jobs, and what the store has of them.
type planner struct {
	store Store
	graph *derivations.Graph
	jobs  map[derivations.Hash]*job
	list  []*job // in the order of the graph
	valid map[store.Path]bool
}

// weightPerSecond makes weights of durations: about what is unpacked in a second.
const weightPerSecond = 64 << 20

// newPlanner finds the jobs behind what is wanted, and what is known of them.
func newPlanner(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref) (*planner, error) {
	p := &planner{store: st, graph: g, jobs: make(map[derivations.Hash]*job), valid: make(map[store.Path]bool)}
	if err := p.reach(want); err != nil {
		return nil, err
	}
	for i, h := range g.Hashes() {
		if j, ok := p.jobs[h]; ok {
			j.order = i
			p.list = append(p.list, j)
		}
	}
	for _, j := range p.list {
		if err := p.lookUp(ctx, j); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// stepWeight is what a step weighs beside the bytes that it handles: about as
// much as unpacking so many.
const stepWeight = 64 << 10

// weigh sets how long missing jobs are expected to take, and their chains.
func (p *planner) weigh(missing []*job, h *history) {
	for _, j := range slices.Backward(missing) { // everything that needs it has been here
		j.expected = h.expected(j.d.Builder, j.d.Name)
		j.chain += p.weight(j)
		for _, in := range j.d.Inputs {
			dep := p.jobs[in.Derivation]
			dep.chain = max(dep.chain, j.chain)
			dep.behind = max(dep.behind, j.expected+j.behind)
		}
	}
}

// weight is what a step weighs by how long it took the last few times. Otherwise it
// is guessed from the sizes that are known before anything runs, those of files to
// fetch and of files fetched for it: a large package that is unpacked last would
// keep everything waiting.
func (p *planner) weight(j *job) int64 {
	if j.expected > 0 {
		return int64(j.expected.Seconds() * weightPerSecond)
	}
	weight := stepWeight + fixedSize(j.d)
	for _, in := range j.d.Inputs {
		weight += fixedSize(p.jobs[in.Derivation].d)
	}
	return weight
}

// fixedSize returns the size of a step's result, if that is known beforehand.
func fixedSize(d *derivations.Derivation) int64 {
	if d.Fixed == nil {
		return 0
	}
	return d.Fixed.Size
}

// reach adds the jobs that refs need.
func (p *planner) reach(refs []derivations.Ref) error {
	todo := slices.Clone(refs)
	for len(todo) > 0 {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, err := p.graph.Placeholder(ref); err != nil {
			return err
		}
		if _, ok := p.jobs[ref.Derivation]; ok {
			continue
		}
		d, _ := p.graph.Derivation(ref.Derivation)
		p.jobs[ref.Derivation] = &job{
			hash: ref.Derivation, d: d, origin: p.graph.Origin(ref.Derivation),
			outputs: make(map[string]store.Path), needed: make(map[string]bool),
		}
		todo = append(todo, d.Inputs...)
	}
	return nil
}

// inputsKnown reports whether the paths of all inputs are known.
func (p *planner) inputsKnown(j *job) bool {
	for _, in := range j.d.Inputs {
		if p.path(in) == "" {
			return false
		}
	}
	return true
}

// path returns an output's path, or "" when it is not known yet.
func (p *planner) path(r derivations.Ref) store.Path { return p.jobs[r.Derivation].outputs[r.Output] }

// lookUp resolves a job and finds the paths of its outputs, as far as that is
// possible without building.
func (p *planner) lookUp(ctx context.Context, j *job) error {
	if path, ok := derivations.FixedPath(j.d); ok {
		j.outputs[derivations.DefaultOutput] = path
	}
	if !p.inputsKnown(j) {
		return nil
	}
	if err := p.resolve(j); err != nil {
		return err
	}
	for _, name := range j.d.OutputNames() {
		if _, ok := derivations.FixedPath(j.d); ok {
			continue
		}
		path, err := p.store.Realisation(ctx, j.key, name)
		if errors.Is(err, store.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look up %s: %w", j.d.Name, err)
		}
		j.outputs[name] = path
	}
	return nil
}

func (p *planner) resolve(j *job) error {
	resolved, err := derivations.Resolve(j.d, func(r derivations.Ref) (store.Path, error) { return p.path(r), nil })
	if err != nil {
		return err
	}
	j.resolved, j.key = resolved, resolved.ResolvedHash()
	return nil
}

// isValid reports whether the store has an object.
func (p *planner) isValid(ctx context.Context, path store.Path) (bool, error) {
	if p.valid[path] {
		return true, nil
	}
	_, err := p.store.Object(ctx, path)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		p.valid[path] = true
	}
	return err == nil, err
}

// present reports whether all needed outputs of a job are known and valid.
func (p *planner) present(ctx context.Context, j *job) (bool, error) {
	for name := range j.needed {
		path := j.outputs[name]
		if path == "" {
			return false, nil
		}
		if ok, err := p.isValid(ctx, path); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// missing returns the jobs that may have to run for refs, in the order of the
// graph. Early cutoff can only make them fewer.
func (p *planner) missing(ctx context.Context, refs []derivations.Ref) ([]*job, error) {
	seen := make(map[derivations.Ref]bool)
	run := make(map[*job]bool)
	todo := slices.Clone(refs)
	for len(todo) > 0 {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[ref] {
			continue
		}
		seen[ref] = true
		j := p.jobs[ref.Derivation]
		if path := p.path(ref); path != "" {
			ok, err := p.isValid(ctx, path)
			if err != nil {
				return nil, err
			}
			if ok {
				continue
			}
		}
		if !run[j] {
			run[j] = true
			todo = append(todo, j.d.Inputs...)
		}
	}
	var out []*job
	for _, j := range p.list {
		if run[j] {
			out = append(out, j)
		}
	}
	return out, nil
}
