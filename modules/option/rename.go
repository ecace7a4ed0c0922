package option

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A forward hands the definitions of a renamed option on to the option that has
// taken its place, or to the labelled option or map in which that is.
type forward struct {
	from *Option
	// rest are the keys that lead on from there.
	rest []string
}

// Finish is called after the last declaration and before the first evaluation: it
// finds what renamed options are called now.
func (s *Schema) Finish() diag.List {
	var diags diag.List
	for _, o := range s.root.renamed(nil) {
		diags = append(diags, s.resolve(o)...)
	}
	s.root.noteAssertions()
	return diags
}

// renamed appends the renamed options in o to list, sorted by path.
func (o *Option) renamed(list []*Option) []*Option {
	for _, c := range o.Children() {
		if c.Renamed() {
			list = append(list, c)
			continue
		}
		list = c.renamed(list)
	}
	return list
}

// labelledAround returns the nearest labelled option around o, or nil.
func (o *Option) labelledAround() *Option {
	for o = o.parent; o != nil && len(o.Labels) == 0; {
		o = o.parent
	}
	return o
}

// names are the names that lead from an option around o to it.
func (o *Option) names(from *Option) []string {
	var out []string
	for ; o != from && o.parent != nil; o = o.parent {
		out = append(out, o.name)
	}
	slices.Reverse(out)
	return out
}

// A renaming is one step of following a new name: where it has come to.
type renaming struct {
	at *Option
	// labels is the number of at's labels that are given.
	labels int
	typ    *Type
	// receiver is the first option that has keys, or else the last one.
	receiver *Option
	rest     []string
}

// resolve finds the new place of a renamed option, and lets its definitions count
// there.
func (s *Schema) resolve(o *Option) diag.List {
	start, steps, diags := s.target(o)
	if diags != nil {
		return diags
	}
	r := renaming{at: start, labels: len(start.Labels)}
	for i, step := range steps {
		if why := r.step(step, steps[i:]); why != "" {
			return badRename(o, "%s", why)
		}
	}
	if r.receiver == nil {
		r.receiver = r.at
	}
	for up := o.parent; up != nil; up = up.parent {
		if up == r.at && up != start {
			return badRename(o, "%s is around %s, and so cannot take its place.", r.at.Path, o.Path)
		}
	}
	switch {
	case r.at == start:
		return badRename(o, "%s is around %s, and so cannot take its place.", nameOf(start), o.Path)
	case r.labels > 0 && r.labels < len(r.at.Labels):
		return badRename(o, "%s takes %s, and only some of them are given.", r.at.Path, labelWords(r.at))
	}
	o.start, o.target = start, steps
	r.lendShape(o)
	r.receiver.forwards = append(r.receiver.forwards, forward{o, r.rest})
	return nil
}

func nameOf(o *Option) string {
	if o.Path == "" {
		return "The group of all options"
	}
	return o.Path
}

// lendShape makes the old name look like the new one, so that definitions have to
// have the same form.
func (r *renaming) lendShape(o *Option) {
	if r.typ != nil {
		o.Type = r.typ
		return
	}
	o.Type, o.children = r.at.Type, r.at.children
	if r.labels == 0 {
		o.Labels, o.LabelTypes = r.at.Labels, r.at.LabelTypes
	}
}

// step goes one step; rest are that and all further steps. It returns what is
// wrong, or "".
func (r *renaming) step(name string, rest []string) string {
	keyed := r.at.Type != nil && r.at.Type.Kind == KindMap
	switch {
	case r.typ != nil, r.at.Type != nil && !keyed:
		return fmt.Sprintf("%s has no options in it, so that there is no %q.", r.at.Path, name)
	case keyed || r.labels < len(r.at.Labels):
		if r.receiver == nil {
			r.receiver, r.rest = r.at, rest
		}
		if keyed {
			r.typ = r.at.Type.Elem
		} else {
			r.labels++
		}
		return ""
	}
	c, ok := r.at.children[name]
	if !ok {
		return fmt.Sprintf("There is no option %s.%s", strings.TrimPrefix(r.at.Path+"."+name, "."), diag.DidYouMean(name, sortedKeys(r.at.children)))
	}
	r.at, r.labels = c, 0
	return ""
}

// target returns the steps that lead to an option's new place, other new names on
// the way followed, and from which option they lead: the innermost labelled option
// around both, or the root.
func (s *Schema) target(o *Option) (start *Option, steps []string, diags diag.List) {
	steps = o.RenamedTo
	seen := []*Option{o}
	for {
		next, rest := s.renamedOn(steps)
		if next == nil {
			break
		}
		if slices.Contains(seen, next) {
			return nil, nil, renamedInCircle(o, seen)
		}
		seen = append(seen, next)
		steps = append(slices.Clone(next.RenamedTo), rest...)
	}
	for around := o.labelledAround(); around != nil; around = around.labelledAround() {
		inside := around.names(s.root)
		if len(steps) > len(inside) && slices.Equal(steps[:len(inside)], inside) {
			return around, steps[len(inside):], nil
		}
	}
	return s.root, steps, nil
}

// renamedOn returns the first renamed option on a way from the root, and the
// steps behind it.
func (s *Schema) renamedOn(steps []string) (*Option, []string) {
	at := s.root
	for i, step := range steps {
		c, ok := at.children[step]
		if !ok {
			return nil, nil
		}
		if c.Renamed() {
			return c, steps[i+1:]
		}
		at = c
	}
	return nil, nil
}

func badRename(o *Option, detail string, args ...any) diag.List {
	return diag.Errorf(o.RenameRange, "Wrong new name of an option", detail, args...)
}

