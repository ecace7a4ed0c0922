package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// A garbage decides when garbage is looked for. Most of what is allocated is needed until
// the end, which comes soon; so a small command need not look at all, and takes a sixth
// less time.
type garbage struct {
	mu      sync.Mutex
	percent int
	begun   bool
}

const (
	// gcPercent is how much may be allocated before garbage is looked for, in percent of
	// what is in use; see runtime/debug.
	gcPercent = 300
	// evaluationGCPercent is that while a definition is evaluated, of which nearly
	// everything is kept. It saves a third of the memory that 50,000 derivations take at the
	// peak, for a sixth of the time.
	evaluationGCPercent = 75
	// buildGCPercent is that while something is built: packages are decoded in buffers of
	// tens of megabytes, which are used again.
	buildGCPercent = 100
	// gcBegin is how much memory the program may take before that counts, in bytes.
	gcBegin = 48 << 20
)

func newGarbage() *garbage {
	g := &garbage{percent: gcPercent}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(gcBegin)
	// What nobody uses is found when garbage is looked for the first time.
	runtime.SetFinalizer(&garbage{}, func(*garbage) { g.begin() })
	return g
}

func (g *garbage) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = true
	debug.SetGCPercent(g.percent)
	debug.SetMemoryLimit(math.MaxInt64)
}

// set sets the percentage and returns the one before.
func (g *garbage) set(percent int) int {
	if g == nil {
		return percent // in a test, whose garbage it is not
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.percent
	g.percent = percent
	if g.begun {
		debug.SetGCPercent(percent)
	}
	return last
}
