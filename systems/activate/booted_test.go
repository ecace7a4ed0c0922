package activate

import (
	"testing"

	"sysc/systems/generation"
)

func TestBootedBy(t *testing.T) {
	for line, want := range map[string]generation.Number{
		"":                                      0,
		"quiet sysc.generation=12 console=x":    12,
		"sysc.generation=1 sysc.generation=2\n": 2,
		"sysc.generation=0":                     0,
		"sysc.generation=07":                    0,
		"xsysc.generation=3":                    0,
	} {
		if got := bootedBy(line); got != want {
			t.Errorf("%q: generation %d, want %d", line, got, want)
		}
	}
	if got := Booted(t.TempDir()); got != 0 {
		t.Errorf("a directory runs generation %d", got)
	}
}
