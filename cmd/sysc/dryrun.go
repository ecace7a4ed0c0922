package main

import (
	"context"
	"fmt"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/store/localstore"
)

// A plannedStep is a step that a build would run.
type plannedStep struct {
	Name       string `json:"name"`
	Derivation string `json:"derivation"`
	Builder    string `json:"builder"`
	// Origin is the address in the definition.
	Origin string `json:"origin,omitempty"`
	// Size is how much there is to fetch, in bytes, where it is known.
	Size int64 `json:"size,omitempty"`
}

// A buildPlan is what build --dry-run prints as JSON. A step whose inputs turn out
// to be as they were need not run after all.
type buildPlan struct {
	Build []plannedStep `json:"build"`
	Fetch []plannedStep `json:"fetch"`
}

// planBuild prints what a build would do.
func (a *app) planBuild(ctx context.Context, st *localstore.Store, def *modules.Answer, want []derivations.Ref, flags buildFlags) error {
	plan := buildPlan{Build: []plannedStep{}, Fetch: []plannedStep{}}
	client, err := a.client()
	if err != nil {
		return err
	}
	caches, err := a.caches(st, def, client)
	if err != nil {
		return err
	}
	_, err = build.Realise(ctx, st, def.Graph(), want, &build.Options{
		DryRun:  true,
		Cache:   caches,
		Rebuild: flags.rebuild,
		Check:   flags.check,
		Events: func(e build.Event) {
			step := plannedStep{Name: e.Name, Derivation: e.Hash.String(), Builder: e.Builder, Origin: e.Origin.Label}
			if builtin.Fetches(e.Builder) || e.Builder == build.BuilderCache {
				step.Size = max(e.Total, 0)
				plan.Fetch = append(plan.Fetch, step)
			} else {
				plan.Build = append(plan.Build, step)
			}
		},
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(plan)
	}
	var size int64
	orMore := ""
	for _, step := range plan.Fetch {
		line := "fetch " + step.Name
		if step.Size > 0 {
			line += "  " + bytesize.Format(step.Size)
		} else {
			orMore = "at least "
		}
		size += step.Size
		fmt.Fprintln(a.out, line)
	}
	titles := make(map[string]int)
	for _, step := range plan.Build {
		titles[stepTitle(step.Builder, step.Name)]++
	}
	for _, step := range plan.Build {
		title := stepTitle(step.Builder, step.Name)
		if titles[title] > 1 && step.Origin != "" {
			title += "  for " + step.Origin
		}
		fmt.Fprintln(a.out, title)
	}
	switch {
	case len(plan.Build)+len(plan.Fetch) == 0:
		a.say("Nothing would run: it is all there.")
	case len(plan.Fetch) == 0:
		a.say("Would run at most %s.", plural(len(plan.Build), "step"))
	default:
		a.say("Would run at most %s, and fetch %s of %s%s.", plural(len(plan.Build), "step"), plural(len(plan.Fetch), "file"), orMore, bytesize.Format(size))
	}
	return nil
}
