package funcs

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// uuidNamespaces are those of RFC 4122, appendix C. Never written to.
var uuidNamespaces = map[string]string{
	"dns":  "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
	"url":  "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
	"oid":  "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
	"x500": "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}

// uuidV5Func makes a name-based UUID (RFC 4122, section 4.3).
var uuidV5Func = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "namespace", Type: cty.String}, {Name: "name", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		space := args[0].AsString()
		if known, ok := uuidNamespaces[space]; ok {
			space = known
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(space, "-", ""))
		if err != nil || len(raw) != 16 || len(space) != 36 {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "the namespace is one of \"dns\", \"url\", \"oid\" and \"x500\", or a UUID")
		}
		sum := sha1.Sum(append(raw, args[1].AsString()...))
		id := sum[:16]
		id[6] = id[6]&0x0f | 0x50
		id[8] = id[8]&0x3f | 0x80
		return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])), nil
	},
})
