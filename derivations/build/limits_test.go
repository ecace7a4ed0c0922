package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
)

// A chained is a world in which app names mid, and mid names base.
type chained struct {
	*world
	base, mid   derivations.Ref
	basePath    store.Path
	midPath     store.Path
	alternative derivations.Ref // what nobody names
}

func newChained(t *testing.T) *chained {
	w := &chained{world: newWorld(t).withRoot()}
	w.base = w.exec("base", "write $out/x base")
	w.mid = w.exec("mid", "write $out/a nothing", "write $out/lib/mid.so uses "+w.placeholder(w.base)+"/x")
	w.alternative = w.exec("alternative", "write $out x")
	paths := w.mustRealise(w.base, w.mid)
	w.basePath, w.midPath = paths[w.base], paths[w.mid]
	return w
}

// app adds a step with limits, which names mid in two files.
func (w *chained) app(limits derivations.Limits) derivations.Ref {
	w.t.Helper()
	return w.add(derivations.Derivation{
		Name: "app", Builder: "exec", Root: w.root, Limits: limits,
		Args: []string{"/bin/tool", "write $out/etc/self $out", "write $out/bin/app runs " + w.placeholder(w.mid), "write $out/share/doc see " + w.placeholder(w.mid)},
	})
}

// message realises what must fail, and returns the cause's text with names in the
// place of paths.
func (w *chained) message(ref derivations.Ref) string {
	w.t.Helper()
	_, err := w.realise(ref)
	var failed *Error
	if !errors.As(err, &failed) {
		w.t.Fatalf("got %v", err)
	}
	text := failed.Cause.Error()
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\n", r) }) {
		if p, _, err := store.ParseLogical(word); err == nil {
			text = strings.ReplaceAll(text, word, p.Name())
		}
	}
	equal(w.t, "left over", w.leftovers())
	return text
}

