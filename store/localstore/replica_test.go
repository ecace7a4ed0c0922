package localstore

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// replicate makes the tree of a replica.
func replicate(t *testing.T, s *Store, r Replica) store.Digest {
	t.Helper()
	b := tree.NewBuilder(s, store.Digest{})
	must(t, s.Replicate(t.Context(), b, "sysc", r))
	d, _, err := b.Write(t.Context(), s)
	must(t, err)
	return d
}

// writeOut writes a tree to a disk, with the times that the files of a store have.
func writeOut(t *testing.T, s *Store, d store.Digest) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { removeTree(context.Background(), dir, "sysc", 1) })
	modes := map[string]os.FileMode{}
	must(t, tree.Walk(t.Context(), s, d, func(name string, e tree.Entry) error {
		path := filepath.Join(dir, name)
		switch e.Type {
		case tree.Dir:
			modes[path] = os.FileMode(e.Mode)
			return os.Mkdir(path, 0o755)
		case tree.Link:
			return os.Symlink(e.Target, path)
		}
		f, err := s.OpenBlob(t.Context(), e.Digest)
		must(t, err)
		defer f.Close()
		var content bytes.Buffer
		_, err = content.ReadFrom(f)
		must(t, err)
		must(t, os.WriteFile(path, content.Bytes(), 0o600))
		must(t, os.Chmod(path, os.FileMode(e.Mode)))
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, storeTimes, unix.AT_SYMLINK_NOFOLLOW)
	}))
	for path, mode := range modes {
		must(t, os.Chmod(path, mode))
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, storeTimes, unix.AT_SYMLINK_NOFOLLOW))
	}
	return filepath.Join(dir, "sysc")
}

// A replica is a store by itself: it has what it was told to have, nothing is wrong with
// it, and what keeps its objects is known to its collector.
func TestReplicate(t *testing.T) {
	ctx := t.Context()
	s := newDamaged(t)
	empty := add(t, s.Store, AddOptions{Name: "empty"}, "file=", "bin/tool*=")
	must(t, s.Register(ctx, []store.Object{empty}, nil))
	key, err := sign.Generate("host-1")
	must(t, err)
	sigs := []sign.Signature{key.Sign(sign.Object(&s.app))}
	must(t, s.AddSignatures(ctx, map[store.Path][]sign.Signature{s.app.Path: sigs}, nil))
	links := t.TempDir()
	link := filepath.Join(links, "system")
	must(t, os.Symlink("/sysc/store/"+string(s.root.Path), link))
	outcome := OutcomeKey{Derivation: [32]byte{7}, Output: "out"}
	all := Replica{
		Objects:      []store.Path{s.root.Path, s.app.Path, s.file.Path, empty.Path},
		Realisations: []store.Realisation{{Derivation: store.DerivationHash{2}, Output: "doc", Path: s.lib.Path}, {Derivation: store.DerivationHash{1}, Output: "out", Path: s.app.Path}},
		Outcomes:     map[OutcomeKey]store.Path{outcome: s.app.Path, {Derivation: [32]byte{8}, Output: "out"}: s.lib.Path},
		Links:        map[string]store.Path{link: s.root.Path},
	}
	d := replicate(t, s.Store, all)
	if again := replicate(t, s.Store, all); again != d {
		t.Errorf("another time it is another one: %s, %s", d, again)
	}
	dir := writeOut(t, s.Store, d)
	other := open(t, dir)
	verify(t, other)
	have, err := other.Objects(ctx)
	must(t, err)
	if want := 5; len(have) != want { // lib comes with app
		t.Errorf("objects %v", have)
	}
	for _, r := range all.Realisations {
		if p, err := other.Realisation(ctx, r.Derivation, r.Output); err != nil || p != r.Path {
			t.Errorf("realisation %v: %s, %v", r, p, err)
		}
	}
	known, _, err := other.Outcomes(ctx, []OutcomeKey{outcome})
	must(t, err)
	if !maps.Equal(known, map[OutcomeKey]store.Path{outcome: s.app.Path}) {
		t.Errorf("outcomes %v", known)
	}
	if got, err := other.Signatures(ctx, s.app.Path); err != nil || len(got) != 1 || got[0] != sigs[0] {
		t.Errorf("signatures %v, %v", got, err)
	}
	must(t, other.Close())
	other = open(t, dir) // what was looked up is not relied on any more
	_, err = other.GC(ctx, GCOptions{})
	must(t, err)
	if have, err = other.Objects(ctx); err != nil || len(have) != 1 || have[0] != s.root.Path {
		t.Errorf("after garbage collection: %v, %v", have, err)
	}
	verify(t, other)
}
