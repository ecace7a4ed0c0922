package option

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A Kind is the outermost form of a [Type].
type Kind uint8

// The kinds, as language.md has them.
const (
	KindAny Kind = iota
	KindBool
	KindString
	KindNumber
	KindInteger
	KindPort
	KindPath
	KindLines
	KindEnum
	KindPattern
	KindBetween
	KindPackage
	// KindSecret is the path of a file that holds a secret: absolute, and not in the
	// store, which anybody can read.
	KindSecret
	KindList
	KindSet
	KindMap
	KindObject
	KindTuple
	KindNullable
	KindEither
)

// A Type says what values an option takes and how several definitions of it
// merge. The functions of this package make them; a Type never changes
// afterwards, and may be used by many goroutines. The nil Type is not valid.
type Type struct {
	Kind Kind
	// Elem is what a list, set or map holds, and what a nullable is when it is not
	// null.
	Elem *Type
	// Parts are the elements of a tuple, and the two alternatives of an either.
	Parts []*Type
	// Attrs are the attributes of an object, sorted by name.
	Attrs []Attr
	// Values are what an enum admits, in the order written.
	Values []string
	// Pattern is the RE2 expression that a whole string must match.
	Pattern string
	// Min and Max are the inclusive bounds of a between.
	Min, Max *big.Float

	re *regexp.Regexp
	// what describes the type in place of its parameters: "a host name".
	what string
}

// An Attr is one attribute of an object type.
type Attr struct {
	Name     string
	Type     *Type
	Optional bool
	// Default is the value of an optional attribute that is left out or null.
	// cty.NilVal means null.
	Default cty.Value
}

// scalarNames are the types without parameters. Never written to.
var scalarNames = map[string]Kind{
	"any": KindAny, "bool": KindBool, "string": KindString, "number": KindNumber, "integer": KindInteger,
	"port": KindPort, "path": KindPath, "lines": KindLines, "package": KindPackage, "secret": KindSecret,
}

// Simple returns the type that is written as one word, like "bool" or "port".
func Simple(name string) (*Type, bool) {
	k, ok := scalarNames[name]
	if !ok {
		return nil, false
	}
	return &Type{Kind: k}, true
}

// Names returns the names of all types and type constructors, sorted, for
// suggestions.
func Names() []string {
	names := []string{"list", "set", "map", "object", "tuple", "enum", "pattern", "between", "either", "nullable"}
	for name := range scalarNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Bool, String, … are the types that the core's own options use.
func Bool() *Type    { return &Type{Kind: KindBool} }
func String() *Type  { return &Type{Kind: KindString} }
func Integer() *Type { return &Type{Kind: KindInteger} }
func Path() *Type    { return &Type{Kind: KindPath} }
func Package() *Type { return &Type{Kind: KindPackage} }

// List, Set, Map and Nullable are types with an element type.
func List(elem *Type) *Type     { return &Type{Kind: KindList, Elem: elem} }
func Set(elem *Type) *Type      { return &Type{Kind: KindSet, Elem: elem} }
func Map(elem *Type) *Type      { return &Type{Kind: KindMap, Elem: elem} }
func Nullable(elem *Type) *Type { return &Type{Kind: KindNullable, Elem: elem} }

// Either admits what the first or the second admits; the first that fits all
// definitions is taken.
func Either(first, second *Type) *Type {
	return &Type{Kind: KindEither, Parts: []*Type{first, second}}
}

// Tuple is a list of a fixed length with a type for each element.
func Tuple(parts ...*Type) *Type { return &Type{Kind: KindTuple, Parts: parts} }

// Enum admits the given strings.
func Enum(values ...string) *Type { return &Type{Kind: KindEnum, Values: slices.Clone(values)} }

// Object has exactly the given attributes.
func Object(attrs ...Attr) (*Type, error) {
	sorted := slices.Clone(attrs)
	slices.SortFunc(sorted, func(a, b Attr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].Name == sorted[i-1].Name {
			return nil, fmt.Errorf("attribute %q twice", sorted[i].Name)
		}
	}
	return &Type{Kind: KindObject, Attrs: sorted}, nil
}

// Pattern admits strings that match the RE2 expression from end to end.
func Pattern(expr string) (*Type, error) {
	if _, err := regexp.Compile(expr); err != nil {
		return nil, fmt.Errorf("pattern %s: %v", strconv.Quote(expr), err)
	}
	re, err := regexp.Compile(`\A(?:` + expr + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %v", strconv.Quote(expr), err)
	}
	return &Type{Kind: KindPattern, Pattern: expr, re: re}, nil
}

// Called returns the type with a description for messages in place of its
// parameters, as in "a host name".
func (t *Type) Called(what string) *Type {
	c := *t
	c.what = what
	return &c
}

// Between admits numbers from min to max, both included; whole ones only when
// both bounds are whole.
func Between(min, max *big.Float) (*Type, error) {
	if min.Cmp(max) > 0 {
		return nil, fmt.Errorf("lower bound %s is above the upper bound %s", text(min), text(max))
	}
	return &Type{Kind: KindBetween, Min: min, Max: max}, nil
}

// whole reports whether a between admits whole numbers only.
func (t *Type) whole() bool { return t.Min.IsInt() && t.Max.IsInt() }

// ordered reports whether definitions of the type have an order.
func (t *Type) ordered() bool {
	switch t.Kind {
	case KindList, KindLines:
		return true
	case KindNullable:
		return t.Elem.ordered()
	case KindEither:
		return t.Parts[0].ordered() || t.Parts[1].ordered()
	}
	return false
}

// String returns the type as it is written in a definition.
func (t *Type) String() string {
	var b strings.Builder
	t.write(&b)
	return b.String()
}

func (t *Type) write(b *strings.Builder) {
	switch t.Kind {
	case KindList:
		wrap(b, "list", t.Elem)
	case KindSet:
		wrap(b, "set", t.Elem)
	case KindMap:
		wrap(b, "map", t.Elem)
	case KindNullable:
		wrap(b, "nullable", t.Elem)
	case KindEither:
		wrap(b, "either", t.Parts...)
	case KindTuple:
		b.WriteString("tuple([")
		for i, p := range t.Parts {
			if i > 0 {
				b.WriteString(", ")
			}
			p.write(b)
		}
		b.WriteString("])")
	case KindObject:
		t.writeObject(b)
	case KindEnum:
		b.WriteString("enum(")
		for i, v := range t.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.Quote(v))
		}
		b.WriteByte(')')
	case KindPattern:
		fmt.Fprintf(b, "pattern(%s)", strconv.Quote(t.Pattern))
	case KindBetween:
		fmt.Fprintf(b, "between(%s, %s)", text(t.Min), text(t.Max))
	default:
		for name, k := range scalarNames {
			if k == t.Kind {
				b.WriteString(name)
			}
		}
	}
}

