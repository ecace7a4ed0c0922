package export

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/sign"
	"sysc/store/tree"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openStore opens a store that can be removed afterwards by others than root,
// too.
func openStore(t testing.TB, dir string) *localstore.Store {
	t.Helper()
	s, err := localstore.Open(context.Background(), dir, nil)
	must(t, err)
	t.Cleanup(func() {
		s.Close()
		makeRemovable(dir)
	})
	return s
}

// makeRemovable lets an ordinary user remove a store's read-only directories.
func makeRemovable(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(path, 0o755)
		}
		return nil
	})
}

func newStore(t testing.TB) *localstore.Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "store"))
}

// testKey returns the same key for the same name.
func testKey(t testing.TB, name string) sign.SecretKey {
	t.Helper()
	seed := store.DigestOf([]byte(name))
	k, err := sign.ParseSecretKey([]byte(name + ":" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed[:]))))
	must(t, err)
	return k
}

func trust(t testing.TB, keys ...sign.SecretKey) sign.TrustedKeys {
	t.Helper()
	var public []sign.PublicKey
	for _, k := range keys {
		public = append(public, k.Public())
	}
	trusted, err := sign.Trust(public...)
	must(t, err)
	return trusted
}

// addFiles makes an object: "path=content", "path->target".
func addFiles(t testing.TB, s *localstore.Store, opts localstore.AddOptions, files ...string) store.Object {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(dir, 0o755))
	for _, f := range files {
		name, target, isLink := strings.Cut(f, "->")
		if !isLink {
			name, target, _ = strings.Cut(f, "=")
		}
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if isLink {
			must(t, os.Symlink(target, path))
		} else {
			must(t, os.WriteFile(path, []byte(target), 0o755))
		}
	}
	o, err := s.AddDir(t.Context(), dir, &opts)
	must(t, err)
	return o
}

func addBlob(t testing.TB, s *localstore.Store, content string) tree.Entry {
	t.Helper()
	d, n, err := s.AddBlob(t.Context(), strings.NewReader(content))
	must(t, err)
	return tree.Entry{Name: "f", Type: tree.File, Mode: 0o444, Size: n, Digest: d}
}

func addTree(t testing.TB, s *localstore.Store, name string, entries ...tree.Entry) tree.Entry {
	t.Helper()
	tr := &tree.Tree{Entries: entries}
	d, err := s.AddTree(t.Context(), tr)
	must(t, err)
	return tree.Entry{Name: name, Type: tree.Dir, Mode: 0o555, Size: tr.Size(), Digest: d}
}

// A sample is a store with objects of all kinds.
type sample struct {
	*localstore.Store
	file, lib, app, root store.Object
	realisations         []store.Realisation
}

// newSample makes it in the order that reverse says.
func newSample(t testing.TB, reverse bool) *sample {
	ctx := t.Context()
	x := &sample{Store: newStore(t)}
	steps := []func(){
		func() {
			path := filepath.Join(t.TempDir(), "f")
			must(t, os.WriteFile(path, []byte("shared"), 0o644))
			var err error
			x.file, err = x.AddDir(ctx, path, &localstore.AddOptions{Name: "file"})
			must(t, err)
		},
		func() {
			x.lib = addFiles(t, x.Store, localstore.AddOptions{Name: "lib"}, "lib/lib.so=library", "doc/readme=shared", "empty=", "\n\xff=odd")
		},
		func() {
			xattrs := []tree.Xattr{{Name: "security.capability", Value: "\x01\x00"}, {Name: "user.a", Value: ""}}
			su := addBlob(t, x.Store, "su")
			su.Name, su.Mode, su.UID, su.GID, su.Xattrs = "su", 0o4755, 0, 42, xattrs
			bin := addTree(t, x.Store, "bin", su)
			bin.Mode = 0o755
			top := addTree(t, x.Store, "", bin, tree.Entry{Name: "l", Type: tree.Link, Mode: 0o777, UID: 7, Target: "bin/su"})
			var err error
			x.root, err = x.MakeObject(ctx, "root", store.KindRoot, top.Digest, nil)
			must(t, err)
		},
	}
	if reverse {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		step()
	}
	x.app = addFiles(t, x.Store, localstore.AddOptions{Name: "app", SelfID: idOf("self"), Candidates: []store.Path{x.lib.Path, x.file.Path}},
		"bin/app=uses "+x.lib.Path.Logical()+" and "+store.Dir+"/"+idOf("self")+"-app",
		"doc/readme=shared", "self->"+store.Dir+"/"+idOf("self")+"-app/bin", "conf->"+x.file.Path.Logical())
	x.app.Deriver = store.DerivationHash{1}.String()
	if len(x.app.SelfReferences) != 2 || len(x.app.References) != 2 {
		t.Fatalf("%+v", x.app)
	}
	x.realisations = []store.Realisation{
		{Derivation: store.DerivationHash{1}, Output: "out", Path: x.app.Path},
		{Derivation: store.DerivationHash{2}, Output: "lib", Path: x.lib.Path},
	}
	if reverse {
		must(t, x.Register(ctx, x.objects(), nil))
		must(t, x.Register(ctx, nil, x.realisations))
	} else {
		must(t, x.Register(ctx, x.objects(), x.realisations))
	}
	a := testKey(t, "a")
	must(t, x.AddSignatures(ctx, map[store.Path][]sign.Signature{x.lib.Path: {a.Sign(sign.Object(&x.lib))}},
		map[store.Realisation][]sign.Signature{x.realisations[0]: {a.Sign(sign.Realisation(x.realisations[0]))}}))
	return x
}

