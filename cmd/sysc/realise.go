package main

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/distro/debian"
)

// builtins are all build steps that run inside this program: this is the place
// where they are put together.
func builtins() map[string]builtin.Func {
	all := builtin.Standard()
	maps.Copy(all, debian.Builtins())
	maps.Copy(all, systems.Builtins())
	return all
}

// A buildFlags is what verbs that build can be told.
type buildFlags struct {
	jobs, cores int
	// timeout and maxSilence bound every program, see build.Options.
	timeout, maxSilence time.Duration
	keepGoing           bool
	keepFailed          bool
}

// realise builds what is wanted, with progress, and shows what failed.
func (a *app) realise(ctx context.Context, st *localstore.Store, project *modules.Project, want []derivations.Ref, flags buildFlags) (map[derivations.Ref]store.Path, error) {
	mirrors, diags := project.Mirrors(a.getenv, "/")
	if err := a.diagnose(diags, project.Files()); err != nil {
		return nil, err
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	progress, err := newProgress(a.err, a.progress, a.colour(a.err))
	if err != nil {
		return nil, err
	}
	drain, drained := a.signals.drain()
	// From here on, a small heap is better: it is copied for each process that starts.
	debug.SetGCPercent(100)
	paths, err := build.Realise(ctx, st, project.Graph(), want, &build.Options{
		Jobs:        flags.jobs,
		Cores:       flags.cores,
		Timeout:     flags.timeout,
		MaxSilence:  flags.maxSilence,
		KeepGoing:   flags.keepGoing,
		KeepFailed:  flags.keepFailed,
		Builtins:    builtins(),
		Client:      client,
		Mirrors:     mirrors,
		DownloadDir: st.DownloadDir(),
		Events:      progress.event,
		Drain:       drain,
	})
	progress.finish(err)
	if drained() && err == nil {
		err = build.ErrDrained // what was wanted is there, but its user wants no more
	}
	if err != nil {
		a.showFailures(err)
	} else {
		rememberBuilds(st, project, want)
	}
	return paths, buildError(err)
}

// buildError gives the failure of a step its exit code; others have theirs.
func buildError(err error) error {
	if build.IsFault(err) {
		return &exitCode{code: exitBuild, cause: err}
	}
	var limit *build.LimitError
	if errors.As(err, &limit) {
		return &exitCode{code: exitTimeout, cause: err}
	}
	return err
}

// showFailures prints the last lines of the logs of failed steps.
func (a *app) showFailures(err error) {
	for _, failure := range failures(err) {
		if len(failure.Tail) > 0 {
			a.say("\nLast lines of %s:", failure.Derivation.Name)
			for _, line := range failure.Tail {
				a.say("  │ %s", printable(line))
			}
		}
		if at := failure.Origin.Position; at != "" {
			a.say("It is made by %s at %s.", failure.Origin.Label, at)
		}
		if failure.LogPath != "" {
			a.say("The whole log: sysc log %s", strings.TrimSuffix(filepath.Base(failure.LogPath), filepath.Ext(failure.LogPath)))
		}
		if failure.KeptDir != "" {
			a.say("Its directory is kept for %d days: %s", int(localstore.KeptFailed.Hours()/24), failure.KeptDir)
		}
	}
}

// failures returns the failed steps in err, which may be several joined.
func failures(err error) []*build.Error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*build.Error
		for _, e := range joined.Unwrap() {
			all = append(all, failures(e)...)
		}
		return all
	}
	var failure *build.Error
	if errors.As(err, &failure) {
		return []*build.Error{failure}
	}
	return nil
}

// printable replaces control characters, so that a log cannot drive a terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '·'
		}
		return r
	}, line)
}
