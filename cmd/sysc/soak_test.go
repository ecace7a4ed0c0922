//go:build soak

package main

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	soakTime = flag.Duration("soak", 2*time.Minute, "how long to end builds at random")
	soakSeed = flag.Uint64("seed", rand.Uint64(), "where the random numbers begin")
)

// TestBuildsKilledAtRandom ends builds at random moments, in order or by force.
// Nothing of them is left, the store is sound, and the next build makes all of it.
func TestBuildsKilledAtRandom(t *testing.T) {
	w := newWorkshop(t, *soakSeed, 4*time.Second)
	for deadline := time.Now().Add(*soakTime); time.Now().Before(deadline); {
		w.round()
	}
	w.finish()
	if w.outlived == 0 {
		t.Error("no sandbox was seen that outlived sysc for a moment: would one be?")
	}
}
