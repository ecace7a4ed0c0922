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
	"sysc/modules/evalcache"
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
	old   *keptParts
	graph *derivations.Graph
	// files are what the definition says now, and texts the same in parts. affected is
	// what may have other values: see [keptParts.affected].
	files    map[string][]byte
	texts    []patchedText
	affected []bool
	// stubs are derivations that are not evaluated, do what happens in their place.
	stubs []stub
	do    func(stub) (derivations.Hash, bool)
	lines map[string][]lineRun // by file, in order
	work  *work
	// failed is set when something could not be done once more.
	failed bool
}

// A stub stands for a derivation of which is known what evaluating it does.
type stub struct {
	file string
	part *textPart
}

// A lineRun is a run of lines that are where others were.
type lineRun struct{ from, to, count int }

// partly evaluates what a change affects, of an evaluation that was recalled, and keeps
// the answer. It returns nothing when everything is to be evaluated.
func (m *Memory) partly(ctx context.Context, key evalcache.Key, dir string, opts Options, r Request, found recalled) *Answer {
	if !found.changed || found.parts == "" {
		return nil
	}
	g, err := derivations.ReadSnapshot(found.graph)
	if err != nil {
		return nil
	}
	old, err := decodeParts(found.parts, g.Hashes())
	if err != nil || !old.cost.Small() {
		return nil
	}
	opts.Reads = readlog.After(found.reads)
	q := &patch{old: old, graph: g, lines: map[string][]lineRun{}}
	if !q.read(opts.Reads, dir) {
		return nil
	}
	if v := q.revise(ctx, dir, opts); v != nil {
		return m.revised(key, dir, opts, found, v)
	}
	a, p := q.replayed(ctx, dir, opts, r)
	if a != nil {
		opts.Reads.Adopt(found.reads)
		a.Kept = m.remember(key, a, p)
	}
	return a
}

// replayed evaluates what is affected, and does what was done for the other derivations
// once more.
func (q *patch) replayed(ctx context.Context, dir string, opts Options, r Request) (*Answer, *Project) {
	text, ok := q.module(dir, func(o *textPart) treatment {
		if q.affected[o.address] {
			return toEvaluate
		}
		return toReplace
	})
	if !ok {
		return nil, nil
	}
	p, diags := q.begin(ctx, dir, opts, text, q.replay)
	if p == nil {
		return nil, nil
	}
	a, p, err := p.answer(ctx, diags, r)
	if err != nil || p == nil || len(a.Shown)+len(a.diags) > 0 || q.failed || !p.cost().Small() {
		return nil, nil
	}
	a.Partly = true
	return a, p
}

// begin begins to evaluate a text, in which there are derivations that are not
// evaluated. do takes their place.
func (q *patch) begin(ctx context.Context, dir string, opts Options, text *syntax.Module, do func(stub) (derivations.Hash, bool)) (*Project, diag.List) {
	def, diags := lang.Define(text, opts.Version)
	if def == nil || len(diags) > 0 {
		return nil, nil
	}
	q.do = do
	opts.patch, opts.trace = q, eval.NewTrace(true)
	p := newProject(dir, &opts)
	return p, p.begin(ctx, def)
}

// cost is what evaluating everything would have cost, or a little more.
func (p *Project) cost() eval.Cost {
	cost := p.session.Cost()
	if q := p.opts.patch; q != nil {
		cost = cost.Add(q.old.cost)
	}
	return cost
}

// read reads the definition, and finds what may have another value. It returns false
// when that may be anything.
func (q *patch) read(reads *readlog.Log, dir string) bool {
	files, diags := syntax.ReadFiles(reads, dir)
	if len(diags) > 0 || len(files) != len(q.old.files) {
		return false
	}
	q.files, q.texts = files, make([]patchedText, len(q.old.files))
	var changed []string
	for i, f := range q.old.files {
		src, ok := files[f.name]
		if !ok || !q.texts[i].compare(f, src) {
			return false
		}
		changed = append(changed, q.texts[i].changed...)
		q.lines[f.name] = q.texts[i].lines
	}
	q.affected = q.old.affected(changed)
	return true
}

// A treatment is what is done with the block of a derivation that has not changed.
type treatment int

const (
	toEvaluate treatment = iota
	toReplace            // it has no body
	toLeaveOut
)

// module parses what is to be evaluated.
func (q *patch) module(dir string, how func(*textPart) treatment) (*syntax.Module, bool) {
	q.stubs = nil
	m := &syntax.Module{Dir: dir, Files: q.files}
	for i := range q.texts {
		blocks, ok := q.texts[i].blocks(q, how)
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
	// from and fromLine are where these begin, after and afterLine where the suffix does.
	from, fromLine   int
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
	t.from, t.fromLine = from, line
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

// blocks returns the blocks of the file.
func (t *patchedText) blocks(q *patch, how func(*textPart) treatment) ([]*syntax.Block, bool) {
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
		do := toEvaluate
		if o.label != "" {
			do = how(o)
		}
		switch {
		case do == toLeaveOut:
		case do == toReplace:
			q.stubs = append(q.stubs, stub{t.file.name, o})
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
	for i, s := range q.stubs {
		all[i].Replay = func() (derivations.Hash, bool) {
			hash, ok := q.do(s)
			q.failed = q.failed || !ok
			return hash, ok
		}
		out[s.part.label] = &all[i]
	}
	return out
}

// replay does what evaluating a derivation did.
func (q *patch) replay(s stub) (derivations.Hash, bool) {
	r, ok := q.old.record(s.part, s.file)
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
