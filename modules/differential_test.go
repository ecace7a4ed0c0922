package modules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/lang/diag"
)

// This file has a second, naive implementation of how definitions merge, after
// language.md and not after package option: every definition is a tree, wrappers
// are pushed down to the leaves, and each leaf is merged from a flat list. Random
// modules are evaluated by both.

// A mType is a type of the model.
type mType struct {
	// kind is integer, string, lines, list, set, map, nullable, group or labelled.
	kind string
	elem *mType
	subs map[string]*mType
	// def is the declared default, nil for none.
	def *mValue
}

// An mValue is what stands in a definition.
type mValue struct {
	wraps []mWrap
	// kind is scalar, list, object, null or remove.
	kind   string
	scalar any
	list   []string
	keys   []string
	items  map[string]*mValue
	// when is a condition of a block: "", or an expression.
	when string
	// block is set for an object that is written as a block.
	block bool
}

type mWrap struct {
	name string
	n    int
}

// An mFlat is a definition of one place, wrappers taken off.
type mFlat struct {
	priority, order int
	replace, kept   bool
	// ceiling is the worst priority that counts, 0 for any.
	ceiling int
	value   *mValue
	// declared is set for what an option's own default says; weak orders these: the
	// innermost declaration is the weakest.
	declared bool
	weak     int
}

func (f mFlat) lost() bool { return f.ceiling != 0 && f.priority > f.ceiling }

// push makes a definition of a part of one.
func (f mFlat) push(v *mValue) mFlat {
	c := mFlat{priority: f.priority, order: f.order, ceiling: f.ceiling, kept: f.kept || f.replace, value: v, declared: f.declared, weak: f.weak}
	for _, w := range v.wraps {
		switch w.name {
		case "force":
			c.priority = 50
		case "default":
			c.priority = 1000
		case "priority":
			c.priority = w.n
		case "replace":
			c.priority, c.replace = 50, true
		case "before":
			c.order = 500
		case "after":
			c.order = 1500
		case "order":
			c.order = w.n
		}
	}
	return c
}

// An mModel knows the values of conditions.
type mModel struct{ flags map[string]bool }

func (m *mModel) holds(v *mValue) bool { return v.when == "" || m.flags[v.when] }

// errConflict stands for any error.
type errConflict struct{}

// value is the merged value of a place; ok is false when there is none.
func (m *mModel) value(t *mType, defs []mFlat) (v any, ok bool) {
	if t.def != nil {
		weak := 0
		for _, d := range defs {
			if d.declared {
				weak = d.weak + 1
			}
		}
		own := mFlat{priority: 1500, order: 1000, value: t.def, declared: true, weak: weak}
		defs = append([]mFlat{own}, defs...)
	}
	var live []mFlat
	gone := map[string]bool{}
	for _, d := range defs {
		switch {
		case !m.holds(d.value):
		case d.value.kind == "remove":
			for _, e := range d.value.list {
				gone[e] = true
			}
		default:
			live = append(live, d)
		}
	}
	switch t.kind {
	case "map", "labelled", "group":
		return m.keyed(t, live, gone)
	}
	return m.leaf(t, live, gone)
}

func (m *mModel) leaf(t *mType, live []mFlat, gone map[string]bool) (any, bool) {
	live = slices.DeleteFunc(live, func(d mFlat) bool {
		return d.lost() || d.value.kind == "null" && t.kind != "nullable"
	})
	if len(live) == 0 {
		switch t.kind {
		case "list", "set":
			return []string{}, false
		case "nullable":
			return nil, false
		}
		return errConflict{}, false
	}
	strength := func(a, b mFlat) int { return cmp.Or(a.priority-b.priority, a.weak-b.weak) }
	best := slices.MinFunc(live, strength)
	live = slices.DeleteFunc(live, func(d mFlat) bool { return strength(d, best) != 0 })
	slices.SortStableFunc(live, func(a, b mFlat) int { return a.order - b.order })
	if t.kind == "nullable" {
		nulls := 0
		for _, d := range live {
			if d.value.kind == "null" {
				nulls++
			}
		}
		switch nulls {
		case 0:
			return m.leaf(t.elem, live, gone)
		case len(live):
			return nil, true
		}
		return errConflict{}, true
	}
	switch t.kind {
	case "list", "set":
		out := []string{}
		for _, d := range live {
			for _, e := range d.value.list {
				if !gone[e] {
					out = append(out, e)
				}
			}
		}
		if t.kind == "set" {
			slices.Sort(out)
			out = slices.Compact(out)
		}
		return out, true
	case "lines":
		text := ""
		for i, d := range live {
			if i > 0 && !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			text += d.value.scalar.(string)
		}
		return text, true
	}
	for _, d := range live {
		if d.value.scalar != live[0].value.scalar {
			return errConflict{}, true
		}
	}
	return live[0].value.scalar, true
}

