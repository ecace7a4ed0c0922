package syntax

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestElementRanges writes where elements stand as their texts.
func TestElementRanges(t *testing.T) {
	for _, test := range []struct {
		expr string
		n    int
		want string // texts with | between, "" for nil
	}{
		{`["a", b]`, 2, `"a"|b`},
		{`(["a", b])`, 2, `"a"|b`},
		{`["a", b]`, 3, ""},
		{`x`, 2, ""},
		{`concat(["a"], ["b", "c"])`, 3, `"a"|"b"|"c"`},
		{`concat(["a"], x, ["c"])`, 4, `"a"|x|x|"c"`},
		{`concat(["a"], x, ["c"])`, 2, `"a"|"c"`},
		{`concat(["a"], x, ["c"])`, 1, ""},
		{`concat(["a"], x, ["c"], y, ["e"])`, 5, `"a"|x, ["c"], y|x, ["c"], y|x, ["c"], y|"e"`},
		{`concat(x, concat(["a"], y))`, 2, `x, concat(["a"], y)|x, concat(["a"], y)`},
		{`concat(["a"], concat(["b"], y))`, 3, `"a"|"b"|y`},
		{`concat(["a"], x...)`, 2, ""},
		{`concat(["a"])`, 2, ""},
		{`c ? ["a"] : []`, 1, `"a"`},
		{`c ? [] : ["a", "b"]`, 2, `"a"|"b"`},
		{`c ? ["a"] : ["b"]`, 1, ""},
		{`c ? x : ["b"]`, 2, ""},
		{`c ? concat(["a"], x) : ["b"]`, 2, `"a"|x`},
		{`concat(["a"], c ? ["b"] : [])`, 2, `"a"|"b"`},
		{`[for x in ["a", "b"] : upper(x)]`, 2, `"a"|"b"`},
		{`[for x in ["a", "b"] : x if x != "a"]`, 1, ""},
		{`[for x in y : x]`, 2, ""},
		{`tolist(["a", "b"])`, 2, `"a"|"b"`},
		{`toset(["b", "a"])`, 2, ""},
		{`concat(x, [])`, 0, ""},
	} {
		x, diags := ParseExpression([]byte(test.expr), "t")
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		var got []string
		for _, r := range x.ElementRanges(test.n) {
			got = append(got, test.expr[r.Start.Byte:r.End.Byte])
		}
		if diff := cmp.Diff(test.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%s with %d, -want +got:\n%s", test.expr, test.n, diff)
		}
	}
}
