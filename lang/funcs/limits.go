package funcs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"sysc/internal/lazyregexp"
)

// Limits of what functions make out of small arguments.
const (
	maxText       = 64 << 20 // bytes of a result
	maxElements   = 200_000  // of a list made by one call
	maxWidth      = 10_000   // of one formatted value, in characters
	maxNumberText = 4096     // characters of a text that is read as a number
	maxSearched   = 4 << 20  // bytes of a text that regular expressions search
	maxDecoded    = 2 << 20  // bytes of JSON and CSV
	maxJSONDepth  = 200
	maxExponent   = 4096 // of numbers read from text, as a power of two
)

// guarded returns f with a check of the arguments in front. It finds the type of the
// result once, with the result: the arguments are known.
func guarded(f function.Function, check func(args []cty.Value) error) function.Function {
	spec := &function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.DynamicPseudoType, check(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	}
	return function.New(spec)
}

// text returns the string in v, without marks, and "" for what is none.
func text(v cty.Value) string {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// boundedText bounds all texts among the arguments.
func boundedText(f function.Function, limit int) function.Function {
	return guarded(f, func(args []cty.Value) error {
		for i, a := range args {
			if len(text(a)) > limit {
				return function.NewArgErrorf(i, "text of %d bytes, at most %d can be handled here", len(text(a)), limit)
			}
		}
		return nil
	})
}

var (
	formatVerb   = lazyregexp.New(`%[-+ #0]*(?:\[\d+\])?(\d*|\*)(?:\.(\d*|\*))?`)
	numberVerb   = lazyregexp.New(`%[-+ #0]*(?:\[\d+\])?[\d*]*(?:\.[\d*]*)?(?:\[\d+\])?[bdoxXeEfFgG]`)
	exponentForm = lazyregexp.New(`^\s*[-+]?[0-9.]+[eEpP][-+]?[0-9]+\s*$`)
)

// boundedFormat bounds the width and precision in a format, and the numbers that
// it has to write out.
func boundedFormat(f function.Function) function.Function {
	return guarded(f, func(args []cty.Value) error {
		format := text(args[0])
		for _, m := range formatVerb().FindAllStringSubmatch(format, -1) {
			for _, n := range m[1:] {
				if n == "" || n == "*" {
					continue
				}
				if width, err := strconv.Atoi(n); err != nil || width > maxWidth {
					return function.NewArgErrorf(0, "a width of %s, at most %d is allowed", n, maxWidth)
				}
			}
		}
		stars, numbers := strings.Contains(format, "*"), numberVerb().MatchString(format)
		total := len(format)
		for i, a := range args[1:] {
			total += len(text(a))
			if err := formatArg(a, stars, numbers); err != nil {
				return function.NewArgError(i+1, err)
			}
		}
		if total > maxText {
			return function.NewArgErrorf(0, "a text of %d bytes, at most %d is allowed", total, maxText)
		}
		return nil
	})
}

func formatArg(v cty.Value, stars, numbers bool) error {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	switch {
	case v.Type() == cty.Number && stars:
		if width, _ := v.AsBigFloat().Float64(); width > maxWidth || width < -maxWidth {
			return fmt.Errorf("beside a * in the format, numbers lie between -%d and %d", maxWidth, maxWidth)
		}
	case v.Type() == cty.String && numbers:
		return checkNumberText(v.AsString())
	case v.Type().IsListType() || v.Type().IsTupleType() || v.Type().IsSetType():
		for it := v.ElementIterator(); it.Next(); {
			_, elem := it.Element()
			if elem, _ = elem.Unmark(); elem.Type().IsPrimitiveType() {
				if err := formatArg(elem, stars, numbers); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkNumberText reports a text that would be a number out of range.
func checkNumberText(s string) error {
	if !exponentForm().MatchString(s) {
		return nil
	}
	if len(s) > maxNumberText {
		return fmt.Errorf("number of %d characters", len(s))
	}
	num, err := convert.Convert(cty.StringVal(s), cty.Number)
	if err != nil {
		return nil
	}
	if exp := num.AsBigFloat().MantExp(nil); exp > maxExponent || exp < -maxExponent {
		return fmt.Errorf("number out of range")
	}
	return nil
}

func boundedToNumber() function.Function {
	return guarded(stdlib.MakeToFunc(cty.Number), func(args []cty.Value) error {
		if len(text(args[0])) > maxNumberText {
			return function.NewArgErrorf(0, "number of %d characters", len(text(args[0])))
		}
		if err := checkNumberText(text(args[0])); err != nil {
			return function.NewArgError(0, err)
		}
		return nil
	})
}

func boundedJoin() function.Function {
	return guarded(stdlib.JoinFunc, func(args []cty.Value) error {
		sep, total := len(text(args[0])), 0
		for _, list := range args[1:] {
			list, _ := list.Unmark()
			if list.IsNull() || !list.IsKnown() {
				continue
			}
			for it := list.ElementIterator(); it.Next(); {
				_, elem := it.Element()
				total += sep + len(text(elem))
			}
		}
		if total > maxText {
			return fmt.Errorf("a text of %d bytes, at most %d is allowed", total, maxText)
		}
		return nil
	})
}

func boundedIndent() function.Function {
	return guarded(stdlib.IndentFunc, func(args []cty.Value) error {
		n, _ := args[0].Unmark()
		if n.IsNull() || !n.IsKnown() {
			return nil
		}
		spaces, _ := n.AsBigFloat().Float64()
		if spaces < 0 || spaces > maxWidth {
			return function.NewArgErrorf(0, "an indentation lies between 0 and %d", maxWidth)
		}
		if strings.Count(text(args[1]), "\n")*int(spaces) > maxText {
			return function.NewArgErrorf(0, "the result would be longer than %d bytes", maxText)
		}
		return nil
	})
}

func boundedSplit() function.Function {
	return guarded(stdlib.SplitFunc, func(args []cty.Value) error {
		if strings.Count(text(args[1]), text(args[0])) > maxElements {
			return function.NewArgErrorf(1, "more than %d parts", maxElements)
		}
		return nil
	})
}

// boundedMatches is regexall with a bound for what it finds.
func boundedMatches() function.Function {
	return guarded(boundedText(stdlib.RegexAllFunc, maxDecoded), func(args []cty.Value) error {
		searched := text(args[1])
		if len(searched) <= maxElements {
			return nil
		}
		re, err := regexp.Compile(text(args[0]))
		if err != nil {
			return nil // the function says so
		}
		if len(re.FindAllStringIndex(searched, maxElements+1)) > maxElements {
			return function.NewArgErrorf(1, "more than %d matches", maxElements)
		}
		return nil
	})
}

func boundedProduct() function.Function {
	return guarded(stdlib.SetProductFunc, func(args []cty.Value) error {
		total := 1
		for _, a := range args {
			a, _ := a.Unmark()
			if a.IsNull() || !a.IsKnown() || !a.CanIterateElements() {
				return nil
			}
			n := a.LengthInt()
			if n > 0 && total > maxElements/n {
				return fmt.Errorf("the product has more than %d elements", maxElements)
			}
			total *= n
		}
		return nil
	})
}
