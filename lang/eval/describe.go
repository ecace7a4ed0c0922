package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// maxNoted bounds the names that an evaluation remembers for messages.
const maxNoted = 64

// seen is a name that was met, and what it stands for.
type seen struct {
	ref   syntax.Reference
	value cty.Value
}

// note remembers what a name stands for.
func (e *evaluator) note(c chain, v cty.Value) {
	if c.base != nil || c.static < len(c.steps) || len(e.seen) >= maxNoted {
		return
	}
	if _, known := e.noted(c.ref); !known {
		if e.seen == nil {
			const usual = 4
			e.seen = make([]seen, 0, usual)
		}
		e.seen = append(e.seen, seen{c.ref, v})
	}
}

// noted returns what a name stands for that was met.
func (e *evaluator) noted(ref syntax.Reference) (cty.Value, bool) {
	for _, s := range e.seen {
		if s.ref.Same(ref) {
			return s.value, true
		}
	}
	return cty.NilVal, false
}

// noteStart remembers what the part of a name stands for that its scope knows.
func (e *evaluator) noteStart(c chain, used int, v cty.Value) {
	if c.base == nil && used <= len(c.ref.Path) {
		c.ref.Path = c.ref.Path[:used]
		c.steps, c.static = c.steps[:used], used
		e.note(c, v)
	}
}

// values says what the names in node stand for, as far as they were met.
func (e *evaluator) values(node hclsyntax.Expression, l *local) []diag.Value {
	var out []diag.Value
	for _, t := range hclsyntax.Variables(node) {
		ref, used := syntax.MakeReference(t)
		v, ok := l.find(ref.Root)
		if ok {
			ref.Path, used = nil, len(t)
		} else {
			v, ok = e.noted(ref)
		}
		if !ok || used < len(t) || !v.IsKnown() {
			continue
		}
		value := diag.Value{Traversal: ref.String(), Statement: Describe(v)}
		if !slices.Contains(out, value) {
			out = append(out, value)
		}
	}
	slices.SortFunc(out, func(a, b diag.Value) int { return strings.Compare(a.Traversal, b.Traversal) })
	return out
}

// maxShown bounds a text in a message, in characters.
const maxShown = 60

// Describe says in a few words what a value is, as in `is "abc"` or `is an
// object with 2 attributes`. It shows nothing of sensitive values.
func Describe(v cty.Value) string {
	if v.IsMarked() || v.ContainsMarked() {
		_, m := Plain(v)
		switch {
		case m.Sensitive:
			return "has a sensitive value"
		case len(m.Paths) > 0 && v.Type() == cty.String:
			return "has the path of " + m.Paths[0].Of + " in it"
		}
		v, _ = v.UnmarkDeep()
	}
	ty := v.Type()
	switch {
	case v.IsNull():
		return "is null"
	case !v.IsKnown():
		return "is not known"
	case ty == cty.Bool:
		return "is " + strconv.FormatBool(v.True())
	case ty == cty.Number:
		return "is " + v.AsBigFloat().Text('g', 20)
	case ty == cty.String:
		text := []rune(v.AsString())
		if len(text) > maxShown {
			return fmt.Sprintf("is a string of %d characters, beginning with %q", len(text), string(text[:maxShown/2]))
		}
		return fmt.Sprintf("is %q", string(text))
	case ty.IsCapsuleType():
		return "is a " + ty.FriendlyName()
	}
	n := v.LengthInt()
	switch {
	case ty.IsObjectType():
		return fmt.Sprintf("is an object with %s", count(n, "attribute"))
	case ty.IsTupleType():
		return fmt.Sprintf("is a list with %s", count(n, "element"))
	}
	return fmt.Sprintf("is %s with %s", diag.WithArticle(ty.FriendlyName()), count(n, "element"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
