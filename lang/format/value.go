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
