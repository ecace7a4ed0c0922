package option

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// An index is a group's, labelled option's or map's definitions by key.
type index struct {
	defs map[string][]*definition
	keys []string // sorted
	// failed is set when a definition could not be split, so that what is not in
	// the index may yet exist.
	failed bool
	// given are the definitions that are objects, rather than null. Conditions of
	// those whose keys the text shows are not settled.
	given []*definition
	// wrong are the problems with names and forms: they are shown when the names of
	// all definitions are checked, and hurt nobody before that.
	wrong []wrongItem
}

// A wrongItem is what is wrong with the name or form of an item.
type wrongItem struct {
	place wrongPlace
	diags diag.List
}

// A wrongPlace is a key as it is written somewhere, among those of one option.
type wrongPlace struct {
	opt *Option
	at  diag.Range
	key string
}

// definitions returns everything that contributes to n, in order, conditions
// not yet settled.
func (n *Node) definitions() []*definition {
	if n.ready {
		return n.defs
	}
	var defs []*definition
	if n.parent == nil {
		defs = n.given
	} else {
		defs = n.parent.index(diag.Range{}).defs[n.key]
	}
	if n.opt != nil && len(n.opt.forwards) > 0 && len(n.labels) == 0 {
		defs = append(slices.Clone(defs), n.forwarded()...)
		inTextOrder(defs)
	}
	if n.opt != nil && n.opt.Default != nil && len(n.labels) == 0 {
		own := &definition{
			priority: PriorityDeclared, order: OrderPlain, declared: true,
			source: n.opt.Default, module: n.opt.Module, rng: n.opt.Default.Range(), text: -1,
		}
		for _, d := range defs {
			if d.declared {
				own.weak = d.weak + 1
			}
		}
		defs = append([]*definition{own}, defs...)
	}
	n.defs, n.ready = defs, true
	return defs
}

// index splits the definitions of n by key. Only definitions whose keys the
// text does not show are evaluated for it.
func (n *Node) index(by diag.Range) *index {
	if n.idx != nil {
		return n.idx
	}
	if n.indexing {
		n.ev.cycle(n, aspectKeys, by)
		return &index{failed: true}
	}
	if !n.ev.enter(n, aspectKeys, by) {
		return &index{failed: true}
	}
	defer n.ev.leave()
	n.indexing = true
	defer func() { n.indexing = false }()

	idx := &index{defs: map[string][]*definition{}}
	idx.failed = n.blocked()
	defs := n.definitions()
	replaced := slices.ContainsFunc(defs, func(d *definition) bool { return d.replace && d.verdict() == holds })
	for _, d := range defs {
		if d.remove {
			continue
		}
		for _, it := range n.items(d, idx) {
			n.file(idx, d, it, replaced)
		}
	}
	idx.keys = sortedKeys(idx.defs)
	n.idx = idx
	return idx
}

// items returns the keyed parts of one definition.
func (n *Node) items(d *definition, idx *index) []Item {
	if items, ok := d.source.Items(); ok {
		idx.given = append(idx.given, d)
		return items
	}
	switch d.verdict() {
	case fails:
		return nil
	case broken:
		idx.failed = true
		return nil
	}
	if x, ok := d.source.(Expander); ok {
		items, diags := x.Expand(n)
		n.ev.report(diags)
		idx.failed = idx.failed || diags.HasErrors()
		if len(items) > 0 {
			idx.given = append(idx.given, d)
		}
		return items
	}
	v, ok := n.evaluate(d)
	if !ok {
		idx.failed = true
		return nil
	}
	if isNull(v) {
		return nil
	}
	items, ok := itemsOf(v, d.source)
	idx.given = append(idx.given, d)
	if !ok {
		idx.failed = true
		n.ev.report(diag.Errorf(d.source.Range(), "Wrong type for option",
			"%s is %s, so an object is required here; this is %s.", n.Path(), n.kind(), Describe(v)))
	}
	return items
}

// kind describes n in a message.
func (n *Node) kind() string {
	if n.instance() {
		return "an instance of " + n.opt.Path
	}
	if n.typ != nil {
		return n.typ.words()
	}
	return n.opt.kind()
}

// file puts one item of definition d under its key.
func (n *Node) file(idx *index, d *definition, it Item, replaced bool) {
	if wrong := n.wrongKey(it); wrong != nil {
		idx.wrong = append(idx.wrong, wrongItem{wrongPlace{n.opt, it.KeyRange, it.Key}, wrong})
		return
	}
	c := n.child(it.Key)
	if wrong := c.wrongForm(it); wrong != nil {
		idx.wrong = append(idx.wrong, wrongItem{wrongPlace{n.opt, it.KeyRange, it.Key}, wrong})
		return
	}
	part := d.inherit(it.Def, c)
	if replaced && !part.kept && (part.ceiling == 0 || part.ceiling > PriorityForce) {
		part.ceiling = PriorityForce
	}
	c.checkWrappers(part, it)
	idx.defs[it.Key] = append(idx.defs[it.Key], part)
}

