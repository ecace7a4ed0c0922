package derivations

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sysc/store"
)

// snapshotExample is a graph with everything in it, and a ref behind which all of it is
// but one.
func snapshotExample(t testing.TB) (*Graph, Ref) {
	g := NewGraph()
	add := func(d Derivation, o Origin) Ref {
		t.Helper()
		h, err := g.Add(d, o)
		if err != nil {
			t.Fatal(err)
		}
		known, _ := g.Derivation(h)
		return Ref{h, known.OutputNames()[0]}
	}
	source := func(s Source) string {
		t.Helper()
		p, err := g.AddSource(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		return p.Logical()
	}
	path := func(r Ref) string {
		t.Helper()
		p, err := g.Placeholder(r)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	fetch := add(Derivation{
		Name: "file", Platform: PlatformAny, Builder: "builtin:fetch", Attrs: Attrs(`{"url":"https://example.org/file"}`),
		Fixed: &Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("x")), Executable: true, Size: 1},
	}, Origin{})
	root := add(Derivation{Name: "root", Platform: "linux/amd64", Builder: "builtin:compose"}, Origin{Label: "environment.x"})
	text := source(Source{Name: "text", Content: []byte("text"), Executable: true})
	dir := source(Source{Name: "dir", Dir: t.TempDir()})
	source(Source{Name: "some", Dir: t.TempDir(), Files: []string{"a", "b/c"}})
	tool := add(Derivation{
		Name: "tool", Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"/bin/sh", path(fetch), text}, Root: path(root),
		Env: map[string]string{"A": "1", "B": dir}, Outputs: []string{"out", "doc"},
	}, Origin{"derivation.tool", "main.sysc.hcl:3,1", map[string]string{"file": "main.sysc.hcl:4,1"}})
	add(Derivation{Name: "other", Platform: PlatformAny, Builder: "builtin:compose"}, Origin{})
	none := []string{}
	top := add(Derivation{
		Name: "top", Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"x", path(Ref{tool.Derivation, "doc"}), path(tool)},
		Root: path(root), WritableRoot: true,
		Limits: Limits{
			References: &none, Requisites: &[]string{path(tool)}, DisallowedReferences: []string{path(root)}, DisallowedRequisites: []string{path(root)},
			MaxSize: 1, MaxClosureSize: 2,
		},
		RunLimits: RunLimits{Timeout: time.Second, Silence: time.Minute, Log: 3, Memory: 1 << 20},
	}, Origin{Label: "derivation.top"})
	return g, top
}

func snapshotOf(g *Graph, refs ...Ref) string {
	data := g.Snapshot(refs)
	return string(data)
}

func TestSnapshot(t *testing.T) {
	g, top := snapshotExample(t)
	data := g.Snapshot([]Ref{top})
	got, err := ReadSnapshot(string(data))
	if err != nil {
		t.Fatal(err)
	}
	want := g.Behind([]Ref{top})
	for i, h := range want {
		if at, ok := got.Position(h); at != i || !ok {
			t.Errorf("%s is at %d, want %d", h, at, i)
		}
	}
	if !slices.Equal(got.Hashes(), want) || len(want) != g.Len()-1 {
		t.Fatalf("derivations %v, want %v", got.Hashes(), want)
	}
	for _, h := range want {
		a, _ := g.Derivation(h)
		b, _ := got.Derivation(h)
		if !reflect.DeepEqual(a, b) || b.Hash() != h {
			t.Errorf("derivation %+v, want %+v", b, a)
		}
		if !reflect.DeepEqual(g.Origin(h), got.Origin(h)) {
			t.Errorf("origin %v, want %v", got.Origin(h), g.Origin(h))
		}
		for _, p := range a.Sources {
			x, _ := g.Source(p)
			if y, ok := got.Source(p); !ok || !reflect.DeepEqual(x, y) {
				t.Errorf("source %v, want %v", y, x)
			}
		}
	}
	if snapshotOf(got, top) != snapshotOf(g, top) {
		t.Error("the snapshot of what was read is another one")
	}
	// What is added later knows what was read.
	p, err := g.Placeholder(top)
	if err != nil {
		t.Fatal(err)
	}
	h, err := got.Add(Derivation{Name: "later", Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"x"}, Root: p}, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := got.Derivation(h); !slices.Equal(d.Inputs, []Ref{top}) {
		t.Errorf("inputs %v, want %v", d.Inputs, top)
	}
}

