//go:build soak

package localstore

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 2*time.Minute, "how long to kill processes at random")

// TestKilledAtRandom kills processes at work, one after the other, at random
// moments. After each kill the store is sound and no root is lost.
func TestKilledAtRandom(t *testing.T) {
	f := newFleet(t, 16)
	random := rand.New(rand.NewPCG(f.seed, 1))
	kills := 0
	for deadline := time.Now().Add(*soakTime); time.Now().Before(deadline) && !t.Failed(); kills++ {
		time.Sleep(time.Duration(random.IntN(int(20 * time.Millisecond))))
		w := f.workers[random.IntN(len(f.workers))]
		f.kill(w)
		f.start(w)
	}
	f.stop()
	f.check(f.workers...)
	gc(t, f.store, GCOptions{})
	f.checkLeftovers()
	t.Logf("%d kills, %d rounds of %d processes", kills, f.rounds, len(f.workers))
}
