package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

// filtered writes text in pieces of some bytes.
func filtered(text string, piece int, colour bool) string {
	var out strings.Builder
	f := &terminalFilter{w: &out, colour: colour}
	for len(text) > 0 {
		n := min(piece, len(text))
		io.WriteString(f, text[:n])
		text = text[n:]
	}
	f.close()
	return out.String()
}

func TestTerminalFilter(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"text", "plain\ttext, größer €\n", "plain\ttext, größer €\n"},
		{"colour", "\x1b[1;38:5:9mred\x1b[m.", "\x1b[1;38:5:9mred\x1b[m.\x1b[0m"},
		{"cursor", "a\x1b[2Jb\x1b[10;1Hc\x1b[?25ld\x1b[6n", "abcd"},
		{"private m", "a\x1b[>4;1mb\x1b[ mc", "abc"},
		{"title", "a\x1b]0;title\x07b\x1b]2;t\x1b\\c", "abc"},
		{"endless title", "a\x1b]0;title\nb", "a\nb"},
		{"device strings", "a\x1bPq\x1b\\b\x1b_x\x1b\\c\x1b^x\x1b\\d", "abcd"},
		{"one letter", "a\x1bcb\x1b7c\x1b(0d", "abcd"},
		{"C1", "a\u009b2Jb\x9b2Jc\u0085d", "a2Jb\ufffd2Jcd"},
		{"controls", "a\x00\x07\x08\x0b\x0c\x7fb\x0e", "ab"},
		{"written over", "10%\r20%\r\n30%\r\r\n40%\r", "10%\n20%\n30%\n40%\n"},
		{"not UTF-8", "a\xff\xe2\x82", "a\ufffd\ufffd\ufffd"},
		{"direction", "a\u202eb\u2066c", "abc"},
		{"broken off", "a\x1b[31", "a"},
		{"an escape in one", "a\x1b[3\x1b[31mb\x1b\x1b[2J", "a\x1b[31mb\x1b[0m"},
		{"endless sequence", "a\x1b[" + strings.Repeat("1", maxEscape+2) + "b", "a11b"},
	} {
		for piece := 1; piece <= len(c.in); piece++ {
			if got := filtered(c.in, piece, true); got != c.want {
				t.Errorf("%s, by %d: got %q, want %q", c.name, piece, got, c.want)
				break
			}
		}
	}
	if got := filtered("\x1b[31mred\x1b[0m", 100, false); got != "red" {
		t.Errorf("without colour: %q", got)
	}
}

func FuzzTerminalFilter(f *testing.F) {
	f.Add("a\x1b[31mb\x1b]0;t\x07\r\n\xff€")
	harmless := regexp.MustCompile(`^(?:[^\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}]|\x1b\[[0-9;:]*m)*$`)
	f.Fuzz(func(t *testing.T, text string) {
		whole := filtered(text, len(text)+1, true)
		if !harmless.MatchString(whole) {
			t.Errorf("%q became %q", text, whole)
		}
		if got := filtered(text, 1, true); got != whole {
			t.Errorf("%q: by bytes %q, at once %q", text, got, whole)
		}
	})
}
