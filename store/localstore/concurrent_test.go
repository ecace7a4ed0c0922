package localstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"sysc/internal/filelock"
	"sysc/store"
)

// While somebody writes to the database, holds the lock of an object and collects
// garbage, others open the store and read.
func TestReadersDoNotBlock(t *testing.T) {
	s := newStore(t)
	o := add(t, s, AddOptions{}, "f=content")
	register(t, s, o)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	unlockObject, err := s.lockObjects(ctx, []store.Object{o})
	must(t, err)
	defer unlockObject()
	unlock, err := filelock.Lock(ctx, s.path("locks/"+collectLock), nil)
	must(t, err)
	must(t, s.db.write(ctx, func(conn *sqlite.Conn) error {
		other := add(t, newStore(t), AddOptions{Name: "other"}, "f=other")
		if err := insert(conn, []store.Object{other}, nil); err != nil {
			return err
		}
		reader, err := Open(ctx, s.Dir(), nil)
		if err != nil {
			return err
		}
		for _, look := range []func() error{
			func() error { _, err := reader.Object(ctx, o.Path); return err },
			func() error { _, err := reader.Closure(ctx, []store.Path{o.Path}); return err },
			func() error { _, err := reader.Roots(ctx); return err },
			func() error { _, err := reader.KeptBy(ctx, o.Path); return err },
			func() error { _, err := reader.Tree(ctx, o.Tree); return err },
			func() error {
				f, err := reader.OpenBlob(ctx, store.DigestOf([]byte("content")))
				return errors.Join(err, f.Close())
			},
			func() error { _, err := reader.Verify(ctx, func(p Problem) { t.Error(p) }); return err },
		} {
			if err := look(); err != nil {
				t.Error(err)
			}
		}
		if objects, err := reader.Objects(ctx); err != nil || !slices.Equal(objects, []store.Path{o.Path}) {
			t.Errorf("objects %v, %v: what is not committed was seen", objects, err)
		}
		return reader.Close()
	}))
	must(t, unlock())
}

// Processes that register the same objects in opposite orders do not wait for each
// other for ever.
func TestRegisterInAnyOrder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first := newStore(t)
	stores := []*Store{first, open(t, first.Dir())}
	for round := range 20 {
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i, s := range stores {
			var objects []store.Object
			for n := range 8 {
				objects = append(objects, add(t, s, AddOptions{Name: fmt.Sprintf("o%d", n)}, fmt.Sprintf("f=%d", round)))
			}
			if i == 1 {
				slices.Reverse(objects)
			}
			wg.Go(func() {
				<-begin
				if err := s.Register(ctx, objects, nil); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
	}
	verify(t, first.expectObjects(t, 160))
}
