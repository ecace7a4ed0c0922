package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/store"
	"sysc/systems/distro/debian"
)

func sample() *File {
	rev := debian.Revision{Indexes: []debian.Index{{
		Archive: "debian", Suite: "trixie", Component: "main", Architecture: "amd64",
		Path: "dists/trixie/main/binary-amd64/Packages.xz", ByHash: "dists/trixie/main/binary-amd64/by-hash/SHA256/ab",
		Size: 9, SHA256: store.DigestOf([]byte("index")), Date: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
	}}}
	earlier := rev.Indexes[0]
	earlier.SHA256, earlier.Date = store.DigestOf([]byte("earlier")), time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	rev.Earlier = []debian.Index{earlier}
	pkg := func(name string) debian.Package {
		return debian.Package{
			Name: name, Version: "1:2.0-1~x", Architecture: "amd64", Archive: "debian",
			Filename: "pool/main/" + name + ".deb", Size: 3, SHA256: store.DigestOf([]byte(name)), Explicit: name == "git",
		}
	}
	own := pkg("ours")
	own.Archive, own.Filename = "", "ours.deb"
	return &File{
		Inputs: map[string]Input{"debian": {Type: "debian", Settings: store.DigestOf([]byte("settings")), Revision: rev}},
		Modules: map[string]Module{
			"git::https://example.org/net.git": {
				Constraint: "~> 1.2", Version: "1.2.4", Ref: "v1.2.4", Commit: strings.Repeat("ab", 20), Tree: store.DigestOf([]byte("tree")),
			},
			"https://example.org/x.tar.gz": {Tree: store.DigestOf([]byte("archive"))},
		},
		Resolutions: map[string]*Resolution{"system.laptop": {
			Request: Request{
				Input: "debian", Revision: rev.ID(), Architecture: "amd64", Base: "required",
				With: []InputState{{Input: "tools", Revision: rev.ID()}}, Pins: []string{"tools hammer* =2: 990", "tools: 500"},
				Recommends: true, Exclude: []string{"nano"}, Packages: []string{"git", "libc6:i386", "tools:hammer"},
				Files: []OwnFile{{"ours", store.DigestOf([]byte("ours"))}},
			},
			Packages: []debian.Package{pkg("git"), pkg("libc6"), own, pkg("vim")},
		}, "system.laptop.package.vim": {
			Request:  Request{Input: "debian", Revision: rev.ID(), Architecture: "amd64", Base: "essential", Build: true, Packages: []string{"vim=1:2.0-1~x"}},
			Packages: []debian.Package{pkg("build-essential")},
			Source: &debian.Source{Name: "vim", Version: "1:2.0-1", Archive: "debian", Files: []debian.SourceFile{
				{Filename: "pool/main/v/vim/vim_2.0-1.dsc", Size: 7, SHA256: store.DigestOf([]byte("dsc"))},
				{Filename: "pool/main/v/vim/vim_2.0.orig.tar.gz", Size: 8, SHA256: store.DigestOf([]byte("orig"))},
			}},
		}},
		Users:  map[string]uint32{"alice": 1000, "build": 899},
		Groups: map[string]uint32{"media": 1001},
	}
}

func TestEncode(t *testing.T) {
	got, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "sample.lock")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	back, err := Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Roots with the same packages name one that has them.
func TestSamePackages(t *testing.T) {
	f := sample()
	laptop := f.Resolutions["system.laptop"]
	other := *laptop
	other.Packages = laptop.Packages[:2]
	f.Resolutions["system.desk"], f.Resolutions["system.phone"] = &other, laptop
	f.Resolutions["system.tv"] = &other
	data, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`    "system.phone": {"same_as":"system.laptop"},` + "\n", `    "system.tv": {"same_as":"system.desk"}` + "\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for from, to := range map[string]string{
		`{"same_as":"system.laptop"}`: `{"same_as":"system.tv"}`,
		`"same_as":"system.desk"`:     `"same_as":"system.none"`,
		`{"same_as":"system.desk"}`:   `{"same_as":"system.desk","packages":[]}`,
		`"same_as":"system.laptop"`:   ``,
	} {
		if _, err := Decode([]byte(strings.Replace(string(data), from, to, 1))); err == nil {
			t.Errorf("%s in place of %s: no error", to, from)
		}
	}
}

func TestEncodeEmpty(t *testing.T) {
	data, err := (&File{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if diff := cmp.Diff(&File{}, back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// One entry on a line: what two people add in different places merges.
func TestOneEntryPerLine(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"alice": 1000`, `"name":"libc6"`, "          \"tools:hammer\"", `"date":"2026-08-01`} {
		lines := 0
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, want) {
				lines++
			}
		}
		if lines != 1 {
			t.Errorf("%s stands on %d lines, want 1", want, lines)
		}
	}
}

// manyUsers are members of an object, with one more.
func manyUsers(more string) string {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "\"user%d\": %d, ", i, 1000+i)
	}
	return b.String() + more
}