// TestSnapshotHasAll fails when a field is added to what a snapshot holds: it has to
// be encoded, and snapshotVersion has to change.
func TestSnapshotHasAll(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{Derivation{}, "Name Platform Builder Args Env Attrs Root WritableRoot Inputs Sources Outputs Limits RunLimits Fixed"},
		{Limits{}, "References Requisites DisallowedReferences DisallowedRequisites MaxSize MaxClosureSize"},
		{RunLimits{}, "Timeout Silence Log Memory"},
		{Fixed{}, "Kind Digest Executable Size"},
		{Origin{}, "Label Position Places"},
		{Source{}, "Name File Dir Files Content Executable"},
		{Ref{}, "Derivation Output"},
	} {
		var fields []string
		ty := reflect.TypeOf(c.value)
		for i := range ty.NumField() {
			fields = append(fields, ty.Field(i).Name)
		}
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%v has %s, encoded are %s", ty, got, c.want)
		}
	}
}

// TestSnapshotDamaged cuts a snapshot short, and changes each of its bytes.
func TestSnapshotDamaged(t *testing.T) {
	g, top := snapshotExample(t)
	data := []byte(snapshotOf(g, top))
	for n := range data {
		if _, err := ReadSnapshot(string(data[:n])); err == nil {
			t.Errorf("read the first %d bytes", n)
		}
		damaged := slices.Clone(data)
		damaged[n] ^= 0x41
		readHostile(string(damaged))
	}
	if _, err := ReadSnapshot(string(data) + "x"); err == nil {
		t.Error("read something that follows")
	}
}

// readHostile reads a snapshot and does with it what commands do.
func readHostile(data string) {
	g, err := ReadSnapshot(data)
	if err != nil {
		return
	}
	for _, h := range g.Behind(nil) {
		panic(fmt.Sprint("behind nothing is ", h))
	}
	for _, h := range g.Hashes() {
		d, _ := g.Derivation(h)
		ref := Ref{h, d.OutputNames()[0]}
		p, err := g.Placeholder(ref)
		if err != nil {
			panic(err)
		}
		g.Behind([]Ref{ref})
		g.Refs(p)
		for _, in := range d.Inputs {
			if _, err := g.Placeholder(in); err != nil {
				panic(err)
			}
		}
		d.Hash()
	}
}

func FuzzReadSnapshot(f *testing.F) {
	g, top := snapshotExample(f)
	f.Add(snapshotOf(g, top))
	f.Add(snapshotOf(NewGraph()))
	f.Fuzz(func(_ *testing.T, data string) { readHostile(data) })
}

// BenchmarkSnapshot has a graph of many small derivations.
func BenchmarkSnapshot(b *testing.B) {
	g := NewGraph()
	root, err := g.Add(Derivation{Name: "root", Platform: PlatformAny, Builder: "builtin:compose"}, Origin{})
	if err != nil {
		b.Fatal(err)
	}
	rootPath, _ := g.Placeholder(Ref{root, DefaultOutput})
	var all []string
	var top Ref
	for i := range 10_000 {
		script := fmt.Sprintf("echo step %d > $out\n", i)
		for _, back := range []int{1, 7, 100} {
			if i >= back {
				script += "cat " + all[i-back] + " >> $out\n"
			}
		}
		h, err := g.Add(Derivation{
			Name: fmt.Sprintf("d%d", i), Platform: "linux/amd64", Builder: BuilderExec, Args: []string{"/bin/sh", "-eu", "-c", script}, Root: rootPath,
		}, Origin{Label: fmt.Sprintf("derivation.d%d", i), Position: fmt.Sprintf("main.sysc.hcl:%d,1", 10*i)})
		if err != nil {
			b.Fatal(err)
		}
		top = Ref{h, DefaultOutput}
		p, _ := g.Placeholder(top)
		all = append(all, p)
	}
	data := snapshotOf(g, top)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			g.Snapshot([]Ref{top})
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ReadSnapshot(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
