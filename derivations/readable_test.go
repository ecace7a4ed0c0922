package derivations

import (
	"slices"
	"strings"
	"testing"

	"sysc/store"
)

func TestReadable(t *testing.T) {
	g := NewGraph()
	a := mustAdd(t, g, exec("a", "/bin/true"))
	placeholder := mustPlaceholder(t, g, a, "out")
	id := strings.Repeat("0", store.IDLen)
	for in, want := range map[string]string{
		"":          "",
		"nothing":   "nothing",
		placeholder: "/sysc/store/…-a",
		placeholder + "/x " + placeholder + ".tmp": "/sysc/store/…-a/x /sysc/store/…-a.tmp",
		"/sysc/store/" + id + "-src":               "/sysc/store/…-src",
		"/sysc/store/" + id:                        "/sysc/store/" + id,
		"/sysc/store/short-x":                      "/sysc/store/short-x",
	} {
		if got := Readable(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestBehind(t *testing.T) {
	g := NewGraph()
	a := mustAdd(t, g, exec("a", "/bin/true"))
	other := mustAdd(t, g, exec("other", "/bin/true"))
	b := mustAdd(t, g, exec("b", mustPlaceholder(t, g, a, "out")))
	c := mustAdd(t, g, exec("c", mustPlaceholder(t, g, b, "out")+mustPlaceholder(t, g, a, "out")))
	if got := g.Behind([]Ref{{Derivation: c, Output: "out"}}); !slices.Equal(got, []Hash{a, b, c}) {
		t.Errorf("got %v", got)
	}
	if got := g.Behind([]Ref{{Derivation: other}, {Derivation: Hash{1}}}); !slices.Equal(got, []Hash{other}) {
		t.Errorf("got %v", got)
	}
}
