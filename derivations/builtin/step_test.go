package builtin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

func openStore(t testing.TB) *localstore.Store {
	t.Helper()
	return openStoreAt(t, t.TempDir())
}

func openStoreAt(t testing.TB, dir string) *localstore.Store {
	t.Helper()
	st, err := localstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// addFile registers a file object and returns its logical path.
func addFile(t testing.TB, st *localstore.Store, name string, content []byte, refs ...store.Path) store.Path {
	t.Helper()
	blob, size, err := st.AddBlob(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	d, err := st.AddTree(t.Context(), derivations.FileTree(blob, size, false))
	if err != nil {
		t.Fatal(err)
	}
	return register(t, st, name, store.KindFile, d, refs...)
}

func register(t testing.TB, st *localstore.Store, name string, kind store.Kind, d store.Digest, refs ...store.Path) store.Path {
	t.Helper()
	o, err := st.MakeObject(t.Context(), name, kind, d, refs)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Register(t.Context(), []store.Object{o}, nil); err != nil {
		t.Fatal(err)
	}
	return o.Path
}

// runStep runs a step with attributes; logical paths in them are its inputs.
func runStep(t testing.TB, st *localstore.Store, do Func, fixed *derivations.Fixed, attrs any) (*Step, error) {
	t.Helper()
	encoded, err := derivations.MakeAttrs(attrs)
	if err != nil {
		t.Fatal(err)
	}
	g := derivations.NewGraph()
	h, err := g.Add(derivations.Derivation{Name: "test", Platform: "any", Builder: "builtin:test", Attrs: encoded, Fixed: fixed}, derivations.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := g.Derivation(h)
	s := &Step{
		Derivation: d, Store: st, Download: &download.Client{}, TempDir: func() (string, error) { return t.TempDir(), nil },
		Progress: func(int64, int64) {}, Log: io.Discard,
	}
	return s, do(t.Context(), s)
}

// list renders a tree, one entry a line.
func list(t testing.TB, st tree.Source, d store.Digest) string {
	t.Helper()
	var lines []string
	err := tree.Walk(context.Background(), st, d, func(path string, e tree.Entry) error {
		line := fmt.Sprintf("%c %04o %d:%d %s", e.Type, e.Mode, e.UID, e.GID, path)
		if e.Type == tree.Link {
			line += " -> " + e.Target
		}
		if e.Type == tree.File {
			line += fmt.Sprintf(" (%d)", e.Size)
		}
		for _, x := range e.Xattrs {
			line += fmt.Sprintf(" %s=%q", x.Name, x.Value)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestFile(t *testing.T) {
	st := openStore(t)
	dep := addFile(t, st, "dep", []byte("x"))
	s, err := runStep(t, st, file, nil, map[string]any{"content": "see " + dep.Logical() + "\n", "executable": true})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := s.Result("out")
	if got.Kind != store.KindFile || !slices.Equal(got.References, []store.Path{dep}) {
		t.Errorf("got %+v", got)
	}
	if want := "f 0555 0:0 content (53)"; list(t, st, got.Tree) != want {
		t.Errorf("got %s, want %s", list(t, st, got.Tree), want)
	}

	big := addFile(t, st, "big", []byte("hello"), dep)
	if s, err = runStep(t, st, file, nil, map[string]any{"source": big.Logical()}); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.Result("out"); list(t, st, got.Tree) != "f 0444 0:0 content (5)" || !slices.Equal(got.References, []store.Path{dep}) {
		t.Errorf("got %s, %v", list(t, st, got.Tree), got.References)
	}
	for want, attrs := range map[string]map[string]any{
		"want one of":      {},
		"unknown field":    {"contents": "x"},
		"not a directory":  {"source": big.Logical() + "/x"},
		"not in the store": {"source": store.Dir + "/00000000000000000000000000000000-x"},
		"not below":        {"source": "/etc/passwd"},
		"both":             nil,
	} {
		if want == "both" {
			attrs, want = map[string]any{"content": "", "source": "x"}, "want one of"
		}
		if _, err := runStep(t, st, file, nil, attrs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

func TestObjectRefusesWhatIsNoInput(t *testing.T) {
	st := openStore(t)
	other := addFile(t, st, "other", []byte("x"))
	s := &Step{Derivation: &derivations.Derivation{}, Store: st}
	if _, _, err := s.Object(t.Context(), other.Logical()); err == nil || !strings.Contains(err.Error(), "not an input") {
		t.Errorf("got %v", err)
	}
}

func TestReferences(t *testing.T) {
	a, b := store.Path("0123456789abcdfghijklmnpqrsvwxyz-a"), store.Path("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-b")
	for text, want := range map[string][]store.Path{
		"":                                  nil,
		a.Logical() + b.Logical():           {a, b},
		"xx" + b.ID() + "z":                 {b},
		"0123456789abcdfghijklmnpqrsvwxy-z": nil,
		a.ID()[1:]:                          nil,
		"0" + a.ID() + a.ID():               {a},
	} {
		if got := References(text, []store.Path{b, a}); !slices.Equal(got, want) {
			t.Errorf("References(%q): got %v, want %v", text, got, want)
		}
	}
}

func TestExpand(t *testing.T) {
	m := Mirrors{"debian": {"http://a/debian/", "http://b/d"}}
	for address, want := range map[string]string{
		"http://x/y":                      "http://x/y",
		"mirror://debian/pool/":           "http://a/debian/pool/ http://b/d/pool/",
		"mirror://other/x":                "error",
		"mirror://debian":                 "error",
		"mirror://debian/":                "error",
		"mirror://debian/a/../../b":       "error",
		"mirror://debian/a/%2e./b":        "error",
		"mirror://debian/a%2F..%2F..%2Fb": "error",
		"mirror://debian/..a/b..":         "http://a/debian/..a/b.. http://b/d/..a/b..",
	} {
		got, err := m.Expand(address)
		if text := strings.Join(got, " "); (err != nil) != (want == "error") || err == nil && text != want {
			t.Errorf("Expand(%s): got %s, %v; want %s", address, text, err, want)
		}
	}
}
