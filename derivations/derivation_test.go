package derivations

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sysc/store"
)

var update = flag.Bool("update", false, "rewrite golden files")

// full returns a derivation with something in every field.
func full() Derivation {
	return Derivation{
		Name: "hello-1.0", Platform: "linux/amd64", Builder: "exec",
		Args: []string{"/bin/sh", "-c", "true"}, Env: map[string]string{"B": "2", "A": "1"},
		Attrs: Attrs(`{"a":1}`), Root: store.Dir + "/00000000000000000000000000000000-root", WritableRoot: true,
		Inputs:  []Ref{{Derivation: Hash{1}, Output: "out"}, {Derivation: Hash{2}, Output: "dev"}},
		Sources: []store.Path{"11111111111111111111111111111111-source"},
		Outputs: []string{"dev", "out"},
		Limits:  fullLimits(), RunLimits: RunLimits{Timeout: 90 * time.Minute, Silence: time.Minute, Log: 1 << 20, Memory: 4 << 30},
	}
}

// fullLimits returns limits with something in every field.
func fullLimits() Limits {
	return Limits{
		References: &[]string{someRoot}, Requisites: &[]string{}, DisallowedReferences: []string{"dev"},
		DisallowedRequisites: []string{store.Dir + "/22222222222222222222222222222222-other", "dev"}, MaxSize: 1 << 20, MaxClosureSize: 1 << 30,
	}
}

// TestEveryFieldIsHashed changes one field after the other. A new field must
// show in the hash, or be excused here.
func TestEveryFieldIsHashed(t *testing.T) {
	changes := map[string]func(*Derivation){
		"Name":         func(d *Derivation) { d.Name += "x" },
		"Platform":     func(d *Derivation) { d.Platform = "any" },
		"Builder":      func(d *Derivation) { d.Builder = "builtin:x" },
		"Args":         func(d *Derivation) { d.Args = []string{"/bin/sh", "-c true"} },
		"Env":          func(d *Derivation) { d.Env = map[string]string{"B": "2", "A": "3"} },
		"Attrs":        func(d *Derivation) { d.Attrs = Attrs(`{"a":2}`) },
		"Root":         func(d *Derivation) { d.Root += "x" },
		"WritableRoot": func(d *Derivation) { d.WritableRoot = false },
		"Inputs":       func(d *Derivation) { d.Inputs = d.Inputs[:1] },
		"Sources":      func(d *Derivation) { d.Sources = nil },
		"Outputs":      func(d *Derivation) { d.Outputs = nil },
		"Limits":       func(d *Derivation) { d.Limits = Limits{} },
		"Fixed":        func(d *Derivation) { d.Fixed = &Fixed{Kind: store.KindFile} },
		"RunLimits":    nil, // TestRunLimitsRebuildNothing
	}
	original := full()
	for i := range reflect.TypeFor[Derivation]().NumField() {
		name := reflect.TypeFor[Derivation]().Field(i).Name
		change, ok := changes[name]
		if !ok {
			t.Errorf("field %s: hash it, and add it here", name)
		}
		if change == nil {
			continue
		}
		d := full()
		change(&d)
		if d.Hash() == original.Hash() || d.ResolvedHash() == original.ResolvedHash() {
			t.Errorf("field %s is not hashed", name)
		}
	}
}

func TestEveryFixedFieldIsHashed(t *testing.T) {
	changes := map[string]func(*Fixed){
		"Kind":       func(f *Fixed) { f.Kind = store.KindTree },
		"Digest":     func(f *Fixed) { f.Digest[0]++ },
		"Executable": func(f *Fixed) { f.Executable = true },
		"Size":       nil, // follows from Digest
	}
	fixed := func() Derivation { return Derivation{Name: "x", Fixed: &Fixed{Kind: store.KindFile}} }
	original := fixed()
	for i := range reflect.TypeFor[Fixed]().NumField() {
		name := reflect.TypeFor[Fixed]().Field(i).Name
		change, ok := changes[name]
		if !ok {
			t.Errorf("field %s: hash it, and add it here", name)
		}
		d := fixed()
		if change == nil {
			continue
		}
		change(d.Fixed)
		if d.Hash() == original.Hash() || d.ResolvedHash() == original.ResolvedHash() {
			t.Errorf("field %s is not hashed", name)
		}
	}
}