func (m *mModel) keyed(t *mType, live []mFlat, gone map[string]bool) (any, bool) {
	replaced := slices.ContainsFunc(live, func(d mFlat) bool { return d.replace })
	parts := map[string][]mFlat{}
	given := false
	for _, d := range live {
		if d.value.kind == "null" {
			continue
		}
		given = true
		for _, k := range d.value.keys {
			p := d.push(d.value.items[k])
			if replaced && !p.kept && (p.ceiling == 0 || p.ceiling > 50) {
				p.ceiling = 50
			}
			parts[k] = append(parts[k], p)
		}
	}
	out := map[string]any{}
	if t.kind == "group" {
		return m.group(t, parts, out), true
	}
	for k, list := range parts {
		exists := slices.ContainsFunc(list, func(d mFlat) bool {
			return m.holds(d.value) && d.value.kind != "remove" && !d.lost() && (t.kind != "labelled" || d.value.kind != "null")
		})
		if !exists || gone[k] {
			continue
		}
		if t.kind == "labelled" {
			list = slices.DeleteFunc(list, func(d mFlat) bool { return !m.holds(d.value) })
			v := m.group(t, m.split(list), map[string]any{"name": k})
			if v == (errConflict{}) {
				return errConflict{}, true
			}
			out[k] = v
			continue
		}
		v, ok := m.value(t.elem, list)
		if v == any(errConflict{}) && ok {
			return errConflict{}, true
		}
		if ok {
			out[k] = v
		}
	}
	return out, given
}

// split takes the definitions of an instance apart.
func (m *mModel) split(list []mFlat) map[string][]mFlat {
	replaced := slices.ContainsFunc(list, func(d mFlat) bool { return d.replace })
	parts := map[string][]mFlat{}
	for _, d := range list {
		if d.value.kind != "object" {
			continue
		}
		for _, k := range d.value.keys {
			p := d.push(d.value.items[k])
			if replaced && !p.kept && (p.ceiling == 0 || p.ceiling > 50) {
				p.ceiling = 50
			}
			parts[k] = append(parts[k], p)
		}
	}
	return parts
}

func (m *mModel) group(t *mType, parts map[string][]mFlat, out map[string]any) any {
	for name, sub := range t.subs {
		v, _ := m.value(sub, parts[name])
		if same, isErr := v.(errConflict); isErr {
			return same
		}
		out[name] = v
	}
	return out
}

// hcl writes a type.
func (t *mType) hcl() string {
	switch t.kind {
	case "list", "set":
		return t.kind + "(string)"
	case "map", "nullable":
		return t.kind + "(" + t.elem.hcl() + ")"
	}
	return t.kind
}

