package modules

import (
	"context"
	"reflect"
	"slices"

	"sysc/derivations"
	"sysc/internal/varint"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/modules/evalcache"
	"sysc/store"
)

// When derivations have changed so that each asks for what it asked for before, and adds
// to the graph what it added before, then nothing happens in another order. The graph is
// the one that there was, with other derivations in the same places; only these are
// evaluated, and nothing is done once more. Of what was kept, all else is copied.
//
// Where that cannot be sure, derivations are replayed: see [patch.replayed].

// A revision is what becomes of an evaluation.
type revision struct {
	*patch
	cost  eval.Cost
	files []revisedFile
	todo  []revised
	// origins are where what affected derivations add comes from, by where it came from.
	origins map[blockPlace]derivations.Origin
	// hashes are those of what is added now, by the positions of what was added before,
	// and by what takes these positions.
	hashes map[int]derivations.Hash
	by     map[int]derivations.Revision
}

// A blockPlace is an origin without places.
type blockPlace struct{ label, position string }

// A revisedFile is a file whose parts from prefix to suffix are others now.
type revisedFile struct {
	partsFile
	prefix, suffix int
	now            []textPart
}

// each goes over the parts as they are now.
func (f *revisedFile) each(do func(*textPart)) {
	for _, parts := range [][]textPart{f.parts[:f.prefix], f.now, f.parts[f.suffix:]} {
		for i := range parts {
			do(&parts[i])
		}
	}
}

// A revised derivation is an affected one: its part as it was, and as it is now.
type revised struct {
	file      string
	part, now *textPart
	begin     int // the line of a file where it is now
}

func (r *revised) address() string { return derivationAddress(r.part.label) }

// revise evaluates what is affected, in a graph of its own. It returns nothing when
// everything has to be replayed.
func (q *patch) revise(ctx context.Context, dir string, opts Options) *revision {
	v := &revision{patch: q, origins: map[blockPlace]derivations.Origin{}, hashes: map[int]derivations.Hash{}, by: map[int]derivations.Revision{}}
	defer func() { q.failed = false }()
	if !q.old.closed || !q.onlyRecorded() || !v.cut() || q.old.explicit && q.shifted() || !v.find() {
		return nil
	}
	text, ok := q.module(dir, q.neighbours())
	if !ok {
		return nil
	}
	p, diags := q.begin(ctx, dir, opts, text, q.borrow)
	if p == nil || len(diags) > 0 {
		return nil
	}
	for _, r := range v.todo {
		if _, diags := p.module.Derivation(r.part.label, diag.Range{}); len(diags) > 0 {
			return nil
		}
	}
	t := p.session.Trace()
	if q.failed || t.HasGaps() || t.Ambiguous() {
		return nil
	}
	for _, r := range v.todo {
		if d, _ := p.module.Known(r.part.label); d == nil || !v.same(r, t.Cells[r.address()], d.Hash) {
			return nil
		}
	}
	v.cost = p.cost()
	if !v.cost.Small() || !q.graph.Revise(v.by, v.movedTo) {
		return nil
	}
	return v
}

// onlyRecorded reports whether all that is affected are derivations that have records,
// or that nobody has asked for.
func (q *patch) onlyRecorded() bool {
	for i, affected := range q.affected {
		if affected && q.old.known[i] && !q.old.recorded[i] {
			return false
		}
	}
	return true
}

// shifted reports whether there are lines that are not where they were.
func (q *patch) shifted() bool {
	for _, runs := range q.lines {
		if slices.ContainsFunc(runs, func(r lineRun) bool { return r.from != r.to }) {
			return true
		}
	}
	return false
}

// cut cuts what has changed into parts. It returns false when these are not the same
// derivations in the same order.
func (v *revision) cut() bool {
	for i := range v.texts {
		t := &v.texts[i]
		now, ok := t.cutBetween()
		if !ok {
			return false
		}
		left := t.file.parts[t.prefix:t.suffix]
		for k := range now {
			n := &now[k]
			if n.label == "" {
				continue
			}
			for len(left) > 0 && left[0].label == "" {
				left = left[1:]
			}
			if len(left) == 0 || left[0].label != n.label {
				return false
			}
			was := left[0].own(t.file.name, left[0].begin)
			v.origins[blockPlace{was.Label, was.Position}] = n.own(t.file.name, n.begin)
			n.address, n.record = left[0].address, left[0].record
			left = left[1:]
		}
		if slices.ContainsFunc(left, func(o textPart) bool { return o.label != "" }) {
			return false
		}
		v.files = append(v.files, revisedFile{t.file, t.prefix, t.suffix, now})
	}
	return true
}

// cutBetween returns the parts that are not as they were.
func (t *patchedText) cutBetween() ([]textPart, bool) {
	var now []textPart
	for _, one := range t.text.Parts(t.from, t.after, t.fromLine, t.between) {
		o := newTextPart(t.src, one)
		o.begin = one.Line
		if !o.plain {
			return nil, false
		}
		now = append(now, o)
	}
	return now, true
}

// find finds what is to be evaluated.
func (v *revision) find() bool {
	at := map[int]int{} // of addresses, in todo
	for i := range v.files {
		f, line := &v.files[i], 1
		f.each(func(o *textPart) {
			if o.record != "" && v.affected[o.address] {
				at[o.address] = len(v.todo)
				v.todo = append(v.todo, revised{file: f.name, now: o, begin: line})
			}
			line += o.lines
		})
	}
	for _, f := range v.old.files {
		for i := range f.parts {
			if o := &f.parts[i]; o.record != "" && v.affected[o.address] {
				v.todo[at[o.address]].part = o
			}
		}
	}
	return !slices.ContainsFunc(v.todo, func(r revised) bool { return r.part == nil })
}

