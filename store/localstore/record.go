package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// The database can be made again from what is on disk: records/<path> has what
// it knows of an object, realisations/<2>/<62>, named by the SHA-256 of what comes
// first in it, which output of a derivation is which object. Both are written
// before the transaction and synced with the contents. They are copies: what is
// valid stands in the database.

// maxRecord bounds what is read as a record, in bytes.
const maxRecord = 256 << 20

// writeRecord keeps an object's record.
func (s *Store) writeRecord(o *store.Object) error {
	return s.writeMeta("records", string(o.Path), store.EncodeRecord(o))
}

// writeRealisation keeps a realisation: derivation, output and path with a space
// between.
func (s *Store) writeRealisation(r store.Realisation) error {
	if err := store.CheckName(r.Output); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	name := realisationName(r)
	dir := "realisations/" + shardName(name[0])
	if err := makeDir(s.path(dir), 0o755); err != nil {
		return err
	}
	return s.writeMeta(dir, shardedName(name), store.EncodeRealisation(r))
}

// realisationName is the digest that a realisation's file is named by.
func realisationName(r store.Realisation) store.Digest {
	return store.DigestOf([]byte(r.Derivation.String() + " " + r.Output))
}

// writeMeta keeps a small file, unless it is there already.
func (s *Store) writeMeta(dir, name string, data []byte) error {
	fd, err := openDir(unix.AT_FDCWD, s.path(dir))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if have, err := readSmall(fd, name, int64(len(data))); err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := s.markDirty(); err != nil {
		return err
	}
	if err := s.writeFile(fd, name, data, tree.ModeFile, unix.Renameat); err != nil {
		return fmt.Errorf("write %s/%s: %w", dir, name, err)
	}
	return nil
}

// readSmall reads a regular file of at most that many bytes.
func readSmall(dir int, name string, most int64) ([]byte, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("it is a %v of %d bytes", info.Mode().Type(), info.Size())
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// readRecord reads an object's record.
func (s *Store) readRecord(p store.Path) (store.Object, error) {
	fd, err := openDir(unix.AT_FDCWD, s.path("records"))
	if err != nil {
		return store.Object{}, err
	}
	defer unix.Close(fd)
	data, err := readSmall(fd, string(p), maxRecord)
	if errors.Is(err, unix.ENOENT) {
		return store.Object{}, store.ErrNotExist
	}
	if err != nil {
		return store.Object{}, fmt.Errorf("record: %w", err)
	}
	o, err := store.DecodeRecord(data)
	if err == nil && o.Path != p {
		err = fmt.Errorf("it is that of %s", o.Path)
	}
	if err != nil {
		return store.Object{}, fmt.Errorf("record: %w", err)
	}
	return o, nil
}

// Adopt makes an object valid that a record is left of, and that is whole: one
// that was invalidated because something of it was damaged, and has come back
// since, or one that the database has lost. Objects that it refers to are adopted
// too. What cannot be adopted, for whatever reason, is store.ErrNotExist,
// wrapped. That contents are there is looked at, not what they are: see
// [Store.Verify].
func (s *Store) Adopt(ctx context.Context, p store.Path) (store.Object, error) {
	a := newAdopter(s)
	if err := a.add(ctx, p); err != nil {
		return store.Object{}, fmt.Errorf("adopt %s: %w", p, err)
	}
	if err := s.Register(ctx, a.objects, nil); err != nil {
		return store.Object{}, fmt.Errorf("adopt %s: %w", p, err)
	}
	// Signatures that cannot be read are lost; the object is none the worse.
	if err := s.restoreSignatures(ctx, a.objects, nil, func(string, error) {}); err != nil {
		return store.Object{}, fmt.Errorf("adopt %s: %w", p, err)
	}
	return s.Object(ctx, p)
}

// An adopter collects what is to be registered, references first.
type adopter struct {
	s       *Store
	seen    map[store.Path]error  // nil: it is valid or among objects
	there   map[store.Digest]bool // trees that are whole
	objects []store.Object
}

func newAdopter(s *Store) *adopter {
	return &adopter{s: s, seen: map[store.Path]error{}, there: map[store.Digest]bool{}}
}

// add adds an object that is not valid and what it refers to.
func (a *adopter) add(ctx context.Context, p store.Path) error {
	err, ok := a.seen[p]
	if !ok {
		err = a.addNew(ctx, p)
		a.seen[p] = err
	}
	return err
}

func (a *adopter) addNew(ctx context.Context, p store.Path) error {
	valid, err := a.s.Valid(ctx, []store.Path{p})
	if err != nil || valid[p] {
		return err
	}
	o, err := a.s.readRecord(p)
	if err != nil {
		return err
	}
	for _, ref := range o.References {
		if err := a.add(ctx, ref); err != nil {
			return fmt.Errorf("it refers to %s: %w", ref, err)
		}
	}
	if err := a.whole(ctx, o.Tree, 0); err != nil {
		return err
	}
	if err := a.s.checkObject(ctx, &o); err != nil {
		return fmt.Errorf("%w: %w", store.ErrNotExist, err)
	}
	a.objects = append(a.objects, o)
	return nil
}

// whole looks whether the trees and blobs below d are there, and keeps them from
// being collected.
func (a *adopter) whole(ctx context.Context, d store.Digest, depth int) error {
	if a.there[d] {
		return nil
	}
	if depth > tree.MaxDepth {
		return fmt.Errorf("deeper than %d directories: %w", tree.MaxDepth, store.ErrNotExist)
	}
	t, err := a.s.Tree(ctx, d)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrNotExist, err)
	}
	// The listing may be known although its file is gone.
	if _, err := a.s.AddTree(ctx, t); err != nil {
		return err
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.Dir:
			if err := a.whole(ctx, e.Digest, depth+1); err != nil {
				return err
			}
		case tree.File:
			there, err := a.s.HasBlob(ctx, e.Digest, e.Size)
			if err != nil {
				return err
			}
			if !there {
				return fmt.Errorf("blob %s of %d bytes: %w", e.Digest, e.Size, store.ErrNotExist)
			}
		}
	}
	a.there[d] = true
	return nil
}