func (t *mType) declaration(name, indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%soption %q {\n", indent, name)
	switch t.kind {
	case "labelled":
		fmt.Fprintf(&b, "%s  labels = [\"name\"]\n", indent)
	case "group":
	default:
		fmt.Fprintf(&b, "%s  type = %s\n", indent, t.hcl())
	}
	if t.def != nil {
		fmt.Fprintf(&b, "%s  default = %s\n", indent, t.def.hcl())
	}
	for _, sub := range sortedKeys(t.subs) {
		b.WriteString(t.subs[sub].declaration(sub, indent+"  "))
	}
	return b.String() + indent + "}\n"
}

// hcl writes a value as an expression.
func (v *mValue) hcl() string {
	var text string
	switch v.kind {
	case "null":
		text = "null"
	case "scalar":
		data, _ := json.Marshal(v.scalar)
		text = string(data)
	case "list":
		data, _ := json.Marshal(v.list)
		text = string(data)
	case "remove":
		data, _ := json.Marshal(v.list)
		text = "remove(" + string(data) + ")"
	case "object":
		var parts []string
		for _, k := range v.keys {
			parts = append(parts, fmt.Sprintf("%s = %s", k, v.items[k].hcl()))
		}
		text = "{ " + strings.Join(parts, ", ") + " }"
	}
	for _, w := range slices.Backward(v.wraps) {
		if w.name == "priority" || w.name == "order" {
			text = fmt.Sprintf("%s(%d, %s)", w.name, w.n, text)
		} else {
			text = w.name + "(" + text + ")"
		}
	}
	return text
}

// definition writes a value as what stands in a body.
func (v *mValue) definition(t *mType, name, indent string) string {
	if !v.block {
		return fmt.Sprintf("%s%s = %s\n", indent, name, v.hcl())
	}
	var b strings.Builder
	if t.kind == "labelled" {
		for _, k := range v.keys {
			b.WriteString(v.items[k].body(t, fmt.Sprintf("%s %q", name, k), indent))
		}
		return b.String()
	}
	return v.body(t, name, indent)
}

func (v *mValue) body(t *mType, header, indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s {\n", indent, header)
	if v.when != "" {
		fmt.Fprintf(&b, "%s  when = config.%s\n", indent, v.when)
	}
	for _, k := range v.keys {
		sub := t.elem
		if t.subs != nil {
			sub = t.subs[k]
		}
		b.WriteString(v.items[k].definition(sub, k, indent+"  "))
	}
	return b.String() + indent + "}\n"
}

// The generators.

var mStrings = rapid.SampledFrom([]string{"a", "b", "c"})

func drawType(t *rapid.T, depth int) *mType {
	kinds := []string{"integer", "string", "lines", "list", "set", "nullable", "map"}
	if depth < 2 {
		kinds = append(kinds, "map", "group", "labelled", "labelled")
	}
	out := &mType{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch out.kind {
	case "map":
		out.elem = &mType{kind: rapid.SampledFrom([]string{"integer", "list", "set", "lines"}).Draw(t, "elem")}
		if depth < 2 && rapid.IntRange(0, 3).Draw(t, "map of maps") == 0 {
			out.elem = &mType{kind: "map", elem: out.elem}
		}
	case "nullable":
		out.elem = &mType{kind: rapid.SampledFrom([]string{"integer", "list", "string"}).Draw(t, "elem")}
	case "group", "labelled":
		out.subs = map[string]*mType{}
		for _, name := range []string{"p", "q", "r"}[:rapid.IntRange(1, 3).Draw(t, "subs")] {
			out.subs[name] = drawType(t, depth+1)
		}
	}
	// What has no empty value gets a default, so that it has one.
	mustHave := out.kind == "integer" || out.kind == "string" || out.kind == "lines"
	if mustHave || depth == 0 && out.kind != "group" && rapid.IntRange(0, 2).Draw(t, "default") == 0 {
		out.def = drawPlain(t, out, false)
	}
	return out
}

// drawValue makes a definition with wrappers.
func drawValue(t *rapid.T, typ *mType) *mValue {
	removable := typ.kind == "list" || typ.kind == "set" || typ.kind == "map" || typ.kind == "labelled" ||
		typ.kind == "nullable" && typ.elem.kind == "list"
	if removable && rapid.IntRange(0, 6).Draw(t, "remove") == 0 {
		return &mValue{kind: "remove", list: rapid.SliceOfN(mStrings, 0, 2).Draw(t, "removed")}
	}
	v := drawPlain(t, typ, true)
	if v.block {
		return v
	}
	names := []string{"force", "default", "priority"}
	if typ.kind == "list" || typ.kind == "lines" || typ.kind == "nullable" && typ.elem.kind == "list" {
		names = append(names, "before", "after", "order")
	}
	if typ.kind == "map" || typ.kind == "group" || typ.kind == "labelled" {
		names = append(names, "replace")
	}
	for range rapid.IntRange(0, 2).Draw(t, "wraps") {
		w := mWrap{name: rapid.SampledFrom(names).Draw(t, "wrap")}
		switch w.name {
		case "priority":
			w.n = rapid.SampledFrom([]int{10, 50, 100, 1000, 1500, 2000}).Draw(t, "priority")
		case "order":
			w.n = rapid.SampledFrom([]int{-1, 500, 1000, 2000}).Draw(t, "order")
		}
		v.wraps = append(v.wraps, w)
	}
	return v
}

// drawPlain makes a value; inner says whether wrappers may stand in it.
func drawPlain(t *rapid.T, typ *mType, inner bool) *mValue {
	part := func(sub *mType) *mValue {
		if inner {
			return drawValue(t, sub)
		}
		return drawPlain(t, sub, false)
	}
	if inner && typ.kind != "group" && rapid.IntRange(0, 9).Draw(t, "null") == 0 {
		return &mValue{kind: "null"}
	}
	switch typ.kind {
	case "integer":
		return &mValue{kind: "scalar", scalar: rapid.IntRange(0, 2).Draw(t, "integer")}
	case "string":
		return &mValue{kind: "scalar", scalar: mStrings.Draw(t, "string")}
	case "lines":
		return &mValue{kind: "scalar", scalar: mStrings.Draw(t, "line") + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "end")}
	case "list", "set":
		return &mValue{kind: "list", list: rapid.SliceOfN(mStrings, 0, 3).Draw(t, "list")}
	case "nullable":
		if rapid.Bool().Draw(t, "is null") {
			return &mValue{kind: "null"}
		}
		return drawPlain(t, typ.elem, false)
	}
	v := &mValue{kind: "object", items: map[string]*mValue{}, block: inner && rapid.Bool().Draw(t, "block")}
	candidates := []string{"a", "b", "c"}
	if typ.kind == "group" {
		candidates = sortedKeys(typ.subs)
	}
	for _, k := range candidates {
		if rapid.IntRange(0, 2).Draw(t, "has "+k) == 0 {
			continue
		}
		v.keys = append(v.keys, k)
		switch typ.kind {
		case "group":
			v.items[k] = part(typ.subs[k])
		case "map":
			v.items[k] = part(typ.elem)
		case "labelled":
			asGroup := &mType{kind: "group", subs: typ.subs}
			item := drawPlain(t, asGroup, inner)
			item.block = v.block
			v.items[k] = item
		}
	}
	if v.block && typ.kind != "labelled" {
		v.when = drawWhen(t)
	}
	if v.block && typ.kind == "labelled" {
		for _, k := range v.keys {
			v.items[k].when = drawWhen(t)
		}
	}
	if !v.block {
		v.asExpression()
	}
	return v
}

// asExpression takes out what only blocks have.
func (v *mValue) asExpression() {
	v.block, v.when = false, ""
	for _, it := range v.items {
		it.asExpression()
	}
}

func drawWhen(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "yes", "no"}).Draw(t, "when")
}

