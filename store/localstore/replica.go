package localstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// A Replica says what is in a store that is made of another one, on a disk that nobody
// has mounted yet.
type Replica struct {
	// Objects are valid in it, with all that they refer to, and with the signatures
	// that they have here.
	Objects []store.Path
	// Realisations and Outcomes are what is known in it. Their objects need not be among
	// Objects.
	Realisations []store.Realisation
	Outcomes     map[OutcomeKey]store.Path
	// Links are indirect roots: the objects by the absolute paths, on that disk, of the
	// links that keep them (see [Store.AddIndirectRoots]).
	Links map[string]store.Path
}

// Replicate puts the files of a whole store into the tree that is built, below the
// directory at. The same replica of a store with the same objects and signatures gives
// the same tree. Its files are added to this store as blobs.
func (s *Store) Replicate(ctx context.Context, b *tree.Builder, at string, replica Replica) error {
	r := &replicator{s: s, builder: b, at: at, Replica: replica}
	for _, step := range []func(context.Context) error{r.collect, r.contents, r.meta, r.roots, r.database} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("replicate store: %w", err)
		}
	}
	return nil
}

// A replicator is a replica being made.
type replicator struct {
	s       *Store
	builder *tree.Builder
	at      string
	Replica
	objects []store.Object // sorted by path
	signed  []subject      // likewise
	seen    map[store.Digest]bool
}

// collect finds what is to be in it, in an order of its own.
func (r *replicator) collect(ctx context.Context) error {
	paths, err := r.s.Closure(ctx, r.Objects)
	if err != nil {
		return err
	}
	for _, p := range sortedPaths(paths) {
		o, err := r.s.Object(ctx, p)
		if err != nil {
			return err
		}
		r.objects = append(r.objects, o)
		sigs, err := r.s.Signatures(ctx, p)
		if err != nil {
			return err
		}
		r.sign(objectSubject(p, sigs))
	}
	r.Realisations = slices.SortedFunc(slices.Values(r.Realisations), func(a, b store.Realisation) int {
		return cmp.Or(bytes.Compare(a.Derivation[:], b.Derivation[:]), strings.Compare(a.Output, b.Output))
	})
	for _, known := range r.Realisations {
		sigs, err := r.s.RealisationSignatures(ctx, known)
		if err != nil {
			return err
		}
		r.sign(realisationSubject(known, sigs))
	}
	return nil
}

func (r *replicator) sign(one subject) {
	if one.signatures = sign.Merge(one.signatures); len(one.signatures) > 0 {
		r.signed = append(r.signed, one)
	}
}

// file puts a file in.
func (r *replicator) file(ctx context.Context, name string, mode uint32, content io.Reader) error {
	d, n, err := r.s.AddBlob(ctx, content)
	if err != nil {
		return err
	}
	return r.builder.Put(ctx, r.at+"/"+name, tree.Entry{Type: tree.File, Mode: mode, Digest: d, Size: n})
}

// contents puts trees, blobs and what stands below store in.
func (r *replicator) contents(ctx context.Context) error {
	r.seen = make(map[store.Digest]bool)
	for _, o := range r.objects {
		if err := r.tree(ctx, o.Tree); err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
		e := tree.Entry{Type: tree.Dir, Mode: tree.ModeDir, Digest: o.Tree}
		switch o.Kind {
		case store.KindRoot:
			continue
		case store.KindFile:
			var err error
			if e, err = tree.Find(ctx, r.s, o.Tree, store.FileEntry); err != nil {
				return fmt.Errorf("%s: %w", o.Path, err)
			}
		}
		if err := r.builder.Put(ctx, r.at+"/store/"+string(o.Path), e); err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	return nil
}

// tree puts a tree in, with those below it and their blobs.
func (r *replicator) tree(ctx context.Context, d store.Digest) error {
	if r.seen[d] {
		return nil
	}
	r.seen[d] = true
	t, err := r.s.Tree(ctx, d)
	if err != nil {
		return err
	}
	data, err := t.Encode()
	if err != nil {
		return err
	}
	if err := r.file(ctx, "trees/"+shardName(d[0])+"/"+shardedName(d), tree.ModeFile, bytes.NewReader(data)); err != nil {
		return err
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		switch {
		case e.Type == tree.Dir:
			err = r.tree(ctx, e.Digest)
		case e.Type == tree.File:
			blob := tree.Entry{Type: tree.File, Mode: formOf(e).mode(), Digest: e.Digest, Size: e.Size}
			err = r.builder.Put(ctx, r.at+"/"+BlobsDir+"/"+BlobPath(e), blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meta puts the copies of what the database has in.
func (r *replicator) meta(ctx context.Context) error {
	for _, o := range r.objects {
		if err := r.file(ctx, "records/"+string(o.Path), tree.ModeFile, bytes.NewReader(store.EncodeRecord(&o))); err != nil {
			return err
		}
	}
	for _, known := range r.Realisations {
		name := realisationName(known)
		file := "realisations/" + shardName(name[0]) + "/" + shardedName(name)
		if err := r.file(ctx, file, tree.ModeFile, bytes.NewReader(store.EncodeRealisation(known))); err != nil {
			return err
		}
	}
	for i := range r.signed {
		one := &r.signed[i]
		if err := r.file(ctx, one.dir+"/"+one.name, tree.ModeFile, bytes.NewReader(one.text())); err != nil {
			return err
		}
	}
	return nil
}

// roots puts the records of indirect roots in.
func (r *replicator) roots(ctx context.Context) error {
	for _, link := range slices.Sorted(maps.Keys(r.Links)) {
		name, record := indirectRecord(link, r.Links[link])
		if err := r.file(ctx, "roots/"+name, 0o644, bytes.NewReader(record)); err != nil {
			return err
		}
	}
	return nil
}

// database puts the database in, which is made aside.
func (r *replicator) database(ctx context.Context) (err error) {
	dir, remove, err := r.s.TempDir(ctx, "replica")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	path := filepath.Join(dir, databaseName)
	db, err := openDatabase(ctx, path, r.s.migrate)
	if err != nil {
		return err
	}
	err = db.write(ctx, r.insert)
	if err := errors.Join(err, db.close()); err != nil { // which empties the journal
		return fmt.Errorf("database: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.file(ctx, databaseName, 0o644, f)
}

// insert writes all rows. Their order decides where they stand in the file.
func (r *replicator) insert(conn *sqlite.Conn) error {
	if err := insert(conn, r.objects, r.Realisations); err != nil {
		return err
	}
	if err := insertSignatures(conn, r.signed); err != nil {
		return err
	}
	age, err := queryAge(conn)
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(r.Outcomes), func(a, b OutcomeKey) int {
		return cmp.Or(bytes.Compare(a.Derivation[:], b.Derivation[:]), strings.Compare(a.Output, b.Output))
	})
	for _, key := range keys {
		if err := insertOutcomes(conn, age, map[OutcomeKey]store.Path{key: r.Outcomes[key]}); err != nil {
			return err
		}
	}
	return nil
}
