package option

import (
	"fmt"
	"slices"
	"strings"

	"sysc/lang/diag"
)

// An Option is one declaration, or all declarations of one option merged: a leaf
// with a type, a group of options, or a labelled option, which is a map of
// groups. Do not change it once an [Evaluation] uses it.
type Option struct {
	// Path is the option's name from the root, as in "services.nginx.port"; that of
	// a labelled option's sub-options goes on behind it, without the labels.
	Path string
	// Type is nil for groups and labelled options.
	Type *Type
	// Labels are the names of the labels; empty for anything but labelled options.
	Labels []string
	// LabelTypes are what the labels have to be; nil, or nil at an index, means any
	// string that is not empty.
	LabelTypes []*Type
	// Default is what holds without a definition; nil means that there is none.
	Default Source
	// Freeform is the type of undeclared keys of a group; nil means that there are
	// none.
	Freeform *Type

	Description string
	// DefaultText is what the documentation shows in place of a computed default.
	DefaultText string
	Example     Source
	// Deprecated and Removed are sentences for whoever still defines the option.
	Deprecated string
	Removed    string
	Internal   bool
	ReadOnly   bool
	Sensitive  bool
	// Module is the module that declares it: "core", or a directory.
	Module string
	// Range is the declaration's place; zero for the core's own.
	Range diag.Range
	// RenamedTo are the names that lead from the root to the option that has taken
	// this one's place, labels and keys of maps among them; nil for none. Where both
	// are in one labelled option, its own labels are not among them. RenameRange is
	// where it says so.
	RenamedTo   []string
	RenameRange diag.Range
	// Asserts are what has to be true; in a labelled option, of each instance.
	Asserts []Assertion

	name     string
	parent   *Option
	children map[string]*Option
	// others are the further declarations that were merged into this one.
	others []Declaration
	// target is what a renamed option is read as: names from start, which is a
	// labelled option around it, or the root.
	start  *Option
	target []string
	// forwards are the renamed options whose definitions count here.
	forwards []forward
	// asserting is set when there is an assertion here or in any sub-option.
	asserting bool
}

// A Declaration is where an option is declared.
type Declaration struct {
	Module string
	// Range is zero for the core's own.
	Range diag.Range
}

// Declarations returns where the option is declared, in the order of the modules.
func (o *Option) Declarations() []Declaration {
	return append([]Declaration{{o.Module, o.Range}}, o.others...)
}

// declaredIn reports whether a module declares the option.
func (o *Option) declaredIn(module string) bool {
	return slices.ContainsFunc(o.Declarations(), func(d Declaration) bool { return d.Module == module })
}

// Renamed reports whether the option is an old name of another one.
func (o *Option) Renamed() bool { return o.RenamedTo != nil }

// A shape is how definitions of a node reach its value.
type shape uint8

const (
	shapeGroup shape = iota
	shapeLabelled
	shapeMap
	shapeLeaf
)

func (o *Option) shape() shape {
	switch {
	case len(o.Labels) > 0:
		return shapeLabelled
	case o.Type == nil:
		return shapeGroup
	case o.Type.Kind == KindMap:
		return shapeMap
	}
	return shapeLeaf
}

// Name is the last part of the path.
func (o *Option) Name() string { return o.name }

// Children returns the sub-options, sorted by name.
func (o *Option) Children() []*Option {
	out := make([]*Option, 0, len(o.children))
	for _, name := range sortedKeys(o.children) {
		out = append(out, o.children[name])
	}
	return out
}

// Child returns the sub-option of that name.
func (o *Option) Child(name string) (*Option, bool) {
	c, ok := o.children[name]
	return c, ok
}

// Along returns the options that names lead to from o on, one behind the other, with
// those of labels in between as they are written; whole is false when a name is none.
func (o *Option) Along(steps []string) (options []*Option, whole bool) {
	labels := 0
	for _, name := range steps {
		if labels > 0 {
			labels--
			continue
		}
		next, ok := o.Child(name)
		if !ok {
			return options, false
		}
		options = append(options, next)
		o, labels = next, len(next.Labels)
	}
	return options, true
}

// kind describes the option in a message.
func (o *Option) kind() string {
	switch o.shape() {
	case shapeGroup:
		return "a group of options"
	case shapeLabelled:
		return "a labelled option"
	}
	if o.Type.what != "" {
		return o.Type.what
	}
	return "of type " + o.Type.String()
}

// A Schema is all declared options of a system.
type Schema struct {
	root *Option
	// Elsewhere are the paths of options that exist and are not declared here, for
	// messages about names that are spelt wrongly.
	Elsewhere []string
	// Misplaced says of paths of options that exist for something else, as those of a
	// machine when the schema is that of a home, where they belong.
	Misplaced map[string]string
}

// NewSchema returns a schema without options.
func NewSchema() *Schema { return &Schema{root: &Option{}} }

// Root returns the group of all options.
func (s *Schema) Root() *Option { return s.root }

// Reserved are the names with a meaning of their own in the bodies in which
// options are defined; inRoot those of a system's body alone. Never written to.
var (
	Reserved = []string{"when", "dynamic", "assert"}
	inRoot   = []string{"platform", "base", "modules", "for_each"}
)

