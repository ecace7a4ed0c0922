package export

import (
	"context"
	"fmt"
	"slices"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// A plan is all that a stream will have, in its order; of contents only what
// they are called.
type plan struct {
	needs        []store.Path
	objects      []signedObject
	realisations []signedRealisation
	contents     []content
	total        int64 // length of the stream
}

type signedObject struct {
	object     store.Object
	signatures []sign.Signature
}

type signedRealisation struct {
	realisation store.Realisation
	signatures  []sign.Signature
}

// A content is a blob or tree, or the mark that an object is complete.
type content struct {
	kind   kind
	digest store.Digest
	size   int64 // of a blob, or of a tree's encoding
	object int   // index, for the mark
}

// payload returns the length of the content's frame without its head.
func (c content) payload(p *plan) int64 {
	switch c.kind {
	case kindBlob:
		return int64(len(c.digest)) + c.size
	case kindTree:
		return c.size
	}
	return int64(len(p.objects[c.object].object.Path))
}

// A contentKey names a blob or a tree: their digests could be the same.
type contentKey struct {
	kind   kind
	digest store.Digest
}

type planner struct {
	src  Source
	opts ExportOptions
	plan plan

	done map[contentKey]bool       // what is in the stream
	had  map[contentKey]store.Path // what the receiver has, and whose it is
	has  map[store.Path]bool       // objects that the receiver has
	need map[store.Path]bool       // those that the stream builds on
}

func newPlan(ctx context.Context, src Source, paths []store.Path, opts ExportOptions) (*plan, error) {
	p := &planner{
		src: src, opts: opts, done: map[contentKey]bool{}, had: map[contentKey]store.Path{},
		has: map[store.Path]bool{}, need: map[store.Path]bool{},
	}
	closure, err := src.Closure(ctx, paths)
	if err != nil {
		return nil, err
	}
	if err := p.receiver(ctx); err != nil {
		return nil, err
	}
	if err := p.objects(ctx, closure); err != nil {
		return nil, err
	}
	if opts.Realisations {
		if err := p.realisations(ctx, closure); err != nil {
			return nil, err
		}
	}
	for path := range p.need {
		p.plan.needs = append(p.plan.needs, path)
	}
	slices.Sort(p.plan.needs)
	return &p.plan, p.measure()
}

// receiver finds out what the receiver has. Of objects that are not in this store
// nobody here knows what they consist of.
func (p *planner) receiver(ctx context.Context) error {
	if len(p.opts.Have) == 0 {
		return nil
	}
	valid, err := p.src.Valid(ctx, p.opts.Have)
	if err != nil {
		return err
	}
	var known []store.Path
	for _, path := range p.opts.Have {
		if valid[path] {
			known = append(known, path)
		}
	}
	closure, err := p.src.Closure(ctx, known)
	if err != nil {
		return err
	}
	for _, path := range closure {
		p.has[path] = true
		o, err := p.src.Object(ctx, path)
		if err != nil {
			return err
		}
		if err := p.receiverTree(ctx, path, o.Tree, 0); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func (p *planner) receiverTree(ctx context.Context, owner store.Path, d store.Digest, depth int) error {
	key := contentKey{kindTree, d}
	if _, ok := p.had[key]; ok {
		return nil
	}
	t, err := p.tree(ctx, d, depth)
	if err != nil {
		return err
	}
	p.had[key] = owner
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.File:
			if blob := (contentKey{kindBlob, e.Digest}); p.had[blob] == "" {
				p.had[blob] = owner
			}
		case tree.Dir:
			if err := p.receiverTree(ctx, owner, e.Digest, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) tree(ctx context.Context, d store.Digest, depth int) (*tree.Tree, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if depth > tree.MaxDepth {
		return nil, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	return p.src.Tree(ctx, d)
}

// objects plans those of a closure that the receiver lacks, references first.
// Otherwise they are in the order of their paths, so that it is always the same.
func (p *planner) objects(ctx context.Context, closure []store.Path) error {
	seen := map[store.Path]bool{}
	var visit func(path store.Path) error
	visit = func(path store.Path) error {
		if seen[path] || p.has[path] {
			return nil
		}
		seen[path] = true
		o, err := p.src.Object(ctx, path)
		if err != nil {
			return err
		}
		for _, ref := range o.References {
			if p.has[ref] {
				p.need[ref] = true
			}
			if err := visit(ref); err != nil {
				return err
			}
		}
		if err := p.object(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	}
	for _, path := range slices.Sorted(slices.Values(closure)) {
		if err := visit(path); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) object(ctx context.Context, o store.Object) error {
	sigs, err := p.src.Signatures(ctx, o.Path)
	if err != nil {
		return err
	}
	if sigs, err = p.sign(sign.Object(&o), sigs); err != nil {
		return err
	}
	p.plan.objects = append(p.plan.objects, signedObject{o, sigs})
	if err := p.addTree(ctx, o.Tree, 0); err != nil {
		return err
	}
	p.plan.contents = append(p.plan.contents, content{kind: kindComplete, object: len(p.plan.objects) - 1})
	return nil
}

// sign adds this export's signatures to those that the store has.
func (p *planner) sign(s sign.Statement, sigs []sign.Signature) ([]sign.Signature, error) {
	for _, key := range p.opts.Sign {
		sigs = append(sigs, key.Sign(s))
	}
	if sigs = sign.Merge(sigs); len(sigs) > maxSignatures {
		return nil, fmt.Errorf("%d signatures, at most %d", len(sigs), maxSignatures)
	}
	return sigs, nil
}

// addTree plans a tree after everything below it.
func (p *planner) addTree(ctx context.Context, d store.Digest, depth int) error {
	key := contentKey{kindTree, d}
	if p.skip(key) {
		return nil
	}
	t, err := p.tree(ctx, d, depth)
	if err != nil {
		return err
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.File:
			if blob := (contentKey{kindBlob, e.Digest}); !p.skip(blob) {
				p.done[blob] = true
				p.plan.contents = append(p.plan.contents, content{kind: kindBlob, digest: e.Digest, size: e.Size})
			}
		case tree.Dir:
			if err := p.addTree(ctx, e.Digest, depth+1); err != nil {
				return err
			}
		}
	}
	data, err := t.Encode()
	if err != nil {
		return err
	}
	p.done[key] = true
	p.plan.contents = append(p.plan.contents, content{kind: kindTree, digest: d, size: int64(len(data))})
	return nil
}

// skip reports whether the receiver will have a content without another frame.
func (p *planner) skip(key contentKey) bool {
	if p.done[key] {
		return true
	}
	owner, ok := p.had[key]
	if ok {
		p.need[owner] = true
	}
	return ok
}

func (p *planner) realisations(ctx context.Context, closure []store.Path) error {
	all, err := p.src.RealisationsOf(ctx, closure)
	if err != nil {
		return err
	}
	slices.SortFunc(all, compareRealisations)
	for _, r := range all {
		if p.has[r.Path] {
			p.need[r.Path] = true
		}
		sigs, err := p.src.RealisationSignatures(ctx, r)
		if err != nil {
			return err
		}
		if sigs, err = p.sign(sign.Realisation(r), sigs); err != nil {
			return fmt.Errorf("realisation of %s, output %q: %w", r.Derivation, r.Output, err)
		}
		p.plan.realisations = append(p.plan.realisations, signedRealisation{r, sigs})
	}
	return nil
}

// measure computes the length of the stream.
func (p *planner) measure() error {
	m := &meter{}
	m.bytes(len(magic))
	if err := p.plan.writeTable(m); err != nil {
		return err
	}
	if m.total > maxTable {
		return fmt.Errorf("the table of the stream has %d bytes, at most %d; export less at once", m.total, maxTable)
	}
	for _, c := range p.plan.contents {
		m.total += frameHead + c.payload(&p.plan)
		if m.total > tree.MaxSize {
			return fmt.Errorf("the stream has more than %d bytes", int64(tree.MaxSize))
		}
	}
	p.plan.total = m.total + frameHead + int64(len(store.Digest{}))
	return nil
}

// A meter counts what would be written.
type meter struct{ total int64 }

func (m *meter) bytes(n int) { m.total += int64(n) }

func (m *meter) frame(_ kind, payload []byte) error {
	m.bytes(frameHead + len(payload))
	return nil
}

func (m *meter) sum() store.Digest { return store.Digest{} }
