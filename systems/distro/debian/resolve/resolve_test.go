package resolve

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sysc/systems/distro/debian/relation"
	"sysc/systems/distro/debian/universe"
)

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// A failer is what testing and rapid have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// parse makes a universe of one line per package:
// "name version; Field: value; Field: value".
func parse(t failer, text string) *universe.Universe {
	t.Helper()
	var index strings.Builder
	for line := range strings.Lines(text) {
		head, fields, _ := strings.Cut(strings.TrimSpace(line), ";")
		name, version, ok := strings.Cut(head, " ")
		if !ok {
			continue
		}
		index.WriteString("Package: " + name + "\nVersion: " + version + "\n")
		for f := range strings.SplitSeq(fields, ";") {
			if f = strings.TrimSpace(f); f != "" {
				index.WriteString(f + "\n")
			}
		}
		if !strings.Contains(fields, "Architecture:") {
			index.WriteString("Architecture: amd64\n")
		}
		index.WriteString("Filename: pool/" + name + "_" + version + ".deb\nSize: 1\nSHA256: " + zeros + "\n\n")
	}
	packages, err := universe.ReadIndex(strings.NewReader(index.String()), "amd64", "i386", "all")
	if err != nil {
		t.Fatal(err)
	}
	u, err := universe.New("amd64", universe.Index{Origin: &universe.Origin{Pin: universe.PinDefault}, Packages: packages})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func request(names ...string) Request {
	var r Request
	for _, n := range names {
		name, version, _ := strings.Cut(n, " ")
		name, arch, _ := strings.Cut(name, ":")
		r.Wants = append(r.Wants, Want{Name: name, Architecture: arch, Version: version})
	}
	return r
}

// names writes choices as "name" or "name=version" when it is not the newest.
func names(u *universe.Universe, choices []Choice) []string {
	var out []string
	for _, c := range choices {
		p := u.Package(c.ID)
		name := u.Name(c.ID)
		if u.Versions(name)[0] != c.ID {
			name += "=" + p.Version
		}
		if c.Explicit {
			name += "!"
		}
		out = append(out, name)
	}
	return out
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name, universe string
		wants          []string
		recommends     bool
		want           string
	}{
		{"alone", "a 1", []string{"a"}, false, "a!"},
		{"chain", "a 1; Depends: b\nb 1; Pre-Depends: c (>= 1)\nc 1", []string{"a"}, false, "a! b c"},
		{"newest version", "a 1\na 2\na 1.5", []string{"a"}, false, "a!"},
		{"asked for version", "a 1\na 2", []string{"a 1"}, false, "a=1!"},
		{"asked for relation", "a 1\na 2\na 3", []string{"a << 3"}, false, "a=2!"},
		{"first alternative", "a 1; Depends: b | c\nb 1\nc 1", []string{"a"}, false, "a! b"},
		{"first alternative is not there", "a 1; Depends: x | c\nc 1", []string{"a"}, false, "a! c"},
		{"alternative that is there anyway", "a 1; Depends: b | c\nb 1\nc 1\nd 1; Depends: c", []string{"a", "d"}, false, "a! c d!"},
		{"hard needs come before alternatives, however deep", "a 1; Depends: b | c\nb 1\nc 1\nd 1; Depends: e\ne 1; Depends: f\nf 1; Depends: c", []string{"a", "d"}, false, "a! c d! e f"},
		{"real before virtual", "a 1; Depends: m\nm 1\np 1; Provides: m", []string{"a"}, false, "a! m"},
		{"virtual by priority", "a 1; Depends: m\np 1; Provides: m; Priority: optional\nq 1; Provides: m; Priority: required", []string{"a"}, false, "a! q"},
		{"virtual by name", "a 1; Depends: m\nq 1; Provides: m\np 1; Provides: m", []string{"a"}, false, "a! p"},
		{"virtual of the same source", "a 1; Depends: m; Source: s\np 1; Provides: m\nq 1; Provides: m; Source: s (3)", []string{"a"}, false, "a! q"},
		{"versioned provides", "a 1; Depends: m (>= 2)\np 1; Provides: m\nq 1; Provides: m (= 1)\nr 1; Provides: m (= 2)", []string{"a"}, false, "a! r"},
		{"only provider asked for by the virtual name", "p 1; Provides: m", []string{"m"}, false, "p!"},
		{"conflict turns to the second alternative", "a 1; Depends: b | c; Conflicts: b\nb 1\nc 1", []string{"a"}, false, "a! c"},
		{"conflict from the other side", "a 1; Depends: b | c\nb 1; Conflicts: d\nc 1\nd 1", []string{"a", "d"}, false, "a! c d!"},
		{"breaks old versions only", "a 1; Depends: b; Breaks: b (<< 2)\nb 1\nb 2", []string{"a"}, false, "a! b"},
		{"breaks makes it an older one", "a 1; Depends: b; Breaks: b (>= 2)\nb 1\nb 2", []string{"a"}, false, "a! b=1"},
		{"conflict with what it provides itself", "a 1; Provides: m; Conflicts: m", []string{"a"}, false, "a!"},
		{"conflict with another provider", "a 1; Provides: m; Conflicts: m\nb 1; Provides: m\nc 1; Depends: b | d\nd 1", []string{"a", "c"}, false, "a! c! d"},
		{"conflict deep down", "a 1; Depends: b | c\nb 1; Depends: x\nx 1; Depends: y\ny 1; Conflicts: z\nc 1\nz 1", []string{"a", "z"}, false, "a! c z!"},
		{"two choices that exclude each other", "a 1; Depends: b | c\nd 1; Depends: e | f\nb 1; Conflicts: e\nc 1\ne 1\nf 1", []string{"a", "d"}, false, "a! b d! f"},
		{"loop", "a 1; Depends: b\nb 1; Depends: a", []string{"a"}, false, "a! b"},
		{"same name twice", "a 1", []string{"a", "a"}, false, "a!"},
		{"qualifiers", "a 1; Depends: b:any, c:native, d:amd64\nb 1; Multi-Arch: allowed\nc 1\nd 1", []string{"a"}, false, "a! b c d"},
		{"no recommends", "a 1; Recommends: b\nb 1", []string{"a"}, false, "a!"},
		{"recommends", "a 1; Recommends: b | c, x\nb 1; Recommends: d\nd 1\nc 1", []string{"a"}, true, "a! b d"},
		{"impossible recommends", "a 1; Recommends: b | c\nb 1; Conflicts: a\nc 1; Depends: x", []string{"a"}, true, "a!"},
		{"recommends never push out", "a 1; Recommends: b; Depends: e | f\nb 1; Conflicts: e\ne 1\nf 1", []string{"a"}, true, "a! e"},
		{"needs beat recommends of others", "a 1; Recommends: b\nb 1; Depends: x | y\nx 1; Conflicts: c\ny 1\nc 1", []string{"a", "c"}, true, "a! b c! y"},
		{"foreign", "a 1; Architecture: i386; Depends: b\nb 1\nb 1; Architecture: i386; Multi-Arch: same", []string{"a:i386"}, false, "a:i386! b:i386"},
		{"foreign beside native", "a 1; Multi-Arch: same\na 1; Architecture: i386; Multi-Arch: same", []string{"a", "a:i386"}, false, "a! a:i386!"},
		{"foreign and native of one version", "a 2; Multi-Arch: same\na 1; Multi-Arch: same\na 1; Architecture: i386; Multi-Arch: same", []string{"a", "a:i386"}, false, "a=1! a:i386!"},
		{"tools are of any architecture", "a 1; Architecture: i386; Depends: t\nt 1; Multi-Arch: foreign\nt 1; Architecture: i386; Multi-Arch: foreign", []string{"a:i386", "t"}, false, "a:i386! t!"},
		{"tools are the machine's", "a 1; Architecture: i386; Depends: t\nt 1; Multi-Arch: foreign\nt 1; Architecture: i386; Multi-Arch: foreign", []string{"a:i386"}, false, "a:i386! t"},
		{"the own architecture first", "a 1; Architecture: i386; Depends: v\nt 1; Provides: v; Multi-Arch: foreign\nu 1; Architecture: i386; Provides: v", []string{"a:i386"}, false, "a:i386! t"},
		{"for all is native", "a 1; Architecture: i386; Depends: d | e\nd 1; Architecture: all\ne 1; Architecture: all; Multi-Arch: foreign", []string{"a:i386"}, false, "a:i386! e"},
		{"any", "a 1; Architecture: i386; Depends: p:any\np 1; Multi-Arch: allowed", []string{"a:i386"}, false, "a:i386! p"},
		{"by architecture", "a 1; Depends: p:i386\np 1\np 1; Architecture: i386", []string{"a"}, false, "a! p:i386"},
		{"virtual of the own architecture", "a 1; Architecture: i386; Depends: v\np 1; Provides: v\nq 1; Architecture: i386; Provides: v", []string{"a:i386"}, false, "a:i386! q:i386"},
		{"conflicts are about all architectures", "a 1; Conflicts: b\nb 1; Architecture: i386\nc 1; Depends: b:i386 | d\nd 1", []string{"a", "c"}, false, "a! c! d"},
		{"self-satisfied need", "a 1; Depends: m; Provides: m\nb 1; Provides: m", []string{"a"}, false, "a!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := parse(t, tt.universe)
			r := request(tt.wants...)
			r.Recommends = tt.recommends
			got, err := Resolve(u, r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Fields(tt.want), names(u, got)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBase(t *testing.T) {
	u := parse(t, "e 1; Essential: yes; Depends: l\nl 1\nr 1; Priority: required\no 1; Priority: important")
	for _, tt := range []struct {
		required bool
		want     []string
	}{{true, []string{"e", "l", "o!", "r"}}, {false, []string{"e", "l", "o!"}}} {
		r := request("o")
		r.Base = u.Base("", tt.required)
		got, err := Resolve(u, r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, names(u, got)); diff != "" {
			t.Errorf("required %v (-want +got):\n%s", tt.required, diff)
		}
	}
}

func TestUnknown(t *testing.T) {
	u := parse(t, "openssh-server 1\nopenssl 1\nvim 2\nvim 1\nexim 1; Provides: mta\npostfix 1; Provides: mta")
	tests := []struct{ want, text string }{
		{"opnssh-server", `no package "opnssh-server"; did you mean openssh-server?`},
		{"vmi", `no package "vmi"; did you mean vim?`},
		{"zzzzzzzz", `no package "zzzzzzzz"`},
		{"mta", `package "mta" is virtual: choose one of exim, postfix`},
		{"vim >= 3", `package "vim": no version >= 3; there is 2, 1`},
		{"vim =", `package "vim": empty version`},
		{"vim => 1", `package "vim": unknown operator "=>"`},
	}
	var all []string
	for _, tt := range tests {
		all = append(all, tt.want)
		_, err := Resolve(u, request(tt.want))
		if err == nil || err.Error() != tt.text {
			t.Errorf("%s: error %q, want %q", tt.want, err, tt.text)
		}
	}
	_, err := Resolve(u, request(all...))
	var unknown *UnknownPackageError
	if !errors.As(err, &unknown) || strings.Count(err.Error(), "\n") != len(tests)-1 {
		t.Errorf("not all at once: %v", err)
	}
}

func TestUnsatisfiable(t *testing.T) {
	tests := []struct {
		name, universe string
		wants          []string
		text           string
	}{
		{
			"conflict down a chain", "a 1; Depends: b (>= 2)\nb 2; Depends: c\nc 1\nd 1; Conflicts: c\ne 1", []string{"e", "a", "d"},
			"these packages cannot be installed together: a, d: a -> b (>= 2) -> c, but d conflicts with c",
		},
		{
			"breaks a version", "a 1; Depends: b\nb 1\nd 1; Breaks: b (<< 2)", []string{"a", "d"},
			"these packages cannot be installed together: a, d: a -> b, but d breaks b (<< 2), and it is 1",
		},
		{
			"nobody has it", "a 1; Depends: b\nb 1; Depends: nothing", []string{"a"},
			"package a cannot be installed: a -> b -> nothing, but there is no package nothing",
		},
		{
			"too old", "a 1; Depends: b (>= 2)\nb 1", []string{"a"},
			"package a cannot be installed: a -> b (>= 2), but b is there in version 1 only",
		},
		{
			"another architecture", "a 1; Depends: b:i386\nb 1", []string{"a"},
			"package a cannot be installed: a -> b:i386, but b is not there for architecture i386",
		},
		{
			"every alternative fails", "a 1; Depends: b | c\nb 1; Depends: x\nc 1; Depends: y", []string{"a"},
			"package a cannot be installed: a -> b | c -> x, but there is no package x; a -> b | c [c] -> y, but there is no package y",
		},
		{
			"two versions", "a 1; Depends: b (= 1)\nc 1; Depends: b (= 2)\nb 1\nb 2", []string{"a", "c"},
			"these packages cannot be installed together: a, c: a -> b (= 1) needs b 1, but c -> b (= 2) needs b 2, and only one version can be installed",
		},
		{
			"impossible and in conflict besides", "c 1; Depends: f; Provides: a\nc 2; Depends: a; Conflicts: b\nf 1; Depends: a (>= 1), a (>= 2); Provides: a\na 1; Provides: b\nb 1; Provides: a", []string{"c"},
			"package c cannot be installed: c -> a [b], but c conflicts with b; c -> a, but c conflicts with b [a]; c -> f -> a (>= 2), but a is there in version 1 only",
		},
		{
			"through a virtual package", "a 1; Conflicts: mta\nb 1; Depends: p\np 1; Provides: mta", []string{"a", "b"},
			"these packages cannot be installed together: a, b: b -> p, but a conflicts with mta [p]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Resolve(parse(t, tt.universe), request(tt.wants...))
			var unsatisfiable *UnsatisfiableError
			if !errors.As(err, &unsatisfiable) || err.Error() != tt.text {
				t.Errorf("error is\n%v\nwant\n%s", err, tt.text)
			}
		})
	}
}

func TestExclude(t *testing.T) {
	u := parse(t, "a 1; Depends: b | c; Recommends: d\nb 1\nc 1\nd 1\ne 1; Depends: b\nf 1; Essential: yes\nb 2")
	for _, tt := range []struct {
		wants, exclude []string
		want           string
	}{
		{[]string{"a"}, nil, "a! b d"},
		{[]string{"a"}, []string{"b"}, "a! c d"},
		{[]string{"a"}, []string{"d"}, "a! b"},
		{[]string{"e"}, []string{"b"}, "package e cannot be installed: e -> b, but b is excluded"},
		{[]string{"a"}, []string{"a"}, "package a cannot be installed: a, but a is excluded"},
		{[]string{"a"}, []string{"bb"}, `no package "bb"; did you mean b?`},
	} {
		choices, err := Resolve(u, Request{Wants: request(tt.wants...).Wants, Recommends: true, Exclude: tt.exclude})
		got := strings.Join(names(u, choices), " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%v without %v: got %q, want %q", tt.wants, tt.exclude, got, tt.want)
		}
	}
	if _, err := Resolve(u, Request{Base: u.Base("", true), Exclude: []string{"f"}}); err == nil || err.Error() != "package f (base system) cannot be installed: f, but f is excluded" {
		t.Errorf("got %v", err)
	}
}

func TestBeginningOfVersion(t *testing.T) {
	u := parse(t, "a 1.2-1\na 1.2-3\na 1.3\na 2; Conflicts: b\nb 1; Depends: a")
	for version, want := range map[string]string{"1.2*": "a=1.2-3!", "1*": "a=1.3!", "*": "a!", "1.2-1": "a=1.2-1!"} {
		choices, err := Resolve(u, Request{Wants: []Want{{Name: "a", Version: version}}})
		if got := strings.Join(names(u, choices), " "); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", version, got, err, want)
		}
	}
	_, err := Resolve(u, Request{Wants: []Want{{Name: "a", Version: "3*"}}})
	var unknown *UnknownPackageError
	if !errors.As(err, &unknown) || unknown.Want.Version != "3*" {
		t.Errorf("got %v", err)
	}
	_, err = Resolve(u, Request{Wants: []Want{{Name: "a", Version: "2*"}, {Name: "b"}}})
	if err == nil || !strings.Contains(err.Error(), "a (= 2*)") {
		t.Errorf("got %v", err)
	}
}

func TestUnsatisfiableBase(t *testing.T) {
	u := parse(t, "e 1; Essential: yes\nf 1; Essential: yes\na 1; Conflicts: e")
	r := request("a")
	r.Base = u.Base("", true)
	_, err := Resolve(u, r)
	if want := "these packages cannot be installed together: a, e (base system): e, but a conflicts with e"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// genUniverse makes universes in which much conflicts.
func genUniverse(letters []string, architectures []string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		name := rapid.SampledFrom(letters)
		one := rapid.Custom(func(t *rapid.T) string {
			n := name.Draw(t, "name")
			if len(architectures) > 1 && rapid.IntRange(0, 5).Draw(t, "qualified") == 0 {
				n += ":" + rapid.SampledFrom([]string{"any", "i386"}).Draw(t, "qualifier")
			}
			if rapid.IntRange(0, 4).Draw(t, "versioned") == 0 {
				n += " (" + rapid.SampledFrom([]string{">=", "<<", "="}).Draw(t, "op") + " " + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "v") + ")"
			}
			return n
		})
		var lines []string
		for _, n := range letters {
			for _, arch := range architectures {
				multiArch := rapid.SampledFrom([]string{"no", "same", "foreign", "allowed"}).Draw(t, "multi-arch")
				for _, v := range []string{"1", "2"}[:rapid.IntRange(1, 3-len(architectures)).Draw(t, "versions")] {
					line := n + " " + v + "; Architecture: " + arch + "; Multi-Arch: " + multiArch
					for _, field := range []string{"Depends", "Conflicts", "Recommends"} {
						var groups []string
						for range rapid.IntRange(0, 2).Draw(t, field) {
							alternatives := 1
							if field != "Conflicts" {
								alternatives = 3
							}
							groups = append(groups, strings.Join(rapid.SliceOfN(one, 1, alternatives).Draw(t, "group"), " | "))
						}
						if len(groups) > 0 {
							line += "; " + field + ": " + strings.Join(groups, ", ")
						}
					}
					if rapid.IntRange(0, 3).Draw(t, "provides") == 0 {
						line += "; Provides: " + name.Draw(t, "provided")
					}
					lines = append(lines, line)
				}
			}
		}
		return strings.Join(lines, "\n")
	})
}