func renamedInCircle(o *Option, seen []*Option) diag.List {
	// One of them tells it.
	if slices.ContainsFunc(seen, func(s *Option) bool { return s.Path < o.Path }) {
		return diag.List{}
	}
	names := []string{}
	var related []diag.Related
	for i, s := range seen {
		names = append(names, s.Path)
		if i > 0 {
			related = append(related, diag.Related{Message: s.Path + " is renamed here", Range: s.RenameRange})
		}
	}
	diags := badRename(o, "These options are renamed to one another: %s, %s. One of them has to have a type.", strings.Join(names, ", "), names[0])
	diags[0].Related = related
	return diags
}

// follow returns the node that n is read as: itself, or when its option is
// renamed, that of the new name. ok is false when an instance or key on the way
// does not exist.
func (n *Node) follow(by diag.Range) (to *Node, ok bool) {
	if n.opt == nil || n.opt.target == nil {
		return n, true
	}
	to = n.base(n.opt.start)
	for _, step := range n.opt.target {
		if to, ok = to.Child(step, by); !ok {
			return nil, false
		}
	}
	return to, true
}

// base returns the instance of a labelled option around n, or the root where start
// is that.
func (n *Node) base(start *Option) *Node {
	if start.parent == nil {
		return n.ev.root
	}
	for n = n.parent; n != nil; n = n.parent {
		if n.opt == start && n.instance() {
			return n
		}
	}
	return nil
}

// olds returns the nodes of a renamed option whose definitions count at n. There are
// many where the option is in a labelled one, and n is not: all instances say
// something about one value then. known is false when there may be more.
func (n *Node) olds(f forward) (nodes []*Node, known bool) {
	var way []*Option
	for o := f.from; o != f.from.start && o.parent != nil; o = o.parent {
		way = append(way, o)
	}
	nodes, known = []*Node{n.base(f.from.start)}, true
	for i, o := range slices.Backward(way) {
		var next []*Node
		for _, at := range nodes {
			child := at.child(o.name)
			if i == 0 {
				next = append(next, child)
				continue
			}
			more, all := child.instances()
			next, known = append(next, more...), known && all
		}
		nodes = next
	}
	return nodes, known
}

// instances returns the instances of a labelled option, and any other node itself.
// known is false when there may be more.
func (n *Node) instances() (nodes []*Node, known bool) {
	if n.shape != shapeLabelled {
		return []*Node{n}, true
	}
	keys, known := n.Keys(diag.Range{})
	for _, key := range keys {
		more, all := n.child(key).instances()
		nodes, known = append(nodes, more...), known && all
	}
	return nodes, known
}

// forwarded returns the definitions that renamed options hand on to n.
func (n *Node) forwarded() []*definition {
	var out []*definition
	for _, f := range n.opt.forwards {
		olds, _ := n.olds(f) // blocked says when there may be more
		for _, old := range olds {
			out = append(out, old.handedOn(f)...)
		}
	}
	return out
}

// handedOn returns the definitions of a renamed option as they count at its new
// place.
func (n *Node) handedOn(f forward) []*definition {
	var out []*definition
	for _, d := range n.definitions() {
		c := *d
		if c.via == "" {
			c.via = n.Path()
		}
		if len(f.rest) > 0 {
			c.source, c.replace, c.remove, c.ordered, c.problems = &chain{f.rest, d}, false, false, diag.Range{}, nil
		}
		out = append(out, &c)
	}
	return out
}

// blocked reports whether definitions of n may be missing because something
// around it could not be split.
func (n *Node) blocked() bool {
	if n.parent == nil || n.ready {
		return false
	}
	if n.parent.index(diag.Range{}).failed {
		return true
	}
	if n.opt == nil || len(n.labels) > 0 {
		return false
	}
	return slices.ContainsFunc(n.opt.forwards, func(f forward) bool {
		olds, known := n.olds(f)
		return !known || slices.ContainsFunc(olds, func(old *Node) bool { return old.parent.index(diag.Range{}).failed })
	})
}

// inTextOrder puts definitions from several places into the order that they would
// have if they all stood where they belong.
func inTextOrder(defs []*definition) {
	slices.SortStableFunc(defs, func(a, b *definition) int {
		if a.text != b.text {
			return a.text - b.text
		}
		return a.rng.Compare(b.rng)
	})
}

// A chain is the source of a definition that was handed on to a key: an object
// with that key only.
type chain struct {
	keys []string
	def  *definition
}

func (c *chain) Range() diag.Range         { return c.def.source.Range() }
func (c *chain) Text() string              { return c.def.source.Text() }
func (c *chain) Form() Form                { return FormExpr }
func (c *chain) Elements(int) []diag.Range { return nil }

// Value puts the value into objects with the keys.
func (c *chain) Value(at *Node) (cty.Value, diag.List) {
	v, diags := at.whole(c.def.source)
	for _, key := range slices.Backward(c.keys) {
		v = cty.ObjectVal(map[string]cty.Value{key: v})
	}
	return v, diags
}

func (c *chain) Items() ([]Item, bool) {
	w := Written{Value: c.def.source, Range: c.def.rng, Problems: c.def.problems}
	if len(c.keys) > 1 {
		w = Written{Value: &chain{c.keys[1:], c.def}, Range: c.def.rng}
	} else {
		if c.def.replace {
			w.Wraps = append(w.Wraps, Wrap{Name: "replace"})
		}
		if c.def.remove {
			w.Wraps = append(w.Wraps, Wrap{Name: "remove"})
		}
	}
	return []Item{{Key: c.keys[0], KeyRange: c.def.rng, Def: w}}, true
}