// idOf makes an id of a word.
func idOf(word string) string {
	d := store.DigestOf([]byte(word))
	return store.EncodeID(d)
}

func (x *sample) objects() []store.Object { return []store.Object{x.file, x.lib, x.app, x.root} }

func (x *sample) paths() []store.Path { return []store.Path{x.app.Path, x.root.Path} }

func exportBytes(t testing.TB, src Source, opts ExportOptions, paths ...store.Path) []byte {
	t.Helper()
	var out bytes.Buffer
	var last, planned int64
	opts.Progress = func(done, total int64) {
		if done < last || done > total || planned != 0 && planned != total {
			t.Errorf("progress: %d of %d after %d of %d", done, total, last, planned)
		}
		last, planned = done, total
	}
	result, err := Export(context.Background(), &out, src, paths, opts)
	must(t, err)
	if result.Bytes != int64(out.Len()) || last != result.Bytes || planned != last {
		t.Errorf("%+v, progress %d of %d; the stream has %d bytes", result, last, planned, out.Len())
	}
	return out.Bytes()
}

// all exports everything that a sample has.
func (x *sample) all(t testing.TB, opts ExportOptions) []byte {
	t.Helper()
	opts.Realisations = true
	return exportBytes(t, x, opts, x.paths()...)
}

// onlyReader hides that one can seek.
type onlyReader struct{ io.Reader }

func importBytes(dst Destination, data []byte, opts ImportOptions) (ImportResult, error) {
	return Import(context.Background(), onlyReader{bytes.NewReader(data)}, dst, opts)
}

var unsigned = ImportOptions{AllowUnsigned: true}

// verify expects a clean store.
func verify(t testing.TB, s *localstore.Store) {
	t.Helper()
	_, err := s.Verify(context.Background(), func(p localstore.Problem) { t.Errorf("verify: %v", p) })
	must(t, err)
}

// state is all that a store says about objects, as text.
func state(t testing.TB, s *localstore.Store) string {
	t.Helper()
	ctx := context.Background()
	paths, err := s.Objects(ctx)
	must(t, err)
	var b strings.Builder
	for _, p := range paths {
		o, err := s.Object(ctx, p)
		must(t, err)
		sigs, err := s.Signatures(ctx, p)
		must(t, err)
		closure, err := s.Closure(ctx, []store.Path{p})
		must(t, err)
		fmt.Fprintf(&b, "%+v\n%v\n%v\n", o, sigs, closure)
	}
	realisations, err := s.RealisationsOf(ctx, paths)
	must(t, err)
	for _, r := range realisations {
		sigs, err := s.RealisationSignatures(ctx, r)
		must(t, err)
		fmt.Fprintf(&b, "%+v %v\n", r, sigs)
	}
	return b.String()
}

