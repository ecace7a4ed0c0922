package systems_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/systemstest"
)

// A lab realises systems in a store of its own.
type lab struct {
	*testing.T
	store *localstore.Store
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	st, err := localstore.Open(t.Context(), filepath.Join(dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &lab{T: t, store: st}
}

// compose realises def on a root of the entries.
func (l *lab) compose(def systems.Definition, entries ...string) (*systems.System, error) {
	l.Helper()
	return l.composeIn(derivations.NewGraph(), def, entries...)
}

func (l *lab) composeIn(g *derivations.Graph, def systems.Definition, entries ...string) (*systems.System, error) {
	l.Helper()
	var err error
	if def.Root, err = systemstest.AddRoot(g, entries); err != nil {
		l.Fatal(err)
	}
	if def.Name == "" {
		def.Name, def.Platform = "test", "linux/amd64"
	}
	ref, err := systems.Compose(g, def)
	if err != nil {
		return nil, err
	}
	paths, err := build.Realise(l.Context(), l.store, g, []derivations.Ref{ref}, &build.Options{Builtins: systemstest.Builtins()})
	if err != nil {
		return nil, err
	}
	return systems.Load(l.Context(), l.store, paths[ref])
}

func (l *lab) mustCompose(def systems.Definition, entries ...string) *systems.System {
	l.Helper()
	s, err := l.compose(def, entries...)
	if err != nil {
		l.Fatal(err)
	}
	return s
}

// entry returns what a system's root has at a path.
func (l *lab) entry(s *systems.System, path string) tree.Entry {
	l.Helper()
	e, err := tree.Find(l.Context(), l.store, s.Manifest.Root.Tree, strings.TrimPrefix(path, "/"))
	if err != nil {
		l.Fatal(err)
	}
	return e
}

func (l *lab) has(s *systems.System, path string) bool {
	_, err := tree.Find(l.Context(), l.store, s.Manifest.Root.Tree, strings.TrimPrefix(path, "/"))
	return err == nil
}

// text returns the contents of a file of a system's root.
func (l *lab) text(s *systems.System, path string) string {
	l.Helper()
	return l.blob(l.entry(s, path).Digest)
}

func (l *lab) blob(d store.Digest) string {
	l.Helper()
	f, err := l.store.OpenBlob(l.Context(), d)
	if err != nil {
		l.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		l.Fatal(err)
	}
	return string(data)
}
