package eval

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// A Resolver knows the values of names.
type Resolver interface {
	// Roots are the first words of the names that it knows.
	Roots() []string
	// Resolve returns the value of the first used steps of ref.Path; the evaluator
	// takes the others into the value. It is called with roots from Roots only.
	// With errors the value should be cty.DynamicVal.
	Resolve(ref syntax.Reference) (v cty.Value, used int, diags diag.List)
}

// A Scope is what names and functions mean in some place. Scopes nest; an inner
// one hides the roots of an outer one that it has as well.
type Scope struct {
	parent    *Scope
	session   *Session
	resolver  Resolver
	roots     map[string]bool
	functions map[string]*Function
}

// NewRoot returns the outermost scope of a module, which knows functions only.
func NewRoot(s *Session, functions map[string]*Function) *Scope {
	return &Scope{session: s, functions: functions}
}

// NewScope returns a scope inside of parent in which the names that r knows have
// a meaning as well.
func NewScope(parent *Scope, r Resolver) *Scope {
	s := &Scope{parent: parent, session: parent.session, resolver: r, functions: parent.functions, roots: map[string]bool{}}
	for _, name := range r.Roots() {
		s.roots[name] = true
	}
	return s
}

// Session returns the evaluation that s belongs to.
func (s *Scope) Session() *Session { return s.session }

// Functions returns the functions by name. The map is not to be changed.
func (s *Scope) Functions() map[string]*Function { return s.functions }

// find returns the innermost scope that knows a root, or nil.
func (s *Scope) find(root string) *Scope {
	for ; s != nil; s = s.parent {
		if s.roots[root] {
			return s
		}
	}
	return nil
}

// names returns all roots.
func (s *Scope) names() []string {
	all := map[string]bool{}
	for ; s != nil; s = s.parent {
		maps.Copy(all, s.roots)
	}
	return slices.Sorted(maps.Keys(all))
}

// Values is a resolver for roots whose values are known, such as each or self.
type Values map[string]cty.Value

// Roots returns the names.
func (v Values) Roots() []string { return slices.Sorted(maps.Keys(v)) }

// Resolve returns the whole value.
func (v Values) Resolve(ref syntax.Reference) (cty.Value, int, diag.List) {
	return v[ref.Root], 0, nil
}

// A Function is what a name before parentheses means. One of Impl, Native, User
// and Refused is set.
type Function struct {
	// Impl is a pure function of values.
	Impl function.Function
	// KeepsPaths is set when Impl may get paths of derivations, because it hands
	// on strings as they are.
	KeepsPaths bool
	// Native is for a function that has to know where it is called. It gets paths
	// of derivations as they are. Arguments are known; nulls and marks may occur.
	Native func(Call) (cty.Value, diag.List)
	// Params are the names of Native's parameters, of which the last Optional ones
	// may be left out.
	Params   []string
	Optional int
	// User is a function that the definition declares.
	User *UserFunction
	// Refused says why there is no such function, and what to use instead.
	Refused string
}

// A Call is one call of a native function.
type Call struct {
	Name  string
	Range diag.Range
	Args  []Arg
	Scope *Scope
}

// An Arg is an argument of a call.
type Arg struct {
	Value cty.Value
	Range diag.Range
}
