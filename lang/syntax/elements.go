package syntax

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// ElementRanges returns where each element of a list stands, whose value is known
// to have n: the element itself where the text shows it, or else the part of the
// expression that makes it. It is nil where nothing but the whole expression can be
// named. Lists are looked into, and what puts lists together: concat, conditionals
// of which one side has that many, and for expressions over lists.
func (e *Expr) ElementRanges(n int) []diag.Range {
	switch t := inner(e.Node()).(type) {
	case *hclsyntax.TupleConsExpr:
		if len(t.Exprs) != n {
			return nil
		}
		out := make([]diag.Range, n)
		for i, x := range t.Exprs {
			out[i] = e.Child(x).Range()
		}
		return out
	case *hclsyntax.FunctionCallExpr:
		switch {
		case t.ExpandFinal:
		case t.Name == "concat":
			return e.concatenated(t.Args, n)
		case t.Name == "tolist" && len(t.Args) == 1:
			return e.Child(t.Args[0]).ElementRanges(n)
		}
	case *hclsyntax.ConditionalExpr:
		yes, no := e.Child(t.TrueResult), e.Child(t.FalseResult)
		yesCount, yesKnown := yes.elementCount()
		noCount, noKnown := no.elementCount()
		switch {
		case yesKnown && noKnown && yesCount != noCount && yesCount == n, noKnown && noCount != n:
			return yes.ElementRanges(n)
		case yesKnown && noKnown && yesCount != noCount && noCount == n, yesKnown && yesCount != n:
			return no.ElementRanges(n)
		}
	case *hclsyntax.ForExpr:
		over := e.Child(t.CollExpr)
		if t.KeyExpr != nil || t.CondExpr != nil {
			return nil
		}
		if count, known := over.elementCount(); known && count == n {
			return over.ElementRanges(n)
		}
	}
	return nil
}

// elementCount returns how many elements a list has, if the text shows it.
func (e *Expr) elementCount() (n int, known bool) {
	switch t := inner(e.Node()).(type) {
	case *hclsyntax.TupleConsExpr:
		return len(t.Exprs), true
	case *hclsyntax.FunctionCallExpr:
		if t.Name != "concat" || t.ExpandFinal {
			return 0, false
		}
		for _, a := range t.Args {
			count, known := e.Child(a).elementCount()
			if !known {
				return 0, false
			}
			n += count
		}
		return n, true
	}
	return 0, false
}

// concatenated returns where the n elements are that a call of concat gives. Of one
// argument the number of elements need not be known; where it is of several, those
// between the first and the last of these are somewhere in there.
func (e *Expr) concatenated(args []hclsyntax.Expression, n int) []diag.Range {
	counts := make([]int, len(args))
	first, last, rest := -1, -1, n
	for i, a := range args {
		count, known := e.Child(a).elementCount()
		if known {
			counts[i] = count
			rest -= count
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if rest < 0 || first < 0 && rest > 0 {
		return nil
	}
	var out []diag.Range
	for i := 0; i < len(args); i++ {
		part := e.Child(args[i])
		switch {
		case i != first:
			out = append(out, part.ranges(counts[i])...)
		case first == last:
			out = append(out, part.ranges(rest)...)
		default:
			between := rest
			for _, count := range counts[first:last] {
				between += count
			}
			whole := part.Range()
			whole.End = e.Child(args[last]).Range().End
			out = append(out, slices.Repeat([]diag.Range{whole}, between)...)
			i = last
		}
	}
	return out
}

// ranges is [Expr.ElementRanges], with the whole expression where that knows no
// better.
func (e *Expr) ranges(n int) []diag.Range {
	if out := e.ElementRanges(n); out != nil {
		return out
	}
	return slices.Repeat([]diag.Range{e.Range()}, n)
}
