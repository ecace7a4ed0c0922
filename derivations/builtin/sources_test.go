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

func TestNames(t *testing.T) {
	for address, want := range map[string][2]string{
		"https://example.org/a/hello-2.12.tar.gz?x=1": {"hello-2.12.tar.gz", "hello-2.12"},
		"https://example.org/":                        {"_", "_"},
		"https://example.org/a%20b.zip":               {"a_b.zip", "a_b"},
		"https://example.org/.tar":                    {"tar", "tar"},
		"https://example.org/%":                       {"source", "source"},
	} {
		if got := [2]string{FileName(address), TreeName(FileName(address))}; got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
