package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/derivations/sandbox"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

func TestMain(m *testing.M) {
	if sandbox.Main(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// tool builds the tests' builder, a static program, once.
var tool = sync.OnceValues(func() ([]byte, error) {
	if made := os.Getenv(toolVariable); made != "" {
		return os.ReadFile(made)
	}
	dir, err := os.MkdirTemp("", "tool")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "tool")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./testdata/tool")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %s", err, text)
	}
	return os.ReadFile(out)
})

// A world is a store, a graph, and what happened.
type world struct {
	t     testing.TB
	dir   string
	store *localstore.Store
	graph *derivations.Graph
	opts  Options
	root  string // logical path of a root with /bin/tool

	mu     sync.Mutex
	events []Event
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), graph: derivations.NewGraph()}
	t.Cleanup(func() { makeWritable(w.dir) })
	w.store = w.open()
	w.opts = Options{Cores: 3, Events: func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}}
	return w
}

// makeWritable lets an ordinary user remove the read-only directories of a store.
func makeWritable(dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
}

// open opens the world's store once more, as another process would.
func (w *world) open() *localstore.Store {
	w.t.Helper()
	st, err := localstore.Open(w.t.Context(), w.dir, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { st.Close() })
	return st
}

// withRoot registers a root that has the tool and some files to change.
func (w *world) withRoot() *world {
	w.t.Helper()
	ctx := w.t.Context()
	program, err := tool()
	if err != nil {
		w.t.Fatal(err)
	}
	b := tree.NewBuilder(w.store, store.Digest{})
	for path, content := range map[string]string{"bin/tool": string(program), "etc/keep": "kept", "etc/change": "before"} {
		blob, size, err := w.store.AddBlob(ctx, strings.NewReader(content))
		if err != nil {
			w.t.Fatal(err)
		}
		e := tree.Entry{Type: tree.File, Mode: 0o755, Size: size, Digest: blob}
		if path == "etc/keep" {
			e.UID, e.GID = 7, 8
		}
		if err := b.Put(ctx, path, e); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, dir := range []string{"proc", "dev", "tmp", "build", "sysc", "run"} {
		if err := b.Mkdir(ctx, dir, tree.Entry{Type: tree.Dir, Mode: 0o755}); err != nil {
			w.t.Fatal(err)
		}
	}
	digest, _, err := b.Write(ctx, w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := w.store.MakeObject(ctx, "root", store.KindRoot, digest, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.Register(ctx, []store.Object{o}, nil); err != nil {
		w.t.Fatal(err)
	}
	w.root = o.Path.Logical()
	return w
}

func (w *world) add(d derivations.Derivation) derivations.Ref {
	w.t.Helper()
	if d.Platform == "" {
		d.Platform = "any"
	}
	h, err := w.graph.Add(d, derivations.Origin{Label: "derivation." + d.Name, Position: "test.hcl:1,1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return derivations.Ref{Derivation: h, Output: derivations.DefaultOutput}
}

// exec adds a step that runs lines of the tool.
func (w *world) exec(name string, lines ...string) derivations.Ref {
	w.t.Helper()
	return w.add(derivations.Derivation{Name: name, Builder: "exec", Root: w.root, Args: append([]string{"/bin/tool"}, lines...)})
}

// builtin adds a builtin step with attributes.
func (w *world) builtin(name, builder string, attrs any) derivations.Ref {
	w.t.Helper()
	encoded, err := derivations.MakeAttrs(attrs)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.add(derivations.Derivation{Name: name, Builder: builder, Attrs: encoded})
}

func (w *world) placeholder(r derivations.Ref) string {
	w.t.Helper()
	p, err := w.graph.Placeholder(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) realise(want ...derivations.Ref) (map[derivations.Ref]store.Path, error) {
	w.events = nil
	return Realise(w.t.Context(), w.store, w.graph, want, &w.opts)
}

func (w *world) mustRealise(want ...derivations.Ref) map[derivations.Ref]store.Path {
	w.t.Helper()
	paths, err := w.realise(want...)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, strings.Join(w.log(), "\n"))
	}
	for _, ref := range want {
		if _, err := w.store.Object(w.t.Context(), paths[ref]); err != nil {
			w.t.Fatal(err)
		}
	}
	return paths
}

// happened returns the names of steps with an event, in order.
func (w *world) happened(kind EventKind, cached bool) []string {
	var out []string
	for _, e := range w.events {
		if e.Kind == kind && e.Cached == cached {
			out = append(out, e.Name)
		}
	}
	return out
}

func (w *world) log() []string {
	var out []string
	for _, e := range w.events {
		if e.Kind == LogLine {
			out = append(out, e.Line)
		}
	}
	return out
}

// content returns the bytes of a file in an object.
func (w *world) content(p store.Path, name string) string {
	w.t.Helper()
	f, err := w.store.OpenBlob(w.t.Context(), w.entry(p, name).Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(f); err != nil {
		w.t.Fatal(err)
	}
	return out.String()
}

// entry returns an entry of an object's tree.
func (w *world) entry(p store.Path, name string) tree.Entry {
	w.t.Helper()
	o, err := w.store.Object(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := tree.Find(w.t.Context(), w.store, o.Tree, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// collect removes from the store what no root keeps. What was used since the store
// was opened would stay.
func (w *world) collect() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.store = w.open()
	if _, err := w.store.GC(w.t.Context(), localstore.GCOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// leftovers lists what is in the store's directory for temporary files.
func (w *world) leftovers() []string { return w.entries("tmp") }

// entries lists a directory of the store.
func (w *world) entries(name string) []string {
	list, err := os.ReadDir(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// hasNothingOf checks that the store knows no object and no realisation of a
// result known beforehand, and that nothing stands where it would be.
func (w *world) hasNothingOf(ref derivations.Ref) {
	w.t.Helper()
	ctx := w.t.Context()
	d, _ := w.graph.Derivation(ref.Derivation)
	path, ok := derivations.FixedPath(d)
	if !ok {
		w.t.Fatal("its path is not known")
	}
	if o, err := w.store.Object(ctx, path); !errors.Is(err, store.ErrNotExist) {
		w.t.Errorf("object: got %v, %v", o, err)
	}
	if o, err := w.store.Adopt(ctx, path); !errors.Is(err, store.ErrNotExist) {
		w.t.Errorf("adopt: got %v, %v", o, err)
	}
	if _, err := os.Lstat(w.store.PhysicalPath(path)); !errors.Is(err, fs.ErrNotExist) {
		w.t.Errorf("there is something at %s: %v", path, err)
	}
	objects, err := filepath.Glob(filepath.Join(filepath.Dir(w.store.PhysicalPath(path)), "*-"+d.Name))
	if err != nil || len(objects) > 0 {
		w.t.Errorf("objects of that name: %q, %v", objects, err)
	}
	equal(w.t, "left over", w.leftovers())
}

func equal(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// counting returns a builtin that makes a file of its attribute "text", and
// counts.
func counting(count func(name string)) builtin.Func {
	return func(ctx context.Context, s *builtin.Step) error {
		var attrs struct {
			Text  string   `json:"text"`
			Needs []string `json:"needs"`
		}
		if err := s.Attrs(&attrs); err != nil {
			return err
		}
		if count != nil {
			count(s.Derivation.Name)
		}
		blob, size, err := s.Store.AddBlob(ctx, strings.NewReader(attrs.Text))
		if err != nil {
			return err
		}
		return s.SetFile(ctx, "out", blob, size, false, builtin.References(attrs.Text, s.Derivation.Sources))
	}
}
