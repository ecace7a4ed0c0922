// Package shellword writes words that a POSIX shell (POSIX.1-2017, XCU 2) reads.
package shellword

import "strings"

// Quote returns one word of a shell that stands for s, byte for byte. s must not
// hold a NUL, which no word can.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// IsName reports whether s can name a variable in every shell (XBD 3.235): letters,
// digits and _, not beginning with a digit.
func IsName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
