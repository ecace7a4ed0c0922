package par

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestDo(t *testing.T) {
	for _, limit := range []int{-1, 1, 3, 100} {
		var sum, running, most atomic.Int64
		err := Do(t.Context(), 50, limit, func(ctx context.Context, i int) error {
			if now := running.Add(1); now > most.Load() {
				most.Store(now)
			}
			defer running.Add(-1)
			sum.Add(int64(i))
			return nil
		})
		if err != nil || sum.Load() != 49*50/2 || most.Load() > int64(max(limit, 1)) {
			t.Errorf("limit %d: sum %d, %d at once, %v", limit, sum.Load(), most.Load(), err)
		}
	}
}

func TestDoStops(t *testing.T) {
	broken := errors.New("broken")
	for _, limit := range []int{1, 4} {
		var calls atomic.Int64
		err := Do(t.Context(), 1000, limit, func(ctx context.Context, i int) error {
			calls.Add(1)
			if i == 5 {
				return broken
			}
			if i > 5 {
				<-ctx.Done() // the first error cancels it
				return ctx.Err()
			}
			return nil
		})
		if err != broken {
			t.Errorf("limit %d: got %v, want the first error", limit, err)
		}
		if n := calls.Load(); n > int64(6+limit) {
			t.Errorf("limit %d: %d calls after the error", limit, n)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if err := Do(ctx, 1, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

// A tree of tasks: every one runs once, all of them before Run returns.
func TestRun(t *testing.T) {
	for _, limit := range []int{0, 1, 4} {
		var leaves atomic.Int64
		var grow func(depth int) Task
		grow = func(depth int) Task {
			return func(ctx context.Context, q *Queue) error {
				if depth == 0 {
					leaves.Add(1)
					return nil
				}
				q.Add(grow(depth-1), grow(depth-1))
				q.Add(grow(depth - 1))
				return nil
			}
		}
		if err := Run(t.Context(), limit, grow(7)); err != nil || leaves.Load() != 2187 {
			t.Errorf("limit %d: %d leaves, %v; want 3^7", limit, leaves.Load(), err)
		}
	}
}

func TestRunStops(t *testing.T) {
	broken := errors.New("broken")
	for _, limit := range []int{1, 4} {
		err := Run(t.Context(), limit, func(ctx context.Context, q *Queue) error {
			q.Add(
				func(ctx context.Context, q *Queue) error { <-ctx.Done(); return ctx.Err() },
				func(ctx context.Context, q *Queue) error { return broken },
			)
			return nil
		})
		if err != broken {
			t.Errorf("limit %d: got %v", limit, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, 2, func(ctx context.Context, q *Queue) error {
		cancel()
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
