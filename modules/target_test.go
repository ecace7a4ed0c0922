package modules

import "testing"

func TestSplitKey(t *testing.T) {
	blocks := []string{"m", "m.n", "a"}
	for _, c := range []struct {
		name, block, key string
		keyed            bool
	}{
		{"m", "m", "", false},
		{"m.n", "m.n", "", false},
		{`m["key"]`, "m", "key", true},
		{`m["a\"b"]`, "m", `a"b`, true},
		{"m[key]", "m", "key", true},
		{"m[]", "m", "", true},
		{"m.key", "m", "key", true},
		{"m.n.key", "m.n", "key", true},
		{"m.n[key]", "m.n", "key", true},
		{`m["key]`, `m["key]`, "", false},
		{"m[key", "m[key", "", false},
		{"m.", "m.", "", false},
		{"mm", "mm", "", false},
		{"b[key]", "b[key]", "", false},
	} {
		block, key, keyed := splitKey(c.name, blocks)
		if block != c.block || key != c.key || keyed != c.keyed {
			t.Errorf("splitKey(%q) = %q, %q, %v; want %q, %q, %v", c.name, block, key, keyed, c.block, c.key, c.keyed)
		}
	}
}
