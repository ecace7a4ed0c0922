package syntax

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// A File is one text in the native syntax, for those who look at how it is
// written: package format, and the linter.
type File struct {
	// Name is what ranges call it, and Source its bytes.
	Name   string
	Source []byte
	Body   *Body
	// Root is the syntax tree, and Tokens what it was made of. They are for packages
	// below lang only, and not to be changed.
	Root   *hclsyntax.Body
	Tokens hclsyntax.Tokens
}

// ParseFile reads one text, within the limits of definitions. The file is nil when
// there are errors.
func ParseFile(src []byte, name string) (*File, diag.List) {
	f := &source{name: name, src: src}
	root, diags := f.parse()
	if root == nil || diags.HasErrors() {
		return nil, diags
	}
	tokens, _ := hclsyntax.LexConfig(src, name, startPos) // has been parsed
	return &File{Name: name, Source: src, Body: f.body(root, nil), Root: root, Tokens: tokens}, diags
}
