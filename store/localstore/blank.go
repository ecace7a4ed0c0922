package localstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sysc/store"
	"sysc/store/tree"
)

// blank computes the digest of o's tree with o's id replaced by zero bytes
// wherever o.SelfReferences says that it stands, which has to be true. Only what
// is on the way to these places is read.
func (s *Store) blank(ctx context.Context, o *store.Object) (store.Digest, error) {
	if len(o.SelfReferences) == 0 {
		return o.Tree, nil
	}
	b := blanker{ctx, s, o.Path.ID()}
	return b.dir(o.Tree, o.SelfReferences, 0)
}

type blanker struct {
	ctx context.Context
	s   *Store
	id  string
}

// dir blanks below one directory. self are relative to it.
func (b *blanker) dir(d store.Digest, self []store.SelfReference, depth int) (store.Digest, error) {
	if depth > tree.MaxDepth {
		return d, fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	t, err := b.s.Tree(b.ctx, d)
	if err != nil {
		return d, err
	}
	below := map[string][]store.SelfReference{}
	for _, r := range self {
		name, rest, _ := strings.Cut(r.File, "/")
		below[name] = append(below[name], store.SelfReference{File: rest, Link: r.Link, Offset: r.Offset})
	}
	out := &tree.Tree{Entries: slices.Clone(t.Entries)}
	for i := range out.Entries {
		e := &out.Entries[i]
		refs := below[e.Name]
		if len(refs) == 0 {
			continue
		}
		delete(below, e.Name)
		if err := b.entry(e, refs, depth); err != nil {
			return d, fmt.Errorf("self reference in %q: %w", e.Name, err)
		}
	}
	for name := range below {
		return d, fmt.Errorf("self reference in %q: no such file", name)
	}
	return out.BlankedDigest()
}

func (b *blanker) entry(e *tree.Entry, refs []store.SelfReference, depth int) (err error) {
	for _, r := range refs {
		if (r.File != "") != (e.Type == tree.Dir) || r.Link != (e.Type == tree.Link) && e.Type != tree.Dir {
			return fmt.Errorf("it is a %s", e.Type)
		}
	}
	switch e.Type {
	case tree.Dir:
		e.Digest, err = b.dir(e.Digest, refs, depth+1)
	case tree.Link:
		target := []byte(e.Target)
		if err = b.bytes(target, 0, refs); err == nil {
			e.Target = string(target)
		}
	case tree.File:
		e.Digest, err = b.file(e.Digest, e.Size, refs)
	}
	return err
}

var errNoSelf = errors.New("the id does not stand where it should")

// bytes blanks within window, which begins at offset in its file. All of refs
// must lie in it.
func (b *blanker) bytes(window []byte, offset int64, refs []store.SelfReference) error {
	for _, r := range refs {
		at := r.Offset - offset
		if at < 0 || at > int64(len(window)-len(b.id)) || string(window[at:at+int64(len(b.id))]) != b.id {
			return errNoSelf
		}
		clear(window[at : at+int64(len(b.id))])
	}
	return nil
}

// file hashes a blob with blanks at refs, which are in order.
func (b *blanker) file(d store.Digest, size int64, refs []store.SelfReference) (out store.Digest, err error) {
	f, err := b.s.OpenBlob(b.ctx, d)
	if err != nil {
		return d, err
	}
	defer f.Close()
	h := sha256.New()
	at := int64(0)
	id := make([]byte, len(b.id))
	for _, r := range refs {
		if r.Offset < at || r.Offset > size-int64(len(id)) {
			return d, errNoSelf
		}
		if _, err := io.CopyN(h, f, r.Offset-at); err != nil {
			return d, err
		}
		if _, err := io.ReadFull(f, id); err != nil {
			return d, err
		}
		if string(id) != b.id {
			return d, errNoSelf
		}
		clear(id)
		h.Write(id)
		at = r.Offset + int64(len(id))
	}
	// Without os.File's WriteTo, which would look for a splice first.
	if _, err := io.Copy(h, struct{ io.Reader }{f}); err != nil {
		return d, err
	}
	h.Sum(out[:0])
	return out, nil
}
