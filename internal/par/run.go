package par

import (
	"context"
	"sync"
)

// A Task is a piece of work that may add further ones to q.
type Task func(ctx context.Context, q *Queue) error

// A Queue holds tasks that nobody has begun yet. It is safe for concurrent
// use.
type Queue struct {
	mu      sync.Mutex
	ready   sync.Cond
	tasks   []Task
	working int
	stopped bool
}

// Run does first and everything that it adds, at most limit tasks at a time
// (below 1 is 1), and returns the first error.
//
// The task added last begins first, so that walking a tree goes deep before it
// goes wide and few directories are open at any moment. After an error the
// tasks that are left are dropped.
func Run(ctx context.Context, limit int, first Task) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q := &Queue{tasks: []Task{first}}
	q.ready.L = &q.mu
	stop := context.AfterFunc(ctx, q.stop)
	defer stop()

	var wg sync.WaitGroup
	for range max(1, limit) {
		wg.Go(func() {
			for {
				task, ok := q.take()
				if !ok {
					return
				}
				err := task(ctx, q)
				if err != nil {
					cancel(err)
					q.stop()
				}
				q.done()
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// Add puts tasks into the queue. The last of them begins first.
func (q *Queue) Add(tasks ...Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, tasks...)
	if len(tasks) > 1 {
		q.ready.Broadcast()
	} else {
		q.ready.Signal()
	}
}

// Len returns the number of tasks that nobody has begun yet.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.tasks)
}

// take waits for a task. It returns false when there will be none.
func (q *Queue) take() (Task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.tasks) == 0 && q.working > 0 && !q.stopped {
		q.ready.Wait()
	}
	if q.stopped || len(q.tasks) == 0 {
		return nil, false
	}
	last := len(q.tasks) - 1
	task := q.tasks[last]
	q.tasks[last] = nil
	q.tasks = q.tasks[:last]
	q.working++
	return task, true
}

func (q *Queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working--
	if q.working == 0 {
		q.ready.Broadcast()
	}
}

func (q *Queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.ready.Broadcast()
}