// neighbours tells what is to be parsed: of derivations that are not affected, those
// that affected ones have asked for are known, and the others need not be there.
func (q *patch) neighbours() func(*textPart) treatment {
	asked := make([]bool, len(q.affected))
	for _, a := range q.old.asks {
		asked[a.asked] = asked[a.asked] || q.affected[a.asker]
	}
	return func(o *textPart) treatment {
		switch {
		case q.affected[o.address]:
			return toEvaluate
		case asked[o.address]:
			return toReplace
		}
		return toLeaveOut
	}
}

// borrow adds a derivation that is not affected, without what it needs.
func (q *patch) borrow(s stub) (derivations.Hash, bool) {
	r, ok := q.old.record(s.part, s.file)
	return r.hash, ok && q.work.graph.Borrow(q.graph, r.hash)
}

// same reports whether evaluating a derivation did the same as before, but for what it
// added.
func (v *revision) same(r revised, events []eval.Event, hash derivations.Hash) bool {
	was, ok := v.old.record(r.part, r.file)
	if !ok || len(was.events) != len(events) {
		return false
	}
	for i, e := range events {
		if !v.sameEvent(r, was.events[i], e) {
			return false
		}
	}
	at, ok := v.graph.Position(was.hash)
	return ok && v.hashes[at] == hash
}

func (v *revision) sameEvent(r revised, was, now eval.Event) bool {
	switch made := was.Made.(type) {
	case addedStep:
		step, ok := now.Made.(addedStep)
		return ok && v.follow(r, made.origin, step.origin) && v.take(r, made.hash, step.hash)
	case addedSource:
		return now.Made == was.Made && v.sameSource(made.path)
	case usedBundle:
		bundle, ok := now.Made.(usedBundle)
		return ok && bundle.last == made.last && v.follow(r, made.origin, bundle.origin) && slices.Equal(v.work.bundles[made.last], v.old.bundles[made.last])
	}
	return now.Made == nil && now.Cell == was.Cell
}

// follow notes where what a derivation adds comes from now. It returns false when that
// is not its text, before and now.
func (v *revision) follow(r revised, was, now derivations.Origin) bool {
	if _, _, ok := r.part.within(r.file, r.part.begin, was); !ok {
		return false
	}
	if _, _, ok := r.now.within(r.file, r.begin, now); !ok {
		return false
	}
	at := blockPlace{was.Label, was.Position}
	if other, again := v.origins[at]; again && (other.Label != now.Label || other.Position != now.Position) {
		return false
	}
	v.origins[at] = now
	return true
}

// take notes that a derivation takes the place of another one. It returns false when
// that place is not one derivation's alone.
func (v *revision) take(r revised, before, now derivations.Hash) bool {
	at, ok := v.graph.Position(before)
	if !ok {
		return false
	}
	if other, again := v.hashes[at]; again && other != now {
		return false
	}
	v.hashes[at] = now
	was, _ := v.graph.Derivation(before)
	d, ok := v.work.graph.Derivation(now)
	if !ok || slices.ContainsFunc(d.Sources, func(p store.Path) bool { return !v.sameSource(p) }) {
		return false
	}
	if before == now && reflect.DeepEqual(was, d) {
		return true
	}
	v.by[at] = derivations.Revision{Hash: now, Derivation: d}
	return v.old.owners[at] == r.part.number
}

// sameSource reports whether a source is the one that there was, or is none.
func (v *revision) sameSource(p store.Path) bool {
	a, _ := v.graph.Source(p)
	b, _ := v.work.graph.Source(p)
	return reflect.DeepEqual(a, b)
}

// movedTo returns an origin as it is now.
func (v *revision) movedTo(o derivations.Origin) (derivations.Origin, bool) {
	if now, ok := v.origins[blockPlace{o.Label, o.Position}]; ok {
		return now, true
	}
	moved, ok := v.moved(o)
	return moved, ok && o.Places == nil
}

// encode writes down what has become of the parts.
func (v *revision) encode() []byte {
	e := &partsEncoder{out: appendHead(nil, v.old.closed, v.cost, v.old.textsAsKept)}
	e.uint(len(v.files))
	for i := range v.files {
		f := &v.files[i]
		e.uint(f.number)
		e.uint(f.prefix + len(f.now) + len(f.parts) - f.suffix)
		f.each(func(o *textPart) {
			e.uint(o.flags(o.record != ""))
			e.place(o)
			if o.label != "" {
				e.uint(o.address)
			}
			if o.record != "" {
				e.out = varint.AppendText(e.out, o.record)
			}
		})
	}
	return append(e.out, v.old.restAsKept...)
}

// revised is the answer after a revision, which is kept. It is nil when there is none.
func (m *Memory) revised(key evalcache.Key, dir string, opts Options, found recalled, v *revision) *Answer {
	a, err := opts.answer(found.about, v.graph)
	if err != nil {
		return nil
	}
	opts.Reads.Adopt(found.reads)
	a.dir, a.Remembered, a.Partly, a.revised = dir, false, true, true
	if opts.Reads.Spoiled() == "" {
		a.Kept = m.keep(key, opts.Reads, found.about, v.encode(), v.graph.SnapshotAll())
	}
	return a
}