func TestDecodeErrors(t *testing.T) {
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	tests := []struct{ name, text, want string }{
		{"newer", edit(`"version": 1`, `"version": 2`), "made by a newer sysc"},
		{"newer, of another shape", `{"version": 7, "inputs": []}`, "made by a newer sysc"},
		{"impossible version", edit(`"version": 1`, `"version": 0`), "never was"},
		{"no version", `{}`, "no version"},
		{"merge conflict", "<<<<<<< HEAD\n" + string(good), "merge conflict"},
		{"merge conflict within", edit(`    "debian"`, "<<<<<<< HEAD\n    \"debian\""), "merge conflict"},
		{"not JSON", "version = 1", "line 1"},
		{"cut", string(good[:len(good)/2]), "unexpected"},
		{"behind the end", string(good) + "{}", "line"},
		{"unknown member", edit(`"ids"`, `"idz"`), "unknown field"},
		{"duplicate key", edit(`"alice": 1000`, `"alice": 1000, "alice": 1001`), `key "alice" twice`},
		{"duplicate key, spelled otherwise", edit(`"alice": 1000`, `"alice": 1000, "\u0061lice": 1001`), `key "alice" twice`},
		{"duplicate key among very many, the first", edit(`"alice": 1000`, manyUsers(`"user3": 1`)), `key "user3" twice`},
		{"duplicate key among very many, the last", edit(`"alice": 1000`, manyUsers(`"user39": 1`)), `key "user39" twice`},
		{"duplicate key of a line", edit(`"name":"libc6"`, `"name":"libc6","name":"libc6"`), `key "name" twice`},
		{"negative id", edit(`"alice": 1000`, `"alice": -1`), "line"},
		{"path out", edit(`pool/main/git.deb`, `../../etc/passwd`), "leads elsewhere"},
		{"absolute path", edit(`pool/main/git.deb`, `/etc/passwd`), "leads elsewhere"},
		{"package twice", edit(`"name":"libc6"`, `"name":"git"`), `package "git" twice`},
		{"no hash", edit(store.DigestOf([]byte("git")).Hex(), strings.Repeat("0", 64)), "no hash"},
		{"short hash", edit(store.DigestOf([]byte("git")).Hex(), "00"), "hexadecimal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Decode([]byte(tt.text))
			if err == nil || f != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	var newer *VersionError
	if _, err := Decode([]byte(`{"version":2}`)); !errors.As(err, &newer) || newer.Version != 2 {
		t.Errorf("got %v, want a VersionError", err)
	}
}

func TestMayHaveModules(t *testing.T) {
	for text, want := range map[string]bool{
		`{"version":1,"inputs":{}}`:           false,
		`{"version":1,"modules":{}}`:          true,
		`{"version":1,"Modules":{}}`:          true,
		`{"version":1,"\u006dodules":{}}`:     true,
		"{\"version\":1,\"module\u017f\":{}}": true,
	} {
		if got := MayHaveModules([]byte(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// Lines in the order in which git put them are read as well.
func TestDecodeUnsorted(t *testing.T) {
	f := sample()
	data, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		if strings.Contains(line, `"name":"git"`) {
			lines[i], lines[i+1] = lines[i+1], lines[i]
			break
		}
	}
	back, err := Decode([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWriteAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if _, _, err := Read(nil, path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if err := sample().Write(path); err != nil {
		t.Fatal(err)
	}
	got, data, err := Read(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if want, _ := sample().Encode(); string(data) != string(want) {
		t.Errorf("got bytes\n%s\nwant\n%s", data, want)
	}
	if err := os.Mkdir(path+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(nil, path+".d"); err == nil {
		t.Error("a directory was read as a lock file")
	}
}

func generate(t *rapid.T) *File {
	name := rapid.StringMatching(`[a-z][a-z0-9+.-]{0,8}`)
	digest := rapid.Custom(func(t *rapid.T) store.Digest {
		return store.DigestOf([]byte(rapid.StringN(1, 5, 5).Draw(t, "digest")))
	})
	f := &File{}
	for _, n := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID[string]).Draw(t, "users") {
		put(&f.Users, n, rapid.Uint32().Draw(t, "uid"))
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.String(), 0, 2, rapid.ID[string]).Draw(t, "inputs") {
		in := Input{Type: "debian", Settings: digest.Draw(t, "settings")}
		for range rapid.IntRange(0, 2).Draw(t, "indexes") {
			in.Revision.Indexes = append(in.Revision.Indexes, debian.Index{
				Archive: "a", Path: rapid.String().Draw(t, "suite"), Size: rapid.Int64Range(0, 1<<40).Draw(t, "size"),
				SHA256: digest.Draw(t, "sha"), Date: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "date"), 0).UTC(),
			})
		}
		put(&f.Inputs, n, in)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "resolutions") {
		r := &Resolution{Request: Request{Input: "x", Base: "none"}}
		for _, n := range rapid.SliceOfNDistinct(name, 0, 5, rapid.ID[string]).Draw(t, "packages") {
			r.Request.Packages = append(r.Request.Packages, n)
			r.Packages = append(r.Packages, debian.Package{
				Name: n, Version: "1", Architecture: "all", Archive: "a", Filename: "p/" + n, SHA256: digest.Draw(t, "sha"),
			})
		}
		put(&f.Resolutions, fmt.Sprintf("system.%d", i), r)
	}
	return f
}

// What was written and read is written to the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := generate(t).Encode()
		if err != nil {
			t.Fatal(err)
		}
		f, err := Decode(first)
		if err != nil {
			// Paths that lead elsewhere are generated, too.
			if !strings.Contains(err.Error(), "leads elsewhere") {
				t.Fatalf("%v\n%s", err, first)
			}
			return
		}
		second, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		third, err := Decode(second)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, third); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// FuzzDecode: what is accepted can be written, and reads the same again.
func FuzzDecode(f *testing.F) {
	good, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"inputs":{"a":{"type":"debian","settings":"","indexes":[]}},"resolutions":{},"ids":{}}`))
	f.Add([]byte(`[[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decode(data)
		if err != nil {
			return
		}
		out, err := file.Encode()
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		back, err := Decode(out)
		if err != nil {
			t.Fatalf("decode what was encoded: %v\n%s", err, out)
		}
		again, err := back.Encode()
		if err != nil || string(again) != string(out) {
			t.Fatalf("not stable: %v\n%s\n%s", err, out, again)
		}
	})
}
