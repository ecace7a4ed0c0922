package derivations

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sysc/store"
)

// versions builds a graph twice and returns what Causes says, a line for each change:
// path, field, old and new.
func versions(t *testing.T, build func(g *Graph, new bool) Hash) []string {
	t.Helper()
	old, new := NewGraph(), NewGraph()
	oldRoot, newRoot := build(old, false), build(new, true)
	var out []string
	for _, c := range Causes(old.Derivation, new.Derivation, oldRoot, newRoot) {
		var names []string
		for _, h := range c.Path {
			d, ok := new.Derivation(h)
			if !ok {
				t.Fatalf("path %v", c.Path)
			}
			names = append(names, d.Name)
		}
		if len(c.Changes) == 0 {
			out = append(out, strings.Join(names, ">"))
		}
		for _, change := range c.Changes {
			out = append(out, fmt.Sprintf("%s %s %q %q", strings.Join(names, ">"), change.Field, change.Old, change.New))
		}
	}
	return out
}

func TestCauses(t *testing.T) {
	either := func(new bool, a, b string) string {
		if new {
			return b
		}
		return a
	}
	path := func(digit, name string) store.Path {
		return store.Path(strings.Repeat(digit, store.IDLen) + "-" + name)
	}
	for _, c := range []struct {
		name  string
		build func(g *Graph, new bool) Hash
		want  []string
	}{
		{"nothing", func(g *Graph, _ bool) Hash { return mustAdd(t, g, exec("a", "/bin/true")) }, nil},
		{"by itself", func(g *Graph, new bool) Hash {
			d := exec("a", "/bin/sh", "-c", either(new, "one", "two"))
			d.Env = map[string]string{"SAME": "x", either(new, "OLD", "NEW"): "y"}
			d.Attrs = Attrs(either(new, `{"list":["a","b"],"n":1}`, `{"list":["c","a","b"],"n":2}`))
			return mustAdd(t, g, d)
		}, []string{
			`a args[2] "one" "two"`, `a attrs.list "" "c"`, `a attrs.n "1" "2"`, `a env.NEW "" "y"`, `a env.OLD "y" ""`,
		}},
		{"by an input of an input", func(g *Graph, new bool) Hash {
			leaf := mustAdd(t, g, exec("leaf", either(new, "one", "two")))
			same := mustAdd(t, g, exec("same", "x"))
			middle := mustAdd(t, g, exec("middle", mustPlaceholder(t, g, leaf, "out")+" "+mustPlaceholder(t, g, same, "out")))
			return mustAdd(t, g, exec("top", mustPlaceholder(t, g, middle, "out"), mustPlaceholder(t, g, leaf, "out")))
		}, []string{`top>leaf args[0] "one" "two"`}},
		{"another version of an input", func(g *Graph, new bool) Hash {
			leaf := mustAdd(t, g, exec("lib"+either(new, "-1.0", "-1.1"), "x"))
			return mustAdd(t, g, exec("top", mustPlaceholder(t, g, leaf, "out")+"/file"))
		}, []string{`top>lib-1.1 name "lib-1.0" "lib-1.1"`}},
		{"another input", func(g *Graph, new bool) Hash {
			leaf := mustAdd(t, g, exec(either(new, "this", "that"), "x"))
			return mustAdd(t, g, exec("top", mustPlaceholder(t, g, leaf, "out")))
		}, []string{
			`top inputs "this" ""`, `top inputs "" "that"`, `top args[0] "/sysc/store/…-this" "/sysc/store/…-that"`,
		}},
		{"sources", func(g *Graph, new bool) Hash {
			d := exec("top", path(either(new, "1", "2"), "src").Logical())
			d.Sources = []store.Path{path("3", either(new, "gone", "more"))}
			return mustAdd(t, g, d)
		}, []string{
			fmt.Sprintf(`top sources %q %q`, path("1", "src"), path("2", "src")),
			fmt.Sprintf(`top sources "" %q`, path("3", "more")), fmt.Sprintf(`top sources %q ""`, path("3", "gone")),
		}},
		{"in another way", func(g *Graph, new bool) Hash { // as with another ExecVersion
			d := exec("a", path("1", "src").Logical(), path("2", "src").Logical())
			if new {
				slices.Reverse(d.Args)
			}
			return mustAdd(t, g, d)
		}, []string{"a"}},
	} {
		if got := versions(t, c.build); !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestStem(t *testing.T) {
	for name, want := range map[string]string{"a": "a", "a-b": "a-b", "a-1.0": "a", "a_2-3": "a", "lib2-x-3": "lib2-x", "a-": "a-", "": ""} {
		if got := stem(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
