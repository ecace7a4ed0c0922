package localstore

import (
	"context"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
)

// TestVerifyCollected has a check-out collected, with its listings, while it is
// compared with them.
func TestVerifyCollected(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	o := add(t, s, AddOptions{Kind: store.KindRoot}, "d/e/f=1")
	register(t, s, o)
	_, err := s.CheckoutDir(ctx, o.Tree)
	must(t, err)
	s = reopen(t, s)

	compare := func(fd int) (problems []string) {
		s.trees.clear()
		v := newVerifier(s, nil)
		v.begin("check-outs", 1)
		must(t, v.checkout(ctx, fd, o.Tree.Hex(), o.Tree, func(file string, err error) {
			problems = append(problems, fmt.Sprintf("%s: %v", file, err))
		}))
		return problems
	}
	fd, err := openDir(s.checkoutDir.fd, o.Tree.Hex())
	must(t, err)
	defer unix.Close(fd)
	d := o.Tree.Hex()
	tree := s.path("trees/" + d[:2] + "/" + d[2:])
	must(t, os.Rename(tree, tree+".away"))
	if got := compare(fd); len(got) == 0 {
		t.Error("a listing is missing, and no problem")
	}
	must(t, os.Rename(tree+".away", tree))
	if result := gc(t, s, GCOptions{}); result.Checkouts != 1 || result.Trees != 3 {
		t.Fatalf("collected %+v", result)
	}
	if got := compare(fd); len(got) > 0 {
		t.Errorf("collected, and a problem: %q", got)
	}
	// Another one of the same tree is there.
	must(t, os.Mkdir(s.path("checkouts/"+d), 0o755))
	if got := compare(fd); len(got) > 0 {
		t.Errorf("made anew, and a problem: %q", got)
	}
}

// TestVerifyBesideCollection verifies while objects are collected and made anew.
func TestVerifyBesideCollection(t *testing.T) {
	s := newStore(t)
	var files []string
	for i := range 200 {
		files = append(files, fmt.Sprintf("d%d/e%d/f=%d", i%10, i/10, i))
	}
	in := write(t, files...)
	done := make(chan error, 1)
	go func() {
		var err error
		for round := 0; round < 3 && err == nil; round++ {
			err = makeAndCollect(t.Context(), s.Dir(), in)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			must(t, err)
			return
		default:
			verify(t, s)
		}
	}
}

// makeAndCollect makes objects of in, and check-outs, in a session of its own, and
// collects them afterwards.
func makeAndCollect(ctx context.Context, dir, in string) error {
	s, err := Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	for i := range 4 {
		kind := []store.Kind{store.KindTree, store.KindRoot}[i%2]
		o, err := s.AddDir(ctx, in, &AddOptions{Name: fmt.Sprint("o", i), Kind: kind})
		if err != nil {
			return err
		}
		if err := s.Register(ctx, []store.Object{o}, nil); err != nil {
			return err
		}
		if _, err := s.CheckoutDir(ctx, o.Tree); err != nil {
			return err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(ctx, dir, nil); err != nil {
		return err
	}
	if _, err := s.GC(ctx, GCOptions{}); err != nil {
		return err
	}
	return s.Close()
}
