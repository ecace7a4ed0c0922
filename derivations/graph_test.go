package derivations

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/store"
)

const someRoot = store.Dir + "/00000000000000000000000000000000-root"

func exec(name string, args ...string) Derivation {
	return Derivation{Name: name, Platform: "linux/amd64", Builder: "exec", Args: args, Root: someRoot}
}

func mustAdd(t testing.TB, g *Graph, d Derivation) Hash {
	t.Helper()
	h, err := g.Add(d, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustPlaceholder(t testing.TB, g *Graph, h Hash, output string) string {
	t.Helper()
	p, err := g.Placeholder(Ref{h, output})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddFindsInputs(t *testing.T) {
	g := NewGraph()
	a := exec("a", "/bin/true")
	a.Outputs = []string{"out", "dev"}
	ah := mustAdd(t, g, a)
	bh := mustAdd(t, g, exec("b", "/bin/true"))
	aOut, aDev, bOut := mustPlaceholder(t, g, ah, "out"), mustPlaceholder(t, g, ah, "dev"), mustPlaceholder(t, g, bh, "out")
	if !strings.HasSuffix(aDev, "-a-dev") || !strings.HasSuffix(aOut, "-a") {
		t.Fatalf("placeholders %s and %s", aOut, aDev)
	}
	source := "22222222222222222222222222222222-file.txt"
	d := exec("c", "/bin/sh", aOut+"/bin/x:"+bOut, "unrelated "+store.Dir+"/x")
	d.Env = map[string]string{"SRC": store.Dir + "/" + source + "/sub"}
	var err error
	if d.Attrs, err = MakeAttrs(map[string]any{"list": []string{aDev, aOut}}); err != nil {
		t.Fatal(err)
	}
	got, _ := g.Derivation(mustAdd(t, g, d))
	want := []Ref{{ah, "dev"}, {ah, "out"}, {bh, "out"}}
	slices.SortFunc(want, compareRefs)
	if !slices.Equal(got.Inputs, want) {
		t.Errorf("inputs: got %v, want %v", got.Inputs, want)
	}
	root := store.Path("00000000000000000000000000000000-root")
	if !slices.Equal(got.Sources, []store.Path{root, store.Path(source)}) {
		t.Errorf("sources: got %v", got.Sources)
	}
	if refs := g.Refs("x" + bOut + aOut + bOut); !slices.Equal(refs, []Ref{{bh, "out"}, {ah, "out"}}) {
		t.Errorf("Refs: got %v", refs)
	}
}

func TestAddIsIdempotent(t *testing.T) {
	g := NewGraph()
	d := exec("a", "/bin/true")
	first, err := g.Add(d, Origin{Label: "first"})
	if err != nil {
		t.Fatal(err)
	}
	d.Outputs = []string{"out"} // the same as none
	second, err := g.Add(d, Origin{Label: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if first != second || g.Len() != 1 || g.Origin(first).Label != "first" {
		t.Errorf("got %v and %v, %d derivations, origin %v", first, second, g.Len(), g.Origin(first))
	}
	d.Args[0] = "/bin/false" // the graph has its own copy
	if kept, _ := g.Derivation(first); kept.Args[0] != "/bin/true" {
		t.Error("the graph's derivation changed with the caller's")
	}
}

func TestAddRefuses(t *testing.T) {
	g := NewGraph()
	h := mustAdd(t, g, exec("a", "/bin/true"))
	placeholder := mustPlaceholder(t, g, h, "out")
	change := func(fn func(d *Derivation)) Derivation {
		d := exec("x", "/bin/true")
		fn(&d)
		return d
	}
	fixed := func(f Fixed) Derivation {
		return Derivation{Name: "x", Platform: "any", Builder: "builtin:fetch", Fixed: &f}
	}
	limitedFixed := fixed(Fixed{Kind: store.KindFile, Digest: store.Digest{1}})
	limitedFixed.Limits.References = &[]string{}
	for want, d := range map[string]Derivation{
		"empty name":                change(func(d *Derivation) { d.Name = "" }),
		"is not one of":             change(func(d *Derivation) { d.Name = "a b" }),
		"platform":                  change(func(d *Derivation) { d.Platform = "linux" }),
		"builder \"x\"":             change(func(d *Derivation) { d.Builder = "x" }),
		"takes attributes only":     change(func(d *Derivation) { d.Builder = "builtin:file" }),
		"no program":                change(func(d *Derivation) { d.Args = nil }),
		"argument \"a\\x00\"":       change(func(d *Derivation) { d.Args = []string{"x", "a\x00"} }),
		"variable \"a b\"":          change(func(d *Derivation) { d.Env = map[string]string{"a b": ""} }),
		"output of that name":       change(func(d *Derivation) { d.Env = map[string]string{"out": ""} }),
		"want the path of a store":  change(func(d *Derivation) { d.Root = "/" }),
		"not a JSON object":         change(func(d *Derivation) { d.Attrs = Attrs(`{"b":1, "a":2}`) }),
		"output \"a-b\"":            change(func(d *Derivation) { d.Outputs = []string{"a-b"} }),
		"output \"a\" occurs twice": change(func(d *Derivation) { d.Outputs = []string{"a", "a"} }),
		"no outputs":                change(func(d *Derivation) { d.Outputs = []string{} }),
		"one output":                change(func(d *Derivation) { d.WritableRoot, d.Outputs = true, []string{"a", "b"} }),
		"damaged form":              change(func(d *Derivation) { d.Args = []string{placeholder[:len(placeholder)-1]} }),
		"needs its digest":          fixed(Fixed{Kind: store.KindFile}),
		"a file, a tree or a root":  fixed(Fixed{Kind: 9, Digest: store.Digest{1}}),
		"what a program makes is":   change(func(d *Derivation) { d.Fixed = &Fixed{Kind: store.KindRoot, Digest: store.Digest{1}} }),
		"takes no limits":           limitedFixed,
		`allowed_requisites: "/x"`:  change(func(d *Derivation) { d.Limits.Requisites = &[]string{someRoot, "/x"} }),
		`allowed_references: "out"`: change(func(d *Derivation) { d.Limits.References = &[]string{"out"} }),
		`want the path of a store object`: change(func(d *Derivation) {
			d.Limits.DisallowedReferences = []string{placeholder + "/bin"}
		}),
		`disallowed_requisites: "dev"`: change(func(d *Derivation) { d.Limits.DisallowedRequisites = []string{"dev"} }),
		"max_size of -1 bytes":         change(func(d *Derivation) { d.Limits.MaxSize = -1 }),
		"max_closure_size of -1 bytes": change(func(d *Derivation) { d.Limits.MaxClosureSize = -1 }),
		"neither a size":               fixed(Fixed{Kind: store.KindTree, Digest: store.Digest{1}, Size: 1}),
	} {
		if _, err := g.Add(d, Origin{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
	if g.Len() != 1 {
		t.Errorf("%d derivations, want 1", g.Len())
	}
}

func TestResolve(t *testing.T) {
	g := NewGraph()
	a := mustAdd(t, g, exec("a", "/bin/true"))
	p := mustPlaceholder(t, g, a, "out")
	d := exec("b", "/bin/sh", "-c", p+"/bin/a "+p)
	d.Env = map[string]string{"X": p}
	d.Attrs = Attrs(`{"x":["` + p + `"]}`)
	bh := mustAdd(t, g, d)
	b, _ := g.Derivation(bh)
	real := store.Path("33333333333333333333333333333333-a")
	resolved, err := Resolve(b, func(r Ref) (store.Path, error) { return real, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := real.Logical()
	if resolved.Args[2] != want+"/bin/a "+want || resolved.Env["X"] != want || string(resolved.Attrs) != `{"x":["`+want+`"]}` {
		t.Errorf("got %+v", resolved)
	}
	if resolved.Inputs != nil || !slices.Contains(resolved.Sources, real) {
		t.Errorf("inputs %v, sources %v", resolved.Inputs, resolved.Sources)
	}
	if again, _ := g.Derivation(bh); again.Args[2] != p+"/bin/a "+p || again.Hash() != bh {
		t.Error("resolving changed the derivation")
	}
	if _, err := Resolve(b, func(Ref) (store.Path, error) { return "33333333333333333333333333333333-c", nil }); err == nil {
		t.Error("an object of another name was accepted")
	}
	if _, err := Resolve(b, func(Ref) (store.Path, error) { return "", os.ErrNotExist }); err == nil {
		t.Error("the look-up's error was lost")
	}
}

// TestLimitsAreTexts: what the lists of limits name is an input, and resolved.
func TestLimitsAreTexts(t *testing.T) {
	g := NewGraph()
	lists := map[string]func(l *Limits, list []string){
		AllowedReferences:    func(l *Limits, list []string) { l.References = &list },
		AllowedRequisites:    func(l *Limits, list []string) { l.Requisites = &list },
		DisallowedReferences: func(l *Limits, list []string) { l.DisallowedReferences = list },
		DisallowedRequisites: func(l *Limits, list []string) { l.DisallowedRequisites = list },
	}
	a := mustAdd(t, g, exec("a", "/bin/true"))
	p := mustPlaceholder(t, g, a, "out")
	const other, real = store.Path("22222222222222222222222222222222-other"), store.Path("33333333333333333333333333333333-a")
	for name, set := range lists {
		d := exec("b", "/bin/true")
		set(&d.Limits, []string{p, other.Logical()})
		got, _ := g.Derivation(mustAdd(t, g, d))
		if !slices.Equal(got.Inputs, []Ref{{a, "out"}}) || !slices.Contains(got.Sources, other) {
			t.Errorf("%s: inputs %v, sources %v", name, got.Inputs, got.Sources)
		}
		resolved, err := Resolve(got, func(Ref) (store.Path, error) { return real, nil })
		if err != nil {
			t.Fatal(err)
		}
		var want Limits
		set(&want, []string{other.Logical(), real.Logical()})
		if !reflect.DeepEqual(resolved.Limits, want.replaced(strings.Clone)) {
			t.Errorf("%s: resolved to %+v", name, resolved.Limits)
		}
	}
}

// TestLimitsAreSets: neither the order in which somebody wrote a list nor that of
// placeholders shows in a hash. Otherwise a change of an input that gives the same
// object could change what needs it.
func TestLimitsAreSets(t *testing.T) {
	g := NewGraph()
	real := make(map[Ref]store.Path)
	input := func(name, variant, path string) string {
		h := mustAdd(t, g, exec(name, variant))
		real[Ref{h, "out"}] = store.Path(path)
		return mustPlaceholder(t, g, h, "out")
	}
	b := input("b", "b", "44444444444444444444444444444444-b")
	resolved := func(list []string) store.DerivationHash {
		d := exec("c", "/bin/true")
		d.Limits.DisallowedReferences = list
		stored, _ := g.Derivation(mustAdd(t, g, d))
		out, err := Resolve(stored, func(r Ref) (store.Path, error) { return real[r], nil })
		if err != nil {
			t.Fatal(err)
		}
		return out.ResolvedHash()
	}
	a := input("a", "0", "33333333333333333333333333333333-a")
	before := g.Len()
	want := resolved([]string{a, b})
	if resolved([]string{b, a, b}) != want || g.Len() != before+1 {
		t.Error("the order counts")
	}
	sides := make(map[bool]bool)
	for i := range 20 { // placeholders on either side of b's
		other := input("a", fmt.Sprint(i), "33333333333333333333333333333333-a")
		sides[other < b] = true
		if resolved([]string{other, b}) != want {
			t.Fatalf("another input that gives the same objects gives another hash")
		}
	}
	if len(sides) != 2 {
		t.Fatal("the test has no placeholders on both sides")
	}
}

// TestLimitsAreCopied: the graph's derivation does not change with the caller's.
func TestLimitsAreCopied(t *testing.T) {
	g := NewGraph()
	d := exec("a", "/bin/true")
	d.Limits = fullLimits()
	d.Outputs = []string{"dev", "out"}
	h := mustAdd(t, g, d)
	(*d.Limits.References)[0], d.Limits.DisallowedReferences[0] = "changed", "changed"
	if kept, _ := g.Derivation(h); kept.Hash() != h {
		t.Error("it changed")
	}
}

// TestResolvedTextsAgree: resolving keeps what is not a placeholder, wherever
// placeholders stand.
func TestResolvedTextsAgree(t *testing.T) {
	g := NewGraph()
	h := mustAdd(t, g, exec("a", "/bin/true"))
	p := mustPlaceholder(t, g, h, "out")
	real := store.Path("33333333333333333333333333333333-a")
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{p, "/", store.Dir + "/", "-a", "x", "é", p[:20], "\n"})).Draw(t, "parts")
		text := strings.Join(parts, "")
		d := exec("b", "x"+text)
		bh, err := g.Add(d, Origin{})
		if err != nil {
			return // a damaged placeholder
		}
		b, _ := g.Derivation(bh)
		resolved, err := Resolve(b, func(Ref) (store.Path, error) { return real, nil })
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll("x"+text, p, real.Logical()); resolved.Args[0] != want {
			t.Fatalf("got %q, want %q", resolved.Args[0], want)
		}
	})
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	g := NewGraph()
	fromText, err := g.AddSource(nil, Source{Name: "f", Content: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	fromFile, err := g.AddSource(nil, Source{Name: "f", File: file})
	if err != nil || fromFile != fromText {
		t.Errorf("file: got %s, %v; want %s", fromFile, err, fromText)
	}
	if p, err := g.AddSource(nil, Source{Name: "f", File: file, Executable: true}); err != nil || p == fromFile {
		t.Errorf("the executable bit does not count: %s, %v", p, err)
	}
	tree, err := g.AddSource(nil, Source{Name: "d", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := g.Source(tree); !ok || s.Dir != dir {
		t.Errorf("got %+v, %t", s, ok)
	}
	if err := os.Symlink("f", filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	if p, err := g.AddSource(nil, Source{Name: "d", Dir: dir}); err != nil || p == tree {
		t.Errorf("a new link does not count: %s, %v", p, err)
	}
	for want, s := range map[string]Source{
		"not a regular file": {Name: "x", File: dir},
		"both":               {Name: "x", File: file, Content: []byte("x")},
		"no such file":       {Name: "x", File: file + "missing"},
		"empty name":         {},
	} {
		if _, err := g.AddSource(nil, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
	d := exec("u", "cat", fromText.Logical()+".bak")
	h := mustAdd(t, g, d)
	if got, _ := g.Derivation(h); !slices.Contains(got.Sources, fromText) {
		t.Errorf("a known source is not found by its beginning: %v", got.Sources)
	}
}

// BenchmarkAdd adds a chain of 10,000 derivations, each naming three others and
// one attribute text that names 400.
func BenchmarkAdd(b *testing.B) {
	for b.Loop() {
		g := NewGraph()
		var placeholders []string
		for i := range 10_000 {
			d := exec(fmt.Sprintf("package-%d", i), "/bin/sh", "-c", strings.Join(placeholders[max(0, len(placeholders)-3):], " "))
			h := mustAdd(b, g, d)
			placeholders = append(placeholders, mustPlaceholder(b, g, h, "out"))
		}
		attrs, err := MakeAttrs(map[string]any{"layers": placeholders[:400]})
		if err != nil {
			b.Fatal(err)
		}
		mustAdd(b, g, Derivation{Name: "root", Platform: "any", Builder: "builtin:compose", Attrs: attrs})
	}
}
