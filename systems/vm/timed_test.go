package vm

import (
	"regexp"
	"strings"
	"testing"
)

// TestTimedWriter: each line has the time of its beginning, once.
func TestTimedWriter(t *testing.T) {
	var out strings.Builder
	w := NewTimedWriter(&out)
	for _, text := range []string{"a\nb", "c\n", "", "\nd"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	const time = ` +0\.\d\d `
	if want := regexp.MustCompile("^" + time + "a\n" + time + "bc\n" + time + "\n" + time + "d$"); !want.MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
}
