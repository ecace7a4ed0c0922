package syntax

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// Format returns a text in the canonical style: two spaces for each level, equals
// signs of neighbouring lines below one another, no blanks at the ends of lines, a
// newline at the end. It changes blanks only. A text that cannot be parsed is
// returned as it is, with what is wrong.
func Format(src []byte, name string) ([]byte, diag.List) {
	if _, diags := (&source{name: name, src: src}).parse(); diags.HasErrors() {
		return src, diags
	}
	out := hclwrite.Format(src)
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, nil
	}
	return append(bytes.TrimRight(out, " \t\r\n"), '\n'), nil
}

// FormatValue writes a value that is known and has no marks as an expression in the
// canonical style.
func FormatValue(v cty.Value) string {
	text := hclwrite.Format(hclwrite.TokensForValue(v).Bytes())
	return string(bytes.TrimRight(text, "\n"))
}
