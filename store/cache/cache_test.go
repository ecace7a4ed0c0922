package cache

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/internal/download"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/sign"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t *testing.T) *localstore.Store {
	t.Helper()
	dir := t.TempDir()
	s, err := localstore.Open(t.Context(), dir, nil)
	must(t, err)
	t.Cleanup(func() {
		s.Close()
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
	})
	return s
}

func newKey(t *testing.T, name string) sign.SecretKey {
	t.Helper()
	key, err := sign.Generate(name)
	must(t, err)
	return key
}

// add puts a file into a store that names others.
func add(t *testing.T, s *localstore.Store, name string, refs ...store.Path) store.Path {
	t.Helper()
	text := name + "\n"
	for _, r := range refs {
		text += r.Logical() + "\n"
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o644))
	o, err := s.AddDir(t.Context(), dir, &localstore.AddOptions{Name: name, Candidates: refs})
	must(t, err)
	must(t, s.Register(t.Context(), []store.Object{o}, nil))
	return o.Path
}

// asked returns caches of a directory for a store, and what they report.
func asked(t *testing.T, s Store, dir string, keys ...sign.SecretKey) (*Caches, *[]string) {
	t.Helper()
	var public []sign.PublicKey
	for _, k := range keys {
		public = append(public, k.Public())
	}
	trusted, err := sign.Trust(public...)
	must(t, err)
	said := &[]string{}
	return New(s, Options{
		Addresses: []string{"file://" + dir}, Trusted: trusted, Client: &download.Client{}, Dir: t.TempDir(),
		Report: func(text string) { *said = append(*said, text) },
	}), said
}

// An object comes with what it refers to, objects that are there are not fetched, and
// a result is recorded with its signatures.
func TestPushAndFetch(t *testing.T) {
	src, dst, dir, key := newStore(t), newStore(t), t.TempDir(), newKey(t, "ci-1")
	ctx := t.Context()
	low := add(t, src, "low")
	mid := add(t, src, "mid+?=", low)
	top := add(t, src, "top", low, mid)
	made := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: top}
	must(t, src.Register(ctx, nil, []store.Realisation{made}))
	result, err := Push(ctx, src, dir, []store.Path{top}, []store.Realisation{made}, []sign.SecretKey{key}, nil)
	must(t, err)
	if result.Objects != 3 || result.Results != 1 {
		t.Errorf("pushed %+v", result)
	}
	caches, said := asked(t, dst, dir, key)
	must(t, caches.Learn(ctx, []store.DerivationHash{{1}, {2}}))
	path, err := dst.Realisation(ctx, store.DerivationHash{1}, "out")
	if err != nil || path != top {
		t.Fatalf("learned %v, %v", path, err)
	}
	if _, err := dst.Realisation(ctx, store.DerivationHash{2}, "out"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("of what is not there: %v", err)
	}
	sigs, err := dst.RealisationSignatures(ctx, made)
	if err != nil || len(sigs) != 1 {
		t.Errorf("signatures %v, %v", sigs, err)
	}
	must(t, caches.Fetch(ctx, top, nil))
	closure, err := dst.Closure(ctx, []store.Path{top})
	if err != nil || len(closure) != 3 || len(*said) > 0 {
		t.Errorf("closure %v, %v; said %q", closure, err, *said)
	}

	// A second key signs what is there; who trusts that one alone can take all of it.
	second := newKey(t, "ci-2")
	if _, err := Push(ctx, src, dir, []store.Path{top}, []store.Realisation{made}, []sign.SecretKey{second}, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range []sign.SecretKey{key, second} {
		third := newStore(t)
		caches, said := asked(t, third, dir, k)
		must(t, caches.Learn(ctx, []store.DerivationHash{{1}}))
		if _, err := third.Realisation(ctx, store.DerivationHash{1}, "out"); err != nil {
			t.Errorf("%s: %v", k.Name(), err)
		}
		if err := caches.Fetch(ctx, top, nil); err != nil {
			t.Errorf("%s: %v, %q", k.Name(), err, *said)
		}
	}

	// Another result of the same derivation is not mixed with the first.
	other := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: low}
	must(t, src.Register(ctx, nil, []store.Realisation{other}))
	result, err = Push(ctx, src, dir, nil, []store.Realisation{other}, []sign.SecretKey{key}, nil)
	if err != nil || len(result.Conflicts) != 1 || result.Results != 0 {
		t.Errorf("pushed another result: %+v, %v", result, err)
	}
}

