package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/cgroup"
	"sysc/lang"
	"sysc/lang/diag"
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
	maps.Copy(all, systems.InitrdBuiltins(initProgram))
	maps.Copy(all, systems.ProgramBuiltins(openProgram))
	return all
}

// A buildFlags is what verbs that build can be told.
type buildFlags struct {
	jobs, cores int
	// timeout and maxSilence bound every program, see build.Options.
	timeout, maxSilence time.Duration
	limits              cgroup.Limits
	memory              int64 // for all builds together, see build.Options
	keepGoing           bool
	keepFailed          bool
	rebuild, check      []derivations.Hash
}

// A definition is what building needs to know of one: *modules.Answer, and
// *modules.Project.
type definition interface {
	Dir() string
	Graph() *derivations.Graph
	Files() map[string][]byte
	Mirrors(env func(string) string, hostRoot string) (modules.Mirrors, diag.List)
	Caches() lang.CacheSettings
}

// realise builds what is wanted, with progress, and shows what failed.
func (a *app) realise(ctx context.Context, st *localstore.Store, def definition, want []derivations.Ref, flags buildFlags) (map[derivations.Ref]store.Path, error) {
	mirrors, diags := def.Mirrors(a.getenv, "/")
	if err := a.diagnose(diags, def.Files()); err != nil {
		return nil, err
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	caches, err := a.caches(st, def, client)
	if err != nil {
		return nil, err
	}
	progress, err := newProgress(a.err, a.progressMode(), a.colour(a.err), cmp.Or(flags.jobs, runtime.GOMAXPROCS(0)))
	if err != nil {
		return nil, err
	}
	a.drawn = progress
	defer a.garbage.set(a.garbage.set(buildGCPercent))
	drain, drained := a.signals.drain()
	paths, err := build.Realise(ctx, st, def.Graph(), want, &build.Options{
		Jobs:        flags.jobs,
		Cores:       flags.cores,
		Timeout:     flags.timeout,
		MaxSilence:  flags.maxSilence,
		Limits:      flags.limits,
		Memory:      flags.memory,
		KeepGoing:   flags.keepGoing,
		KeepFailed:  flags.keepFailed,
		Rebuild:     flags.rebuild,
		Check:       flags.check,
		Builtins:    builtins(),
		Client:      client,
		Registries:  registries(client),
		Mirrors:     mirrors.Now,
		Past:        mirrors.Past,
		Cache:       caches,
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
		rememberBuilds(st, def, want)
	}
	if n := len(failures(err)); n > 1 {
		err = fmt.Errorf("%d steps failed:\n%w", n, err)
	}
	var limits *build.LimitsError
	if errors.As(err, &limits) {
		a.say("sysc doctor says how they can be.")
	}
	return paths, buildError(err)
}

// buildError gives the failure of a step its exit code; others have theirs.
func buildError(err error) error {
	if all := failures(err); len(all) > 0 && !slices.ContainsFunc(all, func(e *build.Error) bool { return !isDifference(e) }) {
		return &exitCode{code: exitNotReproducible, cause: err}
	}
	if build.IsFault(err) {
		return &exitCode{code: exitBuild, cause: err}
	}
	var limit *build.LimitError
	if errors.As(err, &limit) {
		return &exitCode{code: exitTimeout, cause: err}
	}
	return err
}

// isDifference reports whether a step did its work, but not reproducibly.
func isDifference(err error) bool {
	var found *build.CheckError
	return errors.As(err, &found)
}

// showFailures prints the last lines of the logs of failed steps.
func (a *app) showFailures(err error) {
	for _, failure := range failures(err) {
		if len(failure.Tail) > 0 {
			a.say("\nLast lines of %s:", failure.Derivation.Name)
			for _, line := range failure.Tail {
				a.sayQuoted(printable(line))
			}
		}
		for _, hint := range hintsFor(failure) {
			a.say("%s", hint)
		}
		if at := failure.Origin.Position; at != "" {
			a.say("It is made by %s at %s.", failure.Origin.Label, at)
		}
		if failure.LogPath != "" {
			a.say("Log: sysc log %s", strings.TrimSuffix(filepath.Base(failure.LogPath), filepath.Ext(failure.LogPath)))
		}
		if failure.KeptDir != "" {
			a.say("Its directory is kept for %d days: %s", int(localstore.KeptFailed.Hours()/24), failure.KeptDir)
			a.say("To enter it: sysc shell --failed %s", filepath.Base(failure.KeptDir))
		}
	}
}

// sayQuoted writes a line of a log behind a bar. On a terminal a long one goes on
// behind it.
func (a *app) sayQuoted(line string) {
	const bar = "  │ "
	parts := []string{line}
	if a.terminal(a.err) {
		parts = fold(line, lineWidth(a.err)-utf8.RuneCountInString(bar))
	}
	for _, part := range parts {
		a.say("%s%s", bar, part)
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