// HasBlob reports whether a blob of so many bytes is there, and keeps it from being
// collected until this store is closed. As with [Store.Adopt], its bytes are not
// looked at.
func (s *Store) HasBlob(ctx context.Context, d store.Digest, size int64) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	dir, err := s.blobDirs.fd(d, true)
	if err != nil {
		return false, fmt.Errorf("look blob %s up: %w", d, err)
	}
	there, err := s.relyOnBlob(dir, d, size, plain)
	if err != nil {
		return false, fmt.Errorf("look blob %s up: %w", d, err)
	}
	return there, nil
}

// readRealisations calls add for each realisation that is kept on disk. What
// cannot be read is told to bad.
func (s *Store) readRealisations(add func(store.Realisation), bad func(file string, err error)) error {
	shards, err := os.ReadDir(s.path("realisations"))
	if err != nil {
		return err
	}
	for _, shard := range shards {
		fd, err := openDir(unix.AT_FDCWD, s.path("realisations/"+shard.Name()))
		if err != nil {
			bad("realisations/"+shard.Name(), err)
			continue
		}
		names, err := listDir(fd)
		if err != nil {
			unix.Close(fd)
			return err
		}
		for _, name := range names {
			r, err := readRealisation(fd, shard.Name(), name)
			switch {
			case err == nil:
				add(r)
			case !isTemp(name):
				bad("realisations/"+shard.Name()+"/"+name, err)
			}
		}
		unix.Close(fd)
	}
	return nil
}

func readRealisation(dir int, shard, name string) (r store.Realisation, err error) {
	want, ok := parseSharded(shard, name)
	if !ok {
		return r, errors.New("it does not belong here")
	}
	const most = 1 << 10
	data, err := readSmall(dir, name, most)
	if err != nil {
		return r, err
	}
	if r, err = store.DecodeRealisation(data); err != nil {
		return r, err
	}
	if realisationName(r) != want {
		err = errors.New("it is no realisation of that name")
	}
	return r, err
}
