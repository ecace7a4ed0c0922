package shellword

import (
	"os/exec"
	"strings"
	"testing"
)

// FuzzQuote asks a real shell for the word.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "'", "''", `\`, `'\''`, "$(id)", "`id`", "a b\n\tc\r", "*", "~", "!x", "\x81\x88\xff", "é\u2028", "\x01\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.IndexByte(s, 0) >= 0 {
			t.Skip("no word of a shell")
		}
		script := "for word in " + Quote(s) + "; do printf '%s.' \"$word\"; done"
		cmd := exec.Command("/bin/sh", "-s")
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != s+"." {
			t.Errorf("%q: got %q, %v", s, out, err)
		}
	})
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "_": true, "A_1": true, "if": true,
		"": false, "1": false, "1a": false, "a-b": false, "a b": false, "a=b": false, "é": false, "a\n": false, "a[0]": false, "$a": false,
	} {
		if IsName(name) != want {
			t.Errorf("IsName(%q) is %t", name, !want)
		}
	}
}
