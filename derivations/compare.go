package derivations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/store"
)

// A Change is one difference between two versions of a derivation, for people.
type Change struct {
	// Field is what of [Derivation.MarshalJSON] differs, as in "env.CFLAGS" or
	// "args[2]".
	Field string
	// Old and New are its values, [Readable]; "" stands for none as well. Of a source
	// they are store paths.
	Old, New string
}

// A Cause is a derivation that differs by itself from what it was, not only by what
// it needs.
type Cause struct {
	// Path leads from what was asked for to the derivation; both are among it.
	Path []Hash
	// Changes may be empty: then it is the same, and is used or run in another way.
	Changes []Change
}

// Causes finds why the derivation that was old is new now. The functions return the
// derivations behind these. The result begins with what is farthest from new: what
// comes later may be a consequence.
//
// Inputs and sources are compared by their names; one whose name differs in its
// version only counts as the same.
func Causes(oldGraph, newGraph func(Hash) (*Derivation, bool), old, new Hash) []Cause {
	type pair struct {
		old, new Hash
		path     []Hash
	}
	var causes []Cause
	seen := map[Hash]bool{new: true}
	for todo := []pair{{old, new, []Hash{new}}}; len(todo) > 0; todo = todo[1:] {
		p := todo[0]
		before, ok1 := oldGraph(p.old)
		after, ok2 := newGraph(p.new)
		if p.old == p.new || !ok1 || !ok2 {
			continue
		}
		c := comparison{oldGraph: oldGraph, newGraph: newGraph, old: before, new: after, renamed: map[string]string{}}
		inputs := c.inputs()
		c.fields()
		c.sources()
		if len(c.changes) > 0 || len(inputs) == 0 {
			causes = append(causes, Cause{Path: p.path, Changes: c.changes})
		}
		for _, in := range inputs {
			if !seen[in[1]] {
				seen[in[1]] = true
				todo = append(todo, pair{in[0], in[1], append(slices.Clone(p.path), in[1])})
			}
		}
	}
	slices.Reverse(causes)
	return causes
}

// A comparison is that of two versions of a derivation.
type comparison struct {
	oldGraph, newGraph func(Hash) (*Derivation, bool)
	old, new           *Derivation
	renamed            map[string]string // inputs that have another name now
	changes            []Change
}

func (c *comparison) add(field, old, new string) {
	c.changes = append(c.changes, Change{field, old, new})
}

// inputs compares the inputs and returns the pairs that differ and are the same thing.
func (c *comparison) inputs() [][2]Hash {
	olds := without(c.old.Inputs, c.new.Inputs)
	news := without(c.new.Inputs, c.old.Inputs)
	var pairs [][2]Hash
	for _, same := range []func(string) string{func(name string) string { return name }, stem} {
		for i := 0; i < len(news); {
			name := objectName(c.newGraph, news[i])
			j := slices.IndexFunc(olds, func(r Ref) bool { return same(objectName(c.oldGraph, r)) == same(name) })
			if j < 0 {
				i++
				continue
			}
			if was := objectName(c.oldGraph, olds[j]); was != name {
				c.renamed[was] = name
			}
			pairs = append(pairs, [2]Hash{olds[j].Derivation, news[i].Derivation})
			olds, news = slices.Delete(olds, j, j+1), slices.Delete(news, i, i+1)
		}
	}
	for _, r := range olds {
		c.add("inputs", objectName(c.oldGraph, r), "")
	}
	for _, r := range news {
		c.add("inputs", "", objectName(c.newGraph, r))
	}
	return pairs
}

// without returns what of list is not in other.
func without[T comparable](list, other []T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(e T) bool { return slices.Contains(other, e) })
}

func objectName(graph func(Hash) (*Derivation, bool), r Ref) string {
	d, ok := graph(r.Derivation)
	if !ok {
		return r.Derivation.String()
	}
	return d.ObjectName(r.Output)
}

// stem returns a name without its version: what follows the first hyphen or
// underscore that has a digit behind it.
func stem(name string) string {
	for i := range len(name) - 1 {
		if (name[i] == '-' || name[i] == '_') && '0' <= name[i+1] && name[i+1] <= '9' {
			return name[:i]
		}
	}
	return name
}

// sources compares what is an input by path.
func (c *comparison) sources() {
	olds, news := without(c.old.Sources, c.new.Sources), without(c.new.Sources, c.old.Sources)
	for _, p := range news {
		i := slices.IndexFunc(olds, func(o store.Path) bool { return o.Name() == p.Name() })
		if i < 0 {
			c.add("sources", "", string(p))
			continue
		}
		c.add("sources", string(olds[i]), string(p))
		olds = slices.Delete(olds, i, i+1)
	}
	for _, p := range olds {
		c.add("sources", string(p), "")
	}
}

// fields compares everything else.
func (c *comparison) fields() {
	var renames []string
	for _, was := range slices.Sorted(maps.Keys(c.renamed)) {
		renames = append(renames, "…-"+was, "…-"+c.renamed[was])
	}
	same := strings.NewReplacer(renames...)
	old := readableFields(c.old, same.Replace)
	new := readableFields(c.new, func(text string) string { return text })
	c.values("", old, new)
}

// readableFields returns a derivation as JSON has it, without inputs and sources.
func readableFields(d *Derivation, replace func(string) string) map[string]any {
	text, err := json.Marshal(d)
	if err != nil {
		return nil // there is nothing in it that cannot be written
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any
	if decoder.Decode(&fields) != nil {
		return nil
	}
	delete(fields, "inputs")
	delete(fields, "sources")
	return readableValue(fields, replace).(map[string]any)
}

func readableValue(v any, replace func(string) string) any {
	switch v := v.(type) {
	case string:
		return replace(Readable(v))
	case []any:
		for i := range v {
			v[i] = readableValue(v[i], replace)
		}
	case map[string]any:
		for key := range v {
			v[key] = readableValue(v[key], replace)
		}
	}
	return v
}

// values compares two JSON values, of which nil stands for none.
func (c *comparison) values(field string, old, new any) {
	oldObject, ok1 := old.(map[string]any)
	newObject, ok2 := new.(map[string]any)
	if (ok1 || old == nil) && (ok2 || new == nil) && (ok1 || ok2) {
		keys := maps.Clone(newObject)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, oldObject)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			c.values(strings.TrimPrefix(field+"."+key, "."), oldObject[key], newObject[key])
		}
		return
	}
	oldList, ok1 := old.([]any)
	newList, ok2 := new.([]any)
	if ok1 && ok2 {
		c.lists(field, oldList, newList)
		return
	}
	if was, is := valueText(old), valueText(new); was != is {
		c.add(field, was, is)
	}
}

// lists compares lists: of the same length one by one, others as sets, because what
// follows an element that is new has not changed.
func (c *comparison) lists(field string, old, new []any) {
	if len(old) == len(new) {
		for i := range old {
			c.values(fmt.Sprintf("%s[%d]", field, i), old[i], new[i])
		}
		return
	}
	olds, news := valueTexts(old), valueTexts(new)
	for _, text := range without(olds, news) {
		c.add(field, text, "")
	}
	for _, text := range without(news, olds) {
		c.add(field, "", text)
	}
}

func valueTexts(list []any) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = valueText(v)
	}
	return out
}

// valueText writes a value: a text as it is, others as JSON.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
