package syntax

import "github.com/hashicorp/hcl/v2/hclsyntax"

// GoesOn reports whether an expression is not complete at the end of a text: a
// bracket, a text in quotes or a heredoc is open. A text beyond the limits of a
// definition does not go on.
func GoesOn(src []byte) bool {
	f := &source{name: "expression", src: src}
	if f.checkBytes().HasErrors() {
		return false
	}
	tokens, _ := hclsyntax.LexExpression(src, f.name, startPos) // the parser says what is wrong
	open := 0
	for _, tok := range tokens {
		switch tok.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			open++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			open--
		}
	}
	return open > 0
}
