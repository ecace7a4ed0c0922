package derivations

import (
	"strings"

	"sysc/store"
)

// Readable returns a text of a derivation for people: with "…" in place of the ids of
// store paths and placeholders, which say nothing to them and are others after each
// change of what they name.
func Readable(text string) string {
	var out strings.Builder
	done := 0
	eachPath(text, func(at int) {
		out.WriteString(text[done:at])
		out.WriteString("…")
		done = at + store.IDLen
	})
	return out.String() + text[done:]
}