// TestReferenceLimits checks each limit where it holds and where it does not.
func TestReferenceLimits(t *testing.T) {
	w := newChained(t)
	mid, base, other := w.placeholder(w.mid), w.placeholder(w.base), w.placeholder(w.alternative)
	const direct = "\n  app\n  └─ mid\n     by bin/app"
	const indirect = direct + "\n     └─ base\n        by lib/mid.so"
	list := func(texts ...string) *[]string { return &texts }
	for _, test := range []struct {
		limits derivations.Limits
		want   string // "" where they hold
	}{
		{derivations.Limits{References: list(mid)}, ""},
		{derivations.Limits{References: list(w.midPath.Logical(), other)}, ""},
		{derivations.Limits{References: list()}, `output "out" refers to mid, which allowed_references does not list` + direct},
		{derivations.Limits{References: list(base, other)}, `output "out" refers to mid, which allowed_references does not list` + direct},

		{derivations.Limits{Requisites: list(mid, base)}, ""},
		{derivations.Limits{Requisites: list(mid)}, `output "out" depends on base, which allowed_requisites does not list` + indirect},
		{derivations.Limits{Requisites: list()}, `output "out" depends on mid, which allowed_requisites does not list` + direct + "\n" +
			`output "out" depends on base, which allowed_requisites does not list` + indirect},

		{derivations.Limits{DisallowedReferences: []string{base, other}}, ""},
		{derivations.Limits{DisallowedReferences: []string{mid}}, `output "out" refers to mid, which disallowed_references lists` + direct},

		{derivations.Limits{DisallowedRequisites: []string{other}}, ""},
		{derivations.Limits{DisallowedRequisites: []string{base}}, `output "out" depends on base, which disallowed_requisites lists` + indirect},
		// What is about references stays so when requisites are looked at as well.
		{derivations.Limits{References: list(mid), DisallowedReferences: []string{base}, DisallowedRequisites: []string{other}, MaxClosureSize: 1 << 40}, ""},

		// The output's own name is about other outputs, and there are none.
		{derivations.Limits{DisallowedReferences: []string{"out"}, DisallowedRequisites: []string{"out"}}, ""},
	} {
		ref := w.app(test.limits)
		if test.want == "" {
			w.mustRealise(ref)
		} else if got := w.message(ref); got != test.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", test.limits, got, test.want)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	w := newChained(t)
	size := func(p store.Path) int64 {
		o, err := w.store.Object(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return o.Size
	}
	unlimited := w.app(derivations.Limits{})
	own := size(w.mustRealise(unlimited)[unlimited])
	middle, lowest := size(w.midPath), size(w.basePath)
	all := own + middle + lowest
	w.mustRealise(w.app(derivations.Limits{MaxSize: own, MaxClosureSize: all}))

	want := fmt.Sprintf(`output "out" has %d bytes, and max_size allows %d bytes`, own, own-1)
	if got := w.message(w.app(derivations.Limits{MaxSize: own - 1})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = fmt.Sprintf("output \"out\" has %d bytes with all that it depends on, and max_closure_size allows %d bytes; the largest are\n"+
		"  app, %d bytes\n  mid, %d bytes\n  base, %d bytes", all, all-1, own, middle, lowest)
	if got := w.message(w.app(derivations.Limits{MaxClosureSize: all - 1})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestBrokenLimitsLeaveNothing: what breaks a limit is neither valid nor recorded,
// and does not come to be when the same is made without limits before or after.
func TestBrokenLimitsLeaveNothing(t *testing.T) {
	w := newChained(t)
	limited := w.app(derivations.Limits{References: &[]string{}})
	_, err := w.realise(limited)
	var broken *ReferenceError
	if !errors.As(err, &broken) || broken.Object != w.midPath || len(broken.Chain) != 1 {
		t.Fatalf("got %v", err)
	}
	if _, err := w.store.Object(t.Context(), broken.Path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("what broke a limit is valid: %v", err)
	}
	if again := w.message(limited); !strings.Contains(again, "refers to mid") {
		t.Errorf("got %s", again)
	}
	equal(t, "ran again", w.happened(Started, false), "app")
	unlimited := w.app(derivations.Limits{})
	if got := w.mustRealise(unlimited)[unlimited]; got != broken.Path {
		t.Errorf("got %s, want %s", got, broken.Path)
	}
	if again := w.message(limited); !strings.Contains(again, "refers to mid") {
		t.Errorf("with the object valid: got %s", again)
	}
	held := w.app(derivations.Limits{References: &[]string{w.placeholder(w.mid)}})
	w.mustRealise(held)
	w.mustRealise(held)
	equal(t, "started when it is known to hold", w.happened(Started, false))
}

// TestLimitsOfSiblings: outputs of one step may name one another, unless that is
// disallowed; what a sibling depends on counts.
func TestLimitsOfSiblings(t *testing.T) {
	w := newChained(t)
	two := func(limits derivations.Limits, line string) derivations.Ref {
		return w.add(derivations.Derivation{
			Name: "two", Builder: "exec", Root: w.root, Outputs: []string{"out", "dev"}, Limits: limits,
			Args: []string{"/bin/tool", "write $out/lib x", "write $dev/include/x.h for $out of $dev", "symlink $out/lib $dev/link", line},
		})
	}
	harmless, uses := "print x", "write $out/uses "+w.placeholder(w.mid)
	w.mustRealise(two(derivations.Limits{References: &[]string{}, Requisites: &[]string{}, DisallowedReferences: []string{"dev"}}, harmless))
	want := "output \"dev\" refers to two, which disallowed_references lists\n  two-dev\n  └─ two\n     by include/x.h"
	if got := w.message(two(derivations.Limits{DisallowedReferences: []string{"out"}}, harmless)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = "output \"dev\" depends on mid, which disallowed_requisites lists\n  two-dev\n  └─ two\n     by include/x.h\n     └─ mid\n        by uses\n" +
		"output \"out\" depends on mid, which disallowed_requisites lists\n  two\n  └─ mid\n     by uses"
	if got := w.message(two(derivations.Limits{DisallowedRequisites: []string{w.placeholder(w.mid)}}, uses)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPlacesOfReferences: a reference may stand in a link, a name, or nowhere.
func TestPlacesOfReferences(t *testing.T) {
	w := newChained(t)
	w.opts.Builtins = builtin.Standard()
	w.opts.Builtins["builtin:hand"] = func(ctx context.Context, s *builtin.Step) error {
		blob, size, err := s.Store.AddBlob(ctx, strings.NewReader("x"))
		if err != nil {
			return err
		}
		return s.SetFile(ctx, "out", blob, size, false, s.Derivation.Sources)
	}
	none := derivations.Limits{References: &[]string{}}
	step := func(line string) derivations.Derivation {
		return derivations.Derivation{Name: "app", Builder: "exec", Root: w.root, Limits: none, Args: []string{"/bin/tool", "mkdir $out", line}}
	}
	mid := w.placeholder(w.mid)
	attrs, err := derivations.MakeAttrs(map[string]any{"content": mid})
	if err != nil {
		t.Fatal(err)
	}
	for want, d := range map[string]derivations.Derivation{
		"the target of the link l":       step("symlink " + mid + "/x $out/l"),
		"the name of sysc/store/":        step("mkdir $out" + mid),
		`"\x1b[31m"`:                     step("write $out/\x1b[31m " + mid),
		"content":                        {Name: "app", Builder: "builtin:file", Limits: none, Attrs: attrs},
		"a reference added by its maker": {Name: "app", Builder: "builtin:hand", Limits: none, Attrs: attrs},
	} {
		if got := w.message(w.add(d)); !strings.Contains(got, "\n  └─ mid\n     by "+want) {
			t.Errorf("want %q, got\n%s", want, got)
		}
	}
}

// TestManyBrokenLimits: not all of them are shown.
func TestManyBrokenLimits(t *testing.T) {
	w := newChained(t)
	lines := []string{"/bin/tool"}
	for i := range maxBroken + 2 {
		input := w.exec(fmt.Sprint("input-", i), "write $out x")
		lines = append(lines, fmt.Sprintf("write $out/%d %s", i, w.placeholder(input)))
	}
	got := w.message(w.add(derivations.Derivation{
		Name: "app", Builder: "exec", Root: w.root, Args: lines, Limits: derivations.Limits{References: &[]string{}, MaxClosureSize: 1},
	}))
	if strings.Count(got, `output "out"`) != maxBroken || !strings.HasSuffix(got, "\nand 3 more") {
		t.Errorf("got\n%s", got)
	}
}
