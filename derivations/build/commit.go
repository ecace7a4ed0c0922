package build

import (
	"context"
	"sync"

	"sysc/store"
)

// A commit is what a step made, to be registered.
type commit struct {
	job          *job
	objects      []store.Object
	realisations []store.Realisation
	outputs      map[string]store.Path
	cached       bool
	found        error // by a check
	// release gives the step's lock back, once it is registered.
	release func() error
	// done is closed afterwards, if it is not nil; err says how it went.
	done chan struct{}
	err  error
}

// A committer registers commits in groups: whatever came while the disk was busy
// with one group is the next. A step therefore costs no sync of its own.
type committer struct {
	ctx    context.Context
	store  Store
	notify func(*commit, error)

	mu     sync.Mutex
	queue  []*commit
	wake   chan struct{}
	closed bool
	ended  sync.WaitGroup
}

// newCommitter starts a committer, which calls notify for each commit with a
// job. It goes on when ctx is cancelled: what has finished shall not be lost.
func newCommitter(ctx context.Context, st Store, notify func(*commit, error)) *committer {
	c := &committer{ctx: context.WithoutCancel(ctx), store: st, notify: notify, wake: make(chan struct{}, 1)}
	c.ended.Go(c.run)
	return c
}

func (c *committer) add(item *commit) {
	c.mu.Lock()
	c.queue = append(c.queue, item)
	c.mu.Unlock()
	c.poke()
}

// wait adds objects and returns when they are registered.
func (c *committer) wait(objects []store.Object) error {
	item := &commit{objects: objects, done: make(chan struct{})}
	c.add(item)
	<-item.done
	return item.err
}

// close waits for everything that was added.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
	c.ended.Wait()
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) run() {
	for range c.wake {
		c.mu.Lock()
		group, closed := c.queue, c.closed
		c.queue = nil
		c.mu.Unlock()
		c.register(group)
		if closed {
			return
		}
	}
}

func (c *committer) register(group []*commit) {
	if len(group) == 0 {
		return
	}
	if err := c.registerAll(group); err != nil && len(group) > 1 {
		// One of them must not spoil the others.
		for _, item := range group {
			item.err = c.registerAll([]*commit{item})
		}
	} else {
		for _, item := range group {
			item.err = err
		}
	}
	for _, item := range group {
		if item.release != nil {
			if err := item.release(); item.err == nil {
				item.err = err
			}
		}
		if item.done != nil {
			close(item.done)
		}
		if item.job != nil {
			c.notify(item, item.err)
		}
	}
}

func (c *committer) registerAll(group []*commit) error {
	var objects []store.Object
	var realisations []store.Realisation
	seen := make(map[store.Path]bool)
	for _, item := range group {
		for _, o := range item.objects {
			if !seen[o.Path] {
				seen[o.Path] = true
				objects = append(objects, o)
			}
		}
		realisations = append(realisations, item.realisations...)
	}
	if len(objects)+len(realisations) == 0 {
		return nil
	}
	return c.store.Register(c.ctx, objects, realisations)
}
