package debian

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/derivations"
	"sysc/store"
	"sysc/systems/distro/debian/dpkg"
)

func rootRequest() RootRequest {
	digest := func(b byte) (d store.Digest) { d[0] = b; return d }
	return RootRequest{
		Name: "system.laptop", Architecture: "amd64",
		Origin: derivations.Origin{Label: "system.laptop", Position: "a.sysc.hcl:3,1"},
		Packages: []Package{
			{Name: "g++", Version: "4:14.2.0-1", Architecture: "amd64", Archive: "debian", Filename: "pool/main/g/gcc/g++_14.2.0-1_amd64.deb", Size: 10, SHA256: digest(1)},
			{Name: "base-files", Version: "13.8~rc1+deb13u1", Architecture: "amd64", Archive: "debian-security", Filename: "pool/b/base-files_13.8~rc1+deb13u1_amd64.deb", Size: 20, SHA256: digest(2)},
		},
	}
}

func TestRoot(t *testing.T) {
	g := derivations.NewGraph()
	ref, err := Root(g, rootRequest())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range g.Hashes() {
		d, _ := g.Derivation(h)
		line := d.Builder + " " + d.Name + " " + d.Platform
		if g.Origin(h).Position != "a.sysc.hcl:3,1" {
			t.Errorf("%s: origin is %+v", line, g.Origin(h))
		}
		got = append(got, line)
	}
	want := []string{
		"builtin:fetch base-files_13.8_rc1+deb13u1_amd64.deb any",
		"builtin:unpack base-files-13.8_rc1+deb13u1 any",
		"builtin:fetch g++_14.2.0-1_amd64.deb any",
		"builtin:unpack g++-4_14.2.0-1 any",
		"builtin:debian-root system.laptop-unpacked any",
		"exec system.laptop linux/amd64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("derivations are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	last, _ := g.Derivation(ref.Derivation)
	if !last.WritableRoot || last.Root == "" || last.Args[2] != dpkg.ConfigureScript {
		t.Errorf("last step is %+v", last)
	}
	fetch, _ := g.Derivation(g.Hashes()[0])
	if want := `{"size":20,"url":"mirror://debian-security/pool/b/base-files_13.8~rc1+deb13u1_amd64.deb"}`; string(fetch.Attrs) != want {
		t.Errorf("fetch step has %s, want %s", fetch.Attrs, want)
	}
}

// TestRootOrder: neither the packages' order, nor mirrors, nor whether somebody
// asked for a package by name, changes what is built.
func TestRootOrder(t *testing.T) {
	g := derivations.NewGraph()
	first, err := Root(g, rootRequest())
	if err != nil {
		t.Fatal(err)
	}
	r := rootRequest()
	slices.Reverse(r.Packages)
	r.Packages[0].Archive, r.Packages[0].Explicit = "other", true
	second, err := Root(g, r)
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Error("another derivation")
	}
	r.Packages[0].SHA256[0]++
	third, err := Root(g, r)
	if err != nil {
		t.Fatal(err)
	}
	if first == third {
		t.Error("another package, but the same derivation")
	}
}

func TestRootErrors(t *testing.T) {
	r := rootRequest()
	r.Architecture = "z80"
	_, err := Root(derivations.NewGraph(), r)
	if want := `make root "system.laptop": architecture "z80": not one of Debian's`; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestSanitise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if err := store.CheckName(sanitise(name) + "-" + strings.Repeat("o", 31)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRootAdded: what is below packages on top is the root that there would be without
// them, so that it need not be made again.
func TestRootAdded(t *testing.T) {
	r := rootRequest()
	r.Packages = r.Packages[1:]
	g := derivations.NewGraph()
	below, err := Root(g, r)
	if err != nil {
		t.Fatal(err)
	}
	r = rootRequest()
	r.Packages[0].Added = true
	all, err := Root(g, r)
	if err != nil {
		t.Fatal(err)
	}
	top, _ := g.Derivation(all.Derivation)
	root, err := g.Placeholder(below)
	if err != nil {
		t.Fatal(err)
	}
	if top.Root != root || !top.WritableRoot {
		t.Errorf("the last step runs in %s, want %s", top.Root, root)
	}
	if args := top.Args[2:]; len(args) != 4 || args[0] != dpkg.ConfigureScript || args[2] != "g++" || !strings.HasPrefix(args[3], store.Dir) {
		t.Errorf("arguments are %q", top.Args[3:])
	}
	for _, h := range g.Hashes() {
		if d, _ := g.Derivation(h); strings.HasPrefix(d.Name, "g++-") {
			t.Errorf("step %s, but dpkg unpacks the package", d.Name)
		}
	}
}