func TestRoundTrip(t *testing.T) {
	x := newSample(t, false)
	data := x.all(t, ExportOptions{})
	for name, r := range map[string]io.Reader{"reader": onlyReader{bytes.NewReader(data)}, "seeker": bytes.NewReader(data)} {
		dst := newStore(t)
		result, err := Import(t.Context(), r, dst, unsigned)
		must(t, err)
		if len(result.Objects) != 4 || result.Present != 0 || result.Realisations != 2 || len(result.Conflicts) > 0 {
			t.Errorf("%s: %+v", name, result)
		}
		if got, want := state(t, dst), state(t, x.Store); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		verify(t, dst)
		again, err := Import(t.Context(), bytes.NewReader(data), dst, unsigned)
		if err != nil || again.Present != 4 || again.Realisations != 0 || !slices.Equal(again.Objects, result.Objects) {
			t.Errorf("%s: again: %+v, %v", name, again, err)
		}
		if got := exportBytes(t, dst, ExportOptions{Realisations: true}, x.paths()...); !bytes.Equal(got, data) {
			t.Errorf("%s: it is exported as something else", name)
		}
	}
}

func TestNothing(t *testing.T) {
	data := exportBytes(t, newStore(t), ExportOptions{Realisations: true})
	result, err := importBytes(newStore(t), data, ImportOptions{})
	if err != nil || len(result.Objects) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	missing := store.Path(idOf("x") + "-missing")
	if _, err := Export(t.Context(), io.Discard, newStore(t), []store.Path{missing}, ExportOptions{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// The same objects are the same bytes, however the store came by them, and in
// whatever order they are asked for.
func TestDeterministic(t *testing.T) {
	a, b := newSample(t, false), newSample(t, true)
	opts := ExportOptions{Realisations: true, Sign: []sign.SecretKey{testKey(t, "b"), testKey(t, "a")}}
	want := exportBytes(t, a, opts, a.app.Path, a.root.Path)
	opts.Sign = []sign.SecretKey{testKey(t, "a"), testKey(t, "b"), testKey(t, "a")}
	if got := exportBytes(t, b, opts, b.root.Path, b.app.Path, b.lib.Path); !bytes.Equal(got, want) {
		t.Error("two stores, two streams")
	}
}

// testdata/stream.hex is for other programs.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/stream.hex")
	must(t, err)
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	must(t, err)
	x := newSample(t, false)
	if got := x.all(t, ExportOptions{Sign: []sign.SecretKey{testKey(t, "ci-1")}}); !bytes.Equal(got, want) {
		t.Errorf("got %x: that needs another version", got)
	}
	dst := newStore(t)
	result, err := importBytes(dst, want, ImportOptions{Trusted: trust(t, testKey(t, "ci-1"))})
	if err != nil || len(result.Objects) != 4 {
		t.Errorf("%+v, %v", result, err)
	}
	verify(t, dst)
}

// Any closure comes back as it was.
func TestRoundTripAny(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := newStore(t)
		defer src.Close()
		objects := drawObjects(t, rt, src)
		var realisations []store.Realisation
		signatures := map[store.Path][]sign.Signature{}
		onResults := map[store.Realisation][]sign.Signature{}
		for i, o := range objects {
			r := store.Realisation{Derivation: store.DerivationHash{byte(i)}, Output: "out", Path: o.Path}
			if rapid.Bool().Draw(rt, "realised") {
				realisations = append(realisations, r)
				onResults[r] = []sign.Signature{testKey(t, "a").Sign(sign.Realisation(r))}
			}
			for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 1, 2).Draw(rt, "signers") {
				signatures[o.Path] = append(signatures[o.Path], testKey(t, key).Sign(sign.Object(&o)))
			}
		}
		must(t, src.Register(t.Context(), objects, realisations))
		must(t, src.AddSignatures(t.Context(), signatures, onResults))
		var paths []store.Path
		for _, o := range objects {
			paths = append(paths, o.Path)
		}
		data := exportBytes(t, src, ExportOptions{Realisations: true}, paths...)
		dst := newStore(t)
		defer dst.Close()
		// A part first: the rest must fit on it.
		part := rapid.SampledFrom(paths).Draw(rt, "part")
		_, err := importBytes(dst, exportBytes(t, src, ExportOptions{Realisations: true}, part), unsigned)
		must(t, err)
		rest := exportBytes(t, src, ExportOptions{Realisations: true, Have: []store.Path{part}}, paths...)
		if len(rest) >= len(data) {
			rt.Fatalf("what is there costs nothing less: %d of %d bytes", len(rest), len(data))
		}
		_, err = importBytes(dst, rest, ImportOptions{Trusted: trust(t, testKey(t, "a"), testKey(t, "b"))})
		must(t, err)
		if got, want := state(t, dst), state(t, src); got != want {
			rt.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if got := exportBytes(t, dst, ExportOptions{Realisations: true}, paths...); !bytes.Equal(got, data) {
			rt.Fatal("it is exported as something else")
		}
		verify(t, dst)
	})
}

