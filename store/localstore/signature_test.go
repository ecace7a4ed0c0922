package localstore

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
	"sysc/store/sign"
)

func newKey(t testing.TB, name string) sign.SecretKey {
	t.Helper()
	k, err := sign.Generate(name)
	must(t, err)
	return k
}

// signed is a store with an object and a realisation, both with signatures.
type signed struct {
	*damaged
	realisation store.Realisation
	onObject    []sign.Signature
	onResult    []sign.Signature
}

func newSigned(t testing.TB) *signed {
	d := newDamaged(t)
	a, b := newKey(t, "a"), newKey(t, "b")
	g := &signed{damaged: d, realisation: store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: d.app.Path}}
	g.onObject = sign.Merge([]sign.Signature{b.Sign(sign.Object(&d.lib)), a.Sign(sign.Object(&d.lib))})
	g.onResult = []sign.Signature{a.Sign(sign.Realisation(g.realisation))}
	must(t, d.AddSignatures(t.Context(), map[store.Path][]sign.Signature{d.lib.Path: g.onObject},
		map[store.Realisation][]sign.Signature{g.realisation: g.onResult}))
	return g
}

// expect compares the signatures with what was added.
func (g *signed) expect(t testing.TB, onObject, onResult []sign.Signature) {
	t.Helper()
	if got, err := g.Signatures(t.Context(), g.lib.Path); err != nil || !reflect.DeepEqual(got, onObject) {
		t.Errorf("of the object: %v, %v; want %v", got, err, onObject)
	}
	if got, err := g.RealisationSignatures(t.Context(), g.realisation); err != nil || !reflect.DeepEqual(got, onResult) {
		t.Errorf("of the realisation: %v, %v; want %v", got, err, onResult)
	}
}

func (g *signed) objectFile() string { return g.path(objectSignatures + "/" + string(g.lib.Path)) }

func (g *signed) realisationFile() string {
	one := realisationSubject(g.realisation, nil)
	return g.path(one.dir + "/" + one.name)
}

func TestSignatures(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	g.expect(t, g.onObject, g.onResult)
	if got, err := g.Signatures(ctx, g.app.Path); err != nil || got != nil {
		t.Errorf("of an unsigned object: %v, %v", got, err)
	}
	// Again is nothing; another one of the same key name comes beside it.
	impostor := newKey(t, "a").Sign(sign.Object(&g.lib))
	must(t, g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.lib.Path: {impostor, g.onObject[0]}}, nil))
	g.onObject = sign.Merge(g.onObject, []sign.Signature{impostor})
	g.expect(t, g.onObject, g.onResult)
	g.Store = reopen(t, g.Store)
	g.expect(t, g.onObject, g.onResult)
	verify(t, g.Store)

	gone := add(t, g.Store, AddOptions{Name: "gone"}, "f=gone")
	other := g.realisation
	other.Path = g.lib.Path
	for what, err := range map[string]error{
		"an object that is not valid": g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.app.Path: g.onObject, gone.Path: g.onObject}, nil),
		"another object":              g.AddSignatures(ctx, nil, map[store.Realisation][]sign.Signature{other: g.onResult}),
		"no realisation": g.AddSignatures(ctx, nil, map[store.Realisation][]sign.Signature{
			{Derivation: store.DerivationHash{9}, Output: "out", Path: g.app.Path}: g.onResult}),
	} {
		if !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got, err := g.Signatures(ctx, g.app.Path); err != nil || got != nil {
		t.Errorf("not all or none: %v, %v", got, err)
	}
	for _, bad := range []string{"", "a:b", "a\nb"} {
		err := g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.app.Path: {{Key: bad}}}, nil)
		if err == nil {
			t.Errorf("a key called %q", bad)
		}
	}
	many := make([]sign.Signature, maxSignatures+1)
	for i := range many {
		many[i] = sign.Signature{Key: fmt.Sprint("k", i)}
	}
	if err := g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.app.Path: many}, nil); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too many: %v", err)
	}
}

