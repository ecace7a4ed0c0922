package modules

import (
	"bytes"
	"context"
	"math"
	"strconv"

	"sysc/derivations"
	"sysc/internal/readlog"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
)

// When nothing has changed of a definition but derivations, the others need not be
// evaluated. All else is: the other blocks, the derivations that were changed, and those
// that ask for them, directly or not. In the place of each other one, what evaluating it
// did is done once more. So everything happens in the order in which it would, and the
// answer is the same to the last byte.
//
// Where that cannot be sure, everything is evaluated: when there is anything to say about
// the definition, when a block has changed that is no derivation or has a for_each, and
// when evaluation comes to a derivation to which it did not come before.

// A patch is what is known of an evaluation before a change.
type patch struct {
	old   *parts
	graph *derivations.Graph
	// stubs are the labels of derivations that need not be evaluated.
	stubs []string
	lines map[string][]lineRun // by file, in order
	work  *work
	// failed is set when something could not be done once more.
	failed bool
}

// A lineRun is a run of lines that are where others were.
type lineRun struct{ from, to, count int }

// partly evaluates what a change affects, of an evaluation that was recalled. It returns
// nothing when everything is to be evaluated.
func (m *Memory) partly(ctx context.Context, dir string, opts Options, r Request, found recalled) (*Answer, *Project) {
	if !found.changed || found.parts == "" {
		return nil, nil
	}
	g, err := derivations.ReadSnapshot(found.graph)
	if err != nil {
		return nil, nil
	}
	old, err := decodeParts(found.parts, g.Hashes())
	if err != nil || !old.cost.Small() {
		return nil, nil
	}
	opts.Reads = readlog.After(found.reads)
	opts.trace = eval.NewTrace(true)
	opts.patch = &patch{old: old, graph: g, lines: map[string][]lineRun{}}
	text, ok := opts.patch.read(opts.Reads, dir)
	if !ok {
		return nil, nil
	}
	def, diags := lang.Define(text, opts.Version)
	if def == nil || len(diags) > 0 {
		return nil, nil
	}
	p := newProject(dir, &opts)
	a, p, err := p.answer(ctx, p.begin(ctx, def), r)
	if err != nil || p == nil || len(a.Shown)+len(a.diags) > 0 || opts.patch.failed || !p.cost().Small() {
		return nil, nil
	}
	opts.Reads.Adopt(found.reads)
	a.Partly = true
	return a, p
}

// cost is what evaluating everything would have cost, or a little more.
func (p *Project) cost() eval.Cost {
	cost := p.session.Cost()
	if q := p.opts.patch; q != nil {
		cost = cost.Add(q.old.cost)
	}
	return cost
}

// read reads the definition, and parses what may have another value. It returns false
// when that may be anything.
func (q *patch) read(reads *readlog.Log, dir string) (*syntax.Module, bool) {
	files, diags := syntax.ReadFiles(reads, dir)
	if len(diags) > 0 || len(files) != len(q.old.files) {
		return nil, false
	}
	texts := make([]patchedText, len(q.old.files))
	var changed []string
	for i, f := range q.old.files {
		src, ok := files[f.name]
		if !ok || !texts[i].compare(f, src) {
			return nil, false
		}
		changed = append(changed, texts[i].changed...)
		q.lines[f.name] = texts[i].lines
	}
	affected := q.old.affected(changed)
	m := &syntax.Module{Dir: dir, Files: files}
	for i := range texts {
		blocks, ok := texts[i].blocks(q, affected)
		if !ok {
			return nil, false
		}
		m.Blocks = append(m.Blocks, blocks...)
	}
	return m, true
}

// A patchedText is a file, of which some parts are as they were: those before prefix,
// and those from suffix on. between are the blocks that stand there now.
type patchedText struct {
	file           partsFile
	src            []byte
	text           *syntax.Text
	prefix, suffix int
	between        []*syntax.Block
	// after is the byte and the line where the suffix begins.
	after, afterLine int
	changed          []string // labels of derivations
	lines            []lineRun
}