// TestComplete compares with trying all sets: what the solver finds is legal,
// and it finds something whenever there is something.
func TestComplete(t *testing.T) {
	letters := []string{"a", "b", "c", "d", "e", "f", "g"}
	rapid.Check(t, func(t *rapid.T) {
		checkComplete(t, genUniverse(letters, []string{"amd64"}).Draw(t, "universe"), []string{"a", "b", "c"})
	})
}

// TestCompleteMultiArch does so with two architectures.
func TestCompleteMultiArch(t *testing.T) {
	letters := []string{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(t *rapid.T) {
		checkComplete(t, genUniverse(letters, []string{"amd64", "i386"}).Draw(t, "universe"), []string{"a", "b:i386", "c", "c:i386"})
	})
}

func checkComplete(t *rapid.T, text string, wants []string) {
	u := parse(t, text)
	r := request(rapid.SliceOfNDistinct(rapid.SampledFrom(wants), 1, 3, rapid.ID).Draw(t, "wants")...)
	r.Recommends = rapid.Bool().Draw(t, "recommends")
	r.Exclude = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"c", "d", "e"}), 0, 2, rapid.ID).Draw(t, "exclude")
	if rapid.Bool().Draw(t, "keep") {
		r.Keep = []universe.ID{universe.ID(rapid.IntRange(0, u.Len()-1).Draw(t, "kept"))}
	}
	choices, err := Resolve(u, r)
	var unsatisfiable *UnsatisfiableError
	switch {
	case errors.As(err, &unsatisfiable):
		if len(unsatisfiable.Reasons) == 0 || len(unsatisfiable.Wants) == 0 {
			t.Fatalf("no reason: %v", err)
		}
		if set := search(u, r); set != nil {
			t.Fatalf("says %v, but there is %v", err, set)
		}
	case err != nil:
		t.Fatal(err)
	default:
		set := make(map[universe.ID]bool)
		for _, c := range choices {
			set[c.ID] = true
		}
		if why := illegal(u, r, set); why != "" {
			t.Fatalf("chose %v: %s", names(u, choices), why)
		}
	}
	again, againErr := Resolve(parse(t, text), r)
	if !slices.Equal(choices, again) || (err == nil) != (againErr == nil) || err != nil && err.Error() != againErr.Error() {
		t.Fatal("not the same twice")
	}
}