func (t *Type) writeObject(b *strings.Builder) {
	b.WriteString("object({")
	for i, a := range t.Attrs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Name)
		b.WriteString(" = ")
		switch {
		case !a.Optional:
			a.Type.write(b)
		case a.Default == cty.NilVal:
			wrap(b, "optional", a.Type)
		default:
			b.WriteString("optional(")
			a.Type.write(b)
			b.WriteString(", ")
			b.WriteString(Describe(a.Default))
			b.WriteByte(')')
		}
	}
	b.WriteString("})")
}

func wrap(b *strings.Builder, name string, parts ...*Type) {
	b.WriteString(name)
	b.WriteByte('(')
	for i, p := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		p.write(b)
	}
	b.WriteByte(')')
}

// text writes a bound without an exponent that nobody would write.
func text(f *big.Float) string {
	if f.IsInt() && f.MantExp(nil) <= 64 {
		return f.Text('f', 0)
	}
	return f.Text('g', 12)
}

// Equal reports whether both types are written alike.
func (t *Type) Equal(other *Type) bool { return t.String() == other.String() }

// Union returns what an option has that is declared with both types: the type
// itself when they are equal, the union of two enums. ok is false for all
// others.
func (t *Type) Union(other *Type) (u *Type, ok bool) {
	if t.Equal(other) {
		return t, true
	}
	if t.Kind != KindEnum || other.Kind != KindEnum {
		return nil, false
	}
	values := slices.Clone(t.Values)
	for _, v := range other.Values {
		if !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return Enum(values...), true
}

// Empty is the value of an option of the type that has neither definition nor
// default. ok is false when there is none, so that reading it is an error.
func (t *Type) Empty() (v cty.Value, ok bool) {
	switch t.Kind {
	case KindList:
		return listOf(t.Elem, nil), true
	case KindSet:
		return setOf(t.Elem, nil), true
	case KindMap:
		return mapOf(t.Elem, nil), true
	case KindNullable:
		return cty.NullVal(t.Elem.ctyType()), true
	}
	return cty.NilVal, false
}

// ctyType is the type of the values that [Type.Fit] returns; cty.DynamicPseudoType
// when that depends on the value.
func (t *Type) ctyType() cty.Type {
	switch t.Kind {
	case KindBool:
		return cty.Bool
	case KindNumber, KindInteger, KindPort, KindBetween:
		return cty.Number
	case KindString, KindPath, KindLines, KindEnum, KindPattern, KindPackage, KindSecret:
		return cty.String
	case KindList:
		if e := t.Elem.ctyType(); e != cty.DynamicPseudoType {
			return cty.List(e)
		}
	case KindSet:
		if e := t.Elem.ctyType(); e != cty.DynamicPseudoType {
			return cty.Set(e)
		}
	case KindMap:
		if e := t.Elem.ctyType(); e != cty.DynamicPseudoType {
			return cty.Map(e)
		}
	case KindNullable:
		return t.Elem.ctyType()
	case KindObject:
		attrs := map[string]cty.Type{}
		for _, a := range t.Attrs {
			attrs[a.Name] = a.Type.ctyType()
			if attrs[a.Name] == cty.DynamicPseudoType {
				return cty.DynamicPseudoType
			}
		}
		return cty.Object(attrs)
	case KindTuple:
		var elems []cty.Type
		for _, p := range t.Parts {
			e := p.ctyType()
			if e == cty.DynamicPseudoType {
				return e
			}
			elems = append(elems, e)
		}
		return cty.Tuple(elems)
	}
	return cty.DynamicPseudoType
}

// Choices returns the values that t lists, as texts without quotes: those of an
// enum, or of a bool; nil for types that list none.
func (t *Type) Choices() []string {
	switch t.Kind {
	case KindBool:
		return []string{"true", "false"}
	case KindEnum:
		return slices.Clone(t.Values)
	case KindNullable, KindList, KindSet:
		return t.Elem.Choices()
	}
	return nil
}
