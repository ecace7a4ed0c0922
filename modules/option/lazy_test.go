package option

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A counting source counts how often it is evaluated.
type counting struct {
	literal
	n *int
}

func (c counting) Value(at *Node) (cty.Value, diag.List) {
	*c.n++
	return c.literal.Value(at)
}

func (c counting) Items() ([]Item, bool) { return nil, false }

// nested is a block with one option in it.
type nested struct {
	literal
	items []Item
}

func (s nested) Items() ([]Item, bool) { return s.items, true }
func (s nested) Form() Form            { return FormBlock }

// An option that nobody reads is not evaluated: neither its default, nor its
// definitions, nor their conditions; nor are definitions that lose.
func TestLazy(t *testing.T) {
	const options = 1000
	schema := NewSchema()
	count := map[string]*int{}
	source := func(name string, v cty.Value) counting {
		if count[name] == nil {
			count[name] = new(int)
		}
		return counting{literal{v}, count[name]}
	}
	for i := range options {
		o := Option{Path: fmt.Sprintf("g%d.x", i), Type: Integer(), Default: source("default", cty.NumberIntVal(0))}
		if _, diags := schema.Declare(o); diags.HasErrors() {
			t.Fatal(diags.Err())
		}
	}
	if diags := schema.Finish(); diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	ev := NewEvaluation(schema)
	for i := range options {
		for _, wrap := range []string{"default", "force"} {
			inner := Item{Key: "x", Def: Written{Value: source(wrap, cty.NumberIntVal(int64(i))), Wraps: []Wrap{{Name: wrap}}}}
			group := Written{Value: nested{items: []Item{inner}}, When: []Source{source("when", cty.True)}}
			ev.Define(Written{Value: nested{items: []Item{{Key: fmt.Sprintf("g%d", i), Def: group}}}}, "m")
		}
	}
	g, _ := ev.Root().Child("g7", diag.Range{})
	n, _ := g.Child("x", diag.Range{})
	for range 2 {
		v, diags := n.Value(diag.Range{})
		if diags.HasErrors() || !v.RawEquals(cty.NumberIntVal(7)) {
			t.Fatalf("%#v, %v", v, diags.Err())
		}
	}
	for name, want := range map[string]int{"default": 0, "force": 1, "when": 2} {
		if got := *count[name]; got != want {
			t.Errorf("%s was evaluated %d times, want %d", name, got, want)
		}
	}
	ev.CheckNames()
	if *count["force"] != 1 || *count["when"] != 2 {
		t.Errorf("checking names evaluates values: %d, %d", *count["force"], *count["when"])
	}
}
