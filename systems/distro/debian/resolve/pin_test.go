package resolve

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/systems/distro/debian/universe"
)

// pinned makes a universe of two inputs: "d" with the suites stable and backports, and
// "x", a last resort unless a priority is given.
func pinned(t *testing.T, stable, backports, other string, priority int, pins ...universe.Pin) *universe.Universe {
	t.Helper()
	index := func(text, input, suite string, pin int) universe.Index {
		u := parse(t, text)
		var packages []universe.Package
		for id := range u.Len() {
			p := *u.Package(universe.ID(id))
			p.SHA256[0] = input[0] // they are built apart
			packages = append(packages, p)
		}
		return universe.Index{Origin: &universe.Origin{Input: input, Suite: suite, Pin: pin, Pins: pins}, Packages: packages}
	}
	u, err := universe.New("amd64", index(stable, "d", "stable", universe.PinDefault), index(backports, "d", "backports", universe.PinUpgrades), index(other, "x", "x", priority))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestPins chooses versions as apt does when nothing is installed.
func TestPins(t *testing.T) {
	tests := []struct {
		name, stable, backports, other string
		priority                       int
		pins                           []universe.Pin
		wants                          []Want
		want                           string
	}{
		{"stable rather than backports", "a 1", "a 2", "", 100, nil, []Want{{Name: "a"}}, "a 1 d"},
		{"backports when nothing else will do", "a 1\nb 1; Depends: a (>= 2)", "a 2", "", 100, nil, []Want{{Name: "b"}}, "a 2 d, b 1 d"},
		{"backports pinned", "a 1", "a 2", "", 100, []universe.Pin{{Packages: []string{"a*"}, Suite: "backports", Priority: 500}}, []Want{{Name: "a"}}, "a 2 d"},
		{"the first pin counts", "a 1", "a 2", "", 100, []universe.Pin{{Packages: []string{"a"}, Priority: 400}, {Priority: 990, Suite: "backports"}}, []Want{{Name: "a"}}, "a 2 d"},
		{"a version pinned", "a 1.1\na 1.2", "", "", 100, []universe.Pin{{Packages: []string{"a"}, Version: "1.1*", Priority: 990}}, []Want{{Name: "a"}}, "a 1.1 d"},
		{"an older version is preferred", "a 2", "", "a 1", 990, nil, []Want{{Name: "a"}}, "a 1 x"},
		{"equal priorities", "a 1", "", "a 2", 500, nil, []Want{{Name: "a"}}, "a 2 x"},
		{"a plain name is of the base", "a 1", "", "a 2", 990, nil, []Want{{Name: "a", Input: "d"}}, "a 1 d"},
		{"of another input", "a 3", "", "a 2", 100, nil, []Want{{Name: "a", Input: "x"}}, "a 2 x"},
		{"needs are of the base", "b 1", "", "a 2; Depends: b\nb 2", 100, nil, []Want{{Name: "a", Input: "x"}}, "a 2 x, b 1 d"},
		{"needs that the base does not meet", "b 1", "", "a 2; Depends: b (>= 2)\nb 2", 100, nil, []Want{{Name: "a", Input: "x"}}, "a 2 x, b 2 x"},
		{"never", "a 1\nb 1; Depends: a | c\nc 1", "", "", 100, []universe.Pin{{Packages: []string{"a"}, Priority: -1}}, []Want{{Name: "b"}}, "b 1 d, c 1 d"},
		{"never, but by its version", "a 1", "", "", 100, []universe.Pin{{Priority: -1}}, []Want{{Name: "a", Version: "1"}}, "a 1 d"},
		{"a provider of the base first", "a 1; Depends: v\np 1; Provides: v", "", "v 1", 100, nil, []Want{{Name: "a"}}, "a 1 d, p 1 d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := pinned(t, tt.stable, tt.backports, tt.other, tt.priority, tt.pins...)
			choices, err := Resolve(u, Request{Wants: tt.wants})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range choices {
				got = append(got, u.Package(c.ID).String()+" "+u.Package(c.ID).Origin.Input)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSamePackage has the very same file in two inputs.
func TestSamePackage(t *testing.T) {
	a := parse(t, "a 1")
	packages := []universe.Package{*a.Package(0)}
	u, err := universe.New("amd64",
		universe.Index{Origin: &universe.Origin{Input: "d", Pin: 500}, Packages: packages},
		universe.Index{Origin: &universe.Origin{Input: "x", Pin: 100}, Packages: packages})
	if err != nil {
		t.Fatal(err)
	}
	choices, err := Resolve(u, Request{Wants: []Want{{Name: "a", Input: "d"}, {Name: "a", Input: "x"}}})
	if err != nil || len(choices) != 1 || u.Package(choices[0].ID).Origin.Input != "d" {
		t.Errorf("got %v, %v", choices, err)
	}
}

// TestPinErrors says which input, and that it is a priority that is in the way.
func TestPinErrors(t *testing.T) {
	never := []universe.Pin{{Packages: []string{"a"}, Priority: -1}}
	tests := []struct {
		name  string
		u     *universe.Universe
		wants []Want
		want  string
	}{
		{"two inputs", pinned(t, "b 1\nc 1; Depends: b (= 1)", "", "a 2; Depends: b (= 2)\nb 2", 100),
			[]Want{{Name: "c", Input: "d"}, {Name: "a", Input: "x", Prefix: "x:"}},
			"c, x:a: c -> b (= 1) needs b 1 of d, but x:a -> b (= 2) needs b 2 of x, and only one version can be installed"},
		{"not in that input", pinned(t, "a 1", "", "b 1", 100), []Want{{Name: "a", Input: "x", Prefix: "x:"}}, `no package "x:a"`},
		{"never", pinned(t, "a 1", "", "", 100, never...), []Want{{Name: "a"}}, `package "a": a priority below 0 keeps it from being installed; there is 1`},
		{"never as a need", pinned(t, "a 1\nb 1; Depends: a", "", "", 100, never...), []Want{{Name: "b"}}, "b -> a, but a priority below 0 keeps a from being installed"},
		{"architecture", parse(t, "a 1; Architecture: i386; Depends: b\nb 1"), []Want{{Name: "a", Architecture: "i386"}}, "a:i386 -> b, but b is not there for architecture i386"},
		{"not for any", parse(t, "a 1; Depends: b:any\nb 1"), []Want{{Name: "a"}}, "b is not for packages of any architecture"},
		{"not beside", parse(t, "a 1\na 1; Architecture: i386"), []Want{{Name: "a"}, {Name: "a", Architecture: "i386"}},
			"a needs a 1, but a:i386 needs a:i386 1, and only one of them can be installed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Resolve(tt.u, Request{Wants: tt.wants})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			var unknown *UnknownPackageError
			if errors.As(err, &unknown) && unknown.Want != tt.wants[0] {
				t.Errorf("it is about %v", unknown.Want)
			}
		})
	}
}
