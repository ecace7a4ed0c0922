package option

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A Form is how a definition is written.
type Form uint8

const (
	// FormExpr is `name = expression`.
	FormExpr Form = iota
	// FormBlock is `name { … }`.
	FormBlock
	// FormLabelled is `name "label" { … }`: an object whose only key is the label.
	FormLabelled
)

// A Source is the right side of a definition, not yet evaluated.
type Source interface {
	// Range is its place in the text, Text how it is written there.
	Range() diag.Range
	Text() string
	Form() Form
	// Items returns its keyed parts in the order of the text, when the text shows
	// them without evaluation: blocks, and object constructors with plain keys.
	Items() (items []Item, ok bool)
	// Elements returns the places of the elements of a list that has n of them, nil
	// when the text does not show them.
	Elements(n int) []diag.Range
	// Value evaluates it where it contributes to node at, for names such as self.
	// The value is unknown when that failed, or when it needs something whose own
	// failure is reported elsewhere.
	Value(at *Node) (cty.Value, diag.List)
}

// An Expander is a [Source] that only evaluation can take apart into definitions,
// with conditions and wrappers of their own. Its Items are not known from the text.
type Expander interface {
	Source
	// Expand returns its keyed parts where it contributes to node at.
	Expand(at *Node) (items []Item, diags diag.List)
}

// An Item is one keyed part of a [Source].
type Item struct {
	Key      string
	KeyRange diag.Range
	Def      Written
}

// Written is a definition as it is written: conditions and wrappers around a
// source.
type Written struct {
	// When are the conditions that the block states itself.
	When []Source
	// Wraps are the wrappers, outermost first.
	Wraps []Wrap
	Value Source
	// Range is the whole definition's place, name included.
	Range diag.Range
	// Problems are what is wrong with the way it is written; they are reported when
	// somebody needs the definition.
	Problems diag.List
}

// A Wrap is a call of one of the functions that may stand at the head of a
// definition; [IsWrapper] lists them.
type Wrap struct {
	Name string
	// Number is the first argument of priority and order, nil for the others.
	Number Source
	Range  diag.Range
}

// wrappers are the functions at the head of a definition, with the number of
// their arguments. Never written to.
var wrappers = map[string]int{
	"default": 1, "force": 1, "priority": 2, "before": 1, "after": 1, "order": 2, "replace": 1, "remove": 1,
}

// IsWrapper reports whether a function is one that may stand at the head of a
// definition only, and how many arguments it takes.
func IsWrapper(name string) (args int, ok bool) {
	args, ok = wrappers[name]
	return args, ok
}

// Wrappers returns the names of all wrappers, sorted.
func Wrappers() []string { return sortedKeys(wrappers) }

// valueSource is a part of a value that was computed as a whole.
type valueSource struct {
	value  cty.Value
	origin Source
}

func (s valueSource) Range() diag.Range         { return s.origin.Range() }
func (s valueSource) Text() string              { return Describe(s.value) }
func (s valueSource) Form() Form                { return FormExpr }
func (s valueSource) Elements(int) []diag.Range { return nil }

func (s valueSource) Value(*Node) (cty.Value, diag.List) { return s.value, nil }

func (s valueSource) Items() ([]Item, bool) { return itemsOf(s.value, s.origin) }

// itemsOf splits a value that has keys; ok is false for any other.
func itemsOf(v cty.Value, origin Source) (items []Item, ok bool) {
	plain, marks := v.Unmark()
	if !plain.IsKnown() || plain.IsNull() || !isObject(plain) {
		return nil, false
	}
	for it := plain.ElementIterator(); it.Next(); {
		k, e := it.Element()
		items = append(items, Item{
			Key:      k.AsString(),
			KeyRange: origin.Range(),
			Def:      Written{Value: valueSource{e.WithMarks(marks), origin}, Range: origin.Range()},
		})
	}
	return items, true
}

// Literal is a source for a value that stands in no text: the defaults of the
// core's own options.
func Literal(v cty.Value) Source { return literal{v} }

type literal struct{ value cty.Value }

func (l literal) Range() diag.Range                  { return diag.Range{} }
func (l literal) Text() string                       { return Describe(l.value) }
func (l literal) Form() Form                         { return FormExpr }
func (l literal) Elements(int) []diag.Range          { return nil }
func (l literal) Items() ([]Item, bool)              { return itemsOf(l.value, l) }
func (l literal) Value(*Node) (cty.Value, diag.List) { return l.value, nil }
