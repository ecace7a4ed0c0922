package eval

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// A Path is the mark of a string that holds the path of something that is not
// built yet. The string may be handed on and put into other strings; whatever
// looks at its characters is an error, because they are not known.
type Path struct {
	// Of is what people call the thing, as in "derivation.hello".
	Of string
}

type sensitive struct{}

// Sensitive is the mark of a value that must not reach the store.
var Sensitive = sensitive{}

// MarkPath marks a string as the path of something.
func MarkPath(text, of string) cty.Value { return cty.StringVal(text).Mark(Path{Of: of}) }

// Marks are what [Plain] took off a value.
type Marks struct {
	// Paths are the paths in it, sorted, each once.
	Paths []Path
	// Sensitive is set when any part was.
	Sensitive bool
}

// Plain takes all marks off a value that leaves the language: into a field of a
// derivation, the content of a file, an answer to the user.
//
// The marks do not decide what is an input of what: the text does, which the
// graph searches for placeholders. So a path that a conditional or a filter has
// dropped is no input, whatever marks the result still has; and no operation can
// take a placeholder apart, because those are refused as long as the mark is on.
func Plain(v cty.Value) (cty.Value, Marks) {
	if !v.ContainsMarked() {
		return v, Marks{}
	}
	plain, marks := v.Unmark()
	if !v.Type().IsPrimitiveType() {
		plain, marks = v.UnmarkDeep()
	}
	var m Marks
	for mark := range marks {
		switch mark := mark.(type) {
		case Path:
			m.Paths = append(m.Paths, mark)
		case sensitive:
			m.Sensitive = true
		}
	}
	slices.SortFunc(m.Paths, func(a, b Path) int {
		if a.Of < b.Of {
			return -1
		}
		return 1
	})
	return plain, m
}

// pathIn returns one of the paths in a value, the first by name.
func pathIn(v cty.Value) (Path, bool) {
	if !v.ContainsMarked() {
		return Path{}, false
	}
	_, m := Plain(v)
	if len(m.Paths) == 0 {
		return Path{}, false
	}
	return m.Paths[0], true
}

// unknownPath is the error of an operation that looks into a path.
func unknownPath(p Path, what string, rng diag.Range) diag.List {
	return diag.Errorf(rng, "Path not known yet",
		"The path of %s is not known before it is built, so %s. A path can be put into a string, a list or an object, and nothing else can be done with it.", p.Of, what)
}
