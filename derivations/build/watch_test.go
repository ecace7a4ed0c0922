package build

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sysc/derivations"
)

// TestWatch lets a program write every so often and looks when it is killed.
func TestWatch(t *testing.T) {
	for _, test := range []struct {
		limits derivations.RunLimits
		every  time.Duration
		lines  int
		want   LimitError
		after  time.Duration
	}{
		{derivations.RunLimits{Timeout: time.Hour}, time.Minute, 1000, LimitError{derivations.Timeout, time.Hour}, time.Hour},
		{derivations.RunLimits{Silence: 2 * time.Minute}, time.Minute, 10, LimitError{derivations.MaxSilence, 2 * time.Minute}, 12 * time.Minute},
		{derivations.RunLimits{Timeout: time.Hour, Silence: time.Minute}, 0, 0, LimitError{derivations.MaxSilence, time.Minute}, time.Minute},
		{derivations.RunLimits{}, time.Hour, 1000, LimitError{}, 1000 * time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var out bytes.Buffer
			ctx, w, stop := watched(t.Context(), test.limits, &out)
			for i := 0; i < test.lines && ctx.Err() == nil; i++ {
				select {
				case <-ctx.Done():
				case <-time.After(test.every):
					w.Write([]byte("x"))
				}
			}
			if test.want != (LimitError{}) {
				<-ctx.Done()
			}
			var limit *LimitError
			if errors.As(context.Cause(ctx), &limit) != (test.want != LimitError{}) || limit != nil && *limit != test.want {
				t.Errorf("%+v: got %v, want %v", test.limits, context.Cause(ctx), &test.want)
			}
			if took := time.Since(start); took != test.after {
				t.Errorf("%+v: ended after %v, want %v", test.limits, took, test.after)
			}
			if out.Len() == 0 && test.lines > 0 {
				t.Errorf("%+v: nothing was passed on", test.limits)
			}
			stop()
			time.Sleep(2 * test.after) // no timer is left to fire
			if err := context.Cause(ctx); limit == nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%+v: after the end: %v", test.limits, err)
			}
		})
	}
}

// TestRunLimitsOfOptions: the lesser of two bounds counts.
func TestRunLimitsOfOptions(t *testing.T) {
	for _, test := range []struct{ derivation, option, want time.Duration }{
		{0, 0, 0}, {0, 1, 1}, {1, 0, 1}, {1, 2, 1}, {2, 1, 1},
	} {
		d := &derivations.Derivation{RunLimits: derivations.RunLimits{Timeout: test.derivation, Silence: test.derivation, Log: 5}}
		o := Options{Timeout: test.option, MaxSilence: test.option}
		want := derivations.RunLimits{Timeout: test.want, Silence: test.want, Log: 5}
		if got := o.runLimits(d); got != want {
			t.Errorf("%v and %v: got %+v", test.derivation, test.option, got)
		}
	}
}
