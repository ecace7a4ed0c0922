// Package funcs is the functions that expressions can call.
//
// They have Terraform's names and behaviour, where Terraform has them, and no
// clock, no random, no environment and no network. Those that could be made to
// take all memory or time by small arguments are held to limits. Functions that
// read files see the module's directory only; functions that make store objects
// or derivations add them to a graph and return a path, and nothing is built.
//
// [Table] returns all of them for one module.
package funcs

import (
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"sysc/derivations"
	"sysc/internal/readlog"
	"sysc/lang/eval"
)

// A Module is what functions know of the module that they are called in.
type Module struct {
	// Dir is its directory, "" when it has none and no file can be read.
	Dir string
	// Graph is where derivations and sources are added; nil makes the functions
	// that need it errors.
	Graph *derivations.Graph
	// Platform is "linux/amd64" and the like.
	Platform string
	// Prefix stands before names of files in messages.
	Prefix string
	// Reads, when not nil, notes which files are read. All reading goes through it.
	Reads *readlog.Log
	// Rendered, when not nil, is called with the text of each template that is
	// rendered, so that its lines can be shown in messages.
	Rendered func(name string, src []byte)
}

// Table returns the functions of a module by name. try and can are not among
// them: they belong to the evaluator.
func Table(m Module) map[string]*eval.Function {
	t := map[string]*eval.Function{}
	for name, f := range numberFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	for name, f := range stringFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	for name, f := range encodingFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	for name, f := range yamlFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	for name, f := range networkFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	for name, f := range collectionFunctions() {
		t[name] = &eval.Function{Impl: f, KeepsPaths: true}
	}
	for name, f := range opaqueFunctions() {
		t[name] = &eval.Function{Impl: f, KeepsPaths: true}
	}
	for name, f := range comparingFunctions() {
		t[name] = &eval.Function{Impl: f}
	}
	maps.Copy(t, markFunctions())
	maps.Copy(t, fileFunctions(m))
	maps.Copy(t, storeFunctions(m))
	maps.Copy(t, refusedFunctions())
	return t
}

// opaqueFunctions make texts of texts, and conversions, without looking into
// them. JSON writes the characters of a path as they are.
func opaqueFunctions() map[string]function.Function {
	return map[string]function.Function{
		"format":     boundedFormat(stdlib.FormatFunc),
		"formatlist": boundedFormat(stdlib.FormatListFunc),
		"join":       boundedJoin(),
		"jsonencode": stdlib.JSONEncodeFunc,
		"tobool":     stdlib.MakeToFunc(cty.Bool),
		"tonumber":   boundedToNumber(),
		"tostring":   stdlib.MakeToFunc(cty.String),
		"tolist":     stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"toset":      stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tomap":      stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	}
}

func numberFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      stdlib.LogFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": boundedText(stdlib.ParseIntFunc, maxNumberText),
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,
		"sum":      sumFunc,
	}
}

func stringFunctions() map[string]function.Function {
	return map[string]function.Function{
		"chomp":       stdlib.ChompFunc,
		"endswith":    predicate(hasSuffix),
		"formatdate":  stdlib.FormatDateFunc,
		"indent":      boundedIndent(),
		"lower":       stdlib.LowerFunc,
		"regex":       boundedText(stdlib.RegexFunc, maxSearched),
		"regexall":    boundedMatches(),
		"replace":     replaceFunc,
		"split":       boundedSplit(),
		"startswith":  predicate(hasPrefix),
		"strcontains": predicate(contains),
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"timeadd":     stdlib.TimeAddFunc,
		"timecmp":     timeCmpFunc,
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  stdlib.TrimSuffixFunc,
		"upper":       stdlib.UpperFunc,
		"basename":    textFunc(basename),
		"dirname":     textFunc(dirname),
	}
}

// collectionFunctions hand on elements as they are.
func collectionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"chunklist":    stdlib.ChunklistFunc,
		"coalesce":     coalesceFunc,
		"coalescelist": stdlib.CoalesceListFunc,
		"concat":       stdlib.ConcatFunc,
		"element":      stdlib.ElementFunc,
		"flatten":      stdlib.FlattenFunc,
		"keys":         stdlib.KeysFunc,
		"length":       lengthFunc,
		"lookup":       lookupFunc,
		"merge":        stdlib.MergeFunc,
		"one":          oneFunc,
		"reverse":      stdlib.ReverseListFunc,
		"setproduct":   boundedProduct(),
		"slice":        stdlib.SliceFunc,
		"values":       stdlib.ValuesFunc,
		"zipmap":       stdlib.ZipmapFunc,
		"setunion":     stdlib.SetUnionFunc,
		"distinct":     distinctFunc,
	}
}

// comparingFunctions look at the elements.
func comparingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue":         allTrueFunc,
		"anytrue":         anyTrueFunc,
		"compact":         stdlib.CompactFunc,
		"contains":        stdlib.ContainsFunc,
		"index":           indexFunc,
		"matchkeys":       matchKeysFunc,
		"range":           stdlib.RangeFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"sort":            stdlib.SortFunc,
		"transpose":       transposeFunc,
	}
}
