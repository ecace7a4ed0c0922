package modules

import (
	"sysc/derivations"
	"sysc/lang/eval"
	"sysc/store"
)

// What is noted in traces of evaluations, besides the cells that were asked for.
type (
	// addedStep is a derivation, whether or not the graph had it.
	addedStep struct {
		hash   derivations.Hash
		origin derivations.Origin
	}
	// addedSource is a source.
	addedSource struct{ path store.Path }
	// usedBundle is a bundle by its last derivation: if the graph does not have it, all
	// its derivations are added, with this origin.
	usedBundle struct {
		last   derivations.Hash
		origin derivations.Origin
	}
)

// A watcher notes in a trace what is added to the graph.
type watcher struct{ trace *eval.Trace }

func (w watcher) Added(h derivations.Hash, o derivations.Origin) { w.trace.Note(addedStep{h, o}) }
func (w watcher) AddedSource(p store.Path)                       { w.trace.Note(addedSource{p}) }
func (w watcher) Revised()                                       { w.trace.Gap() }

// follow lets a trace note everything that the evaluation does from now on.
func (w *work) follow(t *eval.Trace) {
	w.session.SetTrace(t)
	w.graph.Watch(watcher{t})
	w.bundles = map[derivations.Hash][]derivations.Hash{}
}

// bundle makes one event of adding the derivations of a root, which very many may share.
func (w *work) bundle(last derivations.Hash, events []eval.Event, o derivations.Origin) any {
	var all []derivations.Hash
	for _, e := range events {
		step, ok := e.Made.(addedStep)
		if !ok {
			w.session.Trace().Gap()
			continue
		}
		all = append(all, step.hash)
	}
	w.bundles[last] = all
	return usedBundle{last, o}
}
