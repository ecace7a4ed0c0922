package build

import (
	"context"
	"fmt"
	"io"
	"time"

	"sysc/derivations"
)

// A LimitError says that a program was killed because it took too long.
type LimitError struct {
	// Limit is derivations.Timeout or derivations.MaxSilence.
	Limit string
	After time.Duration
}

func (e *LimitError) Error() string {
	if e.Limit == derivations.MaxSilence {
		return fmt.Sprintf("killed, having written nothing for %v (%s)", e.After, e.Limit)
	}
	return fmt.Sprintf("killed, still running after %v (%s)", e.After, e.Limit)
}

// A watch is a writer for the output of a program, which it keeps an eye on.
type watch struct {
	out     io.Writer
	silence time.Duration
	timer   *time.Timer // fires after so long a silence; nil without a limit
}

// watched returns a context that ends, with a [*LimitError] as its cause, when a
// program that starts now takes longer than limits allow, and the writer that its
// output must go through. stop must be called in the end.
func watched(ctx context.Context, limits derivations.RunLimits, out io.Writer) (_ context.Context, _ io.Writer, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timers := []*time.Timer{}
	after := func(limit string, d time.Duration) *time.Timer {
		if d == 0 {
			return nil
		}
		t := time.AfterFunc(d, func() { cancel(&LimitError{Limit: limit, After: d}) })
		timers = append(timers, t)
		return t
	}
	after(derivations.Timeout, limits.Timeout)
	w := &watch{out: out, silence: limits.Silence, timer: after(derivations.MaxSilence, limits.Silence)}
	return ctx, w, func() {
		for _, t := range timers {
			t.Stop()
		}
		cancel(nil)
	}
}

func (w *watch) Write(p []byte) (int, error) {
	if w.timer != nil {
		w.timer.Reset(w.silence)
	}
	return w.out.Write(p)
}

// runLimits returns those of a derivation, or what the options have where that is
// less.
func (o *Options) runLimits(d *derivations.Derivation) derivations.RunLimits {
	limits := d.RunLimits
	limits.Timeout = lesser(limits.Timeout, o.Timeout)
	limits.Silence = lesser(limits.Silence, o.MaxSilence)
	return limits
}

// lesser returns the lesser of two bounds, 0 being none.
func lesser(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
