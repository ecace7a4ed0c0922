package option

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A Node is one option of one system, or a part of one: a group, a labelled
// option, an instance of one, a map, a key of a map, a leaf. It finds its value
// when somebody reads it, once.
type Node struct {
	ev     *Evaluation
	parent *Node
	key    string
	shape  shape
	// opt is the declaration; nil for keys of maps and undeclared keys of groups.
	opt *Option
	// typ is the type of a leaf or map.
	typ *Type
	// labels are those of a labelled option so far, in front of this node.
	labels []string

	// given are the definitions of a node that has no parent to ask.
	given []*definition
	defs  []*definition
	ready bool

	// alt is the part of a leaf that merges by key: of a nullable map, say.
	alt *Node

	idx      *index
	indexing bool
	keys     *keySet
	children map[string]*Node

	result    *result
	computing bool
}

// A state is how a value came out.
type state uint8

const (
	// valid is a value.
	valid state = iota
	// absent is no definition, no default, and no empty value.
	absent
	// failed is a value whose error is reported.
	failed
)

type result struct {
	state state
	value cty.Value
	// empty is set when the value is what the type has without any definition.
	empty bool
	// pieces finds what a list, set or lines are made of; nil for other values.
	pieces   func() []Piece
	outcomes []outcome
	// cause is an error that is reported, for those who read what failed.
	cause diag.List
}

// newChild makes the node of a key.
func (n *Node) newChild(key string) *Node {
	c := &Node{ev: n.ev, parent: n, key: key}
	switch n.shape {
	case shapeGroup:
		if opt, ok := n.opt.children[key]; ok {
			c.opt, c.typ, c.shape = opt, opt.Type, opt.shape()
			return c
		}
		c.typ = n.opt.Freeform
	case shapeLabelled:
		c.opt = n.opt
		c.labels = append(slices.Clone(n.labels), key)
		c.shape = shapeLabelled
		if len(c.labels) == len(n.opt.Labels) {
			c.shape = shapeGroup
		}
		return c
	case shapeMap:
		c.typ = n.typ.Elem
	}
	if c.typ == nil {
		c.typ = &Type{Kind: KindAny}
	}
	c.shape = shapeLeaf
	if c.typ.Kind == KindMap {
		c.shape = shapeMap
	}
	return c
}

// child returns the node of a key, whether or not the key exists.
func (n *Node) child(key string) *Node {
	if c, ok := n.children[key]; ok {
		return c
	}
	if n.children == nil {
		n.children = map[string]*Node{}
	}
	c := n.newChild(key)
	n.children[key] = c
	return c
}

// virtual returns a node of the same place with definitions and type of its
// own: how an alternative of a type is tried that merges by key.
func (n *Node) virtual(t *Type, defs []*definition) *Node {
	v := &Node{ev: n.ev, parent: n.parent, key: n.key, typ: t, defs: defs, ready: true, shape: shapeLeaf}
	if t.Kind == KindMap {
		v.shape = shapeMap
		n.alt = v
	}
	return v
}

// Path is the node's name as it is written behind "config.": names with dots
// between them, labels and map keys in brackets.
func (n *Node) Path() string {
	var b strings.Builder
	n.writePath(&b)
	if b.Len() == 0 {
		return "config"
	}
	return b.String()
}

func (n *Node) writePath(b *strings.Builder) {
	if n.parent == nil {
		return
	}
	n.parent.writePath(b)
	if n.parent.shape == shapeGroup {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(n.key)
		return
	}
	b.WriteString("[" + strconv.Quote(n.key) + "]")
}

// Option returns the declaration that the node belongs to; nil for keys of maps
// and undeclared keys of groups.
func (n *Node) Option() *Option { return n.opt }

// Key is the last part of the path: a name, a label or a map's key.
func (n *Node) Key() string { return n.key }

// Type is the type of a leaf or map, nil for anything else.
func (n *Node) Type() *Type { return n.typ }

// TypeText is the type as it is written, or what a group or labelled option is.
func (n *Node) TypeText() string {
	switch {
	case n.typ != nil:
		return n.typ.String()
	case n.instance():
		return "instance of " + n.opt.Path
	case n.shape == shapeLabelled:
		return "labelled option"
	}
	return "group"
}

// instance reports whether n is an instance of a labelled option.
func (n *Node) instance() bool { return n.shape == shapeGroup && len(n.labels) > 0 }

// Instance returns the nearest instance of a labelled option that n is or is
// in, nil when there is none; that of the instance's parent is the one around
// it.
func (n *Node) Instance() *Node {
	for n != nil && !n.instance() {
		n = n.parent
	}
	return n
}

// Around returns the instance around instance n, nil when there is none.
func (n *Node) Around() *Node {
	if n.parent == nil {
		return nil
	}
	return n.parent.Instance()
}

// Label returns the value of an instance's label of that name.
func (n *Node) Label(name string) (string, bool) {
	if !n.instance() {
		return "", false
	}
	if i := slices.Index(n.opt.Labels, name); i >= 0 {
		return n.labels[i], true
	}
	return "", false
}

// Keyed reports whether a step into n is a key of a map or labelled option,
// rather than the name of an option.
func (n *Node) Keyed() bool { return n.shape == shapeLabelled || n.shape == shapeMap }

// Group reports whether n is a group of options, or an instance.
func (n *Node) Group() bool { return n.shape == shapeGroup }

// Names returns what stands in a group: options, undeclared keys, labels; sorted.
func (n *Node) Names() []string {
	names := sortedKeys(n.opt.children)
	if n.opt.Freeform != nil {
		if idx := n.index(diag.Range{}); idx != nil {
			names = append(names, n.undeclared(idx)...)
		}
	}
	if n.instance() {
		names = append(names, n.opt.Labels...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Elsewhere returns the names in a group of options that exist and are not part
// of this evaluation, because nothing names them.
func (n *Node) Elsewhere() []string {
	switch {
	case n.instance():
		return nil
	case n.parent == nil:
		return n.ev.Elsewhere("")
	}
	return n.ev.Elsewhere(n.Path())
}

// Elsewhere is [Node.Elsewhere] for the group at a path, "" for the root.
func (ev *Evaluation) Elsewhere(path string) []string {
	prefix := ""
	if path != "" {
		prefix = path + "."
	}
	var out []string
	for _, p := range ev.elsewhere {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			name, _, _ := strings.Cut(rest, ".")
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// undeclared returns the keys that the group's definitions have beyond its
// declared options.
func (n *Node) undeclared(idx *index) []string {
	var out []string
	for _, key := range idx.keys {
		if _, ok := n.opt.children[key]; !ok && !slices.Contains(n.opt.Labels, key) {
			out = append(out, key)
		}
	}
	return out
}

// Child returns the option of that name in a group, or the instance or map entry
// of that key. For groups, ok is false when there is no such option; for the
// others, when no definition with a true condition has the key. by is the text
// that wants it.
func (n *Node) Child(key string, by diag.Range) (c *Node, ok bool) {
	switch n.shape {
	case shapeGroup:
		if _, declared := n.opt.children[key]; !declared {
			if n.opt.Freeform == nil || !slices.Contains(n.Names(), key) {
				return nil, false
			}
		}
		return n.child(key).follow(by)
	case shapeLabelled, shapeMap:
		n.Keys(by)
		if n.keys == nil || !n.keys.has(key) {
			return nil, false
		}
		return n.child(key), true
	}
	return nil, false
}

// Misspelt reports whether definitions of n have names in them that do not
// exist, so that what seems to be missing may only be spelt wrongly.
func (n *Node) Misspelt() bool { return len(n.index(diag.Range{}).wrong) > 0 }