// A mCase is a random module.
type mCase struct {
	root    *mType
	configs []*mValue
}

func drawCase(t *rapid.T) mCase {
	c := mCase{root: &mType{kind: "group", subs: map[string]*mType{}}}
	for _, name := range []string{"x", "y", "z"}[:rapid.IntRange(1, 3).Draw(t, "options")] {
		c.root.subs[name] = drawType(t, 0)
	}
	for range rapid.IntRange(0, 5).Draw(t, "configs") {
		v := drawPlain(t, c.root, true)
		v.block = true
		c.configs = append(c.configs, v)
	}
	return c
}

func (c mCase) declarations() []string {
	out := []string{"option \"yes\" {\n  type    = bool\n  default = true\n}\n", "option \"no\" {\n  type    = bool\n  default = false\n}\n"}
	for _, name := range sortedKeys(c.root.subs) {
		out = append(out, c.root.subs[name].declaration(name, ""))
	}
	return out
}

func (c mCase) definitions() []string {
	var out []string
	for _, v := range c.configs {
		out = append(out, v.body(c.root, "config", ""))
	}
	return out
}

// expected are the values of the options by the model, "error" among them.
func (c mCase) expected() map[string]string {
	m := &mModel{flags: map[string]bool{"yes": true, "no": false}}
	var top []mFlat
	for _, v := range c.configs {
		if m.holds(v) {
			top = append(top, mFlat{priority: 100, order: 1000, value: v})
		}
	}
	parts := m.split(top)
	out := map[string]string{}
	for name, t := range c.root.subs {
		v, _ := m.value(t, parts[name])
		data, err := json.Marshal(v)
		if _, isErr := v.(errConflict); isErr || err != nil {
			data = []byte("error")
		}
		out[name] = string(data)
	}
	return out
}

