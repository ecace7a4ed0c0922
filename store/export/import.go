package export

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// ImportOptions says what is taken from a stream.
type ImportOptions struct {
	// Trusted are the keys one of which has to vouch for each object and each
	// realisation that the store does not have yet.
	Trusted sign.TrustedKeys
	// Beside are signatures of objects that did not come with the stream.
	Beside map[store.Path][]sign.Signature
	// Known are objects that need nobody's word, because the caller knows their paths from
	// their contents.
	Known map[store.Path]bool
	// AllowUnsigned takes everything, whoever vouches for it.
	AllowUnsigned bool
	// Progress may be nil.
	Progress Progress
}

// ImportResult says what became of a stream.
type ImportResult struct {
	// Objects are all that the stream has and that are in the store now, in its
	// order: references first. Present of them were there before.
	Objects []store.Path
	Present int
	// Realisations is the number of those that are new in the store.
	Realisations int
	// Conflicts are realisations that were not taken, because the store has
	// another object for the same output.
	Conflicts []store.Realisation
}

// A TruncatedError says that a stream broke off. What had arrived by then stays:
// importing the whole stream again goes on from there.
type TruncatedError struct {
	// Arrived of Total objects are in the store. Both are 0 when not even the
	// stream's table arrived.
	Arrived, Total int
	Err            error
}

func (e *TruncatedError) Error() string {
	if e.Total == 0 {
		return fmt.Sprintf("the stream breaks off: %v; nothing of it was taken", e.Err)
	}
	return fmt.Sprintf("the stream breaks off: %v; %d of %d objects have arrived and stay, import it again to go on", e.Err, e.Arrived, e.Total)
}

func (e *TruncatedError) Unwrap() error { return e.Err }

// Import takes a stream into a store. The stream may be hostile: whatever Export
// could not have written is refused, every blob and tree has the digest that it is
// known by, and nothing at all is written before somebody who is trusted has
// vouched for everything that is new ([UntrustedError]), and before all that the
// stream builds on is there.
//
// Objects are registered as they become complete, many at once. When the stream
// breaks off, that is a [TruncatedError]; when it turns out wrong later, what
// was registered before stays, for it is good. What else has come is garbage. An
// object that is there already costs no writing, and if r is an io.Seeker not
// even reading.
//
// A realisation never replaces one whose object is valid. Nothing may follow the
// stream in r.
func Import(ctx context.Context, r io.Reader, dst Destination, opts ImportOptions) (ImportResult, error) {
	m := &importer{dst: dst, opts: opts, r: newReader(r, opts.Progress), trees: map[store.Digest]treeInfo{}}
	err := m.run(ctx)
	var cut *brokenError
	if errors.As(err, &cut) && ctx.Err() == nil {
		err = m.keep(ctx, cut)
	}
	if err != nil {
		return m.result, fmt.Errorf("import: %w", err)
	}
	return m.result, nil
}

// An importer reads one stream.
type importer struct {
	dst   Destination
	opts  ImportOptions
	r     *reader
	table *table
	valid map[store.Path]bool // what was in the store before
	trees map[store.Digest]treeInfo

	next         int // index of the object that becomes complete next
	batch        []signedObject
	batchBytes   int64
	realisations []signedRealisation // whose objects are not registered yet

	result ImportResult
}

func (m *importer) run(ctx context.Context) (err error) {
	if err := m.r.magic(); err != nil {
		return err
	}
	table, err := readTable(m.r)
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	if err := m.admit(ctx, table); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := m.r.next()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if f.kind == kindEnd {
			return m.end(ctx, f)
		}
		if err := m.content(ctx, f); err != nil {
			return err
		}
	}
}

// content takes one frame that follows the table.
func (m *importer) content(ctx context.Context, f frame) error {
	if m.next == len(m.table.objects) {
		return fmt.Errorf("read the stream: %s: no object is left that it could belong to", f.kind)
	}
	var err error
	switch f.kind {
	case kindBlob:
		err = m.blob(ctx, f)
	case kindTree:
		err = m.tree(ctx, f)
	case kindComplete:
		err = m.complete(ctx, f)
	default:
		err = errOrder
	}
	if err != nil {
		return fmt.Errorf("read the stream: %s: %w", f.kind, err)
	}
	return nil
}

