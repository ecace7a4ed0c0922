package builtin

import (
	"strings"
	"testing"

	"sysc/store"
)

func TestObjectName(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"a.c", "a.c"}, {".hidden", "hidden"}, {"", "source"}, {"...", "source"}, {"a b/ü", "a_b__"},
		{strings.Repeat("x", 500), strings.Repeat("x", store.MaxNameLen)},
	} {
		got := ObjectName(tt.in)
		if got != tt.want || store.CheckName(got) != nil {
			t.Errorf("ObjectName(%.20q) = %.20q, want %.20q", tt.in, got, tt.want)
		}
	}
}
