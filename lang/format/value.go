package format

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Value writes a value that is known and has no marks as an expression in the
// standard layout.
func Value(v cty.Value) string {
	text := hclwrite.Format(hclwrite.TokensForValue(v).Bytes())
	return string(bytes.TrimRight(text, "\n"))
}

// Text writes a text as an expression.
func Text(s string) string { return Value(cty.StringVal(s)) }

// Texts writes a list of texts as an expression.
func Texts(list []string) string {
	values := make([]cty.Value, len(list))
	for i, s := range list {
		values[i] = cty.StringVal(s)
	}
	return Value(cty.TupleVal(values))
}
