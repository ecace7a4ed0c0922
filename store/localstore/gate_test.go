package localstore

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A collector gets its turn although there is always somebody within the gate.
func TestGateTurns(t *testing.T) {
	g, err := openGatedDir(t.TempDir(), t.TempDir())
	must(t, err)
	const turn = 5 * gateTurn
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	var users sync.WaitGroup
	defer func() {
		stop()
		users.Wait()
		must(t, g.close())
	}()
	// Each stays until one has come in after it, as long as that may be.
	var arrivals, within atomic.Int64
	for range 4 {
		users.Go(func() {
			for ctx.Err() == nil {
				if err := g.enter(); err != nil {
					t.Error(err)
					return
				}
				within.Add(1)
				self, since := arrivals.Add(1), time.Now()
				for arrivals.Load() == self && time.Since(since) < turn {
					runtime.Gosched()
				}
				within.Add(-1)
				g.leave()
			}
		})
	}
	for range 3 {
		for before := arrivals.Load(); arrivals.Load() < before+2; {
			runtime.Gosched()
		}
		reopen, err := g.shut(ctx)
		if err != nil {
			t.Fatal("the gate could not be closed: ", err)
		}
		if n := within.Load(); n != 0 {
			t.Errorf("%d users behind a closed gate", n)
		}
		reopen()
	}
}