// search tries every set of packages.
func search(u *universe.Universe, r Request) []string {
	for bits := range 1 << u.Len() {
		set := make(map[universe.ID]bool)
		for id := range u.Len() {
			if bits&(1<<id) != 0 {
				set[universe.ID(id)] = true
			}
		}
		if illegal(u, r, set) == "" {
			var names []string
			for id := range set {
				names = append(names, u.Package(id).String())
			}
			slices.Sort(names)
			return names
		}
	}
	return nil
}

// isNamed reports whether a package has, or provides, what a relation of another one is
// about, architectures aside.
func isNamed(p *universe.Package, r relation.Relation) bool {
	if p.Name == r.Name && r.Satisfied(p.Version) {
		return true
	}
	provides, _ := relation.ParseList(p.Provides)
	return slices.ContainsFunc(provides, func(provided relation.Relation) bool { return provided.Name == r.Name && r.ProvidedBy(provided) })
}

// satisfies is dpkg's rule for a Depends field.
func satisfies(p *universe.Package, r relation.Relation, of *universe.Package) bool {
	switch {
	case !isNamed(p, r):
		return false
	case r.Arch == "":
		return p.Architecture == of.Architecture || p.MultiArch == "foreign"
	case r.Arch == "any":
		return p.MultiArch == "allowed"
	}
	return p.Architecture == r.Arch
}