// However many signatures anybody makes up, there is room for right ones.
func TestHearsay(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	must(t, g.AddHearsay(ctx, map[store.Path][]sign.Signature{g.lib.Path: g.onObject}, nil)) // nothing new
	g.expect(t, g.onObject, g.onResult)
	var junk []sign.Signature
	for i := range maxSignatures {
		junk = append(junk, sign.Signature{Key: fmt.Sprintf("k%03d", i)})
	}
	fill := func(junk []sign.Signature) {
		t.Helper()
		must(t, g.AddHearsay(ctx, map[store.Path][]sign.Signature{g.lib.Path: junk}, map[store.Realisation][]sign.Signature{g.realisation: junk}))
	}
	fill(junk[:5])
	fill(junk)
	onObject := sign.Merge(g.onObject, junk[:maxHearsay-len(g.onObject)])
	onResult := sign.Merge(g.onResult, junk[:maxHearsay-len(g.onResult)])
	g.expect(t, onObject, onResult)
	fill(junk[500:])
	g.expect(t, onObject, onResult)

	c := newKey(t, "z")
	right, rightResult := c.Sign(sign.Object(&g.lib)), c.Sign(sign.Realisation(g.realisation))
	must(t, g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.lib.Path: {right}}, map[store.Realisation][]sign.Signature{g.realisation: {rightResult}}))
	onObject, onResult = append(onObject, right), append(onResult, rightResult)
	g.expect(t, onObject, onResult)
	fill(junk)
	g.expect(t, onObject, onResult)
	verify(t, g.Store)
	err := g.AddHearsay(ctx, map[store.Path][]sign.Signature{fakePath(t, '1'): junk}, nil)
	if !errors.Is(err, store.ErrNotExist) {
		t.Errorf("of an object that is not valid: %v", err)
	}
}

// What a killed process has left in a file takes no room either.
func TestSignaturesLeftInFile(t *testing.T) {
	g := newSigned(t)
	text := string(g.lib.Path) + "\n"
	for i := range maxSignatures {
		text += sign.Signature{Key: fmt.Sprint("k", i)}.String() + "\n"
	}
	overwrite(t, g.objectFile(), text)
	right := newKey(t, "c").Sign(sign.Object(&g.lib))
	must(t, g.AddSignatures(t.Context(), map[store.Path][]sign.Signature{g.lib.Path: {right}}, nil))
	g.expect(t, sign.Merge(g.onObject, []sign.Signature{right}), g.onResult)
	verify(t, g.Store)
}

