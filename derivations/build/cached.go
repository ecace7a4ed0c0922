package build

import (
	"context"
	"errors"

	"sysc/derivations"
	"sysc/store"
)

// A Cache has what others have built; cache.Caches is one. Its methods are safe for
// concurrent use.
type Cache interface {
	// Learn records in the store what it knows of derivations that the store knows no
	// result of.
	Learn(ctx context.Context, resolved []store.DerivationHash) error
	// Fetch makes an object valid, with what it refers to. When the cache has none that
	// can be used, that is store.ErrNotExist, wrapped.
	Fetch(ctx context.Context, p store.Path, progress func(done, total int64)) error
}

// BuilderCache stands in events for the builder of a step whose results are taken
// from a cache.
const BuilderCache = "cache"

// learn asks the cache for the results of jobs that the store knows nothing of, and
// looks them up anew. They are offered: nobody has to look behind them.
func (p *planner) learn(ctx context.Context, jobs []*job) error {
	var unknown []*job
	var keys []store.DerivationHash
	for _, j := range jobs {
		if j.resolved != nil && len(j.outputs) == 0 {
			unknown = append(unknown, j)
			keys = append(keys, j.key)
		}
	}
	if p.cache == nil || len(unknown) == 0 {
		return nil
	}
	if err := p.cache.Learn(ctx, keys); err != nil {
		return err
	}
	if err := p.lookUp(ctx, unknown...); err != nil {
		return err
	}
	for _, j := range unknown {
		j.offered = len(j.outputs) > 0
	}
	return nil
}

// fetchable reports whether the outputs that are needed of a job may be in the cache.
func (r *realiser) fetchable(j *job) bool {
	if r.cache == nil || j.tried || j.again() {
		return false
	}
	for name := range j.needed {
		if j.outputs[name] == "" {
			return false
		}
	}
	return true
}

// errNotCached is why a job that was to be taken from the cache has to run.
var errNotCached = errors.New("it is not in the cache")

// take makes the outputs of a job valid that the cache has. It returns errNotCached
// when it has not all of them.
func (r *realiser) take(ctx context.Context, j *job) (*commit, error) {
	unlock, err := r.store.Lock(r.begin, "build "+j.key.String(), func(holder string) {
		r.emit(j, Event{Kind: Waiting, Line: holder})
	})
	if err != nil {
		return nil, errNotCached
	}
	c, err := r.fetchAll(ctx, j)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotExist) && ctx.Err() == nil:
		return nil, errors.Join(r.failed(ctx, j, nil, "", err), unlock())
	case err != nil || c == nil:
		return nil, errors.Join(unlock(), errNotCached)
	}
	c.release = unlock
	return c, nil
}

// fetchAll fetches all outputs of a job whose paths the store knows, nil when not all
// can be had.
func (r *realiser) fetchAll(ctx context.Context, j *job) (*commit, error) {
	c := &commit{job: j, outputs: make(map[string]store.Path), cached: true}
	for _, name := range j.d.OutputNames() {
		path, err := r.knownPath(ctx, j, name)
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if err := r.cache.Fetch(ctx, path, r.progress(j)); err != nil {
			return nil, err
		}
		c.outputs[name] = path
	}
	return c, nil
}

// learned returns what the cache has of a job that nothing was known of before its
// inputs were, nil for nothing.
func (r *realiser) learned(ctx context.Context, j *job) *commit {
	if _, fixed := derivations.FixedPath(j.d); r.cache == nil || fixed || j.tried || j.again() {
		return nil
	}
	if err := r.cache.Learn(ctx, []store.DerivationHash{j.key}); err != nil {
		return nil
	}
	c, err := r.fetchAll(ctx, j)
	if err != nil {
		return nil
	}
	return c
}
