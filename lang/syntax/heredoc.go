package syntax

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// longHeredoc is the number of lines from which on a heredoc is parsed here.
// The HCL parser joins the lines of a heredoc one by one, which is quadratic:
// 64,000 lines take it half a minute.
const longHeredoc = 256

// extractHeredocs parses the long heredocs of a text and returns the text with
// each of them replaced by an expression in parentheses, of the same length and
// with the same line ends, so that no position changes. The map has the parsed
// ones by the offset of their first byte; [finish] puts them in.
func extractHeredocs(src []byte, name string, tokens hclsyntax.Tokens) ([]byte, map[int]hclsyntax.Expression, diag.List) {
	var (
		out      = src
		heredocs map[int]hclsyntax.Expression
		diags    diag.List
		open     []hereStart
	)
	for i, tok := range tokens {
		switch tok.Type {
		case hclsyntax.TokenOHeredoc:
			open = append(open, hereStart{index: i})
		case hclsyntax.TokenStringLit:
			if len(open) > 0 {
				open[len(open)-1].lines++
			}
		case hclsyntax.TokenCHeredoc:
			if len(open) == 0 {
				continue
			}
			h := open[len(open)-1]
			open = open[:len(open)-1]
			if h.lines < longHeredoc {
				continue
			}
			if heredocs == nil {
				out = bytes.Clone(src)
				heredocs = map[int]hclsyntax.Expression{}
			}
			// Inner heredocs are closed, and so replaced, before outer ones.
			expr, exprDiags := parseTemplateTokens(out, name, tokens[h.index+1:i], tokens[h.index], tok)
			diags = append(diags, exprDiags...)
			from, to := tokens[h.index].Range.Start.Byte, tok.Range.End.Byte
			heredocs[from] = expr
			blankOut(out[from:to])
		}
	}
	return out, heredocs, diags
}

type hereStart struct {
	index, lines int
}

// blankOut overwrites a heredoc with "(0", white space and ")". The shortest
// heredoc has the five bytes "<<E\nE".
func blankOut(text []byte) {
	for i, c := range text {
		if c != '\n' {
			text[i] = ' '
		}
	}
	copy(text, "(0")
	text[len(text)-1] = ')'
}