// wrongKey reports a key that n cannot have.
func (n *Node) wrongKey(it Item) diag.List {
	switch n.shape {
	case shapeLabelled:
		return n.wrongLabel(it)
	case shapeGroup:
		if slices.Contains(n.opt.Labels, it.Key) && n.instance() {
			return diag.Errorf(it.KeyRange, "Label set as an argument",
				"%s is the label %q of %s; it stands behind the option's name: %s \"…\" { … }.", it.Key, it.Key, n.opt.Path, n.opt.Name())
		}
		if _, ok := n.opt.children[it.Key]; ok || n.opt.Freeform != nil {
			return nil
		}
		return n.unknown(it)
	}
	return nil
}

// topLevel are types of blocks that are often looked for in the wrong place. Never
// written to.
var topLevel = []string{"assert", "config", "derivation", "environment", "function", "home", "input", "locals", "module", "option", "output", "system", "test", "variable"}

// otherwise says what is written in place of words that are no options. Never
// written to.
var otherwise = map[string]string{
	"when":     "A condition is an argument: when = CONDITION",
	"if":       "A condition is written when = CONDITION",
	"modules":  "modules is an argument of system and home blocks.",
	"platform": "platform is an argument of system and home blocks.",
	"base":     "base is an argument of system blocks.",
	"for_each": "for_each is for blocks that have a name; among options, dynamic blocks have it.",
	"imports":  "A system names what it uses in its argument modules.",
}

func (n *Node) unknown(it Item) diag.List {
	known := append(n.Elsewhere(), sortedKeys(n.opt.children)...)
	slices.Sort(known)
	known = slices.Compact(known)
	path := it.Key
	if n.parent != nil {
		path = n.Path() + "." + it.Key
	}
	if why := n.ev.Misplaced(strings.TrimPrefix(n.opt.Path+"."+it.Key, ".")); why != "" {
		return diag.Errorf(it.KeyRange, "Option of another kind", "%s", why)
	}
	detail := fmt.Sprintf("There is no option %s.", path)
	elsewhere, isElsewhere := n.elsewhere(it.Key)
	near, isNear := diag.Suggest(it.Key, known)
	hint, isWord := otherwise[it.Key]
	switch {
	case isElsewhere && isWord:
		detail += fmt.Sprintf(" There is one called %s. %s", elsewhere, hint)
	case isElsewhere:
		detail += fmt.Sprintf(" There is one called %s.", elsewhere)
	case isNear:
		detail += fmt.Sprintf(" Did you mean %q?", near)
	case isWord:
		detail += " " + hint
	case slices.Contains(topLevel, it.Key):
		detail += fmt.Sprintf(" A block of type %s stands at the top of a file.", it.Key)
	case len(known) > manyOptions:
		detail += " sysc options lists what there is, and sysc options QUERY finds options by what they are for."
	case len(known) > 0:
		detail += fmt.Sprintf(" At this place there are: %s.", strings.Join(known, ", "))
	}
	return diag.Errorf(it.KeyRange, "Unknown option", "%s", detail)
}

// manyOptions is how many nobody would read.
const manyOptions = 30

// elsewhere looks for an option whose last part is name, anywhere but in
// labelled options.
func (n *Node) elsewhere(name string) (path string, ok bool) {
	var visit func(o *Option)
	visit = func(o *Option) {
		for _, c := range o.Children() {
			if c.name == name && path == "" {
				path = c.Path
			}
			if c.shape() == shapeGroup {
				visit(c)
			}
		}
	}
	visit(n.ev.root.opt)
	return path, path != ""
}

// wrongLabel checks a label's text.
func (n *Node) wrongLabel(it Item) diag.List {
	i := len(n.labels)
	if i < len(n.opt.LabelTypes) && n.opt.LabelTypes[i] != nil {
		if _, err := n.opt.LabelTypes[i].Fit(cty.StringVal(it.Key)); err != nil {
			return diag.Errorf(it.KeyRange, "Wrong label", "The label %q of %s: %s.", n.opt.Labels[i], n.opt.Path, err.Error())
		}
	}
	if it.Key == "" {
		return diag.Errorf(it.KeyRange, "Wrong label", "The label %q of %s is empty.", n.opt.Labels[i], n.opt.Path)
	}
	return nil
}

// wrongForm reports an argument where a block belongs, and the other way round.
func (n *Node) wrongForm(it Item) diag.List {
	form := it.Def.Value.Form()
	at := it.KeyRange
	_, expands := it.Def.Value.(Expander)
	switch {
	case expands && form == FormBlock && n.shape == shapeLeaf:
		return diag.Errorf(at, "Dynamic block where an argument belongs",
			"%s is %s, so it is given as an argument, in which a for expression does what dynamic does for blocks: %s = …", n.Path(), n.typ.words(), n.key)
	case form == FormLabelled && n.instance():
		return diag.Errorf(at, "Too many labels", "%s takes %s, not more.", n.opt.Path, labelWords(n.opt))
	case form == FormLabelled && n.shape != shapeLabelled:
		return diag.Errorf(at, "Label on a block that takes none", "%s takes no label.", n.Path())
	case form == FormBlock && n.shape == shapeLabelled:
		return diag.Errorf(at, "Missing label", "%s takes %s: %s {", n.opt.Path, labelWords(n.opt), example(n.opt))
	case form == FormBlock && n.shape == shapeLeaf && !n.typ.keyed():
		return diag.Errorf(at, "Block where an argument belongs",
			"%s is %s, so it is given as an argument: %s = …", n.Path(), n.typ.words(), n.key)
	}
	return nil
}

