package funcs

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func hasPrefix(s, t string) bool { return strings.HasPrefix(s, t) }
func hasSuffix(s, t string) bool { return strings.HasSuffix(s, t) }
func contains(s, t string) bool  { return strings.Contains(s, t) }

// predicate makes a function of a test of two texts.
func predicate(test func(s, t string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// textFunc makes a function of a mapping of texts.
func textFunc(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func basename(s string) (string, error) { return path.Base(s), nil }
func dirname(s string) (string, error)  { return path.Dir(s), nil }

// replaceFunc is Terraform's: a substring between slashes is a regular
// expression, whose groups the replacement may name.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "str", Type: cty.String},
		{Name: "substr", Type: cty.String},
		{Name: "replace", Type: cty.String},
	},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		str, sub, by := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(sub) > 1 && sub[0] == '/' && sub[len(sub)-1] == '/' {
			return replacePattern(str, sub[1:len(sub)-1], by)
		}
		if n := strings.Count(str, sub); n > 0 && len(by) > maxText/n {
			return cty.UnknownVal(cty.String), fmt.Errorf("the result would be longer than %d bytes", maxText)
		}
		return cty.StringVal(strings.ReplaceAll(str, sub, by)), nil
	},
})

func replacePattern(str, pattern, by string) (cty.Value, error) {
	re, err := regexp.Compile(pattern)
	switch {
	case err != nil:
		return cty.UnknownVal(cty.String), function.NewArgError(1, err)
	case len(str) > maxSearched:
		return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "text of %d bytes, at most %d can be searched", len(str), maxSearched)
	}
	matches := re.FindAllStringSubmatchIndex(str, maxElements+1)
	if len(matches) > maxElements {
		return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "more than %d matches", maxElements)
	}
	var out strings.Builder
	last := 0
	for _, m := range matches {
		out.WriteString(str[last:m[0]])
		out.Write(re.ExpandString(nil, by, str, m))
		last = m[1]
		if out.Len() > maxText {
			return cty.UnknownVal(cty.String), fmt.Errorf("the result would be longer than %d bytes", maxText)
		}
	}
	out.WriteString(str[last:])
	return cty.StringVal(out.String()), nil
}