// compare finds the parts that are as they were. It returns false when others have
// changed than derivations.
func (t *patchedText) compare(f partsFile, src []byte) bool {
	t.file, t.src = f, src
	var ok bool
	if t.text, ok = syntax.NewText(f.name, src); !ok {
		return false // JSON, which is parsed as a whole
	}
	same := func(o *textPart, from int) bool {
		return o.size > 0 && from >= 0 && from+o.size <= len(src) && sumOf(src[from:from+o.size]) == o.sum
	}
	from, line := 0, 1
	for t.prefix < len(f.parts) && same(&f.parts[t.prefix], from) {
		o := &f.parts[t.prefix]
		from, line = from+o.size, line+o.lines
		t.prefix++
	}
	t.lines = append(t.lines, lineRun{1, 1, line - 1})
	t.after, t.suffix = len(src), len(f.parts)
	for t.suffix > t.prefix && t.after-f.parts[t.suffix-1].size >= from && same(&f.parts[t.suffix-1], t.after-f.parts[t.suffix-1].size) {
		t.suffix--
		t.after -= f.parts[t.suffix].size
	}
	oldLine := line
	for _, o := range f.parts[t.prefix:t.suffix] {
		if !o.plain {
			return false
		}
		oldLine += o.lines
		if o.label != "" {
			t.changed = append(t.changed, o.label)
		}
	}
	t.afterLine = line + bytes.Count(src[from:t.after], []byte{'\n'})
	t.lines = append(t.lines, lineRun{oldLine, t.afterLine, math.MaxInt})
	if t.between, ok = t.text.Parse(from, t.after, line); !ok {
		return false
	}
	for _, b := range t.between {
		if b.Type != derivationBlock || b.Body.Attr("for_each") != nil || len(b.Labels) != 1 {
			return false
		}
		t.changed = append(t.changed, b.Labels[0])
	}
	return true
}

// blocks returns the blocks of the file. Those of derivations that need not be
// evaluated have no bodies.
func (t *patchedText) blocks(q *patch, affected map[string]bool) ([]*syntax.Block, bool) {
	var out []*syntax.Block
	from, line := 0, 1
	for i := 0; i <= len(t.file.parts); i++ {
		if i == t.prefix {
			out = append(out, t.between...)
			i, from, line = t.suffix, t.after, t.afterLine
		}
		if i == len(t.file.parts) {
			break
		}
		o := &t.file.parts[i]
		switch {
		case o.label != "" && !affected[derivationAddress(o.label)]:
			q.stubs = append(q.stubs, o.label)
			b := o.header(t.file.name, from, line)
			b.Body.End.End = diag.Pos{Byte: from + o.size, Line: line + o.lines}
			if t.src[from+o.size-1] == '\n' {
				b.Body.End.End = diag.Pos{Byte: from + o.size - 1, Line: line + o.lines - 1}
			}
			out = append(out, b)
		case o.label != "" || !o.plain:
			blocks, ok := t.text.Parse(from, from+o.size, line)
			if !ok {
				return nil, false
			}
			out = append(out, blocks...)
		}
		from, line = from+o.size, line+o.lines
	}
	return out, true
}

// remembered are the derivations that need not be evaluated in a work that begins.
func (q *patch) remembered(w *work) map[string]*lang.Remembered {
	if q == nil {
		return nil
	}
	q.work = w
	out := make(map[string]*lang.Remembered, len(q.stubs))
	all := make([]lang.Remembered, len(q.stubs))
	for i, label := range q.stubs {
		all[i].Replay = func() (derivations.Hash, bool) {
			hash, ok := q.replay(label)
			q.failed = q.failed || !ok
			return hash, ok
		}
		out[label] = &all[i]
	}
	return out
}

// replay does what evaluating a derivation did.
func (q *patch) replay(label string) (derivations.Hash, bool) {
	r, ok := q.old.records[label]
	if !ok {
		return derivations.Hash{}, false
	}
	for _, e := range r.events {
		if !q.redo(e) {
			return derivations.Hash{}, false
		}
	}
	return r.hash, true
}

func (q *patch) redo(e eval.Event) bool {
	g, t := q.work.graph, q.work.session.Trace()
	switch made := e.Made.(type) {
	case addedStep:
		o, ok := q.moved(made.origin)
		return ok && g.Take(q.graph, made.hash, o)
	case addedSource:
		return g.TakeSource(q.graph, made.path)
	case usedBundle:
		o, ok := q.moved(made.origin)
		if _, done := q.work.bundles[made.last]; done {
			t.Note(usedBundle{made.last, o})
			return ok
		}
		t.Together(func() {
			for _, h := range q.old.bundles[made.last] {
				ok = ok && g.Take(q.graph, h, o)
			}
		}, func(events []eval.Event) any { return q.work.bundle(made.last, events, o) })
		_, there := g.Derivation(made.last)
		return ok && there
	}
	return t.Ask(e.Cell)
}

// moved returns an origin where its line is now.
func (q *patch) moved(o derivations.Origin) (derivations.Origin, bool) {
	file, line, column, ok := splitPosition(o.Position)
	if !ok {
		return o, o.Position == ""
	}
	runs, ok := q.lines[file]
	if !ok {
		return o, true // of a module, which has not changed
	}
	for _, r := range runs {
		if r.from <= line && line-r.from < r.count {
			o.Position = file + ":" + strconv.Itoa(line-r.from+r.to) + "," + column
			return o, true
		}
	}
	return o, false
}
