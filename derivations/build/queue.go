package build

import (
	"cmp"
	"container/heap"

	"sysc/derivations/builtin"
)

// A class is what a step needs most.
type class int

const (
	processor class = iota
	network
	classes
)

func (j *job) class() class {
	if j.fetching || builtin.Fetches(j.d.Builder) {
		return network
	}
	return processor
}

// A queue holds jobs that can run. The one with the heaviest chain behind it is
// first; among equals, the one that was added to the graph first.
type queue []*job

func (q *queue) push(j *job) { heap.Push((*jobHeap)(q), j) }

func (q *queue) pop() *job { return heap.Pop((*jobHeap)(q)).(*job) }

// before tells which of two jobs begins first.
func before(a, b *job) bool {
	return cmp.Or(cmp.Compare(b.chain, a.chain), cmp.Compare(a.order, b.order)) < 0
}

type jobHeap []*job

func (h jobHeap) Len() int { return len(h) }

func (h jobHeap) Less(a, b int) bool { return before(h[a], h[b]) }

func (h jobHeap) Swap(a, b int) { h[a], h[b] = h[b], h[a] }

func (h *jobHeap) Push(x any) { *h = append(*h, x.(*job)) }

func (h *jobHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
