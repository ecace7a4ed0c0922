// Package format writes definitions in the one layout that everybody uses. It
// changes how a text looks and never what it says: the blocks, arguments,
// comments and strings of the result are those of the source, which is checked
// for every text.
//
// The layout is that of the HCL library, which Terraform has, too: two spaces for
// each level, equals signs and comments of neighbouring lines below one another.
// Beyond it
//
//   - labels are quoted: block name { becomes block "name" {
//   - an interpolation that is a whole value is unwrapped: "${x}" becomes x
//   - comments do not end in white space
//   - a file ends in one newline, and has no byte order mark
//
// Line ends stay as they are, and so does the order of everything.
package format

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// maxPasses is how often a text is laid out until nothing changes. One pass is
// enough but for comments in odd places.
const maxPasses = 8

// Source lays a text in the native syntax out. name is what diagnostics call it. A
// text that cannot be parsed, or exceeds the limits of package syntax, has no
// result; the errors say why. src is never changed.
func Source(src []byte, name string) ([]byte, diag.List) {
	f, diags := syntax.ParseFile(src, name)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, edits := range [][]edit{append(values(f), spelling(f)...), spelling(f)} {
		if text, ok := layout(apply(src, edits), name); ok {
			return text, diags
		}
	}
	return nil, append(diags, diag.Errorf(diag.Range{}, "Cannot format",
		"Another layout would change what %s says, as where a number stands between dots. It is left as it is.", name)...)
}

// layout changes the white space of a text until nothing changes any more. ok is
// false when that would make another text of it.
func layout(text []byte, name string) (out []byte, ok bool) {
	f, diags := syntax.ParseFile(text, name)
	if diags.HasErrors() {
		return nil, false
	}
	out = text
	for range maxPasses {
		next := hclwrite.Format(out)
		if bytes.Equal(next, out) {
			return out, sameTokens(f.Tokens, lex(out, name))
		}
		out = next
	}
	return nil, false
}

func lex(text []byte, name string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(text, name, startPos)
	return tokens
}

// sameTokens reports whether two texts differ in white space at most.
func sameTokens(a, b hclsyntax.Tokens) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || !bytes.Equal(a[i].Bytes, b[i].Bytes) {
			return false
		}
	}
	return true
}