// What a key that is trusted did not sign is not used: neither results nor objects,
// whatever the cache claims about them.
func TestNothingUnsigned(t *testing.T) {
	src, dir, key, stranger := newStore(t), t.TempDir(), newKey(t, "ci-1"), newKey(t, "ci-1")
	ctx := t.Context()
	p := add(t, src, "a")
	made := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: p}
	must(t, src.Register(ctx, nil, []store.Realisation{made}))
	// A key of the same name: what the cache claims looks right.
	_, err := Push(ctx, src, dir, []store.Path{p}, []store.Realisation{made}, []sign.SecretKey{stranger}, nil)
	must(t, err)
	dst := newStore(t)
	caches, said := asked(t, dst, dir, key)
	must(t, caches.Learn(ctx, []store.DerivationHash{{1}}))
	if _, err := dst.Realisation(ctx, store.DerivationHash{1}, "out"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a result by another key: %v", err)
	}
	if err := caches.Fetch(ctx, p, nil); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("an object by another key: %v", err)
	}
	if valid, err := dst.Valid(ctx, []store.Path{p}); err != nil || valid[p] {
		t.Errorf("it is valid: %v, %v", valid, err)
	}
	text := strings.Join(*said, "\n")
	if !strings.Contains(text, `signatures of results in the name of "ci-1" are wrong`) || !strings.Contains(text, "the signature of \"ci-1\" is wrong") {
		t.Errorf("said %q", text)
	}
}

// A cache that says what cannot be costs a message, and ends.
func TestLyingCache(t *testing.T) {
	key := newKey(t, "ci-1")
	a, b := store.Path("00000000000000000000000000000000-a"), store.Path("11111111111111111111111111111111-b")
	info := func(needs ...store.Path) []byte {
		return (&objectInfo{stream: store.Digest{1}, size: 1, signatures: []sign.Signature{{Key: "ci-1"}}, needs: needs}).encode()
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"a circle":           {map[string][]byte{objectFile(a): info(b), objectFile(b): info(a)}, "needs itself"},
		"a missing stream":   {map[string][]byte{objectFile(a): info()}, "no such file"},
		"a missing need":     {map[string][]byte{objectFile(a): info(b)}, ""},
		"no text":            {map[string][]byte{objectFile(a): {0}}, "its last line has no end"},
		"another stream":     {map[string][]byte{objectFile(a): info(), streamFile(store.Digest{1}): {1}}, "wrong content"},
		"too much of it":     {map[string][]byte{objectFile(a): info(), streamFile(store.Digest{1}): {1, 2}}, "longer than"},
		"more than may come": {map[string][]byte{objectFile(a): bytes.Repeat([]byte{'\n'}, maxText+1)}, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.files[markerFile] = []byte(cacheMagic + "\n")
			for file, data := range c.files {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
				must(t, os.WriteFile(filepath.Join(dir, file), data, 0o644))
			}
			caches, said := asked(t, newStore(t), dir, key)
			if err := caches.Fetch(context.Background(), a, nil); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			if text := strings.Join(*said, "\n"); !strings.Contains(text, c.want) || c.want == "" && text != "" {
				t.Errorf("said %q, want %q", text, c.want)
			}
		})
	}
}

// The files of a cache are what docs/formats.md says.
func TestGoldenFiles(t *testing.T) {
	p := store.Path("0123456789abcdfghijklmnpqrsvwxyz-hello")
	sig := sign.Signature{Key: "ci-1"}
	got := string(encodeResults([]Result{{store.Realisation{Derivation: store.DerivationHash{0xab}, Output: "out", Path: p}, []sign.Signature{sig}}})) +
		string((&objectInfo{stream: store.Digest{0xcd}, size: 7, signatures: []sign.Signature{{Key: "ci-1"}}, needs: []store.Path{p}}).encode()) +
		resultsFile(store.DerivationHash{0xab}) + "\n" + objectFile(p) + "\n" + streamFile(store.Digest{0xcd}) + "\n"
	want := `sysc cached results 1
result ab` + strings.Repeat("0", 62) + ` out 0123456789abcdfghijklmnpqrsvwxyz-hello
signature ci-1:` + strings.Repeat("A", 86) + `==
sysc cached object 1
stream sha256:cd` + strings.Repeat("0", 62) + ` 7
signature ci-1:` + strings.Repeat("A", 86) + `==
need 0123456789abcdfghijklmnpqrsvwxyz-hello
results/ab/` + strings.Repeat("0", 62) + `
objects/0123456789abcdfghijklmnpqrsvwxyz-hello
streams/cd` + strings.Repeat("0", 62) + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzResults(f *testing.F) {
	p := store.Path("0123456789abcdfghijklmnpqrsvwxyz-hello")
	f.Add(encodeResults([]Result{{store.Realisation{Output: "out", Path: p}, []sign.Signature{{Key: "ci-1"}}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		results, err := decodeResults(data, store.DerivationHash{})
		if err == nil && !bytes.Equal(encodeResults(results), data) {
			t.Errorf("%q is written as %q", data, encodeResults(results))
		}
	})
}

func FuzzObject(f *testing.F) {
	p := store.Path("0123456789abcdfghijklmnpqrsvwxyz-hello")
	f.Add((&objectInfo{size: 7, signatures: []sign.Signature{{Key: "ci-1"}}, needs: []store.Path{p}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := decodeObject(data)
		if err != nil {
			return
		}
		again, err := decodeObject(info.encode())
		if err != nil || !bytes.Equal(again.encode(), info.encode()) {
			t.Errorf("%q is written as %q: %v", data, info.encode(), err)
		}
	})
}