func (m *importer) blob(ctx context.Context, f frame) error {
	want, size, err := m.r.digest(f)
	if err != nil {
		return err
	}
	there, err := m.dst.HasBlob(ctx, want, size)
	if err != nil {
		return err
	}
	if there {
		return m.r.skip(ctx, size)
	}
	c := m.r.contents(size)
	got, n, err := m.dst.AddBlob(ctx, c)
	switch {
	case c.err != nil:
		return c.err // whatever the store made of it
	case err != nil:
		return err
	case n != size || got != want:
		return fmt.Errorf("its contents have digest %s, want %s", got, want)
	}
	m.batchBytes += size
	return nil
}

// treeInfo is what is known of a tree with everything below it in the store.
type treeInfo struct {
	size   int64 // of all files
	height int   // directories below one another
}

func (m *importer) tree(ctx context.Context, f frame) error {
	data, err := m.r.payload(f, tree.MaxEncoding)
	if err != nil {
		return err
	}
	t, err := tree.Decode(data)
	if err != nil {
		return err
	}
	info, err := m.below(ctx, t, 0)
	if err != nil {
		return err
	}
	d, err := m.dst.AddTree(ctx, t)
	if err != nil {
		return err
	}
	m.trees[d] = info
	m.batchBytes += int64(len(data))
	return nil
}

// below looks whether all that a listing names is in the store, and keeps it
// there. depth bounds how far that goes through what was there before.
func (m *importer) below(ctx context.Context, t *tree.Tree, depth int) (treeInfo, error) {
	var info treeInfo
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.File:
			there, err := m.dst.HasBlob(ctx, e.Digest, e.Size)
			if err != nil {
				return info, err
			}
			if !there {
				return info, fmt.Errorf("%q: neither the stream nor the store has the blob %s of %d bytes", e.Name, e.Digest, e.Size)
			}
		case tree.Dir:
			sub, err := m.known(ctx, e.Digest, depth+1)
			if err != nil {
				return info, fmt.Errorf("%q: %w", e.Name, err)
			}
			if sub.size != e.Size {
				return info, fmt.Errorf("%q: the directory has %d bytes, the listing says %d", e.Name, sub.size, e.Size)
			}
			info.height = max(info.height, sub.height+1)
		}
	}
	if info.size = t.Size(); info.height > tree.MaxDepth {
		return info, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	return info, nil
}

// known returns what is known of a tree that came before, or that is in the store
// with everything below it.
func (m *importer) known(ctx context.Context, d store.Digest, depth int) (treeInfo, error) {
	if info, ok := m.trees[d]; ok {
		return info, nil
	}
	if depth > tree.MaxDepth {
		return treeInfo{}, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	t, err := m.dst.Tree(ctx, d)
	if err != nil {
		if errors.Is(err, store.ErrNotExist) {
			err = fmt.Errorf("neither the stream nor the store has the tree %s", d)
		}
		return treeInfo{}, err
	}
	// To keep it from being collected; it may be remembered although it is gone.
	if _, err := m.dst.AddTree(ctx, t); err != nil {
		return treeInfo{}, err
	}
	info, err := m.below(ctx, t, depth)
	if err == nil {
		m.trees[d] = info
	}
	return info, err
}

// complete takes the mark that all of an object has come.
func (m *importer) complete(ctx context.Context, f frame) error {
	data, err := m.r.payload(f, maxText)
	if err != nil {
		return err
	}
	one := m.table.objects[m.next]
	if string(data) != string(one.object.Path) {
		return fmt.Errorf("%q, where %s is expected", data, one.object.Path)
	}
	if _, err := m.known(ctx, one.object.Tree, 0); err != nil {
		return fmt.Errorf("%s: %w", one.object.Path, err)
	}
	m.next++
	m.batch = append(m.batch, one)
	if len(m.batch) < maxBatch && m.batchBytes < maxBatchBytes {
		return nil
	}
	return m.flush(ctx)
}

// end expects that the stream ends here, and that everything has come.
func (m *importer) end(ctx context.Context, f frame) error {
	if m.next < len(m.table.objects) {
		return fmt.Errorf("read the stream: it ends before %s is complete", m.table.objects[m.next].object.Path)
	}
	if err := m.r.checkSum(f); err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	if err := m.r.finish(); err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	return m.flush(ctx)
}

// keep registers what was complete when the stream broke off.
func (m *importer) keep(ctx context.Context, cut *brokenError) error {
	e := &TruncatedError{Err: cut.err}
	if m.table != nil {
		if err := m.flush(ctx); err != nil {
			return err
		}
		e.Arrived, e.Total = len(m.result.Objects), len(m.table.objects)
	}
	return e
}