// illegal says what is wrong with a set of packages, by policy and naively.
func illegal(u *universe.Universe, r Request, set map[universe.ID]bool) string {
	met := func(g relation.Group, of *universe.Package) bool {
		for _, alternative := range g {
			for id := range set {
				if satisfies(u.Package(id), alternative, of) {
					return true
				}
			}
		}
		return false
	}
	for _, w := range r.Wants {
		if !slices.ContainsFunc(u.Versions(w.name()), func(id universe.ID) bool { return set[id] }) {
			return "lacks " + w.Label()
		}
	}
	for id := range set {
		p := u.Package(id)
		if slices.Contains(r.Exclude, p.Name) {
			return "excluded " + p.Name
		}
		for _, keep := range r.Keep {
			if id != keep && u.Name(id) == u.Name(keep) {
				return "another version of " + u.Name(keep)
			}
		}
		groups, _ := relation.Parse(p.Depends)
		for _, g := range groups {
			if !met(g, p) {
				return p.String() + " lacks " + g.String()
			}
		}
		conflicts, _ := relation.ParseList(p.Conflicts)
		for other := range set {
			q := u.Package(other)
			if other == id {
				continue
			}
			if q.Name == p.Name {
				if q.Architecture == p.Architecture || q.Version != p.Version || p.MultiArch != "same" || q.MultiArch != "same" {
					return "two packages called " + p.Name
				}
				continue
			}
			for _, c := range conflicts {
				if isNamed(q, c) && (c.Arch == "" || c.Arch == "any" || c.Arch == q.Architecture) {
					return p.String() + " conflicts with " + q.String()
				}
			}
		}
	}
	return ""
}