func labelWords(o *Option) string {
	if len(o.Labels) == 1 {
		return fmt.Sprintf("one label (%s)", o.Labels[0])
	}
	return fmt.Sprintf("%d labels (%s)", len(o.Labels), strings.Join(o.Labels, ", "))
}

func example(o *Option) string {
	out := o.Name()
	for _, l := range o.Labels {
		out += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return out
}

// keyed reports whether values of the type may have keys.
func (t *Type) keyed() bool {
	switch t.Kind {
	case KindMap, KindAny:
		return true
	case KindNullable:
		return t.Elem.keyed()
	case KindEither:
		return t.Parts[0].keyed() || t.Parts[1].keyed()
	}
	return false
}

// removable reports whether remove makes sense for the type.
func (t *Type) removable() bool {
	switch t.Kind {
	case KindList, KindSet, KindMap, KindAny:
		return true
	case KindNullable:
		return t.Elem.removable()
	case KindEither:
		return t.Parts[0].removable() || t.Parts[1].removable()
	}
	return false
}

// checkWrappers notes wrappers that mean nothing at n.
func (n *Node) checkWrappers(d *definition, it Item) {
	leaf := n.shape == shapeLeaf
	if !d.ordered.IsZero() && !(leaf && n.typ.ordered()) {
		d.problem(d.ordered, "Order on something that has none",
			"%s is %s. Only lists and lines have an order; of a map or group, give the order at the key.", n.Path(), n.kind())
	}
	if d.replace && leaf && !n.typ.keyed() {
		d.problem(it.Def.Range, "replace on something that has no keys",
			"replace(…) is force(…) for all keys of a map at once. %s is %s; write force(…).", n.Path(), n.kind())
	}
	if d.remove && (leaf && !n.typ.removable() || n.shape == shapeGroup) {
		d.problem(it.Def.Range, "remove on something that has no elements",
			"%s is %s; only lists, sets, maps and labelled options have elements to take out.", n.Path(), n.kind())
	}
}

// Keys returns the keys of a map or labelled option that a definition with a
// true condition has, sorted. known is false when that cannot be told; the
// reason is reported then. by is the text that wants them.
func (n *Node) Keys(by diag.Range) (keys []string, known bool) {
	n.note(ReadsKeys)
	if n.keys != nil {
		return n.keys.sorted, n.keys.known
	}
	idx := n.index(by)
	if idx.failed {
		return nil, false
	}
	removed, known := n.removedKeys()
	for _, key := range idx.keys {
		switch n.exists(key, idx) {
		case holds:
			if !removed[key] {
				keys = append(keys, key)
			}
		case broken:
			known = false
		}
	}
	n.keys = &keySet{sorted: keys, known: known}
	return keys, known
}

// A keySet is what Keys has found.
type keySet struct {
	sorted []string
	known  bool
}

func (k *keySet) has(key string) bool {
	_, ok := slices.BinarySearch(k.sorted, key)
	return ok
}

// exists settles whether any definition brings the key into being.
func (n *Node) exists(key string, idx *index) verdict {
	out := fails
	for _, d := range idx.defs[key] {
		if d.remove || d.outranked() {
			continue
		}
		switch d.verdict() {
		case holds:
			if n.shape == shapeLabelled && n.child(key).absentInstance(d) {
				continue
			}
			return holds
		case broken:
			out = broken
		}
	}
	return out
}

// absentInstance reports whether an instance is given as null.
func (n *Node) absentInstance(d *definition) bool {
	if _, ok := d.source.Items(); ok {
		return false
	}
	v, ok := n.evaluate(d)
	return ok && isNull(v)
}

// removedKeys evaluates the removals that hold at n.
func (n *Node) removedKeys() (keys map[string]bool, known bool) {
	values, known := n.removals(n.definitions(), String())
	if len(values) == 0 {
		return nil, known
	}
	keys = map[string]bool{}
	for _, v := range values {
		v, _ = v.Unmark()
		keys[v.AsString()] = true
	}
	return keys, known
}

// removals evaluates remove(…) definitions into the values to be taken out.
func (n *Node) removals(defs []*definition, elem *Type) (out []cty.Value, known bool) {
	known = true
	for _, d := range defs {
		if !d.remove {
			continue
		}
		switch d.verdict() {
		case broken:
			known = false
			continue
		case fails:
			continue
		}
		v, ok := n.evaluate(d)
		if !ok {
			known = false
			continue
		}
		list, err := Set(elem).fit(v, converting)
		values, isList := elements(list)
		if err != nil || !isList {
			if err != nil {
				n.ev.report(diag.Errorf(d.source.Range(), "Wrong type for remove",
					"remove takes a list of what is to be taken out of %s: %s.", n.Path(), err.Error()))
			}
			known = false
			continue
		}
		out = append(out, values...)
	}
	return out, known
}