func TestSignaturesBeside(t *testing.T) {
	g := newSigned(t)
	second := open(t, g.Dir())
	var wait sync.WaitGroup
	var want [][]sign.Signature
	for i := range 8 {
		s := []*Store{g.Store, second}[i%2]
		sigs := []sign.Signature{newKey(t, fmt.Sprint("k", i)).Sign(sign.Object(&g.lib))}
		want = append(want, sigs)
		wait.Go(func() {
			if err := s.AddSignatures(t.Context(), map[store.Path][]sign.Signature{g.lib.Path: sigs}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	all := sign.Merge(append(want, g.onObject)...)
	g.expect(t, all, g.onResult)
	one := objectSubject(g.lib.Path, nil)
	if got, err := g.readSignatures(&one); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("the file has %v, %v", got, err)
	}
}

// Signatures of an object go with it, those of a realisation stay until another
// object takes its place.
func TestSignaturesCollected(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	g.Store = reopen(t, g.Store)
	result, err := g.GC(ctx, GCOptions{DryRun: true})
	if err != nil || len(result.Objects) != 4 {
		t.Fatalf("%+v, %v", result, err)
	}
	g.expect(t, g.onObject, g.onResult)
	_, err = g.GC(ctx, GCOptions{})
	must(t, err)
	g.expect(t, nil, g.onResult)
	if _, err := os.Lstat(g.objectFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	var rows int
	must(t, g.db.do(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, "SELECT count(*) FROM object_signature", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error { rows = stmt.ColumnInt(0); return nil }})
	}))
	if rows != 0 {
		t.Errorf("%d rows are left", rows)
	}
	lib := add(t, g.Store, AddOptions{Name: "lib"}, "lib/lib.so=library", "doc/readme=text")
	must(t, g.Register(ctx, []store.Object{lib}, []store.Realisation{g.realisation}))
	g.expect(t, nil, g.onResult) // the same realisation
	other := g.realisation
	other.Path = lib.Path
	must(t, g.Register(ctx, nil, []store.Realisation{other}))
	g.expect(t, nil, nil)
	must(t, g.Register(ctx, nil, []store.Realisation{g.realisation}))
	g.expect(t, nil, nil) // it does not come back either
	verify(t, g.Store)
}

// What is used stays: signatures of an object that somebody looked up.
func TestSignaturesKept(t *testing.T) {
	g := newSigned(t)
	must(t, g.AddRoot(t.Context(), "keep", g.app.Path))
	g.Store = reopen(t, g.Store)
	_, err := g.GC(t.Context(), GCOptions{})
	must(t, err)
	g.expect(t, g.onObject, g.onResult)
	if _, err := os.Lstat(g.objectFile()); err != nil {
		t.Error(err)
	}
}

func TestRepairSignatures(t *testing.T) {
	for name, change := range map[string]func(g *signed){
		"damaged":           func(g *signed) { overwrite(t, g.objectFile(), "nonsense") },
		"gone":              func(g *signed) { must(t, os.Remove(g.objectFile())) },
		"one is missing":    func(g *signed) { overwrite(t, g.objectFile(), string(g.lib.Path)+"\n"+g.onObject[1].String()+"\n") },
		"half a line":       func(g *signed) { overwrite(t, g.realisationFile(), "nonsense") },
		"no signature":      func(g *signed) { overwrite(t, g.realisationFile(), "a b c\nk:AAAA\n") },
		"realisation's":     func(g *signed) { must(t, os.Remove(g.realisationFile())) },
		"all":               func(g *signed) { must(t, os.RemoveAll(g.path("signatures"))) },
		"stranger":          func(g *signed) { must(t, os.WriteFile(g.objectFile()+"x", []byte(g.lib.Path+"\n"), 0o444)) },
		"stranger in shard": func(g *signed) { must(t, os.WriteFile(g.realisationFile()+"x", []byte("a b c\n"), 0o444)) },
		"a directory": func(g *signed) {
			must(t, os.Remove(g.objectFile()))
			must(t, os.MkdirAll(g.objectFile()+"/x", 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newSigned(t)
			change(g)
			if got := g.repair(t); got.Found == 0 || got.Left != 0 || len(got.Lost) > 0 {
				t.Errorf("%+v", got)
			}
			g.expect(t, g.onObject, g.onResult)
			if got := g.repair(t); got.Found != 0 {
				t.Errorf("again: %+v", got)
			}
			for _, file := range []string{g.objectFile(), g.realisationFile()} {
				if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%v, %v", info, err)
				}
			}
		})
	}
}

// A lost object takes its signatures with it and comes back with them.
func TestAdoptSignatures(t *testing.T) {
	g := newSigned(t)
	must(t, os.Remove(g.blobPath("library")))
	if got := g.repair(t); len(got.Lost) != 2 {
		t.Fatalf("%+v", got)
	}
	g.expect(t, nil, g.onResult)
	add(t, g.Store, AddOptions{Name: "again"}, "lib/lib.so=library", "doc/readme=text")
	_, err := g.Adopt(t.Context(), g.app.Path)
	must(t, err)
	g.expect(t, g.onObject, g.onResult)
	verify(t, g.Store)
}

func TestRebuildSignatures(t *testing.T) {
	ctx := t.Context()
	g := newSigned(t)
	root := newKey(t, "c").Sign(sign.Object(&g.root))
	must(t, g.AddSignatures(ctx, map[store.Path][]sign.Signature{g.root.Path: {root}}, nil))
	must(t, g.Close())
	must(t, os.WriteFile(g.path(databaseName), []byte(strings.Repeat("no database ", 1000)), 0o644))
	overwrite(t, g.path(objectSignatures+"/"+string(g.root.Path)), "nonsense")
	result, err := Rebuild(ctx, g.Dir(), nil)
	if err != nil || result.Objects != 4 || len(result.Left) != 1 || !strings.HasSuffix(result.Left[0].File, string(g.root.Path)) {
		t.Fatalf("%+v, %v", result, err)
	}
	g.Store = open(t, g.Dir())
	g.expect(t, g.onObject, g.onResult)
}

func TestRealisationsOf(t *testing.T) {
	d := newDamaged(t)
	got, err := d.RealisationsOf(t.Context(), []store.Path{d.app.Path, d.root.Path})
	want := []store.Realisation{{Derivation: store.DerivationHash{1}, Output: "out", Path: d.app.Path}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// Whoever asks for a blob keeps it.
func TestHasBlobKeeps(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for _, content := range []string{"kept", "not"} {
		_, _, err := s.AddBlob(ctx, strings.NewReader(content))
		must(t, err)
	}
	s = reopen(t, s)
	kept, not := store.DigestOf([]byte("kept")), store.DigestOf([]byte("not"))
	if ok, err := s.HasBlob(ctx, kept, 4); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := s.HasBlob(ctx, store.DigestOf([]byte("size")), 4); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	_, err := s.GC(ctx, GCOptions{})
	must(t, err)
	if ok, err := s.HasBlob(ctx, kept, 4); !ok || err != nil {
		t.Errorf("collected: %v, %v", ok, err)
	}
	if ok, err := s.HasBlob(ctx, kept, 5); ok || err != nil {
		t.Errorf("another size: %v, %v", ok, err)
	}
	if ok, err := s.HasBlob(ctx, not, 3); ok || err != nil {
		t.Errorf("kept without being asked for: %v, %v", ok, err)
	}
}