// Declare adds o, and returns the option as it is after merging it with what
// was declared before: the options of one path may be declared several times
// when they agree. o.Path must be set; declare a group before or after what is
// in it, as you like.
func (s *Schema) Declare(o Option) (*Option, diag.List) {
	at := s.root
	parts := strings.Split(o.Path, ".")
	for i, name := range parts {
		if diags := at.checkName(name, o); diags != nil {
			return nil, diags
		}
		next, ok := at.children[name]
		last := i == len(parts)-1
		switch {
		case !ok && last:
			return at.add(name, &o), nil
		case !ok:
			next = at.add(name, &Option{Path: strings.Join(parts[:i+1], "."), Module: o.Module, Range: o.Range})
		case last:
			return next, next.merge(&o)
		case next.shape() == shapeLeaf || next.shape() == shapeMap:
			return nil, clash(next, &o, "%s takes %s, so that it cannot have options of its own.", next.Path, next.kind())
		}
		at = next
	}
	return at, nil
}

func (o *Option) checkName(name string, decl Option) diag.List {
	var why string
	switch {
	case slices.Contains(Reserved, name):
		why = fmt.Sprintf("%q in a block of options is a word of the language", name)
	case o.parent == nil && slices.Contains(inRoot, name):
		why = fmt.Sprintf("%q is an argument of system blocks themselves", name)
	case slices.Contains(o.Labels, name):
		why = fmt.Sprintf("%q is a label of %s, whose value has it already", name, o.Path)
	default:
		return nil
	}
	return diag.Errorf(decl.Range, "Reserved option name", "%s, so that nobody could set an option of that name. Choose another one.", why)
}

func (o *Option) add(name string, child *Option) *Option {
	if o.children == nil {
		o.children = map[string]*Option{}
	}
	child.name, child.parent = name, o
	o.children[name] = child
	return child
}

// merge makes o what both declarations say, or reports where they disagree.
func (o *Option) merge(n *Option) diag.List {
	if o.Type == nil != (n.Type == nil) || !slices.Equal(o.Labels, n.Labels) && !o.implicit() && !n.implicit() {
		return clash(o, n, "%s is %s there, and %s here.", n.Path, o.kind(), n.kind())
	}
	if o.Type != nil {
		union, ok := o.Type.Union(n.Type)
		if !ok {
			return clash(o, n, "%s is %s there, and %s here.", n.Path, o.kind(), n.kind())
		}
		o.Type = union
	}
	for _, label := range n.Labels {
		if c, ok := o.children[label]; ok {
			return clash(c, n, "%s is an option in %s already, so that %q cannot be one of its labels.", c.Path, n.Path, label)
		}
	}
	if o.Renamed() || n.Renamed() {
		return clash(o, n, "One declaration of %s says that it is renamed; then there is no other.", n.Path)
	}
	if o.implicit() {
		o.Labels, o.LabelTypes = n.Labels, n.LabelTypes
		o.Module, o.Range = n.Module, n.Range
	}
	if o.Default != nil && n.Default != nil {
		return clash(o, n, "Both declarations of %s set a default. Leave it to one of them.", n.Path)
	}
	if o.Freeform != nil && n.Freeform != nil && !o.Freeform.Equal(n.Freeform) {
		return clash(o, n, "Undeclared keys of %s are of type %s there, and %s here.", n.Path, o.Freeform, n.Freeform)
	}
	for _, text := range []struct{ name, there, here string }{
		{"description", o.Description, n.Description},
		{"default_text", o.DefaultText, n.DefaultText},
		{"deprecated", o.Deprecated, n.Deprecated},
		{"removed", o.Removed, n.Removed},
	} {
		if text.there != "" && text.here != "" && text.there != text.here {
			return clash(o, n, "Both declarations of %s set %q, and to different texts.", n.Path, text.name)
		}
	}
	o.take(n)
	return nil
}

// implicit reports whether o was made by a declaration of something in it.
func (o *Option) implicit() bool {
	return o.Type == nil && len(o.Labels) == 0 && o.Description == "" && o.Freeform == nil
}

// take copies what n says and o leaves open.
func (o *Option) take(n *Option) {
	if o.Default == nil {
		o.Default = n.Default
	}
	if o.Freeform == nil {
		o.Freeform = n.Freeform
	}
	if o.Example == nil {
		o.Example = n.Example
	}
	o.Description += pick(o.Description, n.Description)
	o.DefaultText += pick(o.DefaultText, n.DefaultText)
	o.Deprecated += pick(o.Deprecated, n.Deprecated)
	o.Removed += pick(o.Removed, n.Removed)
	o.Internal = o.Internal || n.Internal
	o.ReadOnly = o.ReadOnly || n.ReadOnly
	o.Sensitive = o.Sensitive || n.Sensitive
	o.Asserts = append(o.Asserts, n.Asserts...)
	if n.Range != o.Range || n.Module != o.Module {
		o.others = append(o.others, Declaration{n.Module, n.Range})
	}
}

func pick(have, other string) string {
	if have != "" {
		return ""
	}
	return other
}

// clash reports that declaration n contradicts o.
func clash(o, n *Option, detail string, args ...any) diag.List {
	if n.Module != o.Module && strings.HasPrefix(o.Module, "std/") {
		diags := diag.Errorf(n.Range, "Option declared twice", detail, args...)
		diags[0].Detail += " The other one is of the standard module " + o.Module + "; give yours another name."
		diags[0].Related = []diag.Related{{Message: "The other declaration", Range: o.Range}}
		return diags
	}
	diags := diag.Errorf(n.Range, "Option declared twice", detail, args...)
	switch {
	case !o.Range.IsZero():
		diags[0].Related = []diag.Related{{Message: "The other declaration", Range: o.Range}}
	case o.Module == CoreModule:
		diags[0].Detail += " " + o.Path + " is one of sysc's own options; give yours another name."
	}
	return diags
}

// CoreModule is the module name of the options that sysc itself declares.
const CoreModule = "core"
