package systems_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// apply applies the hunks of a unified diff, trusting nothing but the lines.
func apply(t *rapid.T, old string, diff []string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(old, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	var out []string
	at := 0
	for _, d := range diff {
		if strings.HasPrefix(d, "@@") {
			var start int
			if _, err := fmt.Sscanf(d, "@@ -%d", &start); err != nil {
				t.Fatalf("hunk %q: %v", d, err)
			}
			for at < start-1 {
				out = append(out, lines[at])
				at++
			}
			continue
		}
		text := d[1:]
		switch d[0] {
		case '+':
			out = append(out, text)
		case '-', ' ':
			if lines[at] != text {
				t.Fatalf("line %d is %q, the diff has %q", at, lines[at], text)
			}
			if d[0] == ' ' {
				out = append(out, text)
			}
			at++
		}
	}
	out = append(out, lines[at:]...)
	return strings.Join(out, "\n") + "\n"
}
