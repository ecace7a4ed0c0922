package funcs

import (
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// timeCmpFunc compares two timestamps (RFC 3339): -1, 0 or 1.
var timeCmpFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "timestamp_a", Type: cty.String}, {Name: "timestamp_b", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var at [2]time.Time
		for i, a := range args {
			var err error
			if at[i], err = time.Parse(time.RFC3339, a.AsString()); err != nil {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(i, "not a timestamp as in \"2026-11-30T12:00:00Z\" (RFC 3339)")
			}
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	},
})
