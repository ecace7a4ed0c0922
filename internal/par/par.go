// Package par runs work on several cores: [Do] when the pieces are known
// beforehand, [Run] when work finds more work, as walking a tree does.
// Both stop at the first error and wait for everything they started.
package par

import (
	"context"
	"sync"
	"sync/atomic"
)

// Do calls fn for each i of 0…n-1, at most limit at a time, and returns the
// first error, after which no further call begins and the context of the
// running ones is cancelled. A limit below 1 is 1.
func Do(ctx context.Context, n, limit int, fn func(ctx context.Context, i int) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit = max(1, min(limit, n)); limit == 1 {
		for i := range n {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range limit {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := fn(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
