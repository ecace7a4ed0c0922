//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"io/fs"
)

var errPlatform = errors.New("builders need Linux namespaces")

// Main reports false: there are no sandboxes on this platform.
func Main(args []string) (handled bool) { return false }

// CheckCaller returns nil: nothing is run on this platform.
func CheckCaller() error { return nil }

// LandlockVersion returns 0: it is Linux's.
func LandlockVersion() int { return 0 }

// Shared is what sandboxes have in common: nothing.
type Shared struct{}

// Close does nothing.
func (*Shared) Close() error { return nil }

// Strays returns nothing: no sandbox runs on this platform.
func Strays(fs.FS) ([]int, error) { return nil, nil }

// Run returns an [UnavailableError]: there are no sandboxes on this platform.
func Run(ctx context.Context, spec Spec) (Result, error) {
	return Result{}, &UnavailableError{Problems: Probe(ctx), Cause: errPlatform}
}

// Probe says that there are no sandboxes on this platform.
func Probe(ctx context.Context) []Problem {
	return []Problem{{
		What: "This is not Linux, and builders run in Linux namespaces.",
		Fix:  "build on a Linux machine",
	}}
}