// drawObjects makes objects that refer to earlier ones and share contents.
func drawObjects(t testing.TB, rt *rapid.T, s *localstore.Store) (objects []store.Object) {
	entry := rapid.Custom(func(rt *rapid.T) tree.Entry {
		e := addBlob(t, s, rapid.SampledFrom([]string{"", "x", "shared", strings.Repeat("long", 1<<17)}).Draw(rt, "content"))
		e.Mode = rapid.SampledFrom([]uint32{0o444, 0o555, 0o4755}).Draw(rt, "mode")
		e.UID = rapid.Uint32().Draw(rt, "uid")
		return e
	})
	for i := range rapid.IntRange(1, 5).Draw(rt, "objects") {
		var top []tree.Entry
		for j := range rapid.IntRange(0, 3).Draw(rt, "entries") {
			e := entry.Draw(rt, "entry")
			e.Name = fmt.Sprint("e", j)
			for range rapid.IntRange(0, 2).Draw(rt, "depth") {
				inner := e
				e = addTree(t, s, inner.Name, inner)
			}
			top = append(top, e)
		}
		var refs []store.Path
		for _, o := range objects {
			if rapid.Bool().Draw(rt, "refers") {
				refs = append(refs, o.Path)
			}
		}
		kind := rapid.SampledFrom([]store.Kind{store.KindTree, store.KindRoot}).Draw(rt, "kind")
		o, err := s.MakeObject(t.Context(), fmt.Sprint("o", i), kind, addTree(t, s, "", top...).Digest, refs)
		must(t, err)
		objects = append(objects, o)
	}
	return objects
}

// What the receiver has is left out, contents of other objects included, and it
// has to be there.
func TestIncremental(t *testing.T) {
	ctx := t.Context()
	src := newStore(t)
	large := strings.Repeat("large ", 1<<16)
	old := addFiles(t, src, localstore.AddOptions{Name: "old"}, "usr/share/data="+large, "etc/a=1")
	base := addFiles(t, src, localstore.AddOptions{Name: "base"}, "f=base")
	next := addFiles(t, src, localstore.AddOptions{Name: "new", Candidates: []store.Path{base.Path}}, "usr/share/data="+large, "etc/a=2", "base->"+base.Path.Logical())
	r := store.Realisation{Derivation: store.DerivationHash{7}, Output: "out", Path: base.Path}
	must(t, src.Register(ctx, []store.Object{old, base, next}, []store.Realisation{r}))
	full := exportBytes(t, src, ExportOptions{}, next.Path)
	opts := ExportOptions{Have: []store.Path{old.Path, base.Path, store.Path(idOf("other") + "-elsewhere")}, Realisations: true}
	part := exportBytes(t, src, opts, next.Path)
	if len(full) < len(large) || len(part) > 4096 {
		t.Errorf("%d bytes, then %d", len(full), len(part))
	}
	dst := newStore(t)
	_, err := importBytes(dst, part, unsigned)
	if !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "builds on") {
		t.Errorf("without what it builds on: %v", err)
	}
	_, err = importBytes(dst, exportBytes(t, src, ExportOptions{}, old.Path), unsigned)
	must(t, err)
	if _, err = importBytes(dst, part, unsigned); err == nil || !strings.Contains(err.Error(), string(base.Path)) {
		t.Errorf("without a reference: %v", err)
	}
	_, err = importBytes(dst, exportBytes(t, src, ExportOptions{}, base.Path), unsigned)
	must(t, err)
	result, err := importBytes(dst, part, unsigned)
	if err != nil || !slices.Equal(result.Objects, []store.Path{next.Path}) || result.Realisations != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if got, err := dst.Realisation(ctx, r.Derivation, "out"); err != nil || got != base.Path {
		t.Errorf("the realisation of what was there: %s, %v", got, err)
	}
	verify(t, dst)
	// With everything there nothing is left but a frame or two.
	if none := exportBytes(t, src, ExportOptions{Have: []store.Path{next.Path}}, next.Path); len(none) > 200 {
		t.Errorf("nothing has %d bytes", len(none))
	}
}

