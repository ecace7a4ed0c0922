package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/localstore"
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

	recalled bool // what is behind it was not looked at, and need not be
	offered  bool // the cache says that it has all outputs
	fetching bool // they are to be taken from there
	tried    bool // and could not be

	needed  map[string]bool // outputs that somebody asked for
	rebuild bool            // run although the result is there
	check   bool            // run once more, in other circumstances
	found   error           // by the check

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

// again reports whether a job is to run although its result is there.
func (j *job) again() bool { return j.rebuild || j.check }

// refs are all outputs of a job.
func (j *job) refs() []derivations.Ref {
	var refs []derivations.Ref
	for _, name := range j.d.OutputNames() {
		refs = append(refs, derivations.Ref{Derivation: j.hash, Output: name})
	}
	return refs
}

// A planner knows the jobs, and what the store has of them.
type planner struct {
	store Store
	graph *derivations.Graph
	jobs  map[derivations.Hash]*job
	list  []*job // in the order of the graph
	valid map[store.Path]bool
	cache Cache // nil for none
	// age is that of the outcomes, if some were looked up.
	age *localstore.OutcomeAge
}

// weightPerSecond makes weights of durations: about what is unpacked in a second.
const weightPerSecond = 64 << 20

// newPlanner finds the jobs behind what is wanted, and what is known of them.
// cache may be nil.
func newPlanner(ctx context.Context, st Store, g *derivations.Graph, want []derivations.Ref, cache Cache) (*planner, error) {
	p, err := emptyPlanner(st, g, want, cache)
	if err != nil {
		return nil, err
	}
	p.addJobs(g.Behind(want))
	return p, p.lookAllUp(ctx)
}

func emptyPlanner(st Store, g *derivations.Graph, want []derivations.Ref, cache Cache) (*planner, error) {
	p := &planner{store: st, graph: g, cache: cache, jobs: make(map[derivations.Hash]*job), valid: make(map[store.Path]bool)}
	for _, ref := range want {
		if _, err := g.Placeholder(ref); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addJobs adds jobs for derivations, which are in the order of the graph.
func (p *planner) addJobs(hashes []derivations.Hash) {
	jobs := make([]job, len(hashes))
	p.list = make([]*job, len(hashes))
	for i, h := range hashes {
		d, _ := p.graph.Derivation(h)
		j := &jobs[i]
		*j = job{
			hash: h, d: d, origin: p.graph.Origin(h), order: i,
			outputs: make(map[string]store.Path), needed: make(map[string]bool),
		}
		p.jobs[h], p.list[i] = j, j
	}
}

// lookAllUp looks up the jobs that are not recalled.
func (p *planner) lookAllUp(ctx context.Context) error {
	for _, level := range p.levels() {
		if err := p.lookUp(ctx, level...); err != nil {
			return err
		}
		if err := p.learn(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// levels are the jobs that are not recalled, by the length of the longest chain of such
// inputs below them: those of one level need nothing of one another.
func (p *planner) levels() [][]*job {
	var levels [][]*job
	at := make(map[derivations.Hash]int, len(p.list)) // how many levels are below what needs it
	for _, j := range p.list {                        // inputs come first
		if j.recalled {
			continue
		}
		level := 0
		for _, in := range j.d.Inputs {
			level = max(level, at[in.Derivation])
		}
		at[j.hash] = level + 1
		if level == len(levels) {
			levels = append(levels, nil)
		}
		levels[level] = append(levels[level], j)
	}
	return levels
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

// stale returns the jobs that are to be rebuilt, and those that may have to be because
// of them.
func (p *planner) stale() map[*job]bool {
	stale := make(map[*job]bool)
	for _, j := range p.list { // inputs come first
		if j.rebuild || slices.ContainsFunc(j.d.Inputs, func(in derivations.Ref) bool { return stale[p.jobs[in.Derivation]] }) {
			stale[j] = true
		}
	}
	return stale
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

// lookUp resolves jobs and finds the paths of their outputs, as far as that is possible
// without building. None may need another of them.
func (p *planner) lookUp(ctx context.Context, jobs ...*job) error {
	var recorded []*job // whose outputs the store knows, if anybody does
	var keys []localstore.RealisationKey
	for _, j := range jobs {
		path, fixed := derivations.FixedPath(j.d)
		if fixed {
			j.outputs[derivations.DefaultOutput] = path
		}
		if !p.inputsKnown(j) {
			continue
		}
		if err := p.resolve(j); err != nil {
			return err
		}
		if fixed {
			continue
		}
		recorded = append(recorded, j)
		for _, name := range j.d.OutputNames() {
			keys = append(keys, localstore.RealisationKey{Derivation: j.key, Output: name})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	known, err := p.store.Realisations(ctx, keys)
	if err != nil {
		return err
	}
	for _, j := range recorded {
		for _, name := range j.d.OutputNames() {
			if path, ok := known[localstore.RealisationKey{Derivation: j.key, Output: name}]; ok {
				j.outputs[name] = path
			} else {
				delete(j.outputs, name) // of other inputs, if there was one
			}
		}
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

// runAgain marks jobs of those that are planned.
func (p *planner) runAgain(rebuild, check []derivations.Hash) error {
	for _, h := range rebuild {
		if j, ok := p.jobs[h]; ok {
			j.rebuild = true
		}
	}
	for _, h := range check {
		j, ok := p.jobs[h]
		switch {
		case !ok:
		case j.d.Builder != derivations.BuilderExec:
			return fmt.Errorf("check %s: it is no program that could be run in other circumstances", j.d.Name)
		default:
			j.check = true
		}
	}
	return nil
}

// again returns all outputs of the jobs that are to run although they are there.
func (p *planner) again() []derivations.Ref {
	var refs []derivations.Ref
	for _, j := range p.list {
		if j.again() {
			refs = append(refs, j.refs()...)
		}
	}
	return refs
}

// missing returns the jobs that may have to run for refs, in the order of the
// graph. Early cutoff can only make them fewer.
func (p *planner) missing(ctx context.Context, refs []derivations.Ref) ([]*job, error) {
	seen := make(map[derivations.Ref]bool)
	run := make(map[*job]bool)
	stale := p.stale()
	todo := slices.Concat(refs, p.again())
	for len(todo) > 0 {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[ref] {
			continue
		}
		seen[ref] = true
		j := p.jobs[ref.Derivation]
		if path := p.path(ref); path != "" && !stale[j] && !j.check {
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
			if !j.offered || stale[j] || j.check {
				todo = append(todo, j.d.Inputs...)
			}
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
