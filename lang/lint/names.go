package lint

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// everywhere are the first words of names that every block but a function knows.
var everywhere = []string{"var", "local", "input", "pkg", "derivation", "environment", "module", "path"}

// known returns the words that are known in a block at the top.
func known(top *syntax.Block) []string {
	switch top.Type {
	case "function":
		return nil
	case "config", "system", "home", "assert", "test":
		return slices.Concat(everywhere, []string{"config", "option", "system", "home"}, each(top))
	case "option":
		return slices.Concat(everywhere, []string{"config", "option", "system", "home", "self", "parent"})
	}
	return slices.Concat(everywhere, each(top))
}

func each(top *syntax.Block) []string {
	if top.Body.Attr("for_each") != nil {
		return []string{"each"}
	}
	return nil
}

// shadowedNames finds names of for and dynamic that hide others.
func (r *run) shadowedNames() {
	expressions(r.blocks(), func(e *syntax.Expr, top *syntax.Block) {
		r.shadowing(e.Node(), known(top))
	})
	for _, top := range r.blocks() {
		r.iterators(top.Body, known(top))
	}
}

// shadowing goes through an expression, where words are known already.
func (r *run) shadowing(n hclsyntax.Node, words []string) {
	// The walker has no errors of its own.
	_ = hclsyntax.Walk(n, &forWalker{run: r, words: [][]string{words}})
}

// A forWalker knows at each node which words are known there.
type forWalker struct {
	run   *run
	words [][]string
}

// Enter looks at a for, and notes which words its parts know.
func (w *forWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	words := w.words[len(w.words)-1]
	switch n := n.(type) {
	case *hclsyntax.ForExpr:
		at := rangeOf(n)
		at.End = diag.Pos(n.CollExpr.StartRange().Start)
		for _, name := range []string{n.KeyVar, n.ValVar} {
			if name != "" && slices.Contains(words, name) {
				w.run.found(shadowedName, at, "Hidden name",
					"In this for expression, %s is an element and no longer what it means outside. Give the element another name.", name)
			}
		}
	case hclsyntax.ChildScope:
		words = slices.Concat(words, slices.Sorted(maps.Keys(n.LocalNames)))
	}
	w.words = append(w.words, words)
	return nil
}

// Exit forgets them.
func (w *forWalker) Exit(hclsyntax.Node) hcl.Diagnostics {
	w.words = w.words[:len(w.words)-1]
	return nil
}

// iterators looks at dynamic blocks.
func (r *run) iterators(body *syntax.Body, words []string) {
	for _, b := range body.Blocks {
		inside := words
		if b.Type == "dynamic" {
			if d, _ := lang.ParseDynamic(b); d != nil {
				name, at := d.Iterator()
				if slices.Contains(words, name) {
					r.found(shadowedName, at, "Hidden name",
						"In the content of this block, %s is the element that it is at, and no longer what it means outside. Give the iterator another name, as in\n\n  iterator = it", name)
				}
				inside = append(words[:len(words):len(words)], name)
			}
		}
		r.iterators(b.Body, inside)
	}
}
