package build

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
)

// TestRecallingIsLookingUp changes a graph, and what the store has of it, at random.
// After each change a plan that recalls outcomes has to be the one that looks
// everything up.
func TestRecallingIsLookingUp(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	luck := 0
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil), "builtin:luck": func(ctx context.Context, s *builtin.Step) error {
		text := fmt.Sprint(s.Derivation.Name, luck)
		blob, size, err := s.Store.AddBlob(ctx, strings.NewReader(text))
		if err != nil {
			return err
		}
		return s.SetFile(ctx, "out", blob, size, false, nil)
	}}
	const layers, width, steps = 5, 4, 150
	var variants [layers][width]int
	graph := func() (refs []derivations.Ref) {
		w.graph = derivations.NewGraph()
		var below []derivations.Ref
		for i := range layers {
			var layer []derivations.Ref
			for k := range width {
				builder := []string{"builtin:test", "builtin:luck"}[(i+k)%2]
				text := fmt.Sprint("step ", variants[i][k]/2) // every other change changes no result
				if i > 0 {
					text += " " + w.placeholder(below[k]) + " " + w.placeholder(below[(k+1)%width])
				}
				layer = append(layer, w.builtin(fmt.Sprintf("s%d-%d", i, k), builder, map[string]any{"text": text, "needs": []string{fmt.Sprint(variants[i][k])}}))
			}
			refs, below = append(refs, layer...), layer
		}
		return refs
	}
	recalled, left := 0, 0
	for range steps {
		refs := graph()
		some := func() []derivations.Ref {
			at := random.IntN(len(refs))
			return refs[at:min(len(refs), at+1+random.IntN(4))]
		}
		w.opts.Rebuild = nil
		switch random.IntN(8) {
		case 0:
			luck++
			w.opts.Rebuild = []derivations.Hash{some()[0].Derivation}
			w.mustRealise(some()...)
		case 1:
			luck++
			w.collect()
		case 2, 3:
			variants[random.IntN(layers)][random.IntN(width)]++
			refs = graph()
		default:
			w.mustRealise(some()...)
		}
		all := refs
		if random.IntN(2) == 0 {
			all = some()
		}
		n, of := w.comparePlans(all)
		recalled, left = recalled+n, left+of
		if t.Failed() {
			return
		}
	}
	if recalled < steps || left < steps {
		t.Errorf("%d jobs were recalled and %d left out: that tests nothing", recalled, left)
	}
}

// comparePlans plans what is wanted in both ways, and returns how many jobs the one
// that recalls took as they are, and how many it had no look at.
func (w *world) comparePlans(want []derivations.Ref) (recalled, left int) {
	w.t.Helper()
	ctx := w.t.Context()
	var plans [2]string
	var jobs [2]int
	for i, plan := range []func(context.Context, Store, *derivations.Graph, []derivations.Ref, Cache) (*planner, error){newPlanner, recallingPlanner} {
		p, err := plan(ctx, w.store, w.graph, want, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		missing, err := p.missing(ctx, want)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, j := range missing {
			plans[i] += fmt.Sprintln(j.d.Name, j.key, j.outputs)
		}
		paths := p.paths(want)
		for _, ref := range want {
			plans[i] += fmt.Sprintln(paths[ref])
		}
		jobs[i] = len(p.list)
		for _, j := range p.list {
			if j.recalled {
				recalled++
			}
		}
	}
	if plans[0] != plans[1] {
		w.t.Errorf("looked up:\n%s\nrecalled:\n%s", plans[0], plans[1])
	}
	return recalled, jobs[0] - jobs[1]
}

// TestDeepGraphs is about more steps than outcomes are looked up one after another.
func TestDeepGraphs(t *testing.T) {
	w := newWorld(t)
	w.opts.Builtins = map[string]builtin.Func{"builtin:test": counting(nil)}
	text := "begin"
	var last derivations.Ref
	for i := range maxRecalls + 10 {
		last = w.builtin(fmt.Sprint("s", i), "builtin:test", map[string]any{"text": text})
		text = "uses " + w.placeholder(last)
	}
	first := w.mustRealise(last)[last]
	if n := len(w.happened(Finished, false)); n != maxRecalls+10 {
		t.Errorf("%d steps ran", n)
	}
	var paths map[derivations.Ref]store.Path
	if paths = w.mustRealise(last); paths[last] != first || len(w.events) > 0 {
		t.Errorf("later it was %v, with %d events", paths, len(w.events))
	}
}