// actual evaluates texts and returns the values of the options.
func (c mCase) actual(t *rapid.T, texts []string) map[string]string {
	return c.actualFiles(t, map[string]string{"a.sysc.hcl": strings.Join(texts, "")})
}

// actualFiles evaluates files and returns the values of the options.
func (c mCase) actualFiles(t *rapid.T, files map[string]string) map[string]string {
	e, diags := evaluateTexts(files)
	if diags.HasErrors() {
		t.Fatalf("%v\n%v", diags.Err(), files)
	}
	out := map[string]string{}
	for _, name := range sortedKeys(c.root.subs) {
		n, _ := e.options.Root().Child(name, diag.Range{})
		v, diags := n.Value(diag.Range{})
		switch {
		case diags.HasErrors():
			out[name] = "error"
		default:
			out[name] = toJSON(v)
		}
	}
	return out
}

// mFiles are names of files, sorted.
var mFiles = []string{"10.sysc.hcl", "9.sysc.hcl", "B.sysc.hcl", "a.sysc.hcl", "é.sysc.hcl"}

// TestDifferential: both implementations agree.
func TestDifferential(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		texts := append(c.declarations(), c.definitions()...)
		want, got := c.expected(), c.actual(t, texts)
		if !maps.Equal(want, got) {
			t.Fatalf("got  %v\nwant %v\n%s", got, want, strings.Join(texts, ""))
		}
	})
}

// What must not matter does not: the order of declarations, where they stand, the
// order of reading, and options that nobody relates.
func TestMetamorphic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t)
		want := c.actual(t, append(c.declarations(), c.definitions()...))
		shuffled := rapid.Permutation(c.declarations()).Draw(t, "declarations")
		texts := append(c.definitions(), shuffled...)
		texts = append(texts, "option \"unrelated.thing\" {\n  type = list(string)\n}\nconfig {\n  unrelated {\n    thing = [config.no ? \"a\" : config.nothing]\n  }\n}\n")
		if got := c.actual(t, texts); !maps.Equal(want, got) {
			t.Fatalf("got  %v\nwant %v\n%s", got, want, strings.Join(texts, ""))
		}
		// Declarations may stand in any file, and definitions in files of ascending names.
		files := map[string]string{}
		for _, text := range shuffled {
			files[rapid.SampledFrom(mFiles).Draw(t, "file")] += text
		}
		at := 0
		for _, text := range c.definitions() {
			at = rapid.IntRange(at, len(mFiles)-1).Draw(t, "file")
			files[mFiles[at]] += text
		}
		if got := c.actualFiles(t, files); !maps.Equal(want, got) {
			t.Fatalf("in several files:\ngot  %v\nwant %v\n%v", got, want, files)
		}
		// Maps, sets and scalars do not see the order of definitions, either.
		if slices.ContainsFunc(slices.Collect(maps.Values(c.root.subs)), (*mType).seesOrder) {
			return
		}
		texts = append(c.declarations(), rapid.Permutation(c.definitions()).Draw(t, "definitions")...)
		if got := c.actual(t, texts); !maps.Equal(want, got) {
			t.Fatalf("in another order:\ngot  %v\nwant %v\n%s", got, want, strings.Join(texts, ""))
		}
	})
}

func (t *mType) seesOrder() bool {
	if t.kind == "list" || t.kind == "lines" || t.elem != nil && t.elem.seesOrder() {
		return true
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(t.subs)), (*mType).seesOrder)
}
