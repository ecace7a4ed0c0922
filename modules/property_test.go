package modules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A listDefinition is one definition of the list x.
type listDefinition struct {
	when            bool
	priority, order int
	elements        []string
	// inside is set when the order stands inside of the priority.
	inside, remove bool
}

func (d listDefinition) text() string {
	quoted, _ := json.Marshal(d.elements)
	value := string(quoted)
	switch {
	case d.remove:
		value = "remove(" + value + ")"
	case d.inside:
		value = fmt.Sprintf("priority(%d, order(%d, %s))", d.priority, d.order, value)
	default:
		value = fmt.Sprintf("order(%d, priority(%d, %s))", d.order, d.priority, value)
	}
	return fmt.Sprintf("config {\n  when = %v\n  x    = %s\n}\n", d.when, value)
}

// mergeLists is what language.md says, as plainly as possible.
func mergeLists(defs []listDefinition) []string {
	var live []listDefinition
	gone := map[string]bool{}
	best := 1 << 30
	for _, d := range defs {
		switch {
		case !d.when:
		case d.remove:
			for _, e := range d.elements {
				gone[e] = true
			}
		default:
			live = append(live, d)
			best = min(best, d.priority)
		}
	}
	slices.SortStableFunc(live, func(a, b listDefinition) int { return cmp.Compare(a.order, b.order) })
	out := []string{}
	for _, d := range live {
		for _, e := range d.elements {
			if d.priority == best && !gone[e] {
				out = append(out, e)
			}
		}
	}
	return out
}

// Lists merge as a few plain lines of Go do it.
func TestListProperty(t *testing.T) {
	element := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(rt *rapid.T) {
		defs := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) listDefinition {
			return listDefinition{
				when:     rapid.IntRange(0, 3).Draw(rt, "when") > 0,
				priority: rapid.SampledFrom([]int{50, 100, 1000}).Draw(rt, "priority"),
				order:    rapid.SampledFrom([]int{-1, 500, 1000, 1500}).Draw(rt, "order"),
				elements: rapid.SliceOfN(element, 0, 3).Draw(rt, "elements"),
				inside:   rapid.Bool().Draw(rt, "inside"),
				remove:   rapid.IntRange(0, 4).Draw(rt, "remove") == 0,
			}
		}), 0, 6).Draw(rt, "definitions")
		var text strings.Builder
		text.WriteString("option \"x\" {\n  type = list(string)\n}\n")
		for i := range defs {
			if defs[i].elements == nil {
				defs[i].elements = []string{}
			}
			text.WriteString(defs[i].text())
		}
		e, diags := evaluate(t, map[string]string{"a.sysc.hcl": text.String()})
		if diags.HasErrors() {
			rt.Fatal(diags.Err())
		}
		got, diags := e.read("x")
		want, _ := json.Marshal(mergeLists(defs))
		if got != string(want) {
			rt.Fatalf("got %s, want %s, %v\n%s", got, want, diags.Err(), text.String())
		}
	})
}

// A mapDefinition is one definition of the map m of numbers.
type mapDefinition struct {
	priority int
	replace  bool
	// keys have a value and a priority of their own, 0 for none.
	keys map[string][2]int
}

func (d mapDefinition) text() string {
	var b strings.Builder
	b.WriteString("config {\n  m = ")
	switch {
	case d.replace:
		b.WriteString("replace(")
	default:
		fmt.Fprintf(&b, "priority(%d, ", d.priority)
	}
	b.WriteString("{\n")
	for _, k := range sortedKeys(d.keys) {
		v := d.keys[k]
		if v[1] == 0 {
			fmt.Fprintf(&b, "    %s = %d\n", k, v[0])
		} else {
			fmt.Fprintf(&b, "    %s = priority(%d, %d)\n", k, v[1], v[0])
		}
	}
	b.WriteString("  })\n}\n")
	return b.String()
}

// mergeMaps returns nil when there is a conflict.
func mergeMaps(defs []mapDefinition) map[string]int {
	replaced := slices.ContainsFunc(defs, func(d mapDefinition) bool { return d.replace })
	type entry struct{ value, priority int }
	entries := map[string][]entry{}
	for _, d := range defs {
		for k, v := range d.keys {
			p := d.priority
			if d.replace {
				p = 50
			}
			if v[1] != 0 {
				p = v[1]
			}
			if replaced && !d.replace && p > 50 {
				continue
			}
			entries[k] = append(entries[k], entry{v[0], p})
		}
	}
	out := map[string]int{}
	for k, list := range entries {
		best := slices.MinFunc(list, func(a, b entry) int { return a.priority - b.priority })
		for _, e := range list {
			if e.priority == best.priority && e.value != best.value {
				return nil
			}
		}
		out[k] = best.value
	}
	return out
}

func TestMapProperty(t *testing.T) {
	priority := rapid.SampledFrom([]int{10, 50, 100, 1000})
	rapid.Check(t, func(rt *rapid.T) {
		defs := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) mapDefinition {
			d := mapDefinition{
				priority: priority.Draw(rt, "priority"),
				replace:  rapid.IntRange(0, 5).Draw(rt, "replace") == 0,
				keys:     map[string][2]int{},
			}
			for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(rt, "keys") {
				own := 0
				if rapid.Bool().Draw(rt, "own") {
					own = priority.Draw(rt, "priority of key")
				}
				d.keys[k] = [2]int{rapid.IntRange(0, 1).Draw(rt, "value"), own}
			}
			return d
		}), 0, 5).Draw(rt, "definitions")
		text := "option \"m\" {\n  type = map(integer)\n}\n"
		for _, d := range defs {
			text += d.text()
		}
		e, diags := evaluate(t, map[string]string{"a.sysc.hcl": text})
		if diags.HasErrors() {
			rt.Fatal(diags.Err())
		}
		got, diags := e.read("m")
		want := "error"
		if merged := mergeMaps(defs); merged != nil {
			data, _ := json.Marshal(merged)
			want = string(data)
		}
		if got != want {
			rt.Fatalf("got %s, want %s, %v\n%s", got, want, diags.Err(), text)
		}
	})
}