// A realisation that the store has stays what it is.
func TestConflict(t *testing.T) {
	ctx := t.Context()
	x := newSample(t, false)
	r := x.realisations[0]
	dst := newStore(t)
	mine := addFiles(t, dst, localstore.AddOptions{Name: "mine"}, "f=1")
	must(t, dst.Register(ctx, []store.Object{mine}, []store.Realisation{{Derivation: r.Derivation, Output: r.Output, Path: mine.Path}}))
	result, err := importBytes(dst, x.all(t, ExportOptions{}), unsigned)
	if err != nil || !reflect.DeepEqual(result.Conflicts, []store.Realisation{r}) || result.Realisations != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if got, err := dst.Realisation(ctx, r.Derivation, r.Output); err != nil || got != mine.Path {
		t.Errorf("%s, %v", got, err)
	}
	// When that object is gone, the one of the stream takes its place.
	dir := dst.Dir()
	must(t, dst.Close())
	dst = openStore(t, dir)
	_, err = dst.GC(ctx, localstore.GCOptions{})
	must(t, err)
	result, err = importBytes(dst, x.all(t, ExportOptions{}), unsigned)
	if err != nil || len(result.Conflicts) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if got, err := dst.Realisation(ctx, r.Derivation, r.Output); err != nil || got != x.app.Path {
		t.Errorf("%s, %v", got, err)
	}
}

// A source that is damaged is not passed on.
func TestDamagedSource(t *testing.T) {
	x := newSample(t, false)
	for name, content := range map[string]string{"changed": "LIBRARY", "shorter": "lib", "longer": "library, and more"} {
		d := store.DigestOf([]byte("library"))
		path := filepath.Join(x.Dir(), "blobs", d.Hex()[:2], d.Hex()[2:]+".x") // it is executable
		must(t, os.Chmod(path, 0o644))
		must(t, os.WriteFile(path, []byte(content), 0o644))
		var out bytes.Buffer
		_, err := Export(t.Context(), &out, x, x.paths(), ExportOptions{})
		if name == "longer" { // the beginning is what the listing says
			must(t, err)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		var cut *TruncatedError
		if _, err := importBytes(newStore(t), out.Bytes(), unsigned); !errors.As(err, &cut) {
			t.Errorf("%s: imported: %v", name, err)
		}
	}
}

type fullWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *fullWriter) Write(data []byte) (int, error) {
	if len(data) > w.left {
		return 0, errFull
	}
	w.left -= len(data)
	return len(data), nil
}

func TestExportFails(t *testing.T) {
	x := newSample(t, false)
	if _, err := Export(t.Context(), &fullWriter{100}, x, x.paths(), ExportOptions{}); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Export(ctx, io.Discard, x, x.paths(), ExportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := Import(ctx, bytes.NewReader(x.all(t, ExportOptions{})), newStore(t), unsigned); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// However large a blob is, it is not held in memory, on neither side, and its
// holes survive.
func TestLarge(t *testing.T) {
	const size = 500 << 20
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	must(t, err)
	_, err = f.WriteAt([]byte("end"), size-3)
	must(t, errors.Join(err, f.Close()))
	src, dst := newStore(t), newStore(t)
	o, err := src.AddDir(t.Context(), path, &localstore.AddOptions{Name: "image"})
	must(t, err)
	must(t, src.Register(t.Context(), []store.Object{o}, nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, w := io.Pipe()
	go func() {
		_, err := Export(context.Background(), w, src, []store.Path{o.Path}, ExportOptions{})
		w.CloseWithError(err)
	}()
	_, err = Import(t.Context(), r, dst, unsigned)
	must(t, err)
	runtime.ReadMemStats(&after)
	const most = 16 << 20
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("%d bytes were allocated for a blob of %d, at most %d", got, size, most)
	}
	got, err := dst.Object(t.Context(), o.Path)
	if err != nil || got.Size != size {
		t.Errorf("%+v, %v", got, err)
	}
	verify(t, dst)
}