func TestEveryLimitIsHashed(t *testing.T) {
	changes := map[string][]func(*Limits){
		"References": {
			func(l *Limits) { l.References = nil },
			func(l *Limits) { l.References = &[]string{} },
		},
		"Requisites": {
			func(l *Limits) { l.Requisites = nil },
			func(l *Limits) { l.Requisites = &[]string{someRoot} },
		},
		"DisallowedReferences": {func(l *Limits) { l.DisallowedReferences = nil }},
		"DisallowedRequisites": {func(l *Limits) { l.DisallowedRequisites = l.DisallowedRequisites[:1] }},
		"MaxSize":              {func(l *Limits) { l.MaxSize = 0 }},
		"MaxClosureSize":       {func(l *Limits) { l.MaxClosureSize++ }},
	}
	original := full()
	for i := range reflect.TypeFor[Limits]().NumField() {
		name := reflect.TypeFor[Limits]().Field(i).Name
		if changes[name] == nil {
			t.Errorf("field %s: hash it, and add it here", name)
		}
		for _, change := range changes[name] {
			d := full()
			change(&d.Limits)
			if d.Hash() == original.Hash() || d.ResolvedHash() == original.ResolvedHash() {
				t.Errorf("field %s is not hashed", name)
			}
			if d.Limits.IsZero() {
				t.Errorf("without %s the other limits count for nothing", name)
			}
		}
	}
}

// TestRunLimitsRebuildNothing changes one after the other: a definition that says
// something else is another derivation, of which the same results are known.
func TestRunLimitsRebuildNothing(t *testing.T) {
	changes := map[string]func(*RunLimits){
		"Timeout": func(l *RunLimits) { l.Timeout++ },
		"Silence": func(l *RunLimits) { l.Silence = 0 },
		"Log":     func(l *RunLimits) { l.Log-- },
		"Memory":  func(l *RunLimits) { l.Memory++ },
	}
	original := full()
	for i := range reflect.TypeFor[RunLimits]().NumField() {
		name := reflect.TypeFor[RunLimits]().Field(i).Name
		if changes[name] == nil {
			t.Errorf("field %s: hash it, and add it here", name)
			continue
		}
		d := full()
		changes[name](&d.RunLimits)
		if d.Hash() == original.Hash() {
			t.Errorf("field %s is not hashed", name)
		}
		if d.ResolvedHash() != original.ResolvedHash() {
			t.Errorf("another %s makes results anew", name)
		}
	}
}

// TestIsZero sets one limit after the other.
func TestIsZero(t *testing.T) {
	full := reflect.ValueOf(fullLimits())
	for i := range full.NumField() {
		var l Limits
		if !l.IsZero() {
			t.Fatal("no limits are limits")
		}
		reflect.ValueOf(&l).Elem().Field(i).Set(full.Field(i))
		if l.IsZero() {
			t.Errorf("with %s alone it is zero", full.Type().Field(i).Name)
		}
	}
}

func TestFixedIsIdentifiedByResult(t *testing.T) {
	a := Derivation{Name: "x", Platform: "any", Builder: "builtin:fetch", Attrs: Attrs(`{"url":"http://a/"}`), Fixed: &Fixed{Kind: store.KindFile, Digest: store.Digest{1}}}
	b := a
	b.Attrs, b.Builder = Attrs(`{"url":"http://b/"}`), "builtin:other"
	if a.Hash() != b.Hash() || a.ResolvedHash() != b.ResolvedHash() {
		t.Error("another address gives another hash")
	}
}

func TestHashesOfKindsDiffer(t *testing.T) {
	d := full()
	if [32]byte(d.Hash()) == [32]byte(d.ResolvedHash()) {
		t.Error("resolved and unresolved hash are equal")
	}
}

// TestGolden holds the encoding: see docs/formats-derivations.md.
func TestGolden(t *testing.T) {
	fullOne := full()
	fixed := Derivation{Name: "x.tar.gz", Platform: "any", Builder: "builtin:fetch", Fixed: &Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("x")), Size: 1}}
	var out strings.Builder
	for _, d := range []*Derivation{{}, &fullOne, &fixed} {
		path, _ := FixedPath(d)
		fmt.Fprintf(&out, "name %q\nencoding %x\nhash %s\nresolved %s\nfixed path %q\nplaceholder %s\n\n",
			d.Name, d.encode(unresolvedVersion), d.Hash(), d.ResolvedHash(), path, placeholderID(Ref{d.Hash(), "out"}))
	}
	checkGolden(t, "testdata/hashes.golden", out.String())
}

func TestRender(t *testing.T) {
	d := full()
	fixed := Derivation{Name: "y", Platform: "any", Builder: "builtin:fetch", Fixed: &Fixed{Kind: store.KindFile, Digest: store.DigestOf(nil), Executable: true, Size: 3}}
	text, err := json.MarshalIndent([]*Derivation{&d, &fixed}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "testdata/render.golden", string(text)+"\n")
	var read []*Derivation
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if len(read) != 2 || read[0].Hash() != d.Hash() || read[1].Hash() != fixed.Hash() || read[1].Fixed.Size != fixed.Fixed.Size {
		t.Errorf("read again: %+v", read)
	}
	for _, bad := range []string{`{"inputs":[{"derivation":"00","output":"out"}]}`, `{"fixed":{"kind":"x","digest":"sha256:00"}}`, `{"attrs":1.5}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(Derivation)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
